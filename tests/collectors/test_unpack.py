"""Lines that hold many events: each becomes a line, with what stands around it, and the same id whenever it comes again."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collectors.lines import Lines
from collectors.unpack import unpack
from tests.collectors.readers.samples import attributes, lines_of, rows


def record(text: str) -> dict[str, Any]:
    return {"timeUnixNano": "1795514400123456789", "severityNumber": 9, "body": {"stringValue": text}}


def document(*records: str, service: str = "cart") -> str:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": {"name": "s"}, "logRecords": [record(text) for text in records]}]}]})


def unpacked(*texts: str) -> Lines:
    return unpack(lines_of(list(texts)))


def test_each_record_is_a_line_with_its_resource_and_its_scope() -> None:
    found = unpacked("before", document("a", "b", "c"), document("d"), "after")
    read = rows([str(text) for text in found.text])
    assert [row["message"] for row in read] == ["before", "a", "b", "c", "d", "after"]
    assert {row["service.name"] for row in read[1:5]} == {"cart"}
    assert all(attributes(row)["otel.scope.name"] == "s" and row["parse_status"] == "parsed" for row in read[1:5])


def test_records_of_several_resources_keep_their_own() -> None:
    first, second = json.loads(document("a")), json.loads(document("b", service="pay"))
    both = json.dumps({"resourceLogs": [*first["resourceLogs"], *second["resourceLogs"]]})
    read = rows([str(text) for text in unpacked(both).text])
    assert [(row["message"], row["service.name"]) for row in read] == [("a", "cart"), ("b", "pay")]


def test_ids_are_different_and_come_again() -> None:
    once, again = unpacked(document("a", "a", "a")), unpacked(document("a", "a", "a"))
    ids = once.event_id.to_pylist()
    assert ids[0] == "id-0"
    assert len(set(ids)) == 3
    assert again.event_id.to_pylist() == ids


def test_a_line_with_one_record_or_none_or_half_a_document_stays_as_it_is() -> None:
    texts = [document("a"), '{"resourceLogs":[{}]}', document("a", "b")[:-20], '{"resourceLogs":[{"scopeLogs":7}]}', "x"]
    lines = lines_of(texts)
    assert unpack(lines) is lines


def test_times_go_with_their_lines() -> None:
    found = unpack(lines_of([document("a", "b"), "x"], times=[1_000_000, 2_000_000]))
    assert [str(time.value) for time in found.event_time] == ["1000000", "1000000", "2000000"]


@given(st.lists(st.one_of(st.lists(st.text(max_size=3), max_size=4).map(lambda texts: document(*texts)), st.text(max_size=5)), max_size=8))
def test_nothing_is_lost(texts: list[str]) -> None:
    found = unpacked(*texts)
    expected = sum(max(text.count('"timeUnixNano"'), 1) for text in texts)
    assert len(found) == expected == len(set(found.event_id.to_pylist()))
