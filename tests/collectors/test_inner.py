"""Lines within lines: what a message holds is read as any line, the outer line stays what it is, and nothing is lost."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.inner import MAX_INNER
from collectors.parse import parse_lines
from tailrace.fields import AttributeRegister
from tailrace.schema import FieldType
from tests.collectors.readers.samples import attributes, formats, lines_of, parsed, rows

CRI = "2026-11-17T10:00:00.5Z stdout F "
TRACE = "6b02b77763f651453a9bbc6c80be111a"


def docker(text: str) -> str:
    return json.dumps({"log": text, "stream": "stdout", "time": "2026-11-17T10:00:00Z"}, separators=(",", ":"))


def test_the_row_is_the_outer_lines_with_the_columns_of_the_inner() -> None:
    (row,) = rows([f'{CRI}192.0.2.7 - - [17/Nov/2025:10:00:00 +0000] "GET /cart HTTP/1.1" 502 17'])
    assert (row["log.format"], row["raw"][: len(CRI)], row["client.address"], row["severity_text"]) == ("container.cri", CRI, "192.0.2.7", "ERROR")
    assert row["@timestamp"].year == 2026
    assert attributes(row) == {"log.iostream": "stdout", "log.inner_format": "web.apache_access"}


def test_lines_of_many_formats_stay_in_their_order() -> None:
    texts = [f'{CRI}{{"message":"{number}","level":"warn"}}' if number % 3 else f"{CRI}plain {number}" for number in range(100)]
    found = rows(texts)
    assert [row["message"].removeprefix("plain ") for row in found] == [str(number) for number in range(100)]
    assert [row.get("severity_text") for row in found] == ["WARN" if number % 3 else None for number in range(100)]


def test_what_prose_seems_to_say_does_not_go_before_what_the_outer_line_says() -> None:
    journal = json.dumps({"__REALTIME_TIMESTAMP": "1794909600123456", "PRIORITY": "6", "MESSAGE": f"no ERROR, trace_id={TRACE}"})
    (row,) = rows([journal])
    assert (row["severity_text"], row["trace_id"]) == ("INFO", TRACE)
    said = journal.replace("no ERROR, ", '{\\"level\\":\\"error\\",\\"message\\":\\"x\\"}').replace(f"trace_id={TRACE}", "")
    (row,) = rows([said])
    assert (row["severity_text"], row["message"]) == ("ERROR", "x")


def test_of_members_of_one_name_the_inner_one_stays() -> None:
    (row,) = rows([docker(json.dumps({"message": "m", "log.iostream": "mine"}))])
    assert attributes(row) == {"log.iostream": "mine", "log.inner_format": "app.json"}


def test_a_header_within_is_a_row_all_the_same() -> None:
    found = parsed([f"{CRI}#Fields: date time c-ip cs-method", f"{CRI}up"]).logs
    assert found["message"].to_pylist() == ["#Fields: date time c-ip cs-method", "up"]


@pytest.mark.parametrize("depth", range(1, MAX_INNER + 3))
def test_lines_lie_within_lines_to_a_depth(depth: int) -> None:
    text = '{"level":"error","message":"deep"}'
    for _ in range(depth):
        text = docker(text)
    (row,) = rows([text])
    assert row["parse_status"] == "parsed"
    assert (row["message"] == "deep") == (depth <= MAX_INNER)


def test_what_the_inner_line_teaches_of_types_is_learned() -> None:
    register = AttributeRegister(declared=formats().declared())
    parse_lines(lines_of([f'{CRI}{{"message":"m","order":{{"count":17}}}}']), formats(), register)
    assert register.type_of("order.count") is FieldType.LONG


@given(st.lists(st.text(st.sampled_from('{}[]"\\:,ab1 \n\t=#é\x00'), max_size=30), max_size=12))
def test_whatever_a_container_writes_is_a_row_with_all_of_it(texts: list[str]) -> None:
    lines = [CRI + text for text in texts] + [docker(text) for text in texts]
    found = parsed(lines)
    assert found.logs.num_rows + found.joined == len(lines)
    assert set(found.logs["parse_status"].to_pylist()) <= {"parsed", "partial"}
    kept = [row["raw"] or row["message"] for row in found.logs.to_pylist()]
    assert kept == lines
    assert found.logs["event_id"].to_pylist() == [f"id-{number}" for number in range(len(lines))]


def test_no_lines_are_no_rows() -> None:
    assert parse_lines(lines_of([]), formats(), AttributeRegister()).logs.num_rows == 0
    assert pa.array([], pa.string()).null_count == 0
