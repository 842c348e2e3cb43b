"""Values of OTLP messages: attributes of any kind as plain data, ids as hexadecimal digits, times in microseconds."""

import base64
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from collectors.envelopes.flatten import MAX_NAMES, flatten
from collectors.envelopes.tolerant_json import as_text

NS_PER_US: Final = 1_000
TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8


def plain(value: AnyValue) -> Any:  # noqa: ANN401 - whatever an attribute may be
    """Answer a value as plain data: bytes are base64, as in OTLP's JSON; numbers that are none (NaN, infinite) are texts; nothing is ``None``.

    >>> plain(AnyValue(array_value={"values": [{"int_value": 1}, {"double_value": float("inf")}]}))
    [1, 'inf']
    """
    match value.WhichOneof("value"):
        case None:
            return None
        case "double_value":
            return value.double_value if math.isfinite(value.double_value) else str(value.double_value)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode("ascii")
        case "array_value":
            return [plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
        case kind:
            return getattr(value, kind)


def members(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Answer attributes flattened to dotted names; those without a value are left out. A value with more members than can be flattened is JSON text.

    >>> members([KeyValue(key="a", value=AnyValue(kvlist_value={"values": [{"key": "b", "value": {"bool_value": True}}]}))])
    {'a.b': True}
    """
    out: dict[str, Any] = {}
    for pair in attributes:
        kind = pair.value.WhichOneof("value")
        if kind == "string_value":
            out[pair.key] = pair.value.string_value
        elif kind in _BARE:
            out[pair.key] = getattr(pair.value, kind)
        elif kind is not None:
            value = plain(pair.value)
            flat = flatten({pair.key: value})
            out |= flat if len(flat) < MAX_NAMES else {pair.key: as_text(value)}
    return out


_BARE: Final = frozenset({"bool_value", "int_value"})


def merged_text(shared: Mapping[str, Any], shared_text: str | None, own: Mapping[str, Any]) -> str | None:
    """Write members that many share (their text is made already) and own ones, which count before them, as one JSON text.

    >>> merged_text({"a": 1}, '{"a":1}', {"b": 2}), merged_text({"a": 1}, '{"a":1}', {"a": 2})
    ('{"a":1,"b":2}', '{"a":2}')
    """
    if not own or shared_text is None:
        return json_text(own) or shared_text
    if shared.keys().isdisjoint(own):
        return f"{shared_text[:-1]},{str(json_text(own))[1:]}"
    return json_text({**shared, **own})


def json_text(value: Mapping[str, Any]) -> str | None:
    """Write flattened members as a JSON text; ``None`` where there are none."""
    if not value:
        return None
    try:
        return orjson.dumps(value).decode()
    except (orjson.JSONEncodeError, RecursionError):
        return as_text(value)


def hex_id(identifier: bytes, length: int) -> str | None:
    """Answer the digits of an id of that many bytes; ``None`` where it is of another length or nought.

    >>> hex_id(bytes(7) + bytes([1]), 8), hex_id(bytes(8), 8), hex_id(b"abc", 8)
    ('0000000000000001', None, None)
    """
    return identifier.hex() if len(identifier) == length and any(identifier) else None


def odd_id(identifier: bytes, length: int) -> str | None:
    """Answer what was sent as an id and is none, so that it is not lost; ``None`` where there is nothing of that kind."""
    return identifier.hex() if identifier and len(identifier) != length else None


def time_us(nanoseconds: int) -> int | None:
    """Answer microseconds since 1970; ``None`` where the time is not known. What 64 bits hold ends in the year 2554.

    >>> time_us(1_790_000_000_123_456_789), time_us(0)
    (1790000000123456, None)
    """
    return nanoseconds // NS_PER_US or None
