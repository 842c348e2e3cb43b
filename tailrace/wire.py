"""Rows between two Tailraces: an Arrow IPC stream (https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format) of one table, in the schema, not compressed.

Beside the columns of the schema there is ``_source``, the name of each row's source in the ledger. The schema's metadata holds, as JSON, the types of attributes that the sender's register knows.
A column that one side does not know yet, for want of an update, is null on the other; one of another type is refused.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from tailrace.errors import DecodeError
from tailrace.fields import LEARNABLE
from tailrace.forms import arrow_schema
from tailrace.schema import FieldType, TableName

MEDIA_TYPE: Final = "application/vnd.apache.arrow.stream"
SOURCE: Final = "_source"
TYPES: Final = b"tailrace.attributes"
MAX_SOURCE_CHARS: Final = 256


def encode(rows: pa.Table, sources: pa.StringArray, types: Mapping[str, FieldType]) -> bytes:
    """Write rows, each with its source; columns that are null altogether are left out."""
    filled = rows.select([name for name in rows.column_names if rows.column(name).null_count < rows.num_rows])
    table = filled.append_column(SOURCE, sources).replace_schema_metadata({TYPES: json.dumps({name: kind.value for name, kind in types.items()})})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def decode(name: TableName, body: bytes) -> tuple[list[tuple[str, pa.Table]], Mapping[str, FieldType]]:
    """Read rows: those of each source in the schema, and the types of attributes. Raises :class:`DecodeError` where they are not what the module says."""
    try:
        table = pa.ipc.open_stream(pa.py_buffer(body)).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise DecodeError(f"no Arrow stream of rows: {' '.join(str(error).split())[:300]}") from error
    return list(_by_source(_in_schema(name, table))), _types(table.schema.metadata)


def _in_schema(name: TableName, table: pa.Table) -> pa.Table:
    wanted = [*arrow_schema(name), pa.field(SOURCE, pa.string())]
    there = table.column_names
    if len(set(there)) < len(there) or SOURCE not in there:
        raise DecodeError("a column is there twice, or the rows do not say their source")
    for field in wanted:
        if field.name in there and table.schema.field(field.name).type != field.type:
            raise DecodeError(f"column {field.name} is {table.schema.field(field.name).type} and not {field.type}")
    columns = [table.column(field.name) if field.name in there else pa.nulls(table.num_rows, field.type) for field in wanted]
    found = pa.table(columns, schema=pa.schema(wanted))
    for column in ("event_id", "event_time", SOURCE):
        if found.column(column).null_count:
            raise DecodeError(f"rows without {column}")
    return found.set_column(found.schema.get_field_index("revision"), "revision", pc.fill_null(found["revision"], 0))


def _by_source(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    for source in pc.unique(table[SOURCE]).to_pylist():
        yield str(source)[:MAX_SOURCE_CHARS], table.filter(pc.equal(table[SOURCE], source)).drop_columns([SOURCE])


def _types(metadata: Mapping[bytes, bytes] | None) -> Mapping[str, FieldType]:
    try:
        told = json.loads((metadata or {}).get(TYPES, b"{}"))
        return {str(name): FieldType(kind) for name, kind in told.items() if FieldType(kind) in LEARNABLE}
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise DecodeError(f"the types of attributes cannot be read: {error}") from error
