"""The time range of a URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.timerange import PRESETS, read_range, step_us
from tailrace.clock import US_PER_HOUR, US_PER_MINUTE, US_PER_S
from tailrace.errors import RequestError

NOW = 1_790_000_000 * US_PER_S + 5


def test_relative_times_are_against_now() -> None:
    found = read_range("now-15m", "now", NOW)
    assert (found.minutes, found.is_live, found.label) == (15 + 1 / 60, True, "Last 15 minutes")


def test_absolute_times_are_utc_unless_they_say_otherwise() -> None:
    found = read_range("2026-11-24T10:00:00", "2026-11-24T13:00:00+02:00", NOW)
    assert found.to_us - found.from_us == US_PER_HOUR
    assert found.label == "2026-11-24 10:00:00 to 2026-11-24 11:00:00"
    assert found.clause() == {"range": {"@timestamp": {"gte": "2026-11-24T10:00:00.000Z", "lt": "2026-11-24T11:00:00.000Z"}}}


@pytest.mark.parametrize(
    ("start", "end"), [("now", "now-1h"), ("now-999999w", "now"), ("", "now"), ("yesterday", "now"), ("now-1y", "now"), ("now", "9999-99-99")]
)
def test_what_is_no_range_is_one_clear_error(start: str, end: str) -> None:
    with pytest.raises(RequestError):
        read_range(start, end, NOW)


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_a_range_or_one_clear_error(start: str, end: str) -> None:
    try:
        read_range(start, end, NOW)
    except RequestError as error:
        assert error.clause in {"from", "to"}


@pytest.mark.parametrize("text", PRESETS.values())
def test_every_preset_is_a_range_with_enough_and_not_too_many_buckets(text: str) -> None:
    found = read_range(text, "now", NOW)
    assert 20 <= (found.to_us - found.from_us) / step_us(found.to_us - found.from_us) <= 90


@given(st.integers(1, 10**18))
def test_a_histogram_never_has_more_buckets_than_asked_for(length: int) -> None:
    assert length / step_us(length) <= 90
    assert step_us(15 * US_PER_MINUTE) == 10 * US_PER_S
