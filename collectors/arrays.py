"""Columns: the name for one of whatever type (pyarrow's arrays take a parameter for type checkers and none at run time), and the bytes of one of texts."""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    AnyArray: TypeAlias = pa.Array[Any]
    AnyChunked: TypeAlias = pa.ChunkedArray[Any]
else:
    AnyArray = pa.Array
    AnyChunked = pa.ChunkedArray

Offsets: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int32]]"
Bytes: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.uint8]]"


def texts_bytes(texts: AnyArray) -> Bytes:
    """Answer the bytes of all texts, one after another, without copying them."""
    _, offsets, data = texts.buffers()
    if data is None or offsets is None:
        return np.zeros(0, np.uint8)
    ends = np.frombuffer(memoryview(offsets), np.int32)
    return np.frombuffer(memoryview(data), np.uint8)[ends[texts.offset] : ends[texts.offset + len(texts)]]


def first_bytes(texts: AnyArray) -> Bytes:
    """Answer the first byte of each text; of an empty one 0."""
    ends = _ends(texts)
    return _bytes_at(texts, ends[:-1], ends)


def bytes_at(texts: AnyArray, place: int) -> Bytes:
    """Answer the byte of each text at a place; of a shorter one 0."""
    ends = _ends(texts)
    return np.where(ends[:-1] + place < ends[1:], _bytes_at(texts, ends[:-1] + place, ends), np.uint8(0))


def last_bytes(texts: AnyArray) -> Bytes:
    """Answer the last byte of each text; of an empty one 0."""
    ends = _ends(texts)
    return _bytes_at(texts, ends[1:] - 1, ends)


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


def one_array(column: AnyChunked) -> AnyArray:
    """Answer a column of a table as one array."""
    chunks: list[AnyArray] = column.chunks
    if len(chunks) == 1:
        return chunks[0]
    return pa.concat_arrays(chunks) if chunks else pa.array([], column.type)


def with_column(rows: pa.Table, column: str, values: AnyArray) -> pa.Table:
    """Answer the rows with other values in a column; its place and type stay."""
    at = rows.schema.get_field_index(column)
    return rows.set_column(at, rows.schema.field(at), values)
