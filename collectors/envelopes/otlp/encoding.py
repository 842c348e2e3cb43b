"""The two encodings of OTLP over HTTP: protobuf, and JSON, which is protobuf's but for the ids: they are hexadecimal (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).

Either way a message of protobuf's classes comes of it, or a :class:`DecodeError`. Unknown members are passed over, as the specification asks.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final, TypeVar

import msgspec
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError as NoProtobuf
from google.protobuf.message import Message

from tailrace.errors import DecodeError

MAX_DEPTH: Final = 64
"""Attributes in attributes; protobuf's own limit is 100 messages."""

_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
M = TypeVar("M", bound=Message)


def from_protobuf(data: bytes, kind: type[M]) -> M:
    """Read a message; raises :class:`DecodeError`."""
    try:
        return kind.FromString(data)
    except (NoProtobuf, RecursionError, ValueError) as error:
        raise DecodeError(f"not a protobuf message of {kind.DESCRIPTOR.name}: {str(error)[:200] or 'it is cut or damaged'}") from error


def from_json(data: bytes, kind: type[M]) -> M:
    """Read a message from its JSON form; raises :class:`DecodeError`."""
    try:
        value = msgspec.json.decode(data)
        if not isinstance(value, dict):
            raise DecodeError("not a JSON object")
        for holder in _holders(value):
            _to_base64(holder)
        return ParseDict(value, kind(), ignore_unknown_fields=True, max_recursion_depth=MAX_DEPTH)
    except (msgspec.MsgspecError, UnicodeDecodeError, ParseError, RecursionError, ValueError, TypeError, AttributeError) as error:
        raise DecodeError(f"not a JSON form of {kind.DESCRIPTOR.name}: {str(error)[:200]}") from error


def _holders(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Walk the objects that may hold ids; what stands in attributes is not looked into."""
    waiting: list[Any] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += [member for name, member in one.items() if name not in {"attributes", "body"}]
        elif isinstance(one, list):
            waiting += one


def _to_base64(holder: dict[str, Any]) -> None:
    for name in _IDS & holder.keys():
        if isinstance(holder[name], str):
            holder[name] = base64.b64encode(_bytes(holder[name])).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "replace")
