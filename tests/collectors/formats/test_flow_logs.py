"""Flow logs come as text and as Parquet files: the same flows are the same rows."""

import io
import json
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collectors.sources.contents import contents
from tests.collectors.readers.samples import formats, parsed

INTS = {"version", "srcport", "dstport", "protocol", "tcp-flags", "traffic-path", "encryption-status"}
LONGS = {"packets", "bytes", "start", "end", "packets-lost-no-route", "packets-lost-blackhole", "packets-lost-mtu-exceeded", "packets-lost-ttl-expired"}
"""Columns of numbers in AWS's Parquet files (INT_32, INT_64); the others are texts. https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html"""

OF_THE_LINE = {"message", "raw", "log_format", "event_id", "log_source"}
"""What a row says of the line itself, which is another one in the other form."""


def headers_and_lines(name: str) -> list[tuple[str, str]]:
    """Answer the lines of a format's own tests that are read in full, each with the names of its fields."""
    one = formats().get(name)
    names = [column.source for column in one.columns]
    tests = [test for test in one.tests if test.status == "parsed" and len(test.line.split()) <= len(names)]
    return [(test.header or " ".join(names[: len(test.line.split())]), test.line) for test in tests]


def parquet(header: Sequence[str], values: Sequence[str]) -> bytes:
    """Write one flow as AWS does: underscores in the names, numbers typed and null where there are none."""
    columns = {name.replace("-", "_"): array(name, value) for name, value in zip(header, values, strict=True)}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def array(name: str, value: str) -> "pa.Array[pa.Scalar[pa.DataType]]":
    if name in INTS | LONGS:
        return pa.array([None if value == "-" else int(value)], pa.int32() if name in INTS else pa.int64())
    return pa.array([value])


def comparable(table: pa.Table) -> list[dict[str, object]]:
    kept = [{name: value for name, value in row.items() if name not in OF_THE_LINE} for row in table.to_pylist()]
    return [{**row, "attributes": members(row["attributes"])} for row in kept]


def members(attributes: object) -> Mapping[str, object]:
    return {name.replace("-", "_"): value for name, value in json.loads(str(attributes)).items()}


@pytest.mark.parametrize(
    ("name", "header", "line"),
    [(name, header, line) for name in ("aws.vpc_flow", "aws.tgw_flow") for header, line in headers_and_lines(name) if "packet-loss" not in header],
)
def test_a_flow_is_the_same_row_of_a_parquet_file_as_of_a_text(name: str, header: str, line: str) -> None:
    names = header.split()
    (content,) = contents(io.BytesIO(parquet(names, line.split())))
    text = parsed([header, line], name)
    rows = parsed(b"".join(content.blocks).decode().splitlines(), f"{name}_json")
    assert text.joined == 1
    assert comparable(rows.logs) == comparable(text.logs)


@pytest.mark.parametrize("name", ["aws.vpc_flow", "aws.tgw_flow"])
def test_both_forms_declare_the_same(name: str) -> None:
    text, objects = (formats().get(one) for one in (name, f"{name}_json"))
    assert objects.columns == text.columns
    assert (objects.time_sources, objects.time_form) == (text.time_sources, text.time_form)


@pytest.mark.parametrize("name", ["aws.vpc_flow", "aws.tgw_flow"])
def test_a_file_of_the_default_order_is_known_by_its_content(name: str) -> None:
    (header, line), *_ = headers_and_lines(name)
    (content,) = contents(io.BytesIO(parquet(header.split(), line.split())))
    assert set(parsed(b"".join(content.blocks).decode().splitlines()).tally) == {f"{name}_json"}
    assert set(parsed([header, line]).tally) == {name}


@pytest.mark.parametrize("order", [1, -1])
def test_a_header_of_all_names_and_new_ones_is_known_in_any_order(order: int) -> None:
    for name in ("aws.vpc_flow", "aws.tgw_flow"):
        names = [*(column.source for column in formats().get(name).columns), "packet-loss", "new-one"][::order]
        found = parsed([" ".join(names if order > 0 else [*names[2:], *names[:2]])])
        assert (found.logs.num_rows, found.joined) == (0, 1), name
