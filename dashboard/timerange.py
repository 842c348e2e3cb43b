"""The time range of a page: what the URL says, checked, and what it means now.

In a URL a range is ``from`` and ``to``: OpenSearch's date math against now (``now-15m``, ``now``), or times in ISO 8601 (UTC where no zone is given).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from tailrace.clock import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_S, from_datetime, iso_ms
from tailrace.errors import RequestError

_UNITS: Final = MappingProxyType({"s": US_PER_S, "m": US_PER_MINUTE, "h": US_PER_HOUR, "d": US_PER_DAY, "w": 7 * US_PER_DAY})
_RELATIVE: Final = re.compile(r"now(?:-(\d{1,6})([smhdw]))?")

PRESETS: Final = MappingProxyType(
    {
        "Last 5 minutes": "now-5m",
        "Last 15 minutes": "now-15m",
        "Last hour": "now-1h",
        "Last 6 hours": "now-6h",
        "Last day": "now-1d",
        "Last 7 days": "now-7d",
        "Last 30 days": "now-30d",
    }
)
DEFAULT_FROM: Final = "now-15m"
LONGEST_US: Final = 400 * US_PER_DAY

_STEPS_US: Final = tuple(
    seconds * US_PER_S for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)
)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A range as it stands in the URL and in microseconds: [from_us, to_us)."""

    from_text: str
    to_text: str
    from_us: int
    to_us: int

    @property
    def minutes(self) -> float:
        """Its length in minutes."""
        return (self.to_us - self.from_us) / US_PER_MINUTE

    @property
    def is_live(self) -> bool:
        """Whether it ends now, so that it moves on."""
        return self.to_text == "now"

    @property
    def label(self) -> str:
        """What people call it."""
        named = next((label for label, text in PRESETS.items() if text == self.from_text and self.is_live), None)
        return named or f"{_short(self.from_us)} to {'now' if self.is_live else _short(self.to_us)}"

    def clause(self) -> dict[str, object]:
        """The range as a query."""
        return {"range": {"@timestamp": {"gte": iso_ms(self.from_us), "lt": iso_ms(self.to_us)}}}


def read_range(from_text: str, to_text: str, now_us: int) -> TimeRange:
    """Read a range from a URL; raises :class:`RequestError` where it is none. A range that moves is rounded to the second, so that what was asked for it is asked once."""
    now_us -= now_us % US_PER_S
    from_us, to_us = read_time(from_text, now_us, "from"), read_time(to_text, now_us + US_PER_S, "to")
    if from_us >= to_us:
        raise RequestError(f"{from_text} is not before {to_text}", clause="from")
    if to_us - from_us > LONGEST_US:
        raise RequestError(f"longer than {LONGEST_US // US_PER_DAY} days", clause="from")
    return TimeRange(from_text, to_text, from_us, to_us)


def read_time(text: str, now_us: int, name: str) -> int:
    """Read one time of a URL in microseconds."""
    if relative := _RELATIVE.fullmatch(text):
        return now_us - (int(relative[1]) * _UNITS[relative[2]] if relative[1] else 0)
    try:
        return from_datetime(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        raise RequestError(f"{text[:60]!r} is neither a time such as 2026-11-24T10:00:00Z nor one such as now-15m", clause=name) from error


def step_us(length_us: int, most: int = 90) -> int:
    """Answer the width of a histogram's buckets: the smallest round one that gives at most so many."""
    return next((step for step in _STEPS_US if length_us / step <= most), _STEPS_US[-1] * (1 + length_us // (_STEPS_US[-1] * most)))


def _short(time_us: int) -> str:
    return iso_ms(time_us)[:19].replace("T", " ")
