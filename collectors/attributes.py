"""The attributes of rows as JSON texts, made from columns by joining texts: no object is made for a row."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, sewn
from firehose.json_text import escaped
from tailrace.schema import FieldType

FEW_NULLS: Final = 0.05
"""Part of the rows that may be null in a column that is joined as if none were."""

FEW_ROWS: Final = 64
"""Rows that are made anew one by one; with more of them columns cost less."""

_BARE: Final = frozenset({FieldType.LONG, FieldType.DOUBLE, FieldType.BOOLEAN})
_NO_END: Final = 2**31 - 1
"""A text of Arrow is not longer. Without an end its slice of bytes fails (pyarrow 26)."""


def json_objects(columns: Mapping[str, tuple[FieldType, AnyArray]], objects: AnyArray | None) -> AnyArray:
    """Answer one flat JSON object a row, of the columns that are not null there, and of the members of ``objects``; null where there are none.

    Columns of which few are null are joined in one go, those that are the same in every row as part of the text between, and the few rows are made anew; of the others each member is made first, an
    empty text where it is null.
    """
    some = {name: own for name, own in columns.items() if own[1].null_count < len(own[1])}
    if not some:
        return objects if objects is not None else pa.nulls(len(next(iter(columns.values()))[1]), pa.string())
    full = [name for name, (_, values) in some.items() if values.null_count <= len(values) * FEW_NULLS]
    if not full or objects is not None:
        return _sparse_objects(some, objects)
    joined, missing = _joined(some, full)
    if not missing.any():
        return joined
    rows = np.flatnonzero(missing)
    their = {name: (kind, values.take(pa.array(rows))) for name, (kind, values) in some.items()}
    return (
        sewn(joined, _few_objects(their), rows.tolist(), 1)
        if len(rows) <= FEW_ROWS
        else pc.replace_with_mask(joined, pa.array(missing), _sparse_objects(their, None))
    )


def _joined(columns: Mapping[str, tuple[FieldType, AnyArray]], full: Sequence[str]) -> "tuple[AnyArray, np.ndarray[tuple[int], np.dtype[np.bool_]]]":
    """Answer the objects of rows in which no ``full`` column is null, and in which rows one is."""
    missing = np.zeros(len(columns[full[0]][1]), bool)
    pieces: list[AnyArray | str] = []
    between, before = "", "{"
    for name in (full[0], *(name for name in columns if name != full[0])):
        kind, values = columns[name]
        start, end = _around(name, kind, before)
        before = ","
        if name not in full:
            pieces += [between, _member(kind, values, start, end)]
            between = ""
            continue
        if values.null_count:
            missing |= np.asarray(pc.is_null(values).to_numpy(zero_copy_only=False), dtype=bool)
        if _is_same(values):
            between += f"{start}{_text(kind, values.slice(0, 1))[0]}{end}"
        else:
            pieces += [between + start, _text(kind, values)]
            between = end
    return pc.binary_join_element_wise(*pieces, between + "}", "") if pieces else pa.repeat(pa.scalar(between + "}"), len(missing)), missing


def _member(kind: FieldType, values: AnyArray, start: str, end: str) -> AnyArray:
    """Write a member of each row, an empty text where it is null."""
    return pc.fill_null(pc.binary_join_element_wise(start, _text(kind, values), end, "", null_handling="emit_null"), "")


def _is_same(values: AnyArray) -> bool:
    """Whether a column is the same in every row in which it is not null, which its ends mostly show."""
    return values[0].is_valid and bool(values[0] == values[-1]) and bool(pc.all(pc.equal(values, values[0])).as_py())


def _few_objects(columns: Mapping[str, tuple[FieldType, AnyArray]]) -> AnyArray:
    """Answer the objects of a few rows, one by one."""
    rows: list[list[str]] = [[] for _ in range(len(next(iter(columns.values()))[1]))]
    for name, (kind, values) in columns.items():
        start, end = _around(name, kind, "")
        for row, text in zip(rows, _text(kind, values).to_pylist(), strict=True):
            if text is not None:
                row.append(f"{start}{text}{end}")
    return pa.array(["{" + ",".join(row) + "}" if row else None for row in rows], pa.string())


def _sparse_objects(columns: Mapping[str, tuple[FieldType, AnyArray]], objects: AnyArray | None) -> AnyArray:
    if objects is not None and not objects.null_count:
        return _put_into(objects, columns)
    pieces: list[AnyArray] = []
    for name, (kind, values) in columns.items():
        start, end = _around(name, kind, ",")
        pieces.append(_member(kind, values, start, end))
    if objects is not None:
        pieces.append(pc.fill_null(pc.binary_join_element_wise(",", pc.utf8_slice_codeunits(objects, 1, -1), "", null_handling="emit_null"), ""))
    joined = pc.binary_join_element_wise(*pieces, "}", "")
    members = pc.utf8_slice_codeunits(joined, 1, -1)  # with an end it is counted from there, and eight times as fast
    return pc.if_else(pc.equal(joined, "}"), None, pc.binary_join_element_wise("{", members, "}", ""))


def _put_into(objects: AnyArray, columns: Mapping[str, tuple[FieldType, AnyArray]]) -> AnyArray:
    """Put members before those of objects that are there in every row, and have some."""
    pieces: list[AnyArray] = []
    for name, (kind, values) in columns.items():
        start, end = _around(name, kind, "")
        pieces.append(_member(kind, values, start, f"{end},"))
    rest = pc.binary_slice(objects.view(pa.binary()), 1, _NO_END).view(pa.string())  # bytes need not be counted as characters
    return pc.binary_join_element_wise("{", *pieces, rest, "")


def _around(name: str, kind: FieldType, before: str) -> tuple[str, str]:
    key = json.dumps(name, ensure_ascii=False)
    return (f"{before}{key}:", "") if kind in _BARE else (f'{before}{key}:"', '"')


def _text(kind: FieldType, values: AnyArray) -> AnyArray:
    return values.cast(pa.string()) if kind in _BARE else escaped(values)
