"""The recent-id filter: which (event_id, revision) were seen lately, as 64-bit hashes.

Two tables of open addressing in numpy: when the younger one is full, the older one is forgotten. With a million ids remembered the chance that a new event is taken for an old
one by a collision of hashes is about 1 in 10^13.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from firehose.columns import ints, one_array
from firehose.frame import UNITS
from tailrace.schema import TableName
from tailrace.text_hashes import Hashes, mix, text_hashes

_EMPTY: Final = np.uint64(0)
_GONE: Final = np.uint64(1)


def row_hashes(tables: Mapping[TableName, pa.Table]) -> dict[TableName, Hashes]:
    """Hash (event_id, revision) of each row of each table."""
    return {name: _table_hashes(tables[name], salt) for salt, name in enumerate(UNITS) if name in tables and tables[name].num_rows}


def salted(hashes: Hashes, identity: str) -> Hashes:
    """Hash once more, with an identity: the same rows under another identity are others."""
    salt = int.from_bytes(hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
    return np.maximum(mix(hashes ^ np.uint64(salt)), np.uint64(2))


def _table_hashes(table: pa.Table, salt: int) -> Hashes:
    revisions = ints(table, "revision").astype(np.uint64)
    mixed = mix(text_hashes(one_array(table, "event_id")) ^ mix(revisions + np.uint64(salt << 48)))
    return np.maximum(mixed, np.uint64(2))


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
