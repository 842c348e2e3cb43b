"""Requests, URLs and addresses with ports in their usual forms, cut at signs that are looked for in all rows at once: half of what a pattern with groups takes.

Each function answers parts, and which rows it cut; it cuts a row only where the patterns of ``collectors.splits`` would answer the same. An empty part may be null.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, Bytes, Mask, Numbers, text_starts, texts_bytes

METHODS: Final = pa.array(["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"])
"""https://www.rfc-editor.org/rfc/rfc9110#section-9.3 and RFC 5789; others are read by the patterns."""

PROTOCOLS: Final = pa.array(["HTTP/1.1", "HTTP/2.0", "HTTP/1.0", "HTTP/2", "HTTP/3.0", "HTTP/3"])
_SCHEMES: Final = (b"http:", b"https:", b"ws:", b"wss:")
_BLANK, _SLASH, _COLON, _ASKS = b" /:?"
_TOLERANT: Final = b"#["
"""A URL with one of these is left to the patterns."""

_IS_ADDRESS: Final = np.isin(np.arange(256), np.frombuffer(b"0123456789.:", np.uint8))


def request_parts(texts: AnyArray) -> tuple[list[AnyArray], Mask]:
    """Answer method and target of ``GET /cart HTTP/1.1``."""
    data, starts, ends = _bounds(texts)
    blanks = np.flatnonzero(data == _BLANK)
    first = np.searchsorted(blanks, starts)
    done = np.searchsorted(blanks, ends) - first == 2
    before, behind = np.where(done, _at(blanks, first), starts), np.where(done, _at(blanks, first + 1), starts)
    take = _Pieces(texts, [starts, before, before + done, behind, behind + done, ends])
    method = take(0)
    known = pc.and_(pc.is_in(method, METHODS), pc.is_in(take(4), PROTOCOLS))
    done &= np.asarray(known.to_numpy(zero_copy_only=False), dtype=bool) & (behind > before + 1)
    return [method, take(2)], done


def url_parts(texts: AnyArray) -> tuple[list[AnyArray], Mask]:
    """Answer domain, path and query of ``https://shop.example:443/cart?id=1``, and of ``/cart?id=1``."""
    data, starts, ends = _bounds(texts)
    slashes, colons, asks = (np.flatnonzero(data == sign) for sign in (_SLASH, _COLON, _ASKS))
    first = np.searchsorted(slashes, starts)
    slash = _at(slashes, first)
    is_path = (slash == starts) & (starts < ends)
    is_whole = _has_scheme(data, starts, slash) & (_at(slashes, first + 1) == slash + 1) & (_at(slashes, first + 2) < ends)
    host = np.where(is_whole, slash + 2, starts)
    path = np.where(is_whole, _at(slashes, first + 2), starts)
    colon = np.minimum(_at(colons, np.searchsorted(colons, host)), path)
    ask = np.minimum(_at(asks, np.searchsorted(asks, host)), ends)
    behind = np.minimum(ask + 1, ends)
    take = _Pieces(texts, [starts, host, colon, path, np.maximum(ask, path), np.maximum(behind, path), ends])
    done = (is_path | (is_whole & (colon > host) & (ask >= path))) & ~_holding(data, starts, ends)
    has_port = done & (colon < path)
    if has_port.any():
        done &= ~has_port | np.asarray(pc.match_substring_regex(take(2), "^:[0-9]+$").to_numpy(zero_copy_only=False), dtype=bool)
    return [take(1), take(3), take(5)], done


def address_parts(texts: AnyArray) -> tuple[list[AnyArray], Mask]:
    """Answer address and port of ``10.0.0.1:80``."""
    data, starts, ends = _bounds(texts)
    none = [texts, texts]
    if not _IS_ADDRESS[data].all():
        return none, np.zeros(len(texts), bool)
    colons = np.flatnonzero(data == _COLON)
    first = np.searchsorted(colons, starts)
    done = np.searchsorted(colons, ends) - first == 1
    colon = np.where(done, _at(colons, first), starts)
    take = _Pieces(texts, [starts, colon, colon + done, ends])
    port = take(2)
    digits = np.asarray(pc.ascii_is_decimal(port).to_numpy(zero_copy_only=False), dtype=bool)
    return [take(0), port], done & (colon > starts) & digits


class _Pieces:
    """Takes pieces of texts, which lie between ``bounds``: places of each row, ascending, the first and the last those where it begins and ends."""

    def __init__(self, texts: AnyArray, bounds: Sequence[Numbers]) -> None:
        self._count, self._rows = len(bounds) - 1, len(texts)
        base = int(np.frombuffer(memoryview(texts.buffers()[1]), np.int32)[texts.offset]) if len(texts) else 0  # type: ignore[arg-type] # texts have offsets
        offsets = np.empty(self._count * self._rows + 1, np.int32)
        for number, places in enumerate(bounds[:-1]):
            offsets[number : -1 : self._count] = places + base
        offsets[-1] = (int(bounds[-1][-1]) if len(texts) else 0) + base
        self._all = pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), texts.buffers()[2])  # type: ignore[arg-type] # the stub does not know numpy's arrays

    def __call__(self, number: int) -> AnyArray:
        return self._all.take(pa.array(np.arange(number, self._count * self._rows, self._count)))


def _bounds(texts: AnyArray) -> tuple[Bytes, Numbers, Numbers]:
    starts = text_starts(texts)
    return texts_bytes(texts), starts[:-1], starts[1:]


def _at(places: Numbers, numbers: Numbers) -> Numbers:
    """Answer places by their numbers; beyond the last, one behind all texts."""
    return np.append(places, np.iinfo(np.int64).max >> 1)[np.minimum(numbers, len(places))]


def _has_scheme(data: Bytes, starts: Numbers, slash: Numbers) -> Mask:
    found = np.zeros(len(starts), bool)
    for scheme in _SCHEMES:
        may = slash - starts == len(scheme)
        if may.any():
            rows = np.flatnonzero(may)
            letters = data[starts[rows, None] + np.arange(len(scheme))]
            found[rows] = (letters == np.frombuffer(scheme, np.uint8)).all(axis=1)
    return found


def _holding(data: Bytes, starts: Numbers, ends: Numbers) -> Mask:
    """Answer which rows hold a sign that is left to the patterns."""
    found = np.zeros(len(starts), bool)
    for sign in _TOLERANT:
        places = np.flatnonzero(data == sign)
        if len(places):
            found |= np.searchsorted(places, starts) < np.searchsorted(places, ends)
    return found
