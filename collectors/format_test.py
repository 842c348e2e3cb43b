"""Runs the tests that a format file carries: a line goes in, fields of its row come out."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

from collectors.format import Format, FormatSet
from collectors.lines import Lines, Origin
from collectors.parse import parse_lines
from tailrace.clock import US_PER_S, iso_ms, to_datetime
from tailrace.fields import AttributeRegister
from tailrace.schema import LOGS

RECEIVED_US: Final = 1_795_000_000 * US_PER_S
"""The receipt of test lines: 2026-11-18."""

GIVEN: Final = frozenset({"event_id", "revision", "observed_timestamp", "log.source", "stream.name", "aws.log.group.name"})


def run_tests(one: Format, formats: FormatSet) -> Iterator[str]:
    """Answer a sentence for every field that is not as a test says: what was expected, and what came."""
    for test in one.tests:
        row = row_of(test.line, formats, one.name, header=test.header)
        for name, expected in {**test.row, "parse_status": test.status}.items():
            found = _comparable(row.get(name), expected)
            if found != expected and not (name == "attributes" and _same_objects(found, expected)):
                yield f"{one.path}:{test.at}: {name} is {found!r}, not {expected!r}"


def _same_objects(one: object, other: object) -> bool:
    """Whether two JSON texts say the same; the order of members does not count."""
    try:
        return isinstance(one, str) and isinstance(other, str) and bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


def row_of(line: str, formats: FormatSet, format_name: str = "", *, log_group: str = "", key: str = "", header: str = "") -> dict[str, Any]:
    """Answer the row of one line, by field names; nulls are left out, and what is known of a line without reading it."""
    texts = [header, line] if header else [line]
    lines = Lines(
        Origin(f"test:{header}", "test", log_group=log_group, format=format_name, key=key),
        RECEIVED_US,
        pa.array(texts, pa.string()),
        pa.array([str(number) for number in range(len(texts))], pa.string()),
        pa.nulls(len(texts), pa.timestamp("us")),
    )
    parsed = parse_lines(lines, formats, AttributeRegister())
    if not parsed.logs.num_rows:
        return {"parse_status": "header"}
    values = parsed.logs.to_pylist()[0]
    return {field.name: values[field.column] for field in LOGS.fields if values[field.column] is not None and field.name not in GIVEN}


def _comparable(value: Any, expected: Any) -> Any:  # noqa: ANN401 - a value of any type
    if hasattr(value, "isoformat"):
        moment_us = round((value - to_datetime(0).replace(tzinfo=None)).total_seconds() * US_PER_S)
        return iso_ms(moment_us) if isinstance(expected, str) and len(expected) <= 24 else f"{value.isoformat(timespec='microseconds')}Z"
    return value
