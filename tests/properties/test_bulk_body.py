"""Bodies spliced from columns say what an encoder of objects would say, whatever is in the rows."""

import json
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from firehose.sinks.opensearch.attribute_split import UNREADABLE, AttributeSplit
from firehose.sinks.opensearch.body import lines
from tailrace.schema import FieldType
from tests.firehose.deliveries import NOON_US, table_of

TEXT = st.one_of(st.none(), st.text(max_size=30), st.sampled_from(['"', "\\", "\n\r\t\x00\x1f\x7f", '\\"\\n', "\u2028"]))
TYPES = {"a": FieldType.KEYWORD, "b.c": FieldType.LONG, "d": FieldType.DOUBLE, "e": FieldType.BOOLEAN, "t": FieldType.TIME, "i": FieldType.IP}
JSON_LEAF = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8))
JSON = st.recursive(JSON_LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=6)
ATTRIBUTES = st.one_of(
    st.none(),
    st.just(""),
    st.dictionaries(st.one_of(st.sampled_from([*TYPES]), st.text(max_size=6)), JSON, max_size=4).map(json.dumps),
    st.fixed_dictionaries({"a": st.text(max_size=5), "b.c": st.integers(-9, 9), "d": st.floats(0, 1), "e": st.booleans()}).map(json.dumps),
    st.text(max_size=12),
)
ROWS = st.fixed_dictionaries(
    {
        "event_id": st.text(min_size=1, max_size=12),
        "revision": st.integers(0, 3),
        "message": TEXT,
        "service_name": TEXT,
        "host_name": TEXT,
        "http_response_status_code": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        "duration_s": st.one_of(st.none(), st.floats()),
        "event_time": st.integers(-(10**17), 10**18),
        "attributes": ATTRIBUTES,
    }
)
NAMES = {"message": "message", "service_name": "service.name", "host_name": "host.name", "http_response_status_code": "http.response.status_code"}


@given(st.lists(ROWS, min_size=1, max_size=8), st.integers(0, 2))
def test_every_line_is_the_row(rows: list[dict[str, Any]], skip: int) -> None:
    table = table_of([{"event_id": "skipped", "message": '"'}] * skip + rows).slice(skip)
    texts = lines("logs", table, AttributeSplit(TYPES)).to_pylist()
    assert len(texts) == len(rows)
    for text, row in zip(texts, rows, strict=True):
        action, document, rest = text.split("\n")
        assert rest == ""
        check_action(json.loads(action), row)
        check_document(json.loads(document), row)


def check_action(action: dict[str, Any], row: dict[str, Any]) -> None:
    ((verb, target),) = action.items()
    assert target["_id"] == row["event_id"]
    assert target["_index"].startswith("tailrace-logs-")
    assert (verb, target.get("version")) == (("index", row["revision"] + 1) if row["revision"] else ("create", None))


def check_document(document: dict[str, Any], row: dict[str, Any]) -> None:
    for column, name in NAMES.items():
        assert document.get(name) == row[column]
    duration = row["duration_s"]
    finite = duration is not None and abs(duration) < float("inf")
    assert document.get("duration_s") == (duration if finite else None)
    assert document["@timestamp"].endswith("Z")
    assert len(document["@timestamp"].split("-")[-3].lstrip("-")) == 4
    check_attributes(document, row["attributes"])


def check_attributes(document: dict[str, Any], text: str | None) -> None:
    known, other = document.get("attributes", {}), document.get("attributes_other", {})
    assert all(isinstance(value, str) for value in other.values())
    assert set(known) <= set(TYPES)
    try:
        fields = json.loads(text or "{}")
    except json.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        assert other == {UNREADABLE: text}
        return
    for name, value in fields.items():
        fits = name in known and (known[name] == value)
        assert fits or other or not name.strip(".")
    assert {name for name, value in fields.items() if name in TYPES and plain(TYPES[name], value)} <= set(known)


def plain(kind: FieldType, value: object) -> bool:
    """Whether a value is certainly of a type."""
    match kind:
        case FieldType.KEYWORD | FieldType.IP:
            return isinstance(value, str)
        case FieldType.LONG:
            return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**62
        case FieldType.BOOLEAN:
            return isinstance(value, bool)
        case _:
            return False


def test_a_batch_of_known_rows_is_used_as_it_is() -> None:
    split = AttributeSplit(TYPES)
    texts = pa.array(['{"a": "x", "b.c": 1}', None, '{"t": "2026-11-24T10:00:00Z"}'])
    first, other = split.split(texts)
    assert first.to_pylist() == texts.to_pylist()
    assert split._met == {"a", "b.c", "t"}
    again, other = split.split(texts)
    assert again.equals(texts)
    assert other is None


def test_times_that_opensearch_cannot_read_go_beside() -> None:
    known, other = AttributeSplit(TYPES).split(pa.array(['{"t": "yesterday", "a": ["x", "y"], "b.c": 1e400}', '{"t": 1790000000000}']))
    assert [json.loads(text) for text in known.to_pylist()] == [{"a": ["x", "y"]}, {"t": 1_790_000_000_000}]
    assert json.loads(other[0].as_py()) == {"t": "yesterday", "b.c": "1e400"}


def test_the_index_follows_the_day_of_the_event() -> None:
    table = table_of([{"event_id": "a"}, {"event_id": "b", "event_time": NOON_US + 86_400_000_000}, {"event_id": "c"}])
    names = [json.loads(text.split("\n")[0])["create"]["_index"] for text in lines("logs", table, AttributeSplit({})).to_pylist()]
    assert names == ["tailrace-logs-2026.09.21", "tailrace-logs-2026.09.22", "tailrace-logs-2026.09.21"]
