"""Lines within lines: what a container runtime, the journal or a CSV file holds as a message is read as a line of its own, and its columns join the row's.

The row stays the row of the outer line: its ids, its time, its source, its format and its ``raw``. What the inner line says goes before what the outer one does (an application knows its level better
than the journal), but that of plain text, which was only looked for in prose. The inner format is the attribute ``log.inner_format``. An inner line that cannot be read makes the row partial.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, one_array
from collectors.detect import FALLBACK
from collectors.format import INNER_FORMAT
from collectors.lines import Lines

MAX_INNER: Final = 3
"""Lines in lines in lines: a CSV file of what Docker wrote of an application's lines. What lies deeper stays a message."""

_OUTER: Final = frozenset(
    {
        "event_id",
        "revision",
        "event_time",
        "observed_time",
        "log_format",
        "log_source",
        "stream_name",
        "cloud_account_id",
        "cloud_region",
        "aws_log_group_name",
        "aws_log_stream_name",
        "raw",
    }
)
"""Columns that are the outer line's alone."""

_DECODE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_ENCODE: Final = msgspec.json.Encoder().encode


def with_inner(outer: pa.Table, lines: Lines, read: Callable[[Lines], pa.Table]) -> pa.Table:
    """Answer the rows of lines whose messages hold lines; ``read`` makes rows of lines, of some of them none (headers)."""
    numbers = pc.indices_nonzero(pc.and_(pc.is_valid(outer["raw"]), pc.not_equal(outer["parse_status"], "failed")))
    if not len(numbers):
        return outer
    held = outer.take(numbers)
    message = pc.utf8_rtrim(one_array(held["message"]), "\r\n")
    ids: pa.StringArray = pc.cast(one_array(held["event_id"]), pa.string())
    times: pa.TimestampArray = pc.cast(one_array(held["event_time"]), pa.timestamp("us"))
    streams: pa.StringArray = pc.cast(one_array(held["aws_log_stream_name"]), pa.string())
    inner = read(Lines(replace(lines.origin, format=""), lines.received_us, message, ids, times, log_stream=streams))
    found = pc.index_in(one_array(outer["event_id"]), one_array(inner["event_id"]))
    return _joined(outer, inner.take(found))


def _joined(outer: pa.Table, inner: pa.Table) -> pa.Table:
    """Put rows together of which the inner ones may be null."""
    texts = one_array(outer["message"])
    trimmed = pc.if_else(pc.is_valid(outer["raw"]), pc.utf8_rtrim(texts, "\r\n"), texts)
    is_plain = pc.fill_null(pc.equal(one_array(inner["log_format"]), FALLBACK), True)
    own = {
        "message": pc.coalesce(one_array(inner["message"]), one_array(trimmed)),
        "attributes": _attributes(one_array(outer["attributes"]), one_array(inner["attributes"]), pc.if_else(is_plain, None, one_array(inner["log_format"]))),
        "parse_status": _status(outer, inner),
        "parse_error": _error(outer, inner),
    }
    for name in outer.schema.names:
        if name not in own:
            first, second = one_array(outer[name]), one_array(inner[name])
            own[name] = first if name in _OUTER else pc.if_else(is_plain, pc.coalesce(first, second), pc.coalesce(second, first))
    return pa.Table.from_arrays([own[name] for name in outer.schema.names], schema=outer.schema)


def _status(outer: pa.Table, inner: pa.Table) -> AnyArray:
    worse = pc.fill_null(pc.not_equal(inner["parse_status"], "parsed"), False)
    return one_array(pc.if_else(pc.and_(worse, pc.equal(outer["parse_status"], "parsed")), "partial", outer["parse_status"]))


def _error(outer: pa.Table, inner: pa.Table) -> AnyArray:
    told = pc.binary_join_element_wise(inner["log_format"], inner["parse_error"], ": ", null_handling="emit_null")
    return one_array(pc.coalesce(outer["parse_error"], told))


def _attributes(outer: AnyArray, inner: AnyArray, formats: AnyArray) -> AnyArray:
    rows = zip(outer.to_pylist(), inner.to_pylist(), formats.to_pylist(), strict=True)
    return pa.array([_together(one, other, str(name or "")) for one, other, name in rows], pa.string())


def _together(outer: str | None, inner: str | None, name: str) -> str | None:
    """Put the members of two objects into one; of two of one name the inner one stays."""
    if not inner and not name:
        return outer
    members = {**(_DECODE(outer) if outer else {}), **(_DECODE(inner) if inner else {})}
    return _ENCODE({**members, **({INNER_FORMAT: name} if name else {})}).decode()
