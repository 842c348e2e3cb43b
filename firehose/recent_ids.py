"""The recent-id filter: which (event_id, revision) were seen lately, as 64-bit hashes.

Two tables of open addressing in numpy: when the younger one is full, the older one is forgotten. With a million ids remembered the chance that a new event is taken for an old
one by a collision of hashes is about 1 in 10^13.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from firehose.columns import ints, one_array, text_bytes
from firehose.frame import UNITS, Hashes
from tailrace.schema import TableName

_EMPTY: Final = np.uint64(0)
_GONE: Final = np.uint64(1)
_MIX_A: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_B: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_C: Final = np.uint64(0x94D049BB133111EB)
_27, _30, _31 = np.uint64(27), np.uint64(30), np.uint64(31)


def row_hashes(tables: Mapping[TableName, pa.Table]) -> dict[TableName, Hashes]:
    """Hash (event_id, revision) of each row of each table."""
    return {name: _table_hashes(tables[name], salt) for salt, name in enumerate(UNITS) if name in tables and tables[name].num_rows}


def salted(hashes: Hashes, identity: str) -> Hashes:
    """Hash once more, with an identity: the same rows under another identity are others."""
    salt = int.from_bytes(hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
    return np.maximum(_mix(hashes ^ np.uint64(salt)), np.uint64(2))


def _table_hashes(table: pa.Table, salt: int) -> Hashes:
    revisions = ints(table, "revision").astype(np.uint64)
    mixed = _mix(text_hashes(one_array(table, "event_id")) ^ _mix(revisions + np.uint64(salt << 48)))
    return np.maximum(mixed, np.uint64(2))


def text_hashes(texts: Any) -> Hashes:  # noqa: ANN401 - an Arrow array of strings
    """Hash texts by their bytes: texts of one length are a matrix of 8-byte words, mixed column by column."""
    offsets, data = text_bytes(texts)
    lengths = offsets[1:] - offsets[:-1]
    if len(lengths) and (lengths == lengths[0]).all():
        return _mixed(data[offsets[0] : offsets[-1]].reshape(len(lengths), int(lengths[0])))
    hashes = np.empty(len(texts), np.uint64)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        hashes[rows] = _same_length(data, offsets[:-1][rows], int(length))
    return hashes


def _same_length(data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], length: int) -> Hashes:
    return _mixed(np.lib.stride_tricks.sliding_window_view(data, length)[starts] if length else np.zeros((len(starts), 0), np.uint8))


def _mixed(texts: npt.NDArray[np.uint8]) -> Hashes:
    """Hash texts of one length, a row each."""
    count, length = texts.shape
    words = (length + 7) // 8
    padded = np.zeros((count, words * 8), np.uint8)
    padded[:, :length] = texts
    matrix, mixed = padded.view(np.uint64), np.full(count, length + 1, np.uint64)
    for word in range(words):
        mixed = _mix(mixed * _MIX_A + matrix[:, word])
    return mixed


def _mix(values: Hashes) -> Hashes:
    """Mix the bits (splitmix64's finaliser)."""
    mixed = (values ^ (values >> _30)) * _MIX_B
    mixed = (mixed ^ (mixed >> _27)) * _MIX_C
    return np.asarray(mixed ^ (mixed >> _31), np.uint64)


class _Generation:
    """A set of hashes: open addressing with linear probing, a power of two of slots, at most half of them used."""

    def __init__(self, capacity: int) -> None:
        self._slots = np.zeros(1 << (2 * capacity - 1).bit_length(), np.uint64)
        self._mask = np.uint64(len(self._slots) - 1)
        self.used = 0

    def find(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        """Answer the slot of each hash; -1 where it is not there."""
        found = np.full(len(hashes), -1, np.int64)
        left = np.arange(len(hashes))
        at = hashes & self._mask
        while len(left):
            slots = self._slots[at]
            hit = slots == hashes[left]
            found[left[hit]] = at[hit]
            going = ~hit & (slots != _EMPTY)
            left, at = left[going], (at[going] + np.uint64(1)) & self._mask
        return found

    def add(self, hashes: Hashes) -> None:
        """Add hashes that are not there, each once."""
        left, at = hashes, hashes & self._mask
        while len(left):
            free = self._slots[at] == _EMPTY
            self._slots[at[free]] = left[free]
            going = self._slots[at] != left
            left, at = left[going], (at[going] + np.uint64(1)) & self._mask
        self.used += len(hashes)

    def discard(self, hashes: Hashes) -> None:
        """Take hashes out."""
        found = self.find(hashes)
        self._slots[found[found >= 0]] = _GONE


class RecentIds:
    """The filter: at least so many ids are remembered, at most twice as many (a million: 2 x 16 MiB); the caller keeps threads apart."""

    def __init__(self, remembered: int) -> None:
        self._capacity = remembered
        self._young, self._old = _Generation(remembered), _Generation(remembered)

    def admit(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Answer which rows are new (the first of equal ones is), and remember them."""
        distinct, first = np.unique(hashes, return_index=True)
        new = (self._young.find(distinct) < 0) & (self._old.find(distinct) < 0)
        mask = np.zeros(len(hashes), np.bool_)
        mask[first[new]] = True
        self._remember(distinct[new])
        return mask

    def discard(self, hashes: Hashes) -> None:
        """Forget hashes: they were not written after all."""
        self._young.discard(hashes)
        self._old.discard(hashes)

    def _remember(self, hashes: Hashes) -> None:
        for start in range(0, len(hashes), self._capacity):
            piece = hashes[start : start + self._capacity]
            if self._young.used + len(piece) > self._capacity:
                self._young, self._old = _Generation(self._capacity), self._young
            self._young.add(piece)
