"""Inflating what came compressed: gzip (RFC 1952, also of several members), zlib (RFC 1950), or plain bytes.

One-shot calls of zlib and isal stop silently after the first member and do not notice trailing garbage; decompression objects do not raise on
truncated input. So this loops over the members, checks the end of each, and caps what comes out.
"""

from collections.abc import Generator, Iterable, Iterator
from typing import Final

from isal import isal_zlib

from tailrace.errors import DecodeError

GZIP_MAGIC: Final = b"\x1f\x8b"
ZLIB_FIRST: Final = 0x78
"""First byte of zlib with a window of 32 kB, which all senders use; the second makes the pair a multiple of 31."""

BLOCK_BYTES: Final = 1024 * 1024

_DAMAGED: Final[type[Exception]] = isal_zlib.error  # type: ignore[assignment] # the stub says it is an instance
_GZIP_WBITS: Final = 31
_ZLIB_WBITS: Final = 15


def is_compressed(data: bytes) -> bool:
    """Whether bytes begin as gzip or zlib do.

    >>> is_compressed(bytes([0x78, 0xDA, 0x00])), is_compressed(b"xyz")
    (True, False)
    """
    return data.startswith(GZIP_MAGIC) or _is_zlib(data)


def _is_zlib(data: bytes) -> bool:
    return len(data) > 1 and data[0] == ZLIB_FIRST and int.from_bytes(data[:2], "big") % 31 == 0


def inflate(data: bytes, max_bytes: int) -> bytes:
    """Answer the bytes that compressed bytes stand for; bytes that are not compressed as they are.

    Raises :class:`DecodeError` where the input is truncated, damaged or followed by something else, and where it holds more than ``max_bytes``.
    """
    if not is_compressed(data):
        if len(data) > max_bytes:
            raise DecodeError(f"holds {len(data)} bytes, more than the {max_bytes} that inflate_max_bytes allows")
        return data
    members: list[bytes] = []
    room, rest = max_bytes, data
    while rest:
        if not is_compressed(rest):
            raise DecodeError(f"{len(rest)} bytes follow the compressed data and are not compressed")
        member, rest = _inflate_member(rest, room)
        room -= len(member)
        members.append(member)
    return members[0] if len(members) == 1 else b"".join(members)


def _inflate_member(data: bytes, max_bytes: int) -> tuple[bytes, bytes]:
    engine = isal_zlib.decompressobj(_ZLIB_WBITS if _is_zlib(data) else _GZIP_WBITS)
    try:
        out: bytes = engine.decompress(data, max_bytes + 1)
    except (_DAMAGED, ValueError, EOFError) as error:
        raise DecodeError(f"compressed data is damaged: {str(error).lower()}") from error
    if len(out) > max_bytes:
        raise DecodeError("inflates to more than inflate_max_bytes allows")
    if not engine.eof:
        raise DecodeError("compressed data is truncated")
    return out, engine.unused_data


def inflate_blocks(blocks: Iterable[bytes], max_block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Inflate a stream block by block in bounded memory; one that is not compressed comes out as it is.

    Raises :class:`DecodeError` at the place where the stream is damaged or followed by something else, and at its end where it is truncated.
    """
    rest, reading = b"", iter(blocks)
    while len(rest) < 2 and (block := next(reading, b"")):
        rest += block
    if not is_compressed(rest):
        yield rest
        yield from reading
        return
    while rest:
        if not is_compressed(rest):
            raise DecodeError("bytes that are not compressed follow the compressed data")
        rest = yield from _inflate_stream(rest, reading, max_block_bytes)
        while len(rest) == 1 and (block := next(reading, b"")):
            rest += block


def _inflate_stream(first: bytes, reading: Iterator[bytes], max_block_bytes: int) -> Generator[bytes, None, bytes]:
    """Inflate one member; answers what follows it."""
    engine = isal_zlib.decompressobj(_ZLIB_WBITS if _is_zlib(first) else _GZIP_WBITS)
    block = first
    while True:
        try:
            out = engine.decompress(block, max_block_bytes)
        except (_DAMAGED, ValueError, EOFError) as error:
            raise DecodeError(f"compressed data is damaged: {str(error).lower()}") from error
        if out:
            yield out
        if engine.eof:
            return engine.unused_data or next(reading, b"")
        block = engine.unconsumed_tail or (b"" if len(out) == max_block_bytes else next(reading, b""))
        if not block and len(out) < max_block_bytes:
            raise DecodeError("compressed data is truncated")
