"""Fields between blanks: the CSV reader and the cutting one by one give the same, and no line is lost or moved."""

import csv
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.format import Format
from collectors.format_file import parse_format
from collectors.readers.cuts import cut_of
from collectors.readers.delimited import MORE_FIELDS, read
from tailrace.yaml_file import parse_yaml
from tests.collectors.readers.samples import attributes, rows

FORMAT = b"""
name: test.three
description: Three fields.
reader: delimited
options: {least: 2, whole: 3}
columns:
  - {source: word}
  - {source: number, type: long}
  - {source: text}
"""

VPC = "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 {port} 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
ALB = (
    'http 2022-07-05T04:47:50.273035Z app/k8s/2b39 192.0.2.34:65301 192.168.84.111:80 0.001 0.000 0.000 404 404 472 696 "GET http://192.0.2.42:80/ HTTP/1.1" '
    '"{agent}" - - arn:aws:x "Root=1-62c3c276-7ebec4d5497565d773421350" "-" "-" 1 2022-07-05T04:47:50.271000Z "forward" "-" "-" "192.168.84.111:80" "404" "-" "-"'
)


def three() -> Format:
    return parse_format(parse_yaml(FORMAT, "three.yaml"))


def columns(lines: Sequence[str]) -> dict[str, list[object]]:
    found = read(three(), pa.array(lines, pa.string()), "test")
    return {name: column.to_pylist() for name, column in found.columns.items()}


PLAIN = st.text(st.characters(codec="utf-8", exclude_characters=' "\\[]\r\n\t\x0b\x0c-', exclude_categories=["Z", "Cc", "Cs"]), min_size=1, max_size=6)
QUOTED = st.text(st.characters(codec="utf-8", exclude_characters='"\\\r\n', exclude_categories=["Cc", "Cs"]), min_size=1, max_size=10).filter(
    lambda text: text != "-"
)


@given(batch=st.lists(st.tuples(PLAIN, st.integers(-(2**63), 2**63 - 1), QUOTED), min_size=1, max_size=20))
def test_good_lines_are_read_as_the_csv_module_reads_them(batch: list[tuple[str, int, str]]) -> None:
    lines = [f'{word} {number} "{text}"' for word, number, text in batch]
    expected = list(csv.reader(lines, delimiter=" ", quotechar='"', doublequote=False))
    found = columns(lines)
    assert [found["word"], found["text"]] == [[row[0] for row in expected], [row[2] for row in expected]]
    assert found["number"] == [number for _, number, _ in batch]


@given(batch=st.lists(st.text(st.sampled_from('ab1 "\\[]-\r\n\té'), max_size=14), min_size=1, max_size=12))
def test_a_line_is_read_the_same_alone_as_among_others(batch: list[str]) -> None:
    together = columns(batch)
    for number, line in enumerate(batch):
        alone = {name: values[0] for name, values in columns([line]).items() if values[0] is not None}
        assert {name: str(values[number]) for name, values in together.items() if values[number] is not None} == {
            name: str(value) for name, value in alone.items()
        }


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        ('a "b c" d', ["a", "b c", "d"]),
        ('a "b \\"c\\" d" e', ["a", 'b "c" d', "e"]),
        ('a "b"c d" e', ["a", 'b"c d', "e"]),
        ('a [10/Oct/2000 +0000] b"c', ["a", "10/Oct/2000 +0000", 'b"c']),
        ('a "b c', ["a"]),
        ("a [b c", ["a", "[b", "c"]),
        ('a "" b', ["a", "", "b"]),
        ("", []),
        ("  a   b ", ["a", "b"]),
        ("[a b] [c d]e [f] [g h", ["a b", "[c", "d]e", "[f]", "[g", "h"]),
        ("[a [b] c] d", ["a [b", "c]", "d"]),
    ],
)
def test_cutting_one_by_one(line: str, tokens: list[str]) -> None:
    assert cut_of(" ", "").tokens(line) == tokens


def test_an_odd_line_does_not_swallow_its_neighbour() -> None:
    lines = [VPC.format(port=1), VPC.format(port='"2'), VPC.format(port=3), VPC.format(port="4 5"), VPC.format(port=6)]
    found = rows(lines, "aws.vpc_flow")
    assert [row.get("source.port") for row in found] == [1, None, 3, 4, 6]
    assert [row["parse_status"] for row in found] == ["parsed", "failed", "parsed", "partial", "parsed"]
    assert found[3]["parse_error"] == "action is none of ACCEPT, REJECT; log-status is none of OK, NODATA, SKIPDATA"
    assert found[1]["parse_error"] == "reading stopped at srcport (field 6 of 14)"


def test_one_bad_number_makes_its_own_line_partial_and_no_other() -> None:
    found = rows([VPC.format(port=1), VPC.format(port="x"), VPC.format(port="9" * 20), VPC.format(port=2)], "aws.vpc_flow")
    assert [row.get("source.port") for row in found] == [1, None, None, 2]
    assert [row.get("parse_error") for row in found] == [None, "srcport is no long", "srcport is no long", None]
    assert {row["network.bytes"] for row in found} == {4249}


@pytest.mark.parametrize("agent", ["back\\\\slash", "tab\there", 'quo\\"ted', "[br acket]", "line\nfeed", "carriage\rreturn", "ünï", "nul\x00"])
def test_a_user_agent_may_hold_anything(agent: str) -> None:
    lines = [ALB.format(agent="plain"), ALB.format(agent=agent), ALB.format(agent="plain")]
    found = rows(lines, "aws.alb")
    assert [row["parse_status"] for row in found] == ["parsed"] * 3
    assert [row["user_agent.original"] for row in found] == ["plain", agent.replace('\\"', '"'), "plain"]
    assert {row["trace_id"] for row in found} == {"62c3c2767ebec4d5497565d773421350"}
    assert [row["message"] for row in found] == lines


def test_fields_that_are_new_are_kept_by_their_number() -> None:
    (row,) = rows([f'{ALB.format(agent="a")} TID_1 - - - 192.0.2.7 "brand new" 42'], "aws.alb")
    found = attributes(row)
    assert (found["aws.elb.connection_id"], found["field_35"], found["field_36"]) == ("TID_1", "brand new", "42")


@pytest.mark.parametrize("others", [1, 9])
def test_of_very_many_fields_the_last_ones_are_kept_together(others: int) -> None:
    line = " ".join(["a", "1", "b", *(str(number) for number in range(10_000))])
    found = columns([line, *["a 1 b"] * others, *[line] * others])
    assert len(found) == 3 + MORE_FIELDS
    assert (found["field_4"][0], found["field_66"][0]) == ("0", "62")
    assert found["field_67"] == [" ".join(str(number) for number in range(63, 10_000)), *[None] * others, *[found["field_67"][0]] * others]


def test_a_header_says_the_order_for_lines_that_come_later_from_the_same_source() -> None:
    first = rows(["srcaddr bytes action", "10.0.0.1 5 ACCEPT"], "aws.vpc_flow", source="file:a")
    later = rows(["10.0.0.2 6 REJECT"], "aws.vpc_flow", source="file:a")
    other = rows(["10.0.0.3 7 REJECT"], "aws.vpc_flow", source="file:b")
    assert [(row.get("source.address"), row.get("network.bytes")) for row in (*first, *later, *other)] == [("10.0.0.1", 5), ("10.0.0.2", 6), (None, None)]
    assert [row["parse_status"] for row in (*first, *later, *other)] == ["parsed", "parsed", "failed"]


def test_a_header_alone_is_no_row() -> None:
    assert rows(["srcaddr bytes action"], "aws.vpc_flow") == []
