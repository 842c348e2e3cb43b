"""JSON objects, one a line, by a struct that learns: keys seen before are its fields, a line with a new key goes the long way once and teaches it.

``msgspec`` decodes a line straight into the struct (about 1 us), which refuses unknown keys. The known members (message, level, time, ...) are read off as columns; the others are put
into a second, flat struct, and one ``encode_lines`` of those is the attributes of all lines, cut by line feeds. Members that are objects are structs too; their leaves become dotted
names. A column's member that is null is as good as not there; an attribute's stays null.

What the struct refuses is read with care (``json_care``). Of a source with very many members those objects that hold most of them are read as dictionaries, the rest by the struct
(``json_shape``); where the lines themselves have them, whole lines are (``json_wide``).
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

import msgspec
import pyarrow as pa

from collectors.arrays import AnyArray, concatenated, texts_bytes
from collectors.format import Format
from collectors.readers import json_wide
from collectors.readers.fields import Fields
from collectors.readers.json_care import REFUSED, Care
from collectors.readers.json_plan import Decoded, Plan, with_open
from collectors.readers.json_shape import Shape
from collectors.readers.names import flat_object, names_of
from collectors.readers.objects import array_of

CHUNK: Final = 2_000
"""Lines that are decoded at a go, at most; their objects stay in the cache of the processor."""

CHUNK_BYTES: Final = 640_000
"""Bytes that are decoded at a go: lines of an audit trail are longer than those of applications, and have more members."""

FEW: Final = 0.02
"""Part of the lines of a chunk that may have members which were never seen, and are read with care without teaching them; in the first chunk those are members that few of its lines have."""

MAX_SHAPES: Final = 1_000
_SHAPES: OrderedDict[tuple[Format, str], Shape] = OrderedDict()
_LOCK: Final = Lock()
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(slots=True)
class _Chunk:
    """What became of a chunk: what was decoded, and by number what was read with care, and what was wrong."""

    plan: Plan
    decoded: Decoded = field(default_factory=Decoded)
    slow: dict[int, dict[str, Any]] = field(default_factory=dict)
    care: Care = field(default_factory=Care)


def read(format_: Format, lines: AnyArray, source: str) -> Fields:
    """Answer the known columns and the attributes of all lines."""
    shape = _shape_of(format_, source)
    size = min(CHUNK, 1 + CHUNK_BYTES * len(lines) // max(len(texts_bytes(lines)), 1))
    parts = [_read(shape, _texts_of(lines.slice(start, size))) for start in range(0, max(len(lines), 1), size)]
    return parts[0] if len(parts) == 1 else _joined(parts, shape)


def _texts_of(lines: AnyArray) -> list[str]:
    return lines.to_pylist()  # type: ignore[return-value] # there are no nulls


def _shape_of(format_: Format, source: str) -> Shape:
    """Sources keep shapes of their own: those of one service are alike."""
    with _LOCK:
        shape = _SHAPES.pop((format_, source), None) or Shape(names_of(format_))
        _SHAPES[format_, source] = shape
        if len(_SHAPES) > MAX_SHAPES:
            _SHAPES.popitem(last=False)
        return shape


def _read(shape: Shape, texts: Sequence[str]) -> Fields:
    if shape.is_wide:
        return json_wide.read(shape.names, texts, shape.types)
    chunk = _decode(shape, texts)
    types = chunk.plan.types
    if chunk.plan.has_open:
        chunk.decoded.open = chunk.plan.open_members(chunk.decoded)
        shape.note_open(chunk.decoded.open)
        types = dict(shape.types)
    columns: dict[str, list[Any]] = {}
    names: dict[str, str] = {}
    left: dict[str, list[Any]] = {}
    for column in chunk.plan.columns:
        names[column], columns[column], others = chunk.plan.column(chunk.decoded, column)
        left |= others
    attributes = chunk.plan.attributes(chunk.decoded, left)
    _note_others(shape, chunk, texts, attributes)
    if chunk.plan.has_open:
        attributes = with_open(attributes, chunk.decoded.open)
    if chunk.slow:
        attributes = _add_slow(shape, chunk, columns, attributes)
    arrays = {name: array_of(values, shape.names.kinds.get(name, pa.string())) for name, values in columns.items()}
    reasons, faults = chunk.care.columns(len(texts))
    return Fields(arrays, reasons, attributes, types=types, faults=faults, names=names)


def _decode(shape: Shape, texts: Sequence[str]) -> _Chunk:
    chunk = _Chunk(shape.plan)
    refused = _decode_all(chunk, texts)
    if not refused:
        return chunk
    values = {number: value for number in refused if (value := chunk.care.read(texts[number], number)) is not None}
    few = len(refused) <= len(texts) * FEW or (shape.is_new and len(texts) * FEW >= 1)
    if shape.learn(values.values(), few=few):
        chunk.decoded, chunk.plan = Decoded(), shape.plan
        refused = _decode_all(chunk, texts)
        chunk.care.keep(refused)
    for number in refused:
        if number in values:
            chunk.slow[number] = flat_object(values[number])
    return chunk


def _decode_all(chunk: _Chunk, texts: Sequence[str]) -> list[int]:
    """Decode the lines into the chunk's rows; answer which were refused. ``extend`` keeps what came before the refused line, and the iterator goes on after it."""
    rows, decode, coming, refused = chunk.decoded.rows, chunk.plan.decode, iter(texts), []
    while True:
        try:
            rows.extend(map(decode, coming))
        except REFUSED:
            refused.append(len(rows))
            rows.append(chunk.plan.blank)
        else:
            return refused


def _note_others(shape: Shape, chunk: _Chunk, texts: Sequence[str], attributes: AnyArray) -> None:
    """Have lines read with care in which two members come to one name, or in which one is an object that was none before: it is to be flattened, and learned."""
    numbers = set(chunk.plan.collisions(chunk.decoded))
    numbers |= {number for number in chunk.plan.filled(attributes) if _has_objects(str(attributes[number]))}
    for number in numbers - chunk.slow.keys():
        care = Care()
        if (value := care.read(texts[number], number)) is not None:
            chunk.care.faults |= care.faults
            chunk.slow[number] = flat_object(value)
            shape.learn([value])


def _has_objects(text: str) -> bool:
    members = map(bytes, _MEMBERS(text).values())
    return any(member.startswith(b"{") and bool(member[1:-1].strip()) for member in members)


def _add_slow(shape: Shape, chunk: _Chunk, columns: dict[str, list[Any]], attributes: AnyArray) -> AnyArray:
    """Put what was read with care in its places."""
    texts = attributes.to_pylist()
    for number, flat in chunk.slow.items():
        known, rest = shape.names.known_values(flat)
        for values in columns.values():
            values[number] = None
        for name, value in known.items():
            columns.setdefault(name, [None] * len(texts))[number] = value
        texts[number] = chunk.care.write(rest, number)
    return pa.array(texts, pa.string())


def _joined(parts: Sequence[Fields], shape: Shape) -> Fields:
    names = [name for name in shape.names.columns if any(name in part.columns for part in parts)]
    columns = {name: concatenated([part.columns.get(name, pa.nulls(len(part.reason), pa.string())) for part in parts]) for name in names}
    reason = pa.concat_arrays([part.reason for part in parts])
    faults = pa.concat_arrays([part.faults for part in parts if part.faults is not None])
    attributes = pa.concat_arrays([part.attributes for part in parts if part.attributes is not None])
    return Fields(columns, reason, attributes, types=parts[-1].types, faults=faults, names=parts[-1].names)
