"""Nested members as dotted names, as the column ``attributes`` holds them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from collectors.envelopes.tolerant_json import as_text
from tailrace.schema import FieldType

MAX_DEPTH: Final = 16
MAX_NAMES: Final = 1_000
"""Names in one document; what is beyond them is in ``raw`` alone."""

_INT64: Final = 1 << 63


def flatten(members: Mapping[str, Any], max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Answer dotted names and their values: texts, numbers, booleans, lists of those. Nulls are left out; the first of equal names stays.

    A list of objects becomes a list per member; what lies deeper than ``max_depth`` becomes JSON text, and so do whole numbers beyond 64 bits.

    >>> flatten({"aws": {"operation": "GetItem", "logs": [{"arn": "a"}, {"arn": "b"}]}, "n": None})
    {'aws.operation': 'GetItem', 'aws.logs.arn': ['a', 'b']}
    """
    out: dict[str, Any] = {}
    _add(members, "", max_depth, out)
    return out


def _add(members: Mapping[str, Any], prefix: str, depth: int, out: dict[str, Any]) -> None:
    for key, value in members.items():
        name = prefix + as_text(key)
        if value is None or len(out) >= MAX_NAMES:
            continue
        if isinstance(value, dict) and depth > 1:
            _add(value, f"{name}.", depth - 1, out)
        elif isinstance(value, list) and value and depth > 1 and all(isinstance(item, dict) for item in value):
            _add(_columns(value), f"{name}.", depth - 1, out)
        else:
            out.setdefault(name, _leaf(value))


def _columns(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: [item[key] for item in items if item.get(key) is not None] for key in dict.fromkeys(key for item in items for key in item)}


def _leaf(value: object) -> Any:  # noqa: ANN401 - whatever JSON can hold
    if isinstance(value, list):
        return [_scalar(item) for item in value if item is not None]
    return _scalar(value)


def _scalar(value: object) -> str | float | bool:
    if isinstance(value, bool | float) or (isinstance(value, int) and -_INT64 <= value < _INT64):
        return value
    return as_text(value)


def learnable_types(attributes: Mapping[str, Any], not_below: tuple[str, ...] = ()) -> dict[str, FieldType]:
    """Answer the types of flattened attributes, of a list that of its items; none for names below the prefixes given.

    >>> learnable_types({"a": 1, "b": ["x"], "metadata.c": True}, not_below=("metadata.",))
    {'a': <FieldType.LONG: 'long'>, 'b': <FieldType.KEYWORD: 'keyword'>}
    """
    first = {name: value[0] if isinstance(value, list) and value else value for name, value in attributes.items()}
    return {name: _TYPES[type(value)] for name, value in first.items() if type(value) in _TYPES and not name.startswith(not_below)}


_TYPES: Final[Mapping[type, FieldType]] = {bool: FieldType.BOOLEAN, int: FieldType.LONG, float: FieldType.DOUBLE, str: FieldType.KEYWORD}
