"""Planted incidents: what goes wrong in the shop, and when.

A board is one small JSON file that the shop reads: when the demo began, and what a person switched on or off by hand. Which incidents are on follows from that
and the time alone. Schedule, in seconds since the start, every 300 s again:

* ``payment_errors`` 20-75: the card network refuses three of five charges; payment answers 500 with an exception, web 502;
* ``slow_inventory`` 110-160: stock look-ups take 0.8 to 2.2 s;
* ``broken_mail_format`` 190-235: a comma is missing in what mail logs, so its lines are no JSON any more;
* ``silent_cart`` 255-290: cart answers, and logs nothing.

``python -m sandbox.incidents --home data status``, ``... start slow_inventory --for 60``, ``... stop slow_inventory`` are for people.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, get_args

import click
import msgspec
import orjson

from tailrace.clock import US_PER_S, Clock, SystemClock
from tailrace.durable import make_folders, replace_file
from tailrace.errors import FileError, UsageError, nearest

Incident = Literal["payment_errors", "slow_inventory", "broken_mail_format", "silent_cart"]
INCIDENTS: Final[tuple[Incident, ...]] = get_args(Incident)
EVERY_S: Final = 300
SCHEDULE: Final[Mapping[Incident, tuple[int, int]]] = MappingProxyType(
    {"payment_errors": (20, 75), "slow_inventory": (110, 160), "broken_mail_format": (190, 235), "silent_cart": (255, 290)}
)
MEANINGS: Final[Mapping[Incident, str]] = MappingProxyType(
    {
        "payment_errors": "payment: the card network refuses charges; errors with an exception, and failed checkouts",
        "slow_inventory": "inventory: look-ups take 0.8 to 2.2 s",
        "broken_mail_format": "mail: its log lines are no JSON any more",
        "silent_cart": "cart: logs nothing",
    }
)
READ_EVERY_S: Final = 0.5


class Board(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When it began, and what was switched by hand: until when (microseconds) an incident is on, or off, whatever the schedule says."""

    began_us: int
    scheduled: bool = True
    on_until_us: dict[Incident, int] = {}
    off_until_us: dict[Incident, int] = {}

    def active(self, now_us: int) -> frozenset[Incident]:
        """Answer which incidents are on."""
        return frozenset(name for name in INCIDENTS if self._is_on(name, now_us))

    def _is_on(self, name: Incident, now_us: int) -> bool:
        if now_us < self.on_until_us.get(name, 0):
            return True
        if now_us < self.off_until_us.get(name, 0) or not self.scheduled or now_us < self.began_us:
            return False
        first, last = SCHEDULE[name]
        return first <= (now_us - self.began_us) / US_PER_S % EVERY_S < last


def read_board(path: Path) -> Board:
    """Read the board; raises :class:`FileError` where there is none or it is wrong."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Board)
    except OSError as error:
        raise FileError("no incidents here: is the demo running?", path=str(path)) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FileError(f"not a board of incidents: {error}", path=str(path)) from error


def write_board(path: Path, board: Board) -> None:
    """Write the board whole."""
    make_folders(path.absolute().parent)
    replace_file(path, msgspec.json.encode(board))


@dataclass(slots=True)
class Watch:
    """Answers what is on now, reading the board at most twice a second; a board that cannot be read is as good as none."""

    path: Path
    clock: Clock
    _read_at_s: float = -READ_EVERY_S
    _board: Board | None = None

    def is_on(self, name: Incident) -> bool:
        """Whether an incident is on."""
        if self.clock.monotonic_s() - self._read_at_s >= READ_EVERY_S:
            self._read_at_s = self.clock.monotonic_s()
            try:
                self._board = read_board(self.path)
            except FileError:
                self._board = None
        return self._board is not None and name in self._board.active(self.clock.now_us())


def switch(path: Path, name: str, *, on: bool, for_s: float, clock: Clock) -> None:
    """Switch an incident on or off for so many seconds."""
    if name not in INCIDENTS:
        raise UsageError(f"no such incident: {name}{nearest(name, INCIDENTS)}")
    incident: Incident = INCIDENTS[INCIDENTS.index(name)]
    board, until_us = read_board(path), clock.now_us() + round(for_s * US_PER_S)
    set_to = {incident: until_us}
    write_board(
        path,
        msgspec.structs.replace(
            board,
            on_until_us=board.on_until_us | (set_to if on else {incident: 0}),
            off_until_us=board.off_until_us | ({incident: 0} if on else set_to),
        ),
    )


def board_path(home: Path) -> Path:
    """Answer where the board of a home is."""
    return home / "demo" / "incidents.json"


def _printer(home: Path, clock: Clock) -> Callable[[], None]:
    def show() -> None:
        active = read_board(board_path(home)).active(clock.now_us())
        click.echo(orjson.dumps({name: {"on": name in active, "meaning": MEANINGS[name]} for name in INCIDENTS}, option=orjson.OPT_INDENT_2))

    return show


@click.command()
@click.option("--home", type=click.Path(path_type=Path), default=Path("data"), show_default=True)
@click.option("--for", "for_s", type=float, default=60.0, show_default=True, help="Seconds.")
@click.argument("action", type=click.Choice(["status", "start", "stop"]))
@click.argument("name", required=False, default="")
def main(home: Path, for_s: float, action: str, name: str) -> None:
    """Show, start and stop incidents of a demo that runs."""
    clock = SystemClock()
    if action != "status":
        switch(board_path(home), name, on=action == "start", for_s=for_s, clock=clock)
    _printer(home, clock)()


if __name__ == "__main__":
    main()
