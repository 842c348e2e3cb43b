r"""Lines of one event put together again: stack traces of Java, Python, Node, Go, .NET, Ruby and PHP, JSON that was printed over several lines, and lines that a container runtime cut.

A line that is indented, or that is how a trace goes on (``Caused by:``, ``... 12 more``, ``goroutine 1 [running]:``, a closing brace), belongs to the line before it; the head of a trace (``Traceback``,
``java.lang.IllegalStateException: ...``) does where the line before it tells of an error; the last line of Python's trace does behind its indented ones. An event keeps the id and the time of its first
line; the others are counted as joined. Of lines that a container runtime wrapped (``collectors.container_lines``) what the application wrote is looked at, stream by stream.

What is put together stands in one run of lines: a payload, or a piece of a file. A trace that is cut by the end of a payload stays cut: only a process that keeps state could know, as
``collectors.sources.tail_files`` and ``collectors.sources.open_events`` do, which hand over whole events.
"""

from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, Mask, first_bytes, matching
from collectors.container_lines import Wrapped, may_be_wrapped, put_together, wrapped
from collectors.lines import Lines
from tailrace.clock import US_PER_S

MAX_LINES: Final = 1_000
"""Lines of one event; those beyond begin another one."""

TOGETHER_US: Final = US_PER_S
"""Lines of one event are written within this time."""

_GOES_ON: Final = (
    r"^(?:[ \t]+\S|Caused by: |Suppressed: |\.\.\. [0-9]+ (?:more|common frames)|-+ End of |goroutine [0-9]+ \[|During handling of the above exception|"
    r"The above exception was the direct cause|[}\])]+[,;]?[ \t]*$|#[0-9]+ (?:\S+\([0-9]+\): |\[internal function\]|\{main\}$)|Stack trace:$|/\S+:[0-9]+:in [`'][^']*'$)"
)
_GOES_ON_FIRST: Final = np.isin(np.arange(256), np.frombuffer(b" \tCS.-gDT}])#/", np.uint8))
"""Whether a line that begins with a byte may match ``_GOES_ON``; most runs have no such line, and to see that costs a tenth of asking for the pattern."""

_HEAD: Final = (
    r"^(?:Traceback \(most recent call last\):|(?:Exception in thread \"[^\"]*\" )?(?:[a-z][a-zA-Z0-9_]*\.)+[A-Z][A-Za-z0-9_$]*(?:Exception|Error|Throwable)\b|"
    r"(?:Uncaught )?[A-Z][A-Za-z]*Error: |System\.[A-Za-z.]*Exception: )"
)
_AFTER_INDENTED: Final = r"^(?:(?:[A-Za-z_][A-Za-z0-9_]*\.)*(?:[A-Z][A-Za-z]*)?(?:Exception|Error)(?: \[[A-Z_]+\])?: )"
"""The head of a trace behind the lines that a failure begins with: ``fail: Shop.Cart[0]`` of .NET, the line of source that Node shows."""

_FRAME: Final = r"^[ \t]+(?:at |from |\.\.\.)"
"""Behind such a line no last line of a trace comes, but the head of the next trace."""

_GO_CALL: Final = r"^(?:created by )?[\w./*()\-]+\.[\w.*()\[\]\-]+(?:\(.*\)| in goroutine [0-9]+)?$"
_GO_PLACE: Final = r"^\t/?\S+:[0-9]+(?: \+0x[0-9a-f]+)?$"
_GO_SIGNAL: Final = r"^\[signal [A-Z]+"
_GO_EXIT: Final = r"^exit status [0-9]+$"
_CHAIN: Final = r"^(?:During handling of the above exception|The above exception was the direct cause)"
_TELLS_OF_AN_ERROR: Final = r"(?i)\b(?:error|exception|critical|fatal|severe|warn|warning|failed|panic)\b"
_LAST: Final = r"^(?:[A-Za-z_][A-Za-z0-9_]*\.)*[A-Z][A-Za-z0-9_]*(?:Error|Exception|Warning|Interrupt|Exit|Failure|Iteration|Group)(?::.*)?$"


def may_go_on(texts: AnyArray) -> Mask:
    """Answer which lines may belong to the one before, or be those of a container."""
    may = may_be_wrapped(texts)
    return may | matching(texts, _GOES_ON) if _GOES_ON_FIRST[first_bytes(texts)].any() else may


def join_lines(lines: Lines) -> Lines:
    """Answer the events of a run of lines: as many, or fewer."""
    parts = wrapped(lines.text)
    starts = first_lines(lines, parts)
    if len(starts) == len(lines):
        return lines
    offsets = pa.array(np.append(starts, len(lines)), pa.int32())
    texts: pa.StringArray = pc.binary_join(pa.ListArray.from_arrays(offsets, lines.text), "\n") if parts is None else put_together(parts, starts)
    firsts = pa.array(starts)
    streams = None if lines.log_stream is None else lines.log_stream.take(firsts)
    return replace(lines, text=texts, event_id=lines.event_id.take(firsts), event_time=lines.event_time.take(firsts), log_stream=streams)


def first_lines(lines: Lines, parts: Wrapped | None) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Answer the numbers of the lines with which an event begins; ``parts`` are lines of containers, taken apart."""
    goes_on = _belonging_in(lines.text, parts)
    if goes_on is None:
        return np.arange(len(lines))
    goes_on &= _soon(lines)
    goes_on[0] = False
    return _capped(np.flatnonzero(~goes_on), len(lines))


def last_first(texts: AnyArray) -> int:
    """Answer the number of the line with which the last event of some lines begins; the head of a trace is part of one already where its other lines are not there yet."""
    if not len(texts):
        return 0
    parts = wrapped(texts)
    goes_on = _belonging_in(texts, parts)
    goes_on = _heads(texts if parts is None else parts.shown, np.zeros(len(texts), bool)) if goes_on is None else goes_on
    goes_on[0] = False
    return int(np.flatnonzero(~goes_on)[-1])


def _belonging_in(texts: AnyArray, parts: Wrapped | None) -> Mask | None:
    """Find the lines that belong to the one before; those of containers: pieces of one line, and lines of one event, both of one stream."""
    if parts is None:
        return _belonging(texts)
    belonging = _belonging(parts.shown)
    goes_on = _after(parts.goes_on) if belonging is None else _after(parts.goes_on) | (belonging & ~_after(parts.goes_on))
    stream = parts.stream.to_numpy(zero_copy_only=False)
    return goes_on & np.append(np.zeros(1, bool), stream[1:] == stream[:-1]) if goes_on.any() else None


def _belonging(texts: AnyArray) -> Mask | None:
    """Find the lines that belong to the one before; ``None`` where there are none."""
    if not _GOES_ON_FIRST[first_bytes(texts)].any():
        return None
    goes_on = matching(texts, _GOES_ON)
    if not goes_on.any():
        return None
    goes_on |= _heads(texts, goes_on)
    indented = goes_on & matching(texts, r"^[ \t]")
    behind = _after(indented & ~matching(texts, _FRAME))
    return goes_on | (behind & (matching(texts, _AFTER_INDENTED) | matching(texts, _LAST))) | _of_go(texts)


def _of_go(texts: AnyArray) -> Mask:
    """Find the calls of a trace of Go, each with its place behind it, and what stands before and behind the trace."""
    routines, places = matching(texts, r"^goroutine [0-9]+ \["), matching(texts, _GO_PLACE)
    if not (routines.any() or places.any()):
        return routines
    calls = np.append(places[1:], np.zeros(1, bool)) & matching(texts, _GO_CALL)
    before = np.append(routines[1:], np.zeros(1, bool)) & matching(texts, _GO_SIGNAL)
    return calls | before | (_after(places) & matching(texts, _GO_EXIT))


def _heads(texts: AnyArray, goes_on: Mask) -> Mask:
    heads = matching(texts, _HEAD)
    return heads & _after((matching(texts, _TELLS_OF_AN_ERROR) & ~goes_on) | matching(texts, _CHAIN)) if heads.any() else heads


def _after(mask: Mask) -> Mask:
    """Mark what stands behind a marked line."""
    return np.append(np.zeros(1, bool), mask[:-1])


def _soon(lines: Lines) -> Mask:
    """Mark lines that were written soon after the one before; where times are not known all are."""
    if lines.event_time.null_count:
        return np.ones(len(lines), bool)
    times = lines.event_time.cast(pa.int64()).to_numpy()
    return np.append(np.zeros(1, bool), np.abs(np.diff(times)) <= TOGETHER_US)


def _capped(starts: "np.ndarray[tuple[int], np.dtype[np.int64]]", length: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Cut events of too many lines."""
    sizes = np.diff(np.append(starts, length))
    if sizes.max() <= MAX_LINES:
        return starts
    pieces = [np.arange(start, start + size, MAX_LINES) for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)]
    return np.concatenate(pieces)
