"""Dates of a request: forms, date math, rounding, durations; all in milliseconds since 1970 UTC.

The meaning is OpenSearch's (https://docs.opensearch.org/latest/field-types/supported-field-types/date/ and its ``JavaDateMathParser``): ``now-15m/m``,
``2026-11-24||+1d/d``; a bound that is rounded up (``gt``, ``lte``) becomes the last millisecond of the unit, also where a date leaves the time out:
``lte: 2026-11-24`` is that day's end (but a month or day that is left out is the first: ``lte: 2026-11`` ends with November 1st, as on the real node). A year of four digits wins over epoch milliseconds, as the mapping's format says
(``strict_date_optional_time||epoch_millis``).
"""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal

from queries.dsl.nodes import Range
from queries.dsl.shape import Place
from tailrace.clock import US_PER_MS, from_datetime, to_datetime
from tailrace.errors import RequestError, UnsupportedError, nearest

DEFAULT_FORMAT: Final = "strict_date_optional_time||epoch_millis"

CalendarUnit = Literal["minute", "hour", "day", "week", "month", "quarter", "year"]
_UNITS: Final[tuple[CalendarUnit, ...]] = ("minute", "hour", "day", "week", "month", "quarter", "year")
CALENDAR_UNITS: Final[Mapping[str, CalendarUnit]] = MappingProxyType(
    {**{unit: unit for unit in _UNITS}, "1m": "minute", "1h": "hour", "1d": "day", "1w": "week", "1M": "month", "1q": "quarter", "1y": "year"}
)

DURATIONS_MS: Final = MappingProxyType({"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000})
_DURATION: Final = re.compile(r"([+-]?)(\d{1,12})(ms|s|m|h|d)")
_ZONE: Final = re.compile(r"([+-])(\d{1,2})(?::?(\d{2}))?")
_MATH: Final = re.compile(r"([+\-/])(\d{0,9})([yMwdhHms])")
_MATH_UNITS: Final = MappingProxyType({"d": 86_400, "h": 3_600, "H": 3_600, "m": 60, "s": 1, "w": 7 * 86_400})
_OFFSET: Final = r"(?P<zone>Z|[+-]\d\d:?\d\d|[+-]\d\d)"
_ISO: Final = re.compile(
    r"(?P<y>\d{4})(?:-(?P<M>\d\d)(?:-(?P<d>\d\d)(?:T(?:(?P<H>\d\d)(?::(?P<m>\d\d)(?::(?P<s>\d\d)(?:[.,](?P<S>\d{1,9}))?)?)?" + _OFFSET + r"?)?)?)?)?"
)
_PATTERN_PARTS: Final = re.compile(r"'([^']*)'|(y+|u+|M+|d+|H+|m+|s+|S+|X+|Z+|z+|[a-zA-Z]+)|([^a-zA-Z'])")
_PATTERN_DIGITS: Final = MappingProxyType(
    {
        "yyyy": r"(?P<y>\d{4})",
        "uuuu": r"(?P<y>\d{4})",
        "MM": r"(?P<M>\d\d)",
        "dd": r"(?P<d>\d\d)",
        "HH": r"(?P<H>\d\d)",
        "mm": r"(?P<m>\d\d)",
        "ss": r"(?P<s>\d\d)",
    }
)
_NAMED_FORMATS: Final = MappingProxyType(
    {
        "strict_date_optional_time": _ISO,
        "date_optional_time": _ISO,
        "strict_date_time": re.compile(r"(?P<y>\d{4})-(?P<M>\d\d)-(?P<d>\d\d)T(?P<H>\d\d):(?P<m>\d\d):(?P<s>\d\d)[.](?P<S>\d{1,9})" + _OFFSET),
        "strict_date": re.compile(r"(?P<y>\d{4})-(?P<M>\d\d)-(?P<d>\d\d)"),
    }
)
_CYCLE_MS: Final = 146_097 * 86_400_000
"""The 400 years after which the calendar repeats."""

_EPOCHS: Final = MappingProxyType({"epoch_millis": 1, "epoch_second": 1_000})


@dataclass(frozen=True, slots=True)
class DateReader:
    """Reads the dates of one clause: what now is, the forms, the zone (ms east of UTC) of dates that name none."""

    now_us: int
    clause: str
    formats: str = DEFAULT_FORMAT
    zone_ms: int = 0

    def read_ms(self, value: object, *, round_up: bool) -> int:
        """Answer the millisecond that a date or date math means, rounded as asked."""
        text = _plain(value)
        try:
            if text.startswith("now"):
                return self._math(self.now_us // US_PER_MS, text[3:], round_up=round_up)
            date, bars, math = text.partition("||")
            start = self._date(date, round_up=round_up and not bars)
            return self._math(start, math, round_up=round_up) if bars else start
        except (ValueError, OverflowError) as error:
            raise self._error(text) from error

    def _error(self, text: str) -> RequestError:
        return RequestError(f"failed to parse date field [{text[:80]}] with format [{self.formats[:80]}]", clause=self.clause)

    def _date(self, text: str, *, round_up: bool) -> int:
        for name in self.formats.split("||"):
            found = self._in_format(text, name, round_up=round_up)
            if found is not None:
                return found
        raise self._error(text)

    def _in_format(self, text: str, name: str, *, round_up: bool) -> int | None:
        if name in _EPOCHS:
            known = re.fullmatch(r"(-?)(\d{1,16})(?:\.(\d{1,9}))?", text)
            return int(float(text) * _EPOCHS[name]) if known and known[3] else int(text) * _EPOCHS[name] if known else None
        found = pattern_of(name, self.clause).fullmatch(text)
        return None if found is None else _moment_ms(found.groupdict(), self.zone_ms, round_up=round_up)

    def _math(self, start_ms: int, math: str, *, round_up: bool) -> int:
        local = to_datetime((start_ms + self.zone_ms) * US_PER_MS)
        at = 0
        while at < len(math):
            step = _MATH.match(math, at)
            if step is None or (step[1] == "/" and step[2] not in {"", "1"}):
                raise ValueError(math)
            local = _round(local, step[3], up=round_up) if step[1] == "/" else _add(local, step[3], int(f"{step[1]}{step[2] or 1}"))
            at = step.end()
        return from_datetime(local) // US_PER_MS - self.zone_ms


def _plain(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def pattern_of(name: str, clause: str) -> re.Pattern[str]:
    """Answer the expression that reads a named format or a pattern such as ``yyyy-MM-dd HH:mm``."""
    if name in _NAMED_FORMATS:
        return _NAMED_FORMATS[name]
    parts = _pattern_parts(name, clause)
    return re.compile("".join(_digits(letters, name, clause) if letters else re.escape(quoted or sign) for quoted, letters, sign in parts))


def _pattern_parts(name: str, clause: str) -> list[tuple[str, str, str]]:
    parts: list[tuple[str, str, str]] = _PATTERN_PARTS.findall(name)
    letters = [part[1] for part in parts if part[1]]
    if not letters or len(letters) != len(set(letters)) or "'" in _PATTERN_PARTS.sub("", name):
        raise _no_format(name, clause)
    return parts


def _digits(letters: str, name: str, clause: str) -> str:
    if letters in _PATTERN_DIGITS:
        return _PATTERN_DIGITS[letters]
    if set(letters) == {"S"} and len(letters) <= 9:
        return rf"(?P<S>\d{{{len(letters)}}})"
    if letters in {"X", "XX", "XXX", "Z", "ZZZZZ"}:
        return _OFFSET
    raise _no_format(name, clause)


def _no_format(name: str, clause: str) -> RequestError:
    known = (*_NAMED_FORMATS, *_EPOCHS)
    return UnsupportedError(f"date format {name[:80]!r} is not supported{nearest(name, known)}", clause=clause)


def _moment_ms(parts: Mapping[str, str | None], zone_ms: int, *, round_up: bool) -> int:
    year, month, day = int(parts["y"] or ""), int(parts.get("M") or 1), int(parts.get("d") or 1)
    hour, minute, second = (int(parts.get(key) or (most if round_up else 0)) for key, most in (("H", 23), ("m", 59), ("s", 59)))
    fraction = parts.get("S")
    millis = int(fraction.ljust(3, "0")[:3]) if fraction else 999 if round_up else 0
    local_ms = from_datetime(datetime(year, month, day, hour, minute, second, tzinfo=UTC)) // US_PER_MS + millis
    zone = parts.get("zone")
    return local_ms - (zone_ms if zone is None else zone_offset_ms(zone, ""))


def zone_offset_ms(zone: str | None, clause: str) -> int:
    """Answer how far a zone is east of UTC.

    >>> zone_offset_ms("+02:30", "")
    9000000
    """
    if zone is None or zone.upper() in {"Z", "UTC", "GMT", "ETC/UTC"}:
        return 0
    found = _ZONE.fullmatch(zone)
    if found is None:
        raise UnsupportedError(f"time zone {zone[:40]!r} is not supported: UTC, or an offset such as +02:00", clause=clause)
    minutes = int(found[2]) * 60 + int(found[3] or 0)
    if minutes > 18 * 60 or int(found[3] or 0) > 59:
        raise RequestError(f"no such time zone: {zone}", clause=clause)
    return minutes * 60_000 * (-1 if found[1] == "-" else 1)


def time_bounds_ms(query: Range, now_us: int) -> tuple[int | None, int | None]:
    """Answer the first and the last millisecond of a range of time; ``None`` where it is open."""
    reader = DateReader(now_us, query.clause, query.format or DEFAULT_FORMAT, zone_offset_ms(query.time_zone, query.clause))
    low = reader.read_ms(query.gte, round_up=False) if query.gte is not None else None
    high = reader.read_ms(query.lte, round_up=True) if query.lte is not None else None
    if query.gt is not None:
        low = reader.read_ms(query.gt, round_up=True) + 1
    if query.lt is not None:
        high = reader.read_ms(query.lt, round_up=False) - 1
    return low, high


def _add(local: datetime, unit: str, count: int) -> datetime:
    if unit in _MATH_UNITS:
        return local + timedelta(seconds=count * _MATH_UNITS[unit])
    months = local.year * 12 + local.month - 1 + count * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    return local.replace(year=year, month=month + 1, day=min(local.day, calendar.monthrange(year, month + 1)[1]))


def _round(local: datetime, unit: str, *, up: bool) -> datetime:
    start = floor_to(local, unit)
    return _add(start, unit, 1) - timedelta(milliseconds=1) if up else start


def floor_to(local: datetime, unit: str) -> datetime:
    """Cut a moment down to the start of a unit of date math; weeks begin on Monday."""
    start = local.replace(microsecond=0)
    order = "smhdMy"
    level = order.index({"H": "h", "w": "d"}.get(unit, unit))
    for depth, name in enumerate(("second", "minute", "hour", "day", "month")):
        if level > depth:
            start = start.replace(**{name: 1 if depth > 2 else 0})  # type: ignore[arg-type]
    return start - timedelta(days=start.weekday()) if unit == "w" else start


def read_duration_ms(place: Place, *, signed: bool = False) -> int:
    """Read a duration such as ``30s``; a signed one may begin with ``+`` or ``-``."""
    found = _DURATION.fullmatch(place.text(40))
    if found is None or (found[1] and not signed):
        raise place.error(f"is {place.value!r}, a number and one of {', '.join(DURATIONS_MS)} is needed, such as 30s")
    duration_ms = int(found[2]) * DURATIONS_MS[found[3]]
    if duration_ms > 10**14:
        raise place.error("is longer than three thousand years")
    return -duration_ms if found[1] == "-" else duration_ms


def print_date(time_ms: int, form: str | None, zone_ms: int, clause: str) -> str:
    """Print a date in the first of the formats, at an offset from UTC, as OpenSearch prints ``key_as_string``.

    >>> print_date(1_790_000_000_123, None, 7_200_000, "")
    '2026-09-21T16:13:20.123+02:00'
    """
    name = (form or DEFAULT_FORMAT).split("||")[0]
    if name in _EPOCHS:
        return str(time_ms // _EPOCHS[name])
    cycles, within_ms = divmod(time_ms + zone_ms, _CYCLE_MS)
    if not -4 <= cycles <= 19:
        return _far_year(cycles, to_datetime(within_ms * US_PER_MS), zone_ms)
    local = to_datetime((time_ms + zone_ms) * US_PER_MS)
    if name in _NAMED_FORMATS:
        return f"{local:%Y-%m-%d}" if name == "strict_date" else f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1_000:03}{_zone_text(zone_ms)}"
    return "".join(_printed(letters, local, zone_ms) if letters else quoted or sign for quoted, letters, sign in _pattern_parts(name, clause))


def _far_year(cycles: int, local: datetime, zone_ms: int) -> str:
    """Print a time beyond the years that Python knows; the calendar repeats after 400 years. Sums of times lie there."""
    year = local.year + 400 * cycles
    sign = "+" if year > 9999 else "-" if year < 0 else ""
    return f"{sign}{abs(year):04}-{local:%m-%dT%H:%M:%S}.{local.microsecond // 1_000:03}{_zone_text(zone_ms)}"


def _printed(letters: str, local: datetime, zone_ms: int) -> str:
    if set(letters) == {"S"}:
        return f"{local.microsecond * 1_000:09}"[: len(letters)]
    if letters[0] in "XZ":
        return _zone_text(zone_ms) if letters in {"XXX", "ZZZZZ"} else _zone_text(zone_ms).replace(":", "")
    directive = {"yyyy": "Y", "uuuu": "Y", "MM": "m", "dd": "d", "HH": "H", "mm": "M", "ss": "S"}[letters]
    return local.strftime(f"%{directive}")


def _zone_text(zone_ms: int) -> str:
    if zone_ms == 0:
        return "Z"
    hours, minutes = divmod(abs(zone_ms) // 60_000, 60)
    return f"{'-' if zone_ms < 0 else '+'}{hours:02}:{minutes:02}"
