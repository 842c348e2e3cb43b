"""Texts to values of types: a text that is none is told apart from its neighbours, and nothing raises."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.columns import CASTS, level_of_priority, severity_of_status, to_severity
from collectors.times import to_time
from tailrace.clock import US_PER_DAY, from_datetime

RECEIVED_US = from_datetime(datetime(2026, 1, 2, tzinfo=UTC))


def at(*parts: int) -> datetime:
    """Columns have no zone: they are in UTC."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


def cast(kind: str, texts: Sequence[str | None]) -> tuple[list[Any], list[Any]]:
    values, bad = CASTS[kind](pa.array(texts, pa.string()))
    return values.to_pylist(), bad.to_pylist() if bad is not None else [False] * len(texts)


def time_of(text: str, form: str) -> datetime | None:
    (found,) = to_time(pa.array([text], pa.string()), form, RECEIVED_US).to_pylist()
    assert found is None or isinstance(found, datetime)
    return found


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("long", "12", 12),
        ("long", "-7", -7),
        ("long", "12.0", 12),
        ("long", "12.5", None),
        ("long", "many", None),
        ("long", "9" * 30, None),
        ("long", "", None),
        ("double", "1e3", 1000.0),
        ("double", ".5", 0.5),
        ("double", "nan", None),
        ("double", "inf", None),
        ("double", "1,5", None),
        ("ip", "10.0.0.1", "10.0.0.1"),
        ("ip", "2001:DB8:0::1", "2001:db8::1"),
        ("ip", "[::1]", "::1"),
        ("ip", "10.0.0.256", None),
        ("ip", "host", None),
        ("trace_id", "1-6b02b777-63f651453a9bbc6c80be111a", "6b02b77763f651453a9bbc6c80be111a"),
        ("trace_id", "Root=1-6b02b777-63f651453a9bbc6c80be111a", "6b02b77763f651453a9bbc6c80be111a"),
        ("trace_id", "6B02B77763F651453A9BBC6C80BE111A", "6b02b77763f651453a9bbc6c80be111a"),
        ("trace_id", "0" * 32, None),
        ("trace_id", "6b02b77763f65145", "00000000000000006b02b77763f65145"),
        ("trace_id", "0" * 16, None),
        ("trace_id", "order-17", None),
        ("span_id", "07a85e713f6302b2", "07a85e713f6302b2"),
        ("span_id", "0" * 16, None),
        ("keyword", "anything", "anything"),
    ],
)
@pytest.mark.parametrize("neighbour", [None, "good", "bad"])
def test_a_text_becomes_a_value_or_is_marked_whatever_stands_beside_it(kind: str, text: str, value: object, neighbour: str | None) -> None:
    good = {"long": "1", "double": "1", "ip": "1.2.3.4", "trace_id": "a" * 32, "span_id": "a" * 16, "keyword": "x"}[kind]
    beside = {None: None, "good": good, "bad": "~"}[neighbour]
    values, bad = cast(kind, [beside, text, None])
    assert (values[1], bad[1]) == (value, value is None)
    assert (values[2], bad[2]) == (None, False)
    assert bad[0] is (neighbour == "bad" and kind != "keyword")


@given(texts=st.lists(st.one_of(st.none(), st.text(max_size=10), st.integers().map(str), st.floats().map(str)), max_size=8), kind=st.sampled_from(list(CASTS)))
def test_no_text_makes_a_cast_raise(texts: list[str | None], kind: str) -> None:
    clean = [text.encode("utf-8", "replace").decode() if text is not None else None for text in texts]
    values, bad = cast(kind, clean)
    assert len(values) == len(bad) == len(texts)
    assert all(value is not None or is_bad for value, is_bad, text in zip(values, bad, clean, strict=True) if text is not None)


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("iso", "2026-11-24T10:00:00.123456Z", at(2026, 11, 24, 10, 0, 0, 123456)),
        ("iso", "2026-11-24T10:00:00.123456789Z", at(2026, 11, 24, 10, 0, 0, 123456)),
        ("iso", "2026-11-24T12:00:00+02:00", at(2026, 11, 24, 10)),
        ("iso", "2026-11-24 10:00:00,123+0000", at(2026, 11, 24, 10, 0, 0, 123000)),
        ("iso", "2026-11-24 10:00:00,123", at(2026, 11, 24, 10, 0, 0, 123000)),
        ("iso", "2026-11-24", at(2026, 11, 24)),
        ("iso", "yesterday", None),
        ("iso", "2026-13-45T10:00:00Z", None),
        ("epoch_s", "1795514400", at(2026, 11, 24, 10)),
        ("epoch_s", "1795514400.5", at(2026, 11, 24, 10, 0, 0, 500000)),
        ("epoch_s", "-5", None),
        ("epoch_s", "9" * 18, None),
        ("epoch_ms", "1795514400123", at(2026, 11, 24, 10, 0, 0, 123000)),
        ("auto", "1795514400", at(2026, 11, 24, 10)),
        ("auto", "1795514400123", at(2026, 11, 24, 10, 0, 0, 123000)),
        ("auto", "1795514400123456", at(2026, 11, 24, 10, 0, 0, 123456)),
        ("auto", "1795514400123456789", at(2026, 11, 24, 10, 0, 0, 123456)),
        ("auto", "2026-11-24T10:00:00Z", at(2026, 11, 24, 10)),
        ("auto", "soon", None),
        ("clf", "24/Nov/2026:12:00:00 +0200", at(2026, 11, 24, 10)),
        ("clf", "99/Nov/2026:12:00:00 +0200", None),
        ("syslog", "Jan  1 10:00:00", at(2026, 1, 1, 10)),
        ("syslog", "Dec 31 23:59:59", at(2025, 12, 31, 23, 59, 59)),
        ("syslog", "Feb 31 10:00:00", None),
    ],
)
@pytest.mark.parametrize("beside", [None, "~"])
def test_times_of_all_forms(form: str, text: str, expected: datetime | None, beside: str | None) -> None:
    found = to_time(pa.array([text, beside], pa.string()), form, RECEIVED_US).to_pylist()
    assert found == [expected, None]


@given(text=st.text(max_size=30), form=st.sampled_from(["iso", "auto", "clf", "syslog", "epoch_s", "epoch_ms"]))
def test_no_text_makes_a_time_raise(text: str, form: str) -> None:
    time_of(text.encode("utf-8", "replace").decode(), form)


def test_a_syslog_time_may_lie_a_day_ahead_of_the_receipt() -> None:
    found = time_of("Jan  2 20:00:00", "syslog")
    assert found == at(2026, 1, 2, 20)
    assert from_datetime(found.replace(tzinfo=UTC)) < RECEIVED_US + US_PER_DAY


def test_severities_of_words_priorities_and_statuses() -> None:
    words, numbers = to_severity(pa.array(["warning", None, "E", "?", "oops"]), {"OOPS": "FATAL", "E": ""})
    assert words.to_pylist() == ["WARN", None, None, None, "FATAL"]
    assert numbers.to_pylist() == [13, None, None, None, 21]
    assert level_of_priority(pa.array(["34", "165", None, "0"])).to_pylist() == ["2", "5", None, "0"]
    assert severity_of_status(pa.array([200, 404, 503, None])).to_pylist() == ["INFO", "WARN", "ERROR", None]
