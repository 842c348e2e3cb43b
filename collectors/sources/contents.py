"""What a file or an object holds, whatever it is packed in: gzip and zlib, bzip2, xz and zstd are inflated, the members of a zip are read one after another, rows of Parquet and ORC become JSON lines.

Everything is read in blocks: memory does not grow with the size of the file. A zip, Parquet and ORC must be seekable (a file, an object that is read by ranges; not standard input).
"""

import bz2
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, BinaryIO, Final, Literal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

from collectors.envelopes.inflate import inflate_blocks, is_compressed
from tailrace.errors import DecodeError

READ_BYTES: Final = 1024 * 1024
ROWS: Final = 5_000
MAX_MEMBERS: Final = 10_000
FOREIGN: Final = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"%PDF-", "PDF"),
    (b"\x7fELF", "ELF"),
    (b"SQLite format 3\x00", "SQLite"),
    (b"\xca\xfe\xba\xbe", "Java class"),
)
"""How files begin that are found beside logs and hold no lines that could be read."""

Packing = Literal["none", "stream", "whole"]

Advance = Callable[[int], None]
"""Called with bytes that were read since the last call."""


@dataclass(frozen=True, slots=True)
class Content:
    """One stream of lines or records: its name within the file (empty: it is the file), and its blocks."""

    member: str
    blocks: Iterable[bytes]


def contents(file: BinaryIO, advance: Advance = lambda _: None) -> Iterator[Content]:
    """Answer what a file holds; raises :class:`DecodeError`, also while blocks are read."""
    first = file.read(READ_BYTES)
    for magic, kind in FOREIGN:
        if first.startswith(magic):
            raise DecodeError(f"is {kind}, which is not read here: log lines and records are, plain or packed")
    packed = next((unpack for magic, unpack in _WHOLE.items() if first.startswith(magic)), None)
    if packed is not None:
        yield from packed(_rewound(file), advance)
        return
    blocks = _blocks(first, file, advance)
    stream = next((unpack for magic, unpack in _STREAMED.items() if first.startswith(magic)), inflate_blocks)
    yield Content("", stream(blocks))


def packing(first: bytes) -> Packing:
    """Answer how a file that begins so is packed: ``none``, as one stream that can be read on from any place, or as something that is read whole."""
    if any(first.startswith(magic) for magic in (*_WHOLE, *(magic for magic, _ in FOREIGN))):
        return "whole"
    return "stream" if is_compressed(first) or any(first.startswith(magic) for magic in _STREAMED) else "none"


def _blocks(first: bytes, file: BinaryIO, advance: Advance) -> Iterator[bytes]:
    block = first
    while block:
        yield block
        advance(len(block))
        block = file.read(READ_BYTES)


def _rewound(file: BinaryIO) -> BinaryIO:
    if not file.seekable():
        raise DecodeError("a zip, Parquet or ORC cannot be read from a pipe: save it to a file first")
    file.seek(0)
    return file


def _bzip2(blocks: Iterable[bytes]) -> Iterator[bytes]:
    return _decompressed(blocks, bz2.BZ2Decompressor, "bzip2")


def _xz(blocks: Iterable[bytes]) -> Iterator[bytes]:
    return _decompressed(blocks, lzma.LZMADecompressor, "xz")


def _decompressed(blocks: Iterable[bytes], make: Callable[[], Any], kind: str) -> Iterator[bytes]:
    """Inflate streams that follow one another."""
    engine = make()
    fresh = True
    for block in blocks:
        rest = block
        while rest or not (engine.needs_input or engine.eof):
            try:
                out = engine.decompress(rest, READ_BYTES)
            except (OSError, lzma.LZMAError, EOFError) as error:
                raise DecodeError(f"{kind} data is damaged: {error}") from error
            fresh, rest = False, b""
            if out:
                yield out
            if engine.eof:
                rest, engine, fresh = engine.unused_data, make(), True
    if not fresh:
        raise DecodeError(f"{kind} data is truncated")


def _zstd(blocks: Iterable[bytes]) -> Iterator[bytes]:
    stream = pa.CompressedInputStream(pa.PythonFile(io.BufferedReader(_Readable(blocks), READ_BYTES), mode="r"), "zstd")
    try:
        while block := stream.read(READ_BYTES):
            yield block
    except OSError as error:
        raise DecodeError(f"zstd data is damaged or truncated: {error}") from error


class _Readable(io.RawIOBase):
    """Blocks as a file."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks, self._rest = iter(blocks), b""

    def readable(self) -> bool:
        """Answer that it is."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever takes bytes
        """Read up to so many bytes."""
        if not self._rest:
            self._rest = next(self._blocks, b"")
        piece, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


def _zip(file: BinaryIO, advance: Advance) -> Iterator[Content]:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DecodeError(f"the zip is damaged: {error}") from error
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MAX_MEMBERS:
        raise DecodeError(f"the zip has {len(members)} members, more than {MAX_MEMBERS}")
    for member in members:
        yield Content(member.filename, inflate_blocks(_member(archive, member, advance)))


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, advance: Advance) -> Iterator[bytes]:
    try:
        with archive.open(member) as opened:
            while block := opened.read(READ_BYTES):
                yield block
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise DecodeError(f"the zip's member {member.filename!r} cannot be read: {error}") from error
    advance(member.compress_size)


def _parquet(file: BinaryIO, advance: Advance) -> Iterator[Content]:
    try:
        opened = pq.ParquetFile(file, buffer_size=READ_BYTES)
    except (pa.ArrowException, OSError) as error:
        raise DecodeError(f"the Parquet file cannot be read: {error}") from error
    yield Content("", _rows(opened.iter_batches(batch_size=ROWS), "Parquet"))
    advance(file.seek(0, io.SEEK_END))


def _orc(file: BinaryIO, advance: Advance) -> Iterator[Content]:
    try:
        opened = orc.ORCFile(file)
    except (pa.ArrowException, OSError) as error:
        raise DecodeError(f"the ORC file cannot be read: {error}") from error
    yield Content("", _rows((opened.read_stripe(number) for number in range(opened.nstripes)), "ORC"))
    advance(file.seek(0, io.SEEK_END))


def _rows(batches: Iterable[pa.RecordBatch], kind: str) -> Iterator[bytes]:
    """Write rows as JSON lines; what is null is left out, times are in UTC."""
    try:
        for batch in batches:
            for start in range(0, batch.num_rows, ROWS):
                rows = batch.slice(start, ROWS).to_pylist()
                yield b"".join(orjson.dumps(_without_nulls(row), default=_plain, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z) for row in rows)
    except (pa.ArrowException, OSError) as error:
        raise DecodeError(f"the {kind} file is damaged: {error}") from error


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def _plain(value: object) -> object:
    """Bytes are text, a map's pairs and all else that JSON does not know are what Python writes of them."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.isoformat() if isinstance(value, datetime) else str(value)


_STREAMED: Final = MappingProxyType({b"BZh": _bzip2, b"\xfd7zXZ\x00": _xz, b"\x28\xb5\x2f\xfd": _zstd})
_WHOLE: Final = MappingProxyType({b"PK\x03\x04": _zip, b"PAR1": _parquet, b"ORC": _orc})
