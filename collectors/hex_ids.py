"""Columns of ids that are all of one form, as those of one source mostly are: seen and brought to hex digits in all rows at once, without a pattern.

A trace id is 32 hex digits (https://www.w3.org/TR/trace-context/#trace-id), one of X-Ray ``1-<8 hex digits>-<24 hex digits>``
(https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html), and load balancers write ``Root=`` before it; a span id is 16 hex digits. One of zeros is none.
"""

from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, byte_lengths, texts_bytes

TRACE_DIGITS: Final = 32
SPAN_DIGITS: Final = 16
_ROOT, _XRAY, _DASH = b"Root=", b"1-", ord("-")
_EPOCH_DIGITS: Final = 8
_IS_HEX: Final = np.isin(np.arange(256), np.frombuffer(b"0123456789abcdef", np.uint8))
_Rows: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.uint8]]
_ZEROS: Final = int.from_bytes(b"00000000", "little")


def whole_trace_ids(texts: AnyArray) -> AnyArray | None:
    """Answer the ids as 32 hex digits; ``None`` where not all that are there are of one form."""
    if (rows := _rows(texts)) is None:
        return None
    if rows.shape[1] == TRACE_DIGITS:
        return texts if _are_ids(rows) else None
    for head in (_XRAY, _ROOT + _XRAY):
        dash = len(head) + _EPOCH_DIGITS
        if rows.shape[1] == len(head) + TRACE_DIGITS + 1 and (rows[:, : len(head)] == np.frombuffer(head, np.uint8)).all() and (rows[:, dash] == _DASH).all():
            digits = np.concatenate([rows[:, len(head) : dash], rows[:, dash + 1 :]], axis=1)
            return _column(texts, digits) if _are_ids(digits) else None
    return None


def whole_span_ids(texts: AnyArray) -> AnyArray | None:
    """Answer the ids if all that are there are 16 hex digits."""
    rows = _rows(texts)
    return texts if rows is not None and rows.shape[1] == SPAN_DIGITS and _are_ids(rows) else None


def _rows(texts: AnyArray) -> _Rows | None:
    """Answer a row of bytes for each text that is there, where all have as many."""
    if texts.type != pa.string() or texts.null_count == len(texts):
        return None
    data, count = texts_bytes(texts), len(texts) - texts.null_count
    length = len(data) // count
    if not length or len(data) != length * count or np.count_nonzero(byte_lengths(texts) == length) != count:
        return None
    return data.reshape(count, length)


def _are_ids(rows: _Rows) -> bool:
    words = np.ascontiguousarray(rows).view("<u8")
    return bool(_IS_HEX[rows].all()) and bool((words != _ZEROS).any(axis=1).all())


def _column(texts: AnyArray, digits: _Rows) -> AnyArray:
    """Make a column of the digits, null where the texts are."""
    valid = np.asarray(pc.is_valid(texts).to_numpy(zero_copy_only=False), dtype=bool)
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(valid, dtype=np.int32) * np.int32(TRACE_DIGITS)])
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes()) if texts.null_count else None
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets.tobytes()), pa.py_buffer(digits.tobytes()), bitmap)
