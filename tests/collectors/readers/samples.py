"""Lines to rows, for tests."""

import json
from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import Any

import pyarrow as pa

from collectors.format import FormatSet
from collectors.format_file import load_formats
from collectors.lines import Lines, Origin
from collectors.parse import ParsedLines, parse_lines
from tailrace.fields import AttributeRegister
from tailrace.schema import LOGS

RECEIVED_US = 1_795_000_000_000_000
_SOURCES = count()


@cache
def formats() -> FormatSet:
    return load_formats()


def lines_of(texts: Sequence[str], format_name: str = "", *, source: str = "", log_group: str = "", times: Sequence[int | None] | None = None) -> Lines:
    ids = [f"id-{number}" for number in range(len(texts))]
    origin = Origin(source or f"test:{next(_SOURCES)}", "test", format=format_name, log_group=log_group)
    return Lines(origin, RECEIVED_US, pa.array(texts, pa.string()), pa.array(ids, pa.string()), pa.array(times or [None] * len(texts), pa.timestamp("us")))


def parsed(texts: Sequence[str], format_name: str = "", register: AttributeRegister | None = None, **known: Any) -> ParsedLines:
    return parse_lines(lines_of(texts, format_name, **known), formats(), register or AttributeRegister())


def rows(texts: Sequence[str], format_name: str = "", **known: Any) -> list[dict[str, Any]]:
    found = parsed(texts, format_name, **known).logs.to_pylist()
    return [{field.name: row[field.column] for field in LOGS.fields if row[field.column] is not None} for row in found]


def attributes(row: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(row.get("attributes", "{}"))
    return value
