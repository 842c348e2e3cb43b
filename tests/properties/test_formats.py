"""Whatever a line holds: every line is a row or a header, in order, in the schema, with attributes that are JSON, and the line itself is kept."""

import json
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from collectors.format_file import load_formats
from tailrace.forms import arrow_schema
from tests.collectors.readers.samples import parsed

FORMATS = load_formats()
SEEDS = [test.line for one in FORMATS for test in one.tests] + [test.header for one in FORMATS for test in one.tests if test.header]
PIECES = [
    "",
    " ",
    "  ",
    '"',
    "\\",
    "\n",
    "\r",
    "\t",
    "\0",
    "\x1b[31m",
    "\u202e",
    "\ufeff",
    "-",
    "NaN",
    "null",
    "{",
    "}",
    "[",
    "]",
    "9" * 30,
    "1e999",
    "\\ud800",
    "é",
    "\U0001f600",
    "," * 50,
    "[" * 2_000,
]

mutations = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(PIECES)), max_size=3)


def mutated(seed: str, changes: Sequence[tuple[float, int, str]]) -> str:
    for where, cut, piece in changes:
        at = int(where * len(seed))
        seed = seed[:at] + piece + seed[at + cut :]
    return seed


lines = st.lists(st.builds(mutated, st.sampled_from(SEEDS), mutations), min_size=1, max_size=10)


@given(batch=lines, format_name=st.sampled_from(["", "", "", *FORMATS.formats]), group=st.sampled_from(["", "/aws/lambda/x", "vpc-flow-logs", "alb"]))
def test_no_line_is_lost_moved_or_a_crash(batch: list[str], format_name: str, group: str) -> None:
    found = parsed(batch, format_name, log_group=group)
    logs = found.logs
    logs.validate(full=True)
    found.metrics.validate(full=True)
    assert logs.schema == arrow_schema("logs")
    assert logs.num_rows + found.joined == len(batch)
    assert sum(tally.parsed + tally.partial + tally.failed for tally in found.tally.values()) == logs.num_rows
    for row in logs.to_pylist():
        line = batch[int(row["event_id"].removeprefix("id-"))]
        assert line in {row["message"], row["raw"]}
        assert isinstance(json.loads(row["attributes"] or "{}"), dict)
        assert (row["parse_status"] == "parsed") is (row["parse_error"] is None)
        assert row["event_time"] is not None
    order = [int(str(text).removeprefix("id-")) for text in logs["event_id"].to_pylist()]
    assert order == sorted(order)


@given(batch=lines)
def test_the_same_lines_give_the_same_rows(batch: list[str]) -> None:
    first, second = (parsed(batch, source=f"one {len(batch)}").logs.drop_columns(["attributes"]) for _ in range(2))
    assert first.equals(second)
