r"""A frame of the spool: one delivery as bytes, with checksums.

::

    magic "\xf7TR1"   4 bytes
    head length       u32     JSON: source, receipt time, counts, rows and bytes of each table, rows that were dropped as duplicates,
    ids length        u32       and how many rows the spool had taken before (so that a hole in the spool is known exactly)
    body length       u32     hashes of (event_id, revision), 8 bytes each: the recent-id filter is rebuilt from them without reading rows
    group             u64     where the group of frames begins that was synced together with this one
    head CRC          u32     of the head, the ids and the 24 bytes before, seeded: a good head with a bad body still says what was lost
    body CRC          u32     of the body
    head, ids, body           body: an Arrow IPC stream (lz4) a table, then the dead letters

CRC is CRC-32 as zlib has it; ISA-L computes it at ten times the speed. All numbers are little-endian.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
import pyarrow as pa
from isal import isal_zlib

from firehose.columns import joined_chunks
from firehose.delivery import Count, DeadLetter, Delivery, Unit
from firehose.routes import COLUMN, Tier, Withheld, meant_for, withheld
from tailrace.forms import arrow_schema
from tailrace.schema import TableName
from tailrace.text_hashes import Hashes

MAGIC: Final = b"\xf7TR1"
_LENGTHS: Final = struct.Struct("<4sIIIQ")
_CHECKS: Final = struct.Struct("<II")
PREFIX_BYTES: Final = _LENGTHS.size + _CHECKS.size
MAX_HEAD_BYTES: Final = 64 * 1024 * 1024
SHORT_ROWS: Final = 100
_LZ4, _PLAIN = pa.ipc.IpcWriteOptions(compression="lz4"), pa.ipc.IpcWriteOptions()

UNITS: Final[Mapping[TableName, Unit]] = {"logs": "events", "spans": "spans", "metrics": "metrics"}
"""The tables that travel, and the unit that each is counted in."""


class Position(NamedTuple):
    """A place in the spool: the number of a segment and an offset in it; what comes next is read from there."""

    segment: int
    offset: int


class Totals(NamedTuple):
    """Rows by unit."""

    events: int = 0
    spans: int = 0
    metrics: int = 0

    def plus(self, other: "Totals") -> "Totals":
        """Add."""
        return Totals(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: "Totals") -> "Totals":
        """Subtract; nothing is less than nothing."""
        return Totals(*(max(a - b, 0) for a, b in zip(self, other, strict=True)))

    def by_unit(self) -> dict[Unit, int]:
        """Answer the units that have rows."""
        return {unit: rows for unit, rows in zip(UNITS.values(), self, strict=True) if rows}


START: Final = Position(0, 0)
NO_ROWS: Final = Totals()


class TableHead(msgspec.Struct, array_like=True, frozen=True):
    """One table of a frame: its name, its rows, the rows that were dropped as duplicates, its bytes in the body, and the rows that a tier of sinks does not get, by rule."""

    name: TableName
    rows: int
    duplicates: int
    size: int
    withheld: Withheld = {}


class Head(msgspec.Struct, array_like=True, frozen=True):
    """What a frame says without its body being read."""

    source: str
    received_us: int
    counts: tuple[Count, ...]
    tables: tuple[TableHead, ...]
    dead: int
    before: Totals = Totals()

    @property
    def totals(self) -> Totals:
        """Rows in the body."""
        rows = {table.name: table.rows for table in self.tables}
        return Totals(*(rows.get(name, 0) for name in UNITS))


class _Letter(msgspec.Struct, array_like=True, frozen=True):
    kind: str
    reason: str
    body: bytes
    detail: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A delivery, encoded, but for its place in the spool."""

    head: Head
    ids: bytes
    body: bytes


class Lengths(NamedTuple):
    """The lengths of a frame's parts."""

    head: int
    ids: int
    body: int

    @property
    def whole(self) -> int:
        """Bytes of the frame."""
        return PREFIX_BYTES + sum(self)


def encode(delivery: Delivery, hashes: Mapping[TableName, Hashes], duplicates: Mapping[TableName, int]) -> Encoded:
    """Encode what of a delivery was admitted; ``hashes`` are those of its rows, in their order."""
    names = [name for name in UNITS if name in delivery.tables]
    streams = [_encode_table(_with_routes(delivery, name)) if delivery.tables[name].num_rows else b"" for name in names]
    tables = tuple(
        TableHead(
            name, delivery.tables[name].num_rows, duplicates.get(name, 0), len(stream), withheld(delivery.routes[name]) if name in delivery.routes else {}
        )
        for name, stream in zip(names, streams, strict=True)
    )
    letters = msgspec.msgpack.encode([_Letter(one.kind, one.reason, one.body, dict(one.detail)) for one in delivery.dead]) if delivery.dead else b""
    head = Head(delivery.source, delivery.received_us, delivery.counts, tables, len(delivery.dead))
    ids = b"".join(hashes[name].tobytes() for name in names if name in hashes)
    return Encoded(head, ids, b"".join((*streams, letters)))


def frame_pieces(frame: Encoded, before: Totals, group: int, secret: int) -> list[bytes]:
    """Answer the bytes of a frame at its place in the spool."""
    head = msgspec.json.encode(msgspec.structs.replace(frame.head, before=before))
    lengths = _LENGTHS.pack(MAGIC, len(head), len(frame.ids), len(frame.body), group)
    head_crc = isal_zlib.crc32(lengths, isal_zlib.crc32(frame.ids, isal_zlib.crc32(head, secret)))
    return [lengths, _CHECKS.pack(head_crc, isal_zlib.crc32(frame.body)), head, frame.ids, frame.body]


class Prefix(NamedTuple):
    """The first 32 bytes of a frame."""

    lengths: Lengths
    group: int
    raw: bytes
    head_crc: int
    body_crc: int

    def head_is_good(self, head: bytes, ids: bytes, secret: int) -> bool:
        """Whether head and ids are what was written."""
        return isal_zlib.crc32(self.raw, isal_zlib.crc32(ids, isal_zlib.crc32(head, secret))) == self.head_crc


def read_prefix(data: bytes) -> Prefix | None:
    """Read the first 32 bytes of a frame; ``None`` where they are none."""
    if len(data) < PREFIX_BYTES or not data.startswith(MAGIC):
        return None
    _, head, ids, body, group = _LENGTHS.unpack_from(data)
    head_crc, body_crc = _CHECKS.unpack_from(data, _LENGTHS.size)
    return Prefix(Lengths(head, ids, body), group, data[: _LENGTHS.size], head_crc, body_crc) if head + ids <= MAX_HEAD_BYTES else None


def read_head(data: bytes) -> Head:
    """Read a head whose CRC is right."""
    return msgspec.json.decode(data, type=Head)


def decode_tables(head: Head, body: bytes, tier: Tier | None = None) -> dict[TableName, pa.Table]:
    """Read the tables of a body, in the schema: the rows that are meant for a tier of sinks, and no table that has none."""
    tables, at = {}, 0
    for table in head.tables:
        if table.rows:
            tables[table.name] = _decode_table(table.name, memoryview(body)[at : at + table.size], tier)
        at += table.size
    return {name: rows for name, rows in tables.items() if rows.num_rows}


def decode_dead(head: Head, body: bytes) -> Sequence[DeadLetter]:
    """Read the dead letters of a body."""
    if not head.dead:
        return ()
    letters = msgspec.msgpack.decode(memoryview(body)[sum(table.size for table in head.tables) :], type=list[_Letter])
    return [DeadLetter("document" if one.kind == "document" else "payload", one.reason, one.body, one.detail) for one in letters]


def _encode_table(table: pa.Table) -> bytes:
    """Encode the columns that are not null altogether; a short table is not compressed: that would take longer than writing it."""
    rows = table.num_rows
    filled = {name: column for name, column in zip(table.column_names, table.columns, strict=True) if column.null_count < rows}
    batch = pa.RecordBatch.from_arrays([joined_chunks(column) for column in filled.values()], list(filled))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_LZ4 if rows > SHORT_ROWS else _PLAIN) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _with_routes(delivery: Delivery, name: TableName) -> pa.Table:
    table = delivery.tables[name]
    return table.append_column(COLUMN, delivery.routes[name]) if name in delivery.routes else table


def _decode_table(name: TableName, data: memoryview, tier: Tier | None) -> pa.Table:
    found = meant_for(pa.ipc.open_stream(pa.py_buffer(data)).read_all(), tier)
    present = set(found.column_names)
    columns = [found.column(field.name) if field.name in present else pa.nulls(found.num_rows, field.type) for field in arrow_schema(name)]
    return pa.table(columns, schema=arrow_schema(name))
