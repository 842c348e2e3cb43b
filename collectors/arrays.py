"""Columns: the name for one of whatever type (pyarrow's arrays take a parameter for type checkers and none at run time), and the bytes of one of texts."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    AnyArray: TypeAlias = pa.Array[Any]
    AnyChunked: TypeAlias = pa.ChunkedArray[Any]
else:
    AnyArray = pa.Array
    AnyChunked = pa.ChunkedArray

Offsets: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int32]]
Numbers: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]
Bytes: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint8]]
Mask: TypeAlias = np.ndarray[tuple[int], np.dtype[np.bool_]]

FEW_SEWN: Final = 16
"""Values that are sewn in between others; with more of them it costs less to put all in order."""


def concatenated(arrays: Sequence[AnyArray]) -> AnyArray:
    """Put columns of one name one after another: of the type that those with values have, as text where they have several."""
    kinds = {array.type for array in arrays if array.null_count < len(array)}
    kind = kinds.pop() if len(kinds) == 1 else pa.string()
    return pa.concat_arrays([array.cast(kind) for array in arrays])


def texts_bytes(texts: AnyArray) -> Bytes:
    """Answer the bytes of all texts, one after another, without copying them."""
    _, offsets, data = texts.buffers()
    if data is None or offsets is None:
        return np.zeros(0, np.uint8)
    ends = np.frombuffer(memoryview(offsets), np.int32)
    return np.frombuffer(memoryview(data), np.uint8)[ends[texts.offset] : ends[texts.offset + len(texts)]]


def text_starts(texts: AnyArray) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Answer where each text starts in their bytes, and behind them where the last one ends."""
    _, offsets, _ = texts.buffers()
    if offsets is None:
        return np.zeros(len(texts) + 1, np.int64)
    ends = np.frombuffer(memoryview(offsets), np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return ends.astype(np.int64) - int(ends[0])


def first_bytes(texts: AnyArray) -> Bytes:
    """Answer the first byte of each text; of an empty one 0."""
    ends = _ends(texts)
    return _bytes_at(texts, ends[:-1], ends)


def bytes_at(texts: AnyArray, place: int) -> Bytes:
    """Answer the byte of each text at a place; of a shorter one 0."""
    ends = _ends(texts)
    return np.where(ends[:-1] + place < ends[1:], _bytes_at(texts, ends[:-1] + place, ends), np.uint8(0))


def byte_lengths(texts: AnyArray) -> Offsets:
    """Answer how many bytes each text has; a null has none."""
    return np.diff(_ends(texts))


def _ends(texts: AnyArray) -> Offsets:
    """Answer where each text begins and, last, where the last ends."""
    offsets = texts.buffers()[1]
    if offsets is None:
        return np.zeros(len(texts) + 1, np.int32)
    return np.frombuffer(memoryview(offsets), np.int32)[texts.offset : texts.offset + len(texts) + 1]


def _bytes_at(texts: AnyArray, places: Offsets, ends: Offsets) -> Bytes:
    data = texts.buffers()[2]
    if data is None or not data.size:
        return np.zeros(len(texts), np.uint8)
    found = np.frombuffer(memoryview(data), np.uint8).take(places, mode="clip")
    return np.where(ends[1:] > ends[:-1], found, np.uint8(0))


def matching(texts: AnyArray, pattern: str) -> Mask:
    """Answer which texts match a pattern of RE2."""
    return np.array(pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False), dtype=bool)


def one_array(column: AnyChunked) -> AnyArray:
    """Answer a column of a table as one array."""
    chunks: list[AnyArray] = column.chunks
    if len(chunks) == 1:
        return chunks[0]
    return pa.concat_arrays(chunks) if chunks else pa.array([], column.type)


def sewn(values: AnyArray, few: AnyArray, places: Sequence[int], gap: int) -> AnyArray:
    """Put a few values at their places between slices of the others, which are copied whole; ``gap``: how many stand at each place already (0 or 1)."""
    pieces: list[AnyArray] = []
    at = 0
    for number, place in enumerate(places):
        stop = place - number * (1 - gap)
        pieces += [values.slice(at, stop - at), few.slice(number, 1)]
        at = stop + gap
    return pa.concat_arrays([*pieces, values.slice(at)])


def in_order(*numbers: Numbers) -> Callable[..., AnyArray]:
    """Answer what puts values of several parts of some lines together, in the order of the lines; ``numbers`` are those of each part, ascending. A few of the last of two parts are sewn in between the others."""
    if len(numbers) == 2 and len(numbers[1]) <= FEW_SEWN:
        return partial(sewn, places=numbers[1].tolist(), gap=0)
    order = pa.array(np.argsort(np.concatenate(numbers), kind="stable"))
    return lambda *parts: pa.concat_arrays(parts).take(order)


def with_column(rows: pa.Table, column: str, values: AnyArray) -> pa.Table:
    """Answer the rows with other values in a column; its place and type stay."""
    at = rows.schema.get_field_index(column)
    return rows.set_column(at, rows.schema.field(at), values)
