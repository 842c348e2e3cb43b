"""Dates of requests: forms, date math, rounding, printing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.dsl.dates import DateReader, print_date, read_duration_ms, zone_offset_ms
from queries.dsl.shape import Place
from tailrace.clock import iso_ms
from tailrace.errors import RequestError

NOW_US = 1_795_514_400_123_456
"""2026-11-24T10:00:00.123456Z, a Tuesday."""


def _read(value: object, *, up: bool = False, formats: str = "strict_date_optional_time||epoch_millis", zone_ms: int = 0) -> str:
    return iso_ms(DateReader(NOW_US, "here", formats, zone_ms).read_ms(value, round_up=up) * 1_000)


@pytest.mark.parametrize(
    ("value", "down", "up"),
    [
        ("now", "2026-11-24T10:00:00.123Z", "2026-11-24T10:00:00.123Z"),
        ("now-15m/m", "2026-11-24T09:45:00.000Z", "2026-11-24T09:45:59.999Z"),
        ("now/d", "2026-11-24T00:00:00.000Z", "2026-11-24T23:59:59.999Z"),
        ("now/w", "2026-11-23T00:00:00.000Z", "2026-11-29T23:59:59.999Z"),
        ("now/M", "2026-11-01T00:00:00.000Z", "2026-11-30T23:59:59.999Z"),
        ("now/y", "2026-01-01T00:00:00.000Z", "2026-12-31T23:59:59.999Z"),
        ("now-1M", "2026-10-24T10:00:00.123Z", "2026-10-24T10:00:00.123Z"),
        ("2026-03-31||-1M", "2026-02-28T00:00:00.000Z", "2026-02-28T00:00:00.000Z"),
        ("2026-11-24||+1d/d", "2026-11-25T00:00:00.000Z", "2026-11-25T23:59:59.999Z"),
        ("2026-11-24", "2026-11-24T00:00:00.000Z", "2026-11-24T23:59:59.999Z"),
        ("2026-11", "2026-11-01T00:00:00.000Z", "2026-11-01T23:59:59.999Z"),
        ("2026", "2026-01-01T00:00:00.000Z", "2026-01-01T23:59:59.999Z"),
        (2026, "2026-01-01T00:00:00.000Z", "2026-01-01T23:59:59.999Z"),
        ("2026-11-24T10", "2026-11-24T10:00:00.000Z", "2026-11-24T10:59:59.999Z"),
        ("2026-11-24T10:05", "2026-11-24T10:05:00.000Z", "2026-11-24T10:05:59.999Z"),
        ("2026-11-24T10:05:06+02:00", "2026-11-24T08:05:06.000Z", "2026-11-24T08:05:06.999Z"),
        ("2026-11-24T10:05:06.7Z", "2026-11-24T10:05:06.700Z", "2026-11-24T10:05:06.700Z"),
        (1_795_514_400_000, "2026-11-24T10:00:00.000Z", "2026-11-24T10:00:00.000Z"),
        ("-1", "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
    ],
)
def test_dates_are_rounded_as_opensearch_rounds_them(value: object, down: str, up: str) -> None:
    assert (_read(value), _read(value, up=True)) == (down, up)


def test_a_zone_moves_dates_without_one_and_the_edges_of_days() -> None:
    assert _read("2026-11-24", zone_ms=7_200_000) == "2026-11-23T22:00:00.000Z"
    assert _read("now/d", zone_ms=-36_000_000) == "2026-11-24T10:00:00.000Z"
    assert _read("2026-11-24T00:00:00Z", zone_ms=7_200_000) == "2026-11-24T00:00:00.000Z"


def test_formats_are_tried_in_their_order() -> None:
    assert _read("24/11/2026 10:30", formats="yyyy-MM-dd||dd/MM/yyyy HH:mm") == "2026-11-24T10:30:00.000Z"
    assert _read("1795514400", formats="epoch_second") == "2026-11-24T10:00:00.000Z"
    assert _read("2026-11-24T10:00:00.5+0200", formats="yyyy-MM-dd'T'HH:mm:ss.SXX") == "2026-11-24T08:00:00.500Z"


@pytest.mark.parametrize(
    "value", ["yesterday", "2026-13-01", "now-", "now/2d", "now+1x", "||", "", "2026-11-24T25:00", "now+999999999y", "0000-01-01||-1y", "9" * 30, True]
)
def test_what_is_no_date_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(RequestError, match="here: failed to parse date field"):
        _read(value)


@pytest.mark.parametrize("formats", ["basic_week_date", "yyyy-yyyy", "MMM", "'open", "", "EEE"])
def test_formats_that_are_not_known_are_refused(formats: str) -> None:
    with pytest.raises(RequestError, match="date format"):
        _read("2026", formats=formats)


@given(text=st.text(max_size=30) | st.from_regex(r"(now|2026-11-24\|\|)([+-]\d{0,3}[yMwdhms]|/[yMwdhms]){0,4}", fullmatch=True), up=st.booleans())
def test_any_text_is_a_date_or_refused(text: str, up: bool) -> None:
    try:
        DateReader(NOW_US, "here").read_ms(text, round_up=up)
    except RequestError as error:
        assert error.clause == "here"


@pytest.mark.parametrize(("zone", "offset"), [(None, 0), ("Z", 0), ("utc", 0), ("+02:00", 7_200_000), ("-0330", -12_600_000), ("+5", 18_000_000)])
def test_zones_are_offsets(zone: str | None, offset: int) -> None:
    assert zone_offset_ms(zone, "") == offset


@pytest.mark.parametrize("zone", ["Europe/Berlin", "+19:00", "+02:75", "x"])
def test_other_zones_are_refused(zone: str) -> None:
    with pytest.raises(RequestError):
        zone_offset_ms(zone, "here")


@pytest.mark.parametrize(
    ("form", "zone_ms", "printed"),
    [
        (None, 0, "2026-09-21T14:13:20.123Z"),
        (None, -12_600_000, "2026-09-21T10:43:20.123-03:30"),
        ("epoch_millis", 0, "1790000000123"),
        ("strict_date", 0, "2026-09-21"),
        ("yyyy/MM/dd 'at' HH:mm:ss.SSSXX", 7_200_000, "2026/09/21 at 16:13:20.123+0200"),
        ("HH:mm ZZZZZ", 0, "14:13 Z"),
    ],
)
def test_dates_are_printed_as_asked(form: str | None, zone_ms: int, printed: str) -> None:
    assert print_date(1_790_000_000_123, form, zone_ms, "") == printed


def test_years_beyond_four_digits_are_printed_with_their_sign() -> None:
    assert print_date(538_627_048_332_963, None, 0, "") == "+19038-05-31T08:32:12.963Z"


@pytest.mark.parametrize("text", ["5", "1w", "-5s", "1.5h", "999999999999d", "", "5 s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        read_duration_ms(Place(text, "here"))


def test_durations_may_be_signed_where_an_offset_is_meant() -> None:
    assert read_duration_ms(Place("-90m", ""), signed=True) == -5_400_000
