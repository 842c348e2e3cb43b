"""The position of a sink: two slots in one file that is never longer, written in turn.

A slot is ``magic, sequence, length, CRC`` and JSON. The newer slot whose CRC is right counts, so a torn write leaves the one before it: its batch was
sealed, and is delivered again under the same names. Written in place, it needs no space: a sink drains while the disk is full.

A slot also holds the sealed batch (where it ends; where it begins is the position) and the outcomes of batches that the ledger has not taken up yet.
"""

import contextlib
import struct
import zlib
from pathlib import Path
from typing import Final

import msgspec

from firehose.delivery import Unit
from firehose.disk import Disk, Probe, no_probe
from firehose.frame import Position, Totals
from tailrace.errors import StateError

SLOT_BYTES: Final = 1024 * 1024
_HEAD: Final = struct.Struct("<4sQII")
_MAGIC: Final = b"TRCU"


class OutcomeRow(msgspec.Struct, array_like=True, frozen=True):
    """What became of rows of one source, receipt minute and unit at a sink."""

    source: str
    minute_us: int
    unit: Unit
    out: int = 0
    duplicate: int = 0
    dead: int = 0
    lost: int = 0


class Outcome(msgspec.Struct, array_like=True, frozen=True):
    """What became of batch ``number``; ``end`` is where it ended, ``passed`` the rows before that."""

    number: int
    end: Position
    passed: Totals
    rows: tuple[OutcomeRow, ...]


class Seal(msgspec.Struct, array_like=True, frozen=True):
    """A batch that is being delivered: where it ends, the stem of its objects' names, and whether it cannot be delivered as a whole (``firehose.isolation``)."""

    end: Position
    stem: str
    poisoned: bool = False


class SinkState(msgspec.Struct, frozen=True):
    """Where a sink is. ``passed`` are the rows of the spool before ``position``; ``number`` counts the batches that are done."""

    position: Position
    passed: Totals = Totals()
    number: int = 0
    seal: Seal | None = None
    unreported: tuple[Outcome, ...] = ()

    def sealed(self, end: Position, stem: str) -> "SinkState":
        """Answer the state before a batch is delivered."""
        return msgspec.structs.replace(self, seal=Seal(end, stem))

    def poisoned(self) -> "SinkState":
        """Answer the state once the sealed batch is known not to go as a whole."""
        assert self.seal is not None
        return msgspec.structs.replace(self, seal=msgspec.structs.replace(self.seal, poisoned=True))

    def done(self, end: Position, passed: Totals, rows: tuple[OutcomeRow, ...], reported: int) -> "SinkState":
        """Answer the state after a batch; outcomes up to number ``reported`` are in the ledger and are left out."""
        kept = tuple(one for one in self.unreported if one.number > reported)
        number = self.number + 1
        return SinkState(end, passed, number, None, (*kept, Outcome(number, end, passed, rows)))


class Cursor:
    """The two-slot file of one sink."""

    def __init__(self, path: Path, disk: Disk, start: SinkState, probe: Probe = no_probe) -> None:
        self._probe = probe
        found = load(path, disk)
        if found is None:
            _make(path, disk)
        self._file = disk.open(path)
        self._sequence, self.state = found or (0, start)
        if found is None:
            self.write(start)

    def write(self, state: SinkState) -> None:
        """Write the state durably; raises :class:`OSError`, and :class:`StateError` where it does not fit (the ledger must take outcomes first)."""
        data = msgspec.json.encode(state)
        if len(data) > SLOT_BYTES - _HEAD.size:
            raise StateError("outcomes wait for the ledger")
        sequence = self._sequence + 1
        self._file.write(sequence % 2 * SLOT_BYTES, [_HEAD.pack(_MAGIC, sequence, len(data), _crc(sequence, data)) + data])
        self._probe("cursor.written")
        self._file.sync()
        self._probe("cursor.synced")
        self._sequence, self.state = sequence, state

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def load(path: Path, disk: Disk) -> tuple[int, SinkState] | None:
    """Read the newer good slot: its sequence and its state; ``None`` where there is none."""
    if path.name not in disk.names(path.parent):
        return None
    with contextlib.closing(disk.open(path)) as file:
        slots = [_slot(file.read(at, SLOT_BYTES)) for at in (0, SLOT_BYTES)]
    return max((slot for slot in slots if slot is not None), key=lambda slot: slot[0], default=None)


def _slot(data: bytes) -> tuple[int, SinkState] | None:
    if len(data) < _HEAD.size:
        return None
    magic, sequence, length, crc = _HEAD.unpack_from(data)
    payload = data[_HEAD.size : _HEAD.size + length]
    if magic != _MAGIC or len(payload) != length or _crc(sequence, payload) != crc:
        return None
    return sequence, msgspec.json.decode(payload, type=SinkState)


def _make(path: Path, disk: Disk) -> None:
    disk.remove(path)
    with contextlib.closing(disk.create(path)) as file:
        file.write(0, [bytes(2 * SLOT_BYTES)])
        file.sync()
    disk.sync_folder(path.parent)


def _crc(sequence: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(sequence.to_bytes(8, "little")))
