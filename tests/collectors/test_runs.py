"""Runs of several log streams are put together, cut and put in order; each line keeps its own stream."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from collectors.format_file import load_formats
from collectors.from_settings import work_with
from collectors.join import join_lines
from collectors.lines import Lines, Origin
from collectors.poison import letters_of, line_of, sift
from collectors.runs import grouped, log_streams, slice_lines, take_lines
from collectors.runs import together as put_together
from collectors.steps import Work, gather
from collectors.unpack import unpack
from tailrace.fields import AttributeRegister

ORIGIN = Origin("cloudwatch:/g", "cloudwatch", log_group="/g")
RUNS = st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.sampled_from(["/g", "/h"]), st.integers(0, 4)), max_size=6)


def _run(stream: str, texts: list[str], group: str = "/g", first: int = 0) -> Lines:
    ids: pa.StringArray = pa.array([f"{first + number}" for number in range(len(texts))], pa.string())
    times: pa.TimestampArray = pa.array([number * 10_000_000 for number in range(len(texts))], pa.timestamp("us"))
    return Lines(replace(ORIGIN, log_stream=stream, log_group=group), 5, pa.array(texts, pa.string()), ids, times)


def _told(lines: Lines) -> list[tuple[str, str | None, str, str | None]]:
    streams = log_streams(lines).to_pylist()
    return [
        (lines.origin.log_group, stream, str(one), text) for stream, one, text in zip(streams, lines.event_id.to_pylist(), lines.text.to_pylist(), strict=True)
    ]


@given(RUNS)
def test_lines_keep_their_group_stream_and_order(asked: list[tuple[str, str, int]]) -> None:
    runs = [_run(stream, [f"{stream} {number}" for number in range(size)], group, at * 10) for at, (stream, group, size) in enumerate(asked)]
    together = [put_together(group) for group in grouped(runs)]
    assert len({one.origin.log_group for one in together}) == len(together)
    groups = dict.fromkeys(run.origin.log_group for run in runs)
    assert [line for one in together for line in _told(one)] == [
        line for group in groups for run in runs if run.origin.log_group == group for line in _told(run)
    ]
    for one in together:
        middle = len(one) // 2
        assert _told(slice_lines(one, 0, middle)) + _told(slice_lines(one, middle, len(one))) == _told(one)
        assert _told(take_lines(one, np.arange(len(one))[::-1])) == _told(one)[::-1]


RECORDS = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a"}},{"body":{"stringValue":"b"}}]}]}]}'
TEXTS = st.sampled_from(
    [
        "plain",
        "",
        "-",
        '{"level":"info"}',
        "an error",
        "\tat a.B.c(B.java:1)",
        "Caused by: x",
        "}",
        "2026-11-18T11:06:40.1Z stdout P half",
        "2026-11-18T11:06:40.1Z stdout F whole",
        "2026-11-18",
        r'{"log":"half","stream":"stdout","time":"t"}',
        r'{"log":"whole\n","stream":"stdout","time":"t"}',
        RECORDS,
        "\n " + RECORDS.replace("{", "{ ", 1),
        RECORDS.replace('{"', '{\t"', 1).replace("resourceLogs", "resource_logs"),
    ]
)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.lists(TEXTS, max_size=6)), max_size=4))
def test_what_is_looked_for_in_all_runs_at_once_is_found_as_in_each_by_itself(asked: list[tuple[str, list[str]]]) -> None:
    runs = [_run(stream, texts, first=at * 100) for at, (stream, texts) in enumerate(asked)]
    lines, came_in = gather(runs)
    by_itself = [unpack(run) for run in runs]
    assert came_in == sum(map(len, by_itself))
    assert [line for one in lines for line in _told(one)] == [line for run in by_itself for line in _told(join_lines(run) if len(run) else run)]


def test_a_row_and_a_dead_letter_have_the_stream_of_their_line() -> None:
    formats = load_formats()
    work: Work = work_with(formats, AttributeRegister(declared=formats.declared()))
    runs = [
        _run("one", ["plain", "Traceback (most recent call last):", '  File "a.py"'], first=0),
        _run("two", ['{"level":"info","message":"m"}', "x"], first=10),
    ]
    (lines,), came_in = gather(runs)
    assert came_in == 5
    (batch,) = sift(lines, work).batches
    found = dict(zip(batch.logs["event_id"].to_pylist(), batch.logs["aws_log_stream_name"].to_pylist(), strict=True))
    assert found == {"0": "one", "1": "one", "2": "one", "10": "two", "11": "two"}
    again = [line_of(letter) for letter in letters_of(lines, "poison")]
    assert [line for one in again for line in _told(one)] == _told(lines)
