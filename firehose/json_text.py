"""JSON written from columns: texts are joined and no object is made for a row."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from firehose.columns import compute, one_array
from tailrace.schema import TABLES, Field, FieldType, TableName
from tailrace.text_hashes import text_bytes

Texts = Any
"""An Arrow array of strings."""

Text = Texts | str

BARE: Final = frozenset({FieldType.DOUBLE, FieldType.LONG, FieldType.BOOLEAN})
"""Types of fields whose values stand without quotes."""

_ESCAPES: Final[Mapping[int, bytes]] = {
    **{code: b"\\u%04x" % code for code in range(32)},
    0x0A: b"\\n",
    0x0D: b"\\r",
    0x09: b"\\t",
    0x22: b'\\"',
    0x5C: b"\\\\",
}
_LONGER: Final = np.array([len(_ESCAPES.get(code, b" ")) - 1 for code in range(256)], np.int64)
"""How many bytes longer the escape of a byte is."""

_NOTHING: Final = np.zeros(1, np.int64)
MAX_BYTES: Final = 2**31 - 1
"""Offsets of Arrow's strings are 32-bit integers."""


def json_lines(name: TableName, rows: pa.Table) -> Texts:
    """Answer a line of JSON for each row, with its line feed: the lake's columns but for nulls, times as ``2026-11-24 10:00:00.123456``, which Hive's and OpenX's readers know.

    Values that no JSON has, infinities and what is no number, are left out.
    """
    table = rows.combine_chunks()
    pieces: list[Text] = ['{"event_id":"', escaped(one_array(table, "event_id")), '"']
    for field in TABLES[name].fields:
        if field.name != "event_id" and table.column(field.column).null_count < table.num_rows:
            quote = "" if field.type in BARE else '"'
            pieces += member(f',"{field.column}":{quote}', _value(field, one_array(table, field.column)), quote)
    return joined([*pieces, "}\n"])


def _value(field: Field, column: Texts) -> Texts:
    if field.type is FieldType.TIME:
        return compute.cast(column, pa.string())
    return numbers(column) if field.type in BARE else escaped(column)


def numbers(column: Texts) -> Texts:
    """Write numbers and truth values."""
    if pa.types.is_floating(column.type):
        column = compute.if_else(compute.is_finite(column), column, None)
    return compute.cast(column, pa.string())


def member(before: str, value: Texts, after: str) -> list[Text]:
    """Answer the pieces of a member; rows where it is null have nothing of it."""
    return [before, value, after] if not value.null_count else [compute.fill_null(joined([before, value, after]), "")]


def escaped(texts: Texts) -> Texts:
    """Escape texts for JSON: only what occurs is replaced, in the bytes of all texts at once; where each begins follows from what was replaced before it.

    Raises :class:`pyarrow.ArrowCapacityError` where they would need more than 2 GiB.
    """
    offsets, data = text_bytes(texts)
    data, starts = data[offsets[0] : offsets[-1]], offsets - offsets[0]
    at = np.flatnonzero((data < 32) | (data == 0x22) | (data == 0x5C))
    if not len(at):
        return texts
    codes = data[at]
    moved = starts + np.concatenate((_NOTHING, np.cumsum(_LONGER[codes])))[np.searchsorted(at, starts)]
    if moved[-1] > MAX_BYTES:
        raise pa.ArrowCapacityError(f"texts of {moved[-1]:,} bytes are too long for one array")
    text = data.tobytes()
    for code in sorted(set(np.unique(codes).tolist()), key=lambda one: (one != 0x5C, one)):
        text = text.replace(bytes((code,)), _ESCAPES[code])
    valid = compute.is_valid(texts).buffers()[1] if texts.null_count else None
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(moved.astype(np.int32)), pa.py_buffer(text), valid)


def joined(pieces: Sequence[Text]) -> Texts:
    """Join pieces row by row; a row in which one is null is null."""
    return compute.binary_join_element_wise(*pieces, "")
