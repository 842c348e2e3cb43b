"""Time as an argument."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from tailrace.clock import US_PER_S, ManualClock, SystemClock, from_datetime, iso_ms, to_datetime


def test_a_manual_clock_moves_when_told() -> None:
    clock = ManualClock(5 * US_PER_S)
    clock.sleep(1.5)
    assert (clock.now_us(), clock.monotonic_s()) == (6_500_000, 1.5)
    clock.set_us(1)
    assert (clock.now_us(), clock.monotonic_s()) == (1, 1.5)


def test_the_system_clock_runs() -> None:
    clock = SystemClock()
    before = clock.monotonic_s()
    clock.sleep(0.001)
    assert clock.monotonic_s() > before
    assert clock.now_us() > 1_700_000_000 * US_PER_S


@given(st.integers(-60_000_000_000_000_000, 250_000_000_000_000_000))
def test_a_time_survives_the_way_to_a_datetime_and_back(time_us: int) -> None:
    assert from_datetime(to_datetime(time_us)) == time_us


def test_naive_times_are_utc_and_others_are_converted() -> None:
    naive, aware = datetime(1970, 1, 1, 1), datetime(1970, 1, 1, 3, tzinfo=timezone(timedelta(hours=2)))  # noqa: DTZ001
    assert from_datetime(naive) == from_datetime(aware) == from_datetime(datetime(1970, 1, 1, 1, tzinfo=UTC))


def test_times_print_in_milliseconds() -> None:
    assert iso_ms(1_790_000_000_123_999) == "2026-09-21T14:13:20.123Z"
