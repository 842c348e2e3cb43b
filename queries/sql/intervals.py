"""Buckets of equal length or of the calendar: a value becomes the number of its bucket in SQL, a number becomes a key in Python."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlglot import exp

from queries.dsl.dates import DEFAULT_FORMAT, DateReader, print_date, zone_offset_ms
from queries.dsl.nodes import DateHistogram, Histogram, Scalar
from queries.sql.columns import call, floored, real, whole
from tailrace.clock import US_PER_MS, from_datetime, to_datetime
from tailrace.errors import RequestError

_FIXED_MS: Final = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 604_800_000}
_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
_MONDAY_MS: Final = 3 * 86_400_000
"""1970 began on a Thursday."""


@dataclass(frozen=True, slots=True)
class TimeSteps:
    """Buckets of time. ``shift_ms`` is added to a time before it is cut: the zone, less the offset."""

    step_ms: int
    months: int
    shift_ms: int
    zone_ms: int
    form: str | None
    clause: str

    def index(self, value: exp.Expr) -> exp.Expr:
        """Answer the number of the bucket that a time (milliseconds, in SQL) lies in."""
        moved = exp.paren(exp.Add(this=value, expression=whole(self.shift_ms))) if self.shift_ms else value
        if not self.months:
            return floored(moved, self.step_ms)
        local = call("make_timestamp", exp.Mul(this=exp.paren(moved), expression=exp.Literal.number(US_PER_MS)))
        years = exp.Mul(this=call("year", local), expression=exp.Literal.number(12))
        months = exp.paren(exp.Sub(this=exp.Add(this=years, expression=call("month", local.copy())), expression=exp.Literal.number(1)))
        return exp.IntDiv(this=months, expression=exp.Literal.number(self.months))

    def index_of(self, time_ms: int) -> int:
        """Answer the same in Python."""
        moved = time_ms + self.shift_ms
        if not self.months:
            return moved // self.step_ms
        local = to_datetime(moved * US_PER_MS)
        return (local.year * 12 + local.month - 1) // self.months

    def key_of(self, index: int) -> int:
        """Answer the first millisecond of a bucket."""
        if not self.months:
            return index * self.step_ms - self.shift_ms
        year, month = divmod(index * self.months, 12)
        return from_datetime(datetime(year, month + 1, 1, tzinfo=UTC)) // US_PER_MS - self.shift_ms

    def shown(self, index: int) -> dict[str, object]:
        """Answer the key as the response shows it."""
        key = self.key_of(index)
        return {"key_as_string": print_date(key, self.form, self.zone_ms, self.clause), "key": key}


@dataclass(frozen=True, slots=True)
class NumberSteps:
    """Buckets of numbers."""

    interval: float
    offset: float

    def index(self, value: exp.Expr) -> exp.Expr:
        """Answer the number of the bucket that a number lies in."""
        from_start = exp.paren(exp.Sub(this=exp.cast(value, "DOUBLE", dialect="duckdb"), expression=real(self.offset)))
        return exp.cast(exp.Floor(this=exp.Div(this=from_start, expression=real(self.interval), typed=False)), "BIGINT", dialect="duckdb")

    def index_of(self, value: float) -> int:
        """Answer the same in Python."""
        return int((value - self.offset) // self.interval)

    def shown(self, index: int) -> dict[str, object]:
        """Answer the key as the response shows it."""
        return {"key": index * self.interval + self.offset}


Steps = TimeSteps | NumberSteps


def steps_of(agg: DateHistogram | Histogram) -> Steps:
    """Answer the buckets of a histogram."""
    if isinstance(agg, Histogram):
        return NumberSteps(agg.interval, agg.offset)
    zone_ms = zone_offset_ms(agg.time_zone, agg.clause)
    step_ms = agg.fixed_ms or _FIXED_MS.get(agg.calendar or "", 0)
    monday_ms = _MONDAY_MS if agg.calendar == "week" else 0
    return TimeSteps(step_ms, _MONTHS.get(agg.calendar or "", 0), zone_ms - agg.offset_ms + monday_ms, zone_ms, agg.format, agg.clause)


def bounds_of(agg: DateHistogram | Histogram, steps: Steps, now_us: int) -> tuple[int | None, int | None]:
    """Answer the numbers of the first and the last bucket of ``extended_bounds``; ``None`` where it is open."""
    low, high = (None if bound is None else _bound(agg, bound, steps, now_us) for bound in (agg.bounds.low, agg.bounds.high))
    if low is not None and high is not None and low > high:
        raise RequestError("extended_bounds: min is above max", clause=agg.clause)
    try:
        return (None if low is None else _index_of(steps, low)), (None if high is None else _index_of(steps, high))
    except (ValueError, OverflowError) as error:
        raise RequestError("extended_bounds: beyond the years 1 to 9999", clause=agg.clause) from error


def _index_of(steps: Steps, bound: float) -> int:
    return steps.index_of(bound) if isinstance(steps, NumberSteps) else steps.index_of(int(bound))


def _bound(agg: DateHistogram | Histogram, bound: Scalar, steps: Steps, now_us: int) -> float:
    if isinstance(steps, NumberSteps):
        if isinstance(bound, str | bool):
            raise RequestError(f"extended_bounds: {bound!r} is not a number", clause=agg.clause)
        return float(bound)
    if isinstance(bound, int) and not isinstance(bound, bool):
        return bound
    return DateReader(now_us, agg.clause, steps.form or DEFAULT_FORMAT, steps.zone_ms).read_ms(bound, round_up=False)
