"""JSON objects, one a line, by a struct that learns: keys seen before are its fields, a line with a new key goes the long way once and teaches it.

``msgspec`` decodes a line straight into the struct (about 1 us), which refuses unknown keys. The known members (message, level, time, ...) are read off as columns; then they are cleared in the objects, and
one ``encode_lines`` of what is left is the attributes of all lines, cut by line feeds. Members that are objects are structs too; their leaves become dotted names. A line that is
no JSON object, or is deeper or wider than the limits, is read with care or gets a reason; nothing a line can hold makes it raise.
"""

from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, Final

import msgspec
import orjson
import pyarrow as pa

from collectors.arrays import AnyArray
from collectors.format_file import Format
from collectors.readers.fields import Fields
from collectors.readers.json_names import NAMES, flat_object, known_values
from collectors.readers.json_shape import Shape
from tailrace.schema import FieldType

CHUNK: Final = 250
"""Lines that are decoded at a go; if one of them is refused, the chunk is decoded line by line."""

MAX_DEPTH: Final = 64
_SHAPES: dict[str, Shape] = {}
_LOCK: Final = Lock()


def read(format_: Format, lines: AnyArray, source: str) -> Fields:
    """Answer the known columns and the attributes of all lines."""
    shape = _shape_of(format_, source)
    texts = [text or "" for text in lines.to_pylist()]
    rows: list[Any] = []
    reasons: dict[int, str] = {}
    slow: dict[int, dict[str, Any]] = {}
    for start in range(0, len(texts), CHUNK):
        rows.extend(_decode_chunk(shape, texts[start : start + CHUNK], start, slow, reasons))
    return _fields(shape, rows, slow, reasons)


def _shape_of(format_: Format, source: str) -> Shape:
    """Sources keep shapes of their own: those of one service are alike."""
    key = f"{format_.name}\0{source}"
    with _LOCK:
        if key not in _SHAPES:
            if len(_SHAPES) > 5_000:
                _SHAPES.clear()
            _SHAPES[key] = Shape()
        return _SHAPES[key]


def _decode_chunk(shape: Shape, texts: Sequence[str], start: int, slow: dict[int, dict[str, Any]], reasons: dict[int, str]) -> Iterable[Any]:
    decode = shape.decode
    try:
        return list(map(decode, texts))
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return [_decode_one(shape, text, start + number, slow, reasons) for number, text in enumerate(texts)]


def _decode_one(shape: Shape, text: str, number: int, slow: dict[int, dict[str, Any]], reasons: dict[int, str]) -> Any:  # noqa: ANN401 - a struct made at run time
    try:
        return shape.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return _the_long_way(shape, text, number, slow, reasons)


def _the_long_way(shape: Shape, text: str, number: int, slow: dict[int, dict[str, Any]], reasons: dict[int, str]) -> Any:  # noqa: ANN401 - a struct made at run time
    try:
        value = orjson.loads(text.encode("utf-8", "replace").lstrip(b"\xef\xbb\xbf"))
    except (orjson.JSONDecodeError, RecursionError) as error:
        reasons[number] = f"no JSON: {str(error)[:120]}"
        return None
    if not isinstance(value, dict):
        reasons[number] = f"no JSON object but {type(value).__name__}"
        return None
    if shape.learn(value):
        try:
            return shape.decode(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
            pass
    slow[number] = flat_object(value, MAX_DEPTH)
    return None


def _fields(shape: Shape, rows: Sequence[Any], slow: Mapping[int, dict[str, Any]], reasons: Mapping[int, str]) -> Fields:
    """Bring the lines of both ways together; structs of an older shape are brought to the newest by what they have."""
    length = len(rows)
    columns: dict[str, list[str | None]] = {name: [None] * length for name in NAMES}
    attributes: list[str | None] = [None] * length
    by_type: dict[type, list[int]] = {}
    for number, row in enumerate(rows):
        if row is not None:
            by_type.setdefault(type(row), []).append(number)
    types: dict[str, FieldType] = {}
    for kind, numbers in by_type.items():
        found, texts, seen = shape.harvest(kind, [rows[number] for number in numbers])
        types |= seen
        for name, values in found.items():
            columns[name] = _scattered(columns[name], values, numbers)
        attributes = _scattered(attributes, texts, numbers)
    for number, members in slow.items():
        known, rest = known_values(members)
        for name, value in known.items():
            columns[name][number] = value
        attributes[number] = orjson.dumps(rest, option=orjson.OPT_NON_STR_KEYS).decode() if rest else None
    reason = pa.array([reasons.get(number) for number in range(length)] if reasons else [None] * length, pa.string())
    return Fields({name: _array(values) for name, values in columns.items()}, reason, _array(attributes), types=types)


def _scattered(target: list[str | None], values: list[str | None], numbers: Sequence[int]) -> list[str | None]:
    """Put values to their lines; where they are of all lines they are the answer."""
    if len(numbers) == len(target):
        return values
    for number, value in zip(numbers, values, strict=True):
        target[number] = value
    return target


def _array(values: Sequence[str | None]) -> AnyArray:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([value.encode("utf-8", "replace").decode() if value is not None else None for value in values], pa.string())
