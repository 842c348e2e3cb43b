"""The two encodings of OTLP over HTTP: protobuf, and JSON, which is protobuf's but for the ids: they are hexadecimal (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).

Either way a message of protobuf's classes comes of it, or a :class:`DecodeError`. Unknown members are passed over, as the specification asks.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError as NoProtobuf
from google.protobuf.message import Message

from tailrace.errors import DecodeError

MAX_DEPTH: Final = 64
"""Attributes in attributes; protobuf's own limit is 100 messages."""

MAX_BYTES: Final = 20 * 1024 * 1024
"""What the OpenTelemetry Collector takes too, if nothing else is said (``max_request_body_size``)."""

MAX_EMPTY: Final = 200_000
"""Empty messages and objects in one request: two bytes of them take a hundred in memory."""

MAX_ITEMS: Final = 200_000
"""Records, points or spans of one request."""

_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
M = TypeVar("M", bound=Message)


def from_protobuf(data: bytes, kind: type[M]) -> M:
    """Read a message; raises :class:`DecodeError`."""
    _check(data, _empty_messages(data))
    try:
        return kind.FromString(data)
    except (NoProtobuf, RecursionError, ValueError) as error:
        raise DecodeError(f"not a protobuf message of {kind.DESCRIPTOR.name}: {str(error)[:200] or 'it is cut or damaged'}") from error


def from_json(data: bytes, kind: type[M]) -> M:
    """Read a message from its JSON form; raises :class:`DecodeError`."""
    _check(data, data.count(b"{}"))
    try:
        value = msgspec.json.decode(data)
        if not isinstance(value, dict):
            raise DecodeError("not a JSON object")
        for holder in _holders(value):
            _to_base64(holder)
        return ParseDict(value, kind(), ignore_unknown_fields=True, max_recursion_depth=MAX_DEPTH)
    except (msgspec.MsgspecError, UnicodeDecodeError, ParseError, RecursionError, ValueError, TypeError, AttributeError) as error:
        raise DecodeError(f"not a JSON form of {kind.DESCRIPTOR.name}: {str(error)[:200]}") from error


def check_items(number: int) -> None:
    """Raise :class:`DecodeError` where a request has more records, points or spans than are taken at once."""
    if number > MAX_ITEMS:
        raise DecodeError(f"more than {MAX_ITEMS} records in one request: send them in several")


def _check(data: bytes, empty: int) -> None:
    if len(data) > MAX_BYTES:
        raise DecodeError(f"longer than {MAX_BYTES} bytes: send it in several requests")
    if empty > MAX_EMPTY:
        raise DecodeError(f"more than {MAX_EMPTY} empty messages")


def _empty_messages(data: bytes) -> int:
    """Count the places that look like one: a tag of a field with a length (https://protobuf.dev/programming-guides/encoding/#structure), and the length nought."""
    if len(data) < 2 * MAX_EMPTY:
        return 0
    found = np.frombuffer(data, np.uint8)
    return int(np.count_nonzero(((found[:-1] & 0x07) == _WITH_LENGTH) & (found[1:] == 0)))


_WITH_LENGTH: Final = 2


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
