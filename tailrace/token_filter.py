"""Token filters: which words the messages of a merged part may hold, so that a search for a rare word need not read it.

A Bloom filter (Bloom 1970) a row group, of the log analyzer's tokens (``tailrace.text``), lies beside the part: ``logs_tokens/day=.../hour=.../m-<name>.tokens`` for ``logs/day=.../hour=.../m-<name>.parquet``.
It may say of a word that it is there where it is not, once in a hundred times, and never the other way round. So an answer never depends on a filter: one that is missing, or damaged, or of a newer form
says nothing.

Engines cut words alike but for signs of the newest Unicode. Only words of ASCII are asked for, and of a message with other signs its runs of ASCII are in the filter too: wherever an engine cuts, the word is there.
"""

import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tailrace.lake import PART_SUFFIX, Part
from tailrace.schema import TABLES, FieldType, TableName
from tailrace.text import MAX_TOKEN_CHARS, lower, tokens
from tailrace.text_hashes import Hashes, text_hashes

SUFFIX: Final = ".tokens"
BITS_A_TOKEN: Final = 10
HASHES: Final = 7
"""With 10 bits a token 7 hashes are best: 0.8 % are wrongly said to be there."""

_MAGIC: Final = b"TRTOK1\n"
_HEAD: Final = struct.Struct("<I")
_GROUP: Final = struct.Struct("<Q")
_ASCII_RUN: Final = re.compile(r"[0-9a-z_]+")
Bits = npt.NDArray[np.uint8]
Words = Any
"""An Arrow array of strings, each once."""


def text_column(table: TableName) -> str | None:
    """Answer the column whose words are filtered; ``None`` where a table has no text."""
    return next((field.column for field in TABLES[table].fields if field.type is FieldType.TEXT), None)


def filter_key(part: Part) -> str:
    """Answer the key of a part's filter in the store."""
    return f"{part.table}_tokens/{part.partition.path}/{part.name.removesuffix(PART_SUFFIX)}{SUFFIX}"


def words_of(messages: "pa.ChunkedArray[Any]") -> Words:
    """Answer the words of messages, each once, and of those that are not ASCII alone their runs of ASCII too."""
    texts = pc.drop_null(messages)
    plain = pc.string_is_ascii(texts)
    cut = pc.list_flatten(pc.split_pattern_regex(pc.ascii_lower(texts.filter(plain)), "[^0-9a-z_]+"))
    found = pc.unique(pc.binary_slice(cut.cast(pa.binary()), 0, MAX_TOKEN_CHARS).cast(pa.string()))
    others = set[str]()
    for text in pc.unique(texts.filter(pc.invert(plain))).to_pylist():
        others.update(tokens(text), (run[:MAX_TOKEN_CHARS] for run in _ASCII_RUN.findall(lower(text))))
    whole = pa.chunked_array([found, pa.array(sorted(others), pa.string())]).unique() if others else found
    return whole.filter(pc.not_equal(whole, ""))


def encode(groups: Iterable[Words]) -> bytes:
    """Write the filter of a part, of the words of each of its row groups."""
    body = b"".join(_GROUP.pack(len(bits)) + bits.tobytes() for bits in (_made(words) for words in groups))
    return _MAGIC + _HEAD.pack(zlib.crc32(body)) + body


@dataclass(frozen=True, slots=True)
class TokenFilter:
    """The filter of a part: bytes of bits, one array a row group."""

    groups: Sequence[Bits]

    @property
    def nbytes(self) -> int:
        """Its size in memory."""
        return sum(bits.nbytes for bits in self.groups)

    def may_hold(self, words: Iterable[str]) -> bool:
        """Whether one row group may hold all of some words."""
        hashes = text_hashes(pa.array(sorted(words), pa.string()))
        return any(all(_has(bits, _places(hashes, len(bits) * 8, number)) for number in range(HASHES)) for bits in self.groups)


def decode(data: bytes) -> TokenFilter | None:
    """Read a filter; ``None`` where it is none, or damaged."""
    start = len(_MAGIC) + _HEAD.size
    if len(data) < start or not data.startswith(_MAGIC):
        return None
    (checksum,) = _HEAD.unpack_from(data, len(_MAGIC))
    if zlib.crc32(data[start:]) != checksum:
        return None
    groups = []
    while start < len(data):
        (size,) = _GROUP.unpack_from(data, start)
        groups.append(np.frombuffer(data, np.uint8, size, start + _GROUP.size))
        start += _GROUP.size + size
    return TokenFilter(groups)


def _has(bits: Bits, at: Hashes) -> bool:
    return bool(((bits[at >> np.uint64(3)] >> (at & np.uint64(7)).astype(np.uint8)) & 1).all())


def _made(words: Words) -> Bits:
    size = max(8, -(-len(words) * BITS_A_TOKEN // 8))
    flags = np.zeros(size * 8, np.bool_)
    hashes = text_hashes(words)
    for number in range(HASHES):
        flags[_places(hashes, size * 8, number)] = True
    return np.packbits(flags, bitorder="little")


def _places(hashes: Hashes, bits: int, number: int) -> Hashes:
    """Answer the bit of each hash; one of several, of two halves of the hash (Kirsch and Mitzenmacher 2006)."""
    first, step = hashes & np.uint64(0xFFFFFFFF), (hashes >> np.uint64(32)) | np.uint64(1)
    return np.asarray((first + np.uint64(number) * step) % np.uint64(bits), np.uint64)
