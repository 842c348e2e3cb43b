"""Looking for one event in a spool that runs or stands still, without a lock and without a write: heads, ids and cursors are read as they lie on disk.

A frame holds hashes of (event id, revision), so bodies are read only where a hash says that the event may be in them; rows that were put again for one sink are hashed otherwise, and are looked at in any
case. Of segments that are deleted the last ids are kept (``firehose.remembered``). A segment that is deleted while it is read counts as gone, a frame that is being written as not there yet.
"""

import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from firehose.admission import AGAIN_RULE
from firehose.columns import compute
from firehose.cursor import load
from firehose.disk import DiskFile, LocalDisk, LocalFile
from firehose.frame import UNITS, Head, Position, decode_tables
from firehose.recent_ids import row_hashes
from firehose.routes import TIERS
from firehose.segment import Found, frames, none
from tailrace.forms import arrow_schema
from tailrace.schema import TableName
from tailrace.text_hashes import Hashes

MAX_REVISION: Final = 15
"""Revisions of an event that are looked for; a line that was parsed again sixteen times is found in the lake."""

_SEGMENT, _IDS, _CURSOR = "segment-", "ids-", "cursor-"


@dataclass(frozen=True, slots=True)
class Place:
    """A frame that holds the event: where it begins and ends, its source and time of receipt, the table, and the sinks that it is not meant for."""

    segment: int
    offset: int
    end: int
    source: str
    received_us: int
    table: TableName
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SpoolView:
    """What the spool knows of an event: the frames that hold it, the deleted segments that held it, and how far each sink is."""

    there: bool
    places: tuple[Place, ...]
    gone: tuple[int, ...]
    sinks: Mapping[str, Position]
    oldest_remembered: int | None
    """The oldest segment, gone or there, whose ids are known; ``None`` where there are none."""

    def passed(self, sink: str, place: Place) -> bool:
        """Whether a sink has a frame behind it."""
        return self.sinks[sink] >= Position(place.segment, place.end)


def look(folder: Path, event_id: str) -> SpoolView:
    """Look for an event; a folder that is not there is an empty spool."""
    disk = _ReadOnly()
    names, wanted = disk.names(folder), _hashes(event_id)
    secret = _secret(folder / "identity")
    segments, remembered = _numbers(names, _SEGMENT, ".log"), _numbers(names, _IDS, ".u64")
    places = tuple(place for number in segments for place in _in_segment(folder, number, secret, event_id, wanted)) if secret is not None else ()
    gone = tuple(number for number in remembered if np.isin(_ids(folder / f"{_IDS}{number:08}.u64"), wanted).any())
    sinks = {name[len(_CURSOR) : -4]: _position(folder / name, disk) for name in names if name.startswith(_CURSOR) and name.endswith(".bin")}
    return SpoolView(bool(names), places, gone, sinks, min([*segments, *remembered], default=None))


class _ReadOnly(LocalDisk):
    """The disk of this machine, for looking."""

    def open(self, path: Path) -> DiskFile:
        """Open a file for reading."""
        return _Readable(path)


class _Readable(LocalFile):
    """A file that is only read."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _hashes(event_id: str) -> Hashes:
    rows = [{"event_id": event_id, "revision": revision} for revision in range(MAX_REVISION + 1)]
    found = row_hashes({table: pa.Table.from_pylist(rows, schema=arrow_schema(table)) for table in UNITS})
    return np.concatenate(list(found.values()))


def _in_segment(folder: Path, number: int, secret: int, event_id: str, wanted: Hashes) -> Iterator[Place]:
    try:
        file = _Readable(folder / f"{_SEGMENT}{number:08}.log")
    except FileNotFoundError:
        return
    try:
        for at in [one for one in frames(file, secret, 0, file.size(), none) if isinstance(one, Found) and _may_hold(one, wanted)]:
            for found in frames(file, secret, at.start, at.end):
                if isinstance(found, Found) and found.body:
                    yield from _in_frame(number, found, found.body, event_id)
    finally:
        file.close()


def _may_hold(found: Found, wanted: Hashes) -> bool:
    return _put_again(found.head) or bool(np.isin(np.frombuffer(found.ids, np.uint64), wanted).any())


def _in_frame(number: int, found: Found, body: bytes, event_id: str) -> Iterator[Place]:
    head = found.head
    meant = {sink: decode_tables(head, body, tier) for sink, tier in TIERS.items()}
    for table, rows in decode_tables(head, body).items():
        if _holds(rows, event_id):
            withheld = tuple(sink for sink, tables in meant.items() if table not in tables or not _holds(tables[table], event_id))
            yield Place(number, found.start, found.end, head.source, head.received_us, table, withheld)


def _holds(rows: pa.Table, event_id: str) -> bool:
    return bool(compute.any(compute.equal(rows.column("event_id"), event_id)).as_py())


def _put_again(head: Head) -> bool:
    return any(AGAIN_RULE in rules for table in head.tables for rules in table.withheld.values())


def _position(path: Path, disk: LocalDisk) -> Position:
    found = load(path, disk)
    return found[1].position if found else Position(0, 0)


def _ids(path: Path) -> Hashes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    good = len(data) % 8 == 4 and zlib.crc32(data[4:]) == int.from_bytes(data[:4], "little")
    return np.frombuffer(data, np.uint64, offset=4) if good else np.empty(0, np.uint64)


def _secret(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii")[8:16], 16)
    except (OSError, ValueError):
        return None


def _numbers(names: list[str], prefix: str, suffix: str) -> list[int]:
    middles = [name[len(prefix) : -len(suffix)] for name in names if name.startswith(prefix) and name.endswith(suffix)]
    return sorted(int(middle) for middle in middles if middle.isdecimal())
