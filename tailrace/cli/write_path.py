"""The write path of a command: a collector and a delivery stream of this process, and the report of what the command did to the ledger."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Final

import click

from collectors.collector import Collector, Summary
from collectors.from_settings import collector_from_settings
from firehose import LocalFirehose
from tailrace.cli.output import print_table
from tailrace.clock import Clock
from tailrace.fields import AttributeRegister
from tailrace.ledger import Hop, open_ledger
from tailrace.settings import Settings

PATIENCE_S: Final = 60.0
"""How long a full spool or disk is waited for."""

FLUSH_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Done:
    """What a command read: how many inputs, sums, lines of which bytes were replaced, and what could not be read."""

    inputs: int
    summary: Summary
    replaced: int
    problems: Sequence[str]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a run: what was read, what the ledger says of it, and whether all of it is in the lake."""

    done: Done
    hops: Sequence[Hop]
    balanced: bool
    flushed: bool

    @property
    def is_good(self) -> bool:
        """Whether everything was read, is in the lake, and adds up."""
        return not self.done.problems and not self.done.summary.dead and self.balanced and self.flushed

    def to_json(self) -> dict[str, Any]:
        """Answer it as ``--json`` prints it."""
        return {
            "inputs": self.done.inputs,
            "events": self.done.summary.events,
            "replaced": self.done.replaced,
            "dead": len(self.done.summary.dead),
            "problems": list(self.done.problems),
            "flushed": self.flushed,
            "balanced": self.balanced,
            "hops": [hop.to_json() for hop in self.hops],
        }


class WritePath:
    """A collector that puts into the spool of this process; ends in a :class:`Report`."""

    def __init__(self, settings: Settings, clock: Clock, stream: LocalFirehose, register: AttributeRegister) -> None:
        self._settings, self._stream = settings, stream
        self._before = open_ledger(settings.ledger_path).hops()
        self.collector: Collector = collector_from_settings(settings, stream, register, clock)

    def report(self, done: Done) -> Report:
        """Wait until everything is in the lake, and compare the ledger with what it was."""
        flushed = self._stream.flush(FLUSH_TIMEOUT_S)
        check = open_ledger(self._settings.ledger_path).check()
        return Report(done, _difference(check.hops, self._before), check.balanced, flushed)


@contextmanager
def write_path(settings: Settings, clock: Clock) -> Iterator[WritePath]:
    """Open the write path; raises :class:`tailrace.errors.StateError` where another process has the spool."""
    register = AttributeRegister(settings.register_path)
    with LocalFirehose(settings, clock, register=register) as stream:
        path = WritePath(settings, clock, stream, register)
        try:
            yield path
        finally:
            path.collector.close()


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Answer an event that the first Ctrl-C or SIGTERM sets; the second ends the process at once."""
    stop = threading.Event()

    def ask(number: int, frame: object) -> None:
        del frame
        if stop.is_set():
            raise SystemExit(128 + number)
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _difference(after: Sequence[Hop], before: Sequence[Hop]) -> list[Hop]:
    known = {(hop.hop, hop.sink, hop.unit): hop for hop in before}
    found = [(hop, known.get((hop.hop, hop.sink, hop.unit))) for hop in after]
    changes = [_minus(hop, old) if old else hop for hop, old in found]
    return [hop for hop in changes if any(getattr(hop, name) for name in _NUMBERS)]


_NUMBERS: Final = tuple(field.name for field in fields(Hop) if field.name not in {"hop", "sink", "unit"})


def _minus(hop: Hop, old: Hop) -> Hop:
    return Hop(hop.hop, hop.sink, hop.unit, *(getattr(hop, name) - getattr(old, name) for name in _NUMBERS))


def print_report(report: Report) -> None:
    """Print the hops as a table, and what a person must know on stderr."""
    columns = ("hop", "sink", "unit", "in", "out", "pending", "dropped", "duplicate", "joined", "dead", "lost")
    print_table(columns, [tuple(hop.to_json().values()) for hop in report.hops])
    if report.done.replaced:
        click.echo(f"{report.done.replaced} lines had bytes that are no UTF-8; they are shown as U+FFFD")
    for problem in report.done.problems:
        click.echo(f"tailrace: {problem}", err=True)
    if not report.flushed:
        click.echo("tailrace: what was read is safe in the spool and not yet in every sink", err=True)
    if not report.balanced:
        click.echo("tailrace: the ledger does not add up; see: tailrace ledger check", err=True)
    sys.stdout.flush()
