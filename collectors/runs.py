"""Runs of lines, cut and put together."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa

from collectors.lines import Lines, Origin


def slice_lines(lines: Lines, start: int, stop: int) -> Lines:
    """Answer the lines from ``start`` to before ``stop``."""
    length = stop - start
    return replace(
        lines,
        text=lines.text.slice(start, length),
        event_id=lines.event_id.slice(start, length),
        event_time=lines.event_time.slice(start, length),
    )


def take_lines(lines: Lines, numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Lines:
    """Answer the lines of some numbers."""
    at = pa.array(numbers, pa.int64())
    return replace(lines, text=lines.text.take(at), event_id=lines.event_id.take(at), event_time=lines.event_time.take(at))


def merged(runs: Iterable[Lines]) -> list[Lines]:
    """Put runs of one origin together, in their order; the time of receipt is that of the first."""
    by_origin: dict[tuple[Origin, bool], list[Lines]] = {}
    for run in runs:
        by_origin.setdefault((run.origin, run.whole), []).append(run)
    return [_one(group) for group in by_origin.values()]


def _one(group: list[Lines]) -> Lines:
    if len(group) == 1:
        return group[0]
    text: pa.StringArray = pa.concat_arrays([run.text for run in group])
    event_id: pa.StringArray = pa.concat_arrays([run.event_id for run in group])
    event_time: pa.TimestampArray = pa.concat_arrays([run.event_time for run in group])
    known = [run.known for run in group if run.known is not None]
    together = pa.concat_tables(known, promote_options="default") if known else None
    return replace(group[0], text=text, event_id=event_id, event_time=event_time, known=together)
