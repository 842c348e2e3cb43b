"""Objects, one a line, become columns and attributes: what the readers of wide JSON, of key=value and of XML have in common. One dictionary a line is made."""

from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from collectors.arrays import AnyArray
from collectors.readers.fields import Fields
from collectors.readers.json_care import Care, clean
from collectors.readers.names import MAX_DEPTH, Names, as_text
from collectors.readers.paths import SCALARS, Path, pick
from tailrace.schema import FieldType

Flat = dict[str, Any]
KINDS: Final = ((bool, FieldType.BOOLEAN), (int, FieldType.LONG), (float, FieldType.DOUBLE), (str, FieldType.KEYWORD))
"""What a value of Python is for the register."""

MAX_TYPES: Final = 5_000
"""Names of attributes of one source whose types are noted: keys may be ids, and each another."""

_ENCODE: Final = msgspec.json.Encoder().encode
_ENCODE_LINES: Final = msgspec.json.Encoder().encode_lines


def flatten(value: dict[str, Any], prefix: str, flat: Flat, depth: int = 1) -> None:
    """Put the leaves of an object into a flat one under their dotted names; as ``names.flat_object``, and twice as fast."""
    for name, member in value.items():
        if member.__class__ is dict and member and depth < MAX_DEPTH:
            flatten(member, f"{prefix}{name}.", flat, depth + 1)
        else:
            flat[prefix + name] = member


def fields_of(rows: Sequence[Flat], names: Names, types: MutableMapping[str, FieldType], care: Care, careful: Sequence[int] = ()) -> Fields:
    """Answer columns and attributes of flat objects, whose names begin with the prefix already.

    ``types`` learns the types of attributes; ``careful`` are the numbers of lines that were read with care, and are written with care.
    """
    there = set[str]().union(*rows)
    asked = {column: [name for name in own if name in there or name in names.paths] for column, own in names.prefixed.items()}
    columns = {column: taken for column, own in asked.items() if own and (taken := _taken(rows, own, names.paths)) is not None}
    _note_types(types, rows)
    written = {number: care.write(rows[number], number) for number in careful}
    attributes = flat_array([{} if number in written else row for number, row in enumerate(rows)] if written else rows)
    if written:
        texts = attributes.to_pylist()
        for number, text in written.items():
            texts[number] = text
        attributes = pa.array(texts, pa.string())
    reasons, faults = care.columns(len(rows))
    arrays = {column: array_of(values, names.kinds.get(column, pa.string())) for column, (_, values) in columns.items()}
    found_under = {column: name for column, (name, _) in columns.items()}
    return Fields(arrays, reasons, attributes, types=dict(types), faults=faults, names=found_under)


def _note_types(types: MutableMapping[str, FieldType], rows: Sequence[Flat]) -> None:
    """Note the types of members that are new, each by the first row that has it."""
    if len(types) >= MAX_TYPES or not (new := set[str]().union(*rows) - types.keys()):
        return
    for row in rows:
        for name in row.keys() & new:
            note_type(types, name, row[name])
            if name in types:
                new.discard(name)


def note_type(types: MutableMapping[str, FieldType], name: str, value: object) -> None:
    """Note the type of an attribute, if its value has one."""
    found = next((kind for python, kind in KINDS if isinstance(value, python)), None)
    if found:
        types[name] = found


def _taken(rows: Sequence[Flat], names: Sequence[str], paths: Mapping[str, Path]) -> tuple[str, list[Any]] | None:
    """Take a column out of the rows: the first of its names that has a scalar, and which that was. A null is as good as not there; ``None`` where no row has any."""
    values: list[Any] = [None] * len(rows)
    found = ""
    for name in names:
        if name in paths:
            picked = _picked(rows, values, name, paths[name])
            found = found or picked
            continue
        for number, row in enumerate(rows):
            if name not in row or values[number] is not None:
                continue
            value = row.pop(name)
            if value.__class__ in SCALARS:
                values[number] = value
                found = found or name
            elif value is not None:
                row[name] = value
    return (found, values) if found else None


def _picked(rows: Sequence[Flat], values: list[Any], name: str, path: Path) -> str:
    """Fill the values that are none yet with what a path leads to; answer its name if it did anywhere. The list stays in its row."""
    found = ""
    for number, row in enumerate(rows):
        if values[number] is None and path.base in row:
            values[number] = pick(row[path.base], path.steps)
            found = found or (name if values[number] is not None else "")
    return found


def flat_array(rows: Sequence[Flat]) -> AnyArray:
    """Encode flat objects; a lone surrogate, which no column can hold, is a question mark."""
    try:
        return objects_array(rows)
    except UnicodeEncodeError:
        return pa.array([None if text == "{}" else text for text in (_encoded(row) for row in rows)], pa.string())


def _encoded(row: Flat) -> str:
    try:
        return _ENCODE(row).decode()
    except UnicodeEncodeError:
        return _ENCODE({clean(name): clean(value) if isinstance(value, str) else value for name, value in row.items()}).decode()


def objects_array(rows: Sequence[Any]) -> AnyArray:
    """Encode objects as one buffer, and cut it at the line feeds; where a value has one of its own (between members: a text cannot), one by one. Empty ones are null."""
    encoded = _ENCODE_LINES(rows)
    marks = np.flatnonzero(np.frombuffer(encoded, np.uint8) == ord("\n"))
    if len(marks) != len(rows):
        return pa.array([None if text == "{}" else text for text in (_ENCODE(row).replace(b"\n", b" ").decode() for row in rows)], pa.string())
    ends = (marks - np.arange(len(rows))).astype(np.int32)
    offsets = np.concatenate([np.zeros(1, np.int32), ends])
    valid = np.diff(offsets) > len("{}")
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    return pa.StringArray.from_buffers(len(rows), pa.py_buffer(offsets.tobytes()), pa.py_buffer(encoded.replace(b"\n", b"")), bitmap)


def array_of(values: Sequence[Any], kind: pa.DataType) -> AnyArray:
    """Make a column of values of its kind; if there is one of another, all are texts. Arrow would cut off the fraction of a number without a word."""
    if kind != pa.int64() or float not in set(map(type, values)):
        with suppress(pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
            return pa.array(values, kind)
    return pa.array([None if value is None else clean(as_text(_whole(value) if kind == pa.int64() else value)) for value in values], pa.string())


def _whole(value: object) -> object:
    """Write 1e15 as the whole number that it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
