"""Quotas of sources: how many events a second, averaged over a time, and how many bytes of text a day (UTC), and what happens to what is beyond.

``delay`` takes nothing more until there is room, and the source waits or is told to come again; ``sample`` keeps a part, chosen by event id, and drops the rest; ``dead`` writes what is beyond
into dead letters, from which it may be replayed. The first quota whose pattern matches a source's name is that source's; each source is counted for itself.
"""

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final, Literal, get_args

from tailrace.errors import nearest
from tailrace.yaml_file import Document

Beyond = Literal["delay", "sample", "dead"]

OVER_S: Final = 60.0
"""Events are averaged over a minute, unless a quota says another time: payloads come in bursts."""

MAX_OVER_S: Final = 86_400.0
UNITS: Final = MappingProxyType({"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40})
_OPTIONS: Final = ("name", "source", "events_per_s", "over_s", "bytes_per_day", "beyond", "keep")


@dataclass(frozen=True, slots=True)
class Quota:
    """One quota; ``name`` is its rule in the ledger, ``quota:<name>``."""

    name: str
    source: str = "*"
    events_per_s: float = math.inf
    over_s: float = OVER_S
    bytes_per_day: float = math.inf
    beyond: Beyond = "delay"
    keep: float = 0.0

    def is_about(self, source: str) -> bool:
        """Whether a source's name matches."""
        return fnmatchcase(source, self.source)


def read_quotas(document: Document, listed: list[object]) -> tuple[Quota, ...]:
    """Read the list ``quotas`` of the rule file."""
    found = tuple(_quota(document, data, "quotas", number) for number, data in enumerate(listed))
    names = [quota.name for quota in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise document.error(f"two quotas have the name {twice!r}", "quotas")
    return found


def _quota(document: Document, data: object, *where: str | int) -> Quota:
    if not isinstance(data, dict) or not data.get("name"):
        raise document.error("a quota needs a name", *where)
    document.refuse_unknown(_OPTIONS, *where)
    beyond = data.get("beyond", "delay")
    if beyond not in get_args(Beyond):
        raise document.error(f"beyond is one of {', '.join(get_args(Beyond))}{nearest(str(beyond), get_args(Beyond))}", *where, "beyond")
    if "events_per_s" not in data and "bytes_per_day" not in data:
        raise document.error("a quota limits events_per_s, bytes_per_day, or both", *where)
    if "keep" in data and beyond != "sample":
        raise document.error("keep goes with beyond: sample", *where, "keep")
    return Quota(
        f"quota:{data['name']}",
        str(data.get("source", "*")),
        _number(document, data.get("events_per_s", math.inf), math.inf, *where, "events_per_s"),
        _number(document, data.get("over_s", OVER_S), MAX_OVER_S, *where, "over_s"),
        _bytes(document, data.get("bytes_per_day", math.inf), *where, "bytes_per_day"),
        beyond,
        _part(document, data.get("keep", 0.0), *where, "keep"),
    )


def _number(document: Document, value: object, most: float, *where: str | int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise document.error("expected a number above 0" + ("" if math.isinf(most) else f", at most {most:g}"), *where)
    return float(value)


def _part(document: Document, value: object, *where: str | int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise document.error("keep is a part from 0 to below 1", *where)
    return float(value)


def _bytes(document: Document, value: object, *where: str | int) -> float:
    if isinstance(value, str):
        amount, _, unit = value.strip().partition(" ")
        if unit not in UNITS or not amount.replace(".", "", 1).isdigit():
            raise document.error(f"expected bytes, such as 2000000 or 500 MB{nearest(unit, UNITS)}", *where)
        value = float(amount) * UNITS[unit]
    return _number(document, value, math.inf, *where)
