"""Runs of lines, cut and put together."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from collectors.arrays import Mask
from collectors.lines import Lines, Origin


def slice_lines(lines: Lines, start: int, stop: int) -> Lines:
    """Answer the lines from ``start`` to before ``stop``."""
    length = stop - start
    return replace(
        lines,
        text=lines.text.slice(start, length),
        event_id=lines.event_id.slice(start, length),
        event_time=lines.event_time.slice(start, length),
        log_stream=None if lines.log_stream is None else lines.log_stream.slice(start, length),
    )


def take_lines(lines: Lines, numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Lines:
    """Answer the lines of some numbers."""
    at = pa.array(numbers, pa.int64())
    return replace(
        lines,
        text=lines.text.take(at),
        event_id=lines.event_id.take(at),
        event_time=lines.event_time.take(at),
        log_stream=None if lines.log_stream is None else lines.log_stream.take(at),
    )


def grouped(runs: Iterable[Lines]) -> list[list[Lines]]:
    """Part runs into groups that can be put together: those of one origin, also of several log streams of one group, in their order."""
    by_origin: dict[tuple[Origin, bool], list[Lines]] = {}
    for run in runs:
        by_origin.setdefault((replace(run.origin, log_stream=""), run.whole), []).append(run)
    return list(by_origin.values())


def together(group: Sequence[Lines]) -> Lines:
    """Put the runs of a group together; the time of receipt is that of the first."""
    if len(group) == 1:
        return group[0]
    text: pa.StringArray = pa.concat_arrays([run.text for run in group])
    event_id: pa.StringArray = pa.concat_arrays([run.event_id for run in group])
    event_time: pa.TimestampArray = pa.concat_arrays([run.event_time for run in group])
    known = [run.known for run in group if run.known is not None]
    said = pa.concat_tables(known, promote_options="default") if known else None
    alike = all(run.origin == group[0].origin and run.log_stream is None for run in group)
    origin = group[0].origin if alike else replace(group[0].origin, log_stream="")
    streams: pa.StringArray | None = None if alike else pa.concat_arrays([log_streams(run) for run in group])
    return replace(group[0], origin=origin, text=text, event_id=event_id, event_time=event_time, known=said, log_stream=streams)


def changed(group: Sequence[Lines], lines: Lines, may: Mask, change: Callable[[Lines], Lines]) -> tuple[Sequence[Lines], Lines]:
    """Change the runs of a group in which a line is marked, each by itself; ``lines`` is the group put together, ``may`` the mask of its lines. Answer the group and it put together again."""
    if not may.any():
        return group, lines
    ends = np.cumsum([len(run) for run in group]).tolist()
    group = [change(run) if may[end - len(run) : end].any() else run for run, end in zip(group, ends, strict=True)]
    return group, together(group)


def log_streams(lines: Lines) -> pa.StringArray:
    """Answer the log stream of each line."""
    if lines.log_stream is not None:
        return lines.log_stream
    return pa.repeat(pa.scalar(lines.origin.log_stream or None, pa.string()), len(lines))
