"""What a sender says of an event beside its text, such as OpenTelemetry's severity, trace id and attributes: columns of ``logs``, put into the rows that were made of the text.

The table holds ``event_id`` and any other columns of ``logs``; its rows are found by the event id, so lines may have been joined, halved or left out before. A value of it counts before what the
text says; where it is null the text's stays. Attributes of both are one object, and of equal names the sender's stays. ``event_time`` alone is weaker than the text: it is put in where neither the
envelope nor the text told a time.
"""

from collections.abc import Mapping
from typing import Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, one_array, with_column
from tailrace.forms import arrow_schema

ATTRIBUTES: Final = "attributes"
TIME: Final = "event_time"


def known_table(columns: Mapping[str, AnyArray]) -> pa.Table:
    """Make the table of columns by name, each in the type that it has in ``logs``."""
    schema = arrow_schema("logs")
    return pa.table({name: values.cast(schema.field(name).type) for name, values in columns.items()})


def completed(rows: pa.Table, known: pa.Table, received_us: int) -> pa.Table:
    """Answer rows of ``logs`` with what is known of them; those without a time of their own have that of the receipt so far."""
    at = pc.index_in(one_array(rows["event_id"]), one_array(known["event_id"]))
    for name in known.column_names:
        if name == "event_id":
            continue
        said, own = one_array(known[name]).take(at), one_array(rows[name])
        if said.null_count == len(said):
            continue
        if name == TIME:
            said = pc.if_else(pc.equal(own, pa.scalar(received_us, pa.int64()).cast(own.type)), said, None)
        rows = with_column(rows, name, _both(own, said) if name == ATTRIBUTES else pc.coalesce(said, own))
    return rows


def _both(own: AnyArray, said: AnyArray) -> AnyArray:
    if own.null_count == len(own):
        return said
    if pc.any(pc.and_(pc.is_valid(own), pc.is_valid(said))).as_py():
        return pa.array([_object(one, other) for one, other in zip(own.to_pylist(), said.to_pylist(), strict=True)], pa.string())
    return pc.coalesce(said, own)


def _object(own: str | None, said: str | None) -> str | None:
    """Join two objects as texts, so that numbers stay as they are written; only where a name is in both they are read."""
    if not own or not said or own == "{}" or said == "{}":
        return said if said and said != "{}" else own
    try:
        first, second = orjson.loads(own), orjson.loads(said)
    except orjson.JSONDecodeError:
        return f"{own[:-1]},{said[1:]}"
    return orjson.dumps(first | second).decode() if first.keys() & second.keys() else f"{own[:-1]},{said[1:]}"


def said_of(rows: pa.Table) -> pa.Table:
    """Answer what stored rows of ``logs`` hold beside the line, so that it is there again when the line is read again. What the line told the first time is among it, and stays."""
    names = [name for name in rows.column_names if name not in _OF_THE_LINE and rows[name].null_count < rows.num_rows]
    return rows.select(["event_id", *names]).combine_chunks()


_OF_THE_LINE: Final = frozenset(
    {
        *("event_id", "revision", "event_time", "observed_time", "message", "raw", "log_format", "log_source", "stream_name", "parse_status", "parse_error"),
        *("cloud_account_id", "cloud_region", "aws_log_group_name", "aws_log_stream_name"),
    }
)
"""Columns that are made anew of the line and where it came from."""


def by_event_id(known: pa.Table | None) -> Mapping[str, str]:
    """Answer what is known of each event as a JSON text, so that it can be kept in a dead letter."""
    if known is None:
        return {}
    rows = known.drop_columns([TIME] if TIME in known.column_names else []).to_pylist()
    return {row["event_id"]: orjson.dumps(row).decode() for row in rows}


def known_of(text: str) -> pa.Table:
    """Answer the table of one event of :func:`by_event_id`."""
    schema = arrow_schema("logs")
    return pa.table({name: pa.array([value], schema.field(name).type) for name, value in orjson.loads(text).items()})
