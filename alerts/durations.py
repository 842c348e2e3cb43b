"""Spans of time as ElastAlert writes them: ``{minutes: 5}``, ``{hours: 1.5, seconds: 10}``."""

from types import MappingProxyType
from typing import Any, Final

from tailrace.clock import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_MS, US_PER_S
from tailrace.errors import FileError, nearest
from tailrace.yaml_file import Document

UNITS: Final = MappingProxyType(
    {
        "weeks": 7 * US_PER_DAY,
        "days": US_PER_DAY,
        "hours": US_PER_HOUR,
        "minutes": US_PER_MINUTE,
        "seconds": US_PER_S,
        "milliseconds": US_PER_MS,
    }
)
MAX_US: Final = 366 * US_PER_DAY


def read_duration(document: Document, *where: str | int) -> int:
    """Read a span of time in microseconds; not negative, at most a year."""
    value = document.at(*where)
    if not isinstance(value, dict) or not value:
        raise document.error("expected a span of time such as {minutes: 5}", *where)
    total = sum(_part(document, unit, amount, where) for unit, amount in value.items())
    if not 0 <= total <= MAX_US:
        raise document.error("a span of time is between 0 and 366 days", *where)
    return round(total)


def _part(document: Document, unit: str, amount: Any, where: tuple[str | int, ...]) -> float:  # noqa: ANN401 - from the file
    if unit not in UNITS:
        raise document.error(f"no such unit of time: {unit}{nearest(unit, UNITS)}", *where, unit)
    if isinstance(amount, bool) or not isinstance(amount, int | float) or amount != amount:  # noqa: PLR0124 - NaN
        raise _not_a_number(document, unit, where)
    return float(amount) * UNITS[unit]


def _not_a_number(document: Document, unit: str, where: tuple[str | int, ...]) -> FileError:
    return document.error(f"{unit} must be a number", *where, unit)
