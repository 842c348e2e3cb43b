"""CloudWatch Logs subscription payloads: bytes in, runs of log lines out.

A payload is one JSON object, gzip-compressed (zlib and plain are taken too), in base64 where it travels in JSON
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html)::

    {"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "...", "logStream": "...", "subscriptionFilters": ["..."],
     "logEvents": [{"id": "<56 digits>", "timestamp": <milliseconds>, "message": "..."}]}

Several objects after one another (what Firehose puts into one S3 object) are several runs. ``CONTROL_MESSAGE`` (a health check of the destination) is
counted, and no run. Everything else makes a dead letter that holds the payload whole.

* **event id**: CloudWatch's. One that is missing, not a text, empty, longer than OpenSearch takes, or there already in the payload is replaced by a hash
  of the inflated payload and the position, which a replay makes again.
* **time**: ``timestamp`` is kept where it is a moment after 1970-01-01T00:00:00.000Z and before the year 10000 (so 1970-01-02 and 2100 are kept). Zero, negative,
  later, missing or not a number: null, and the time in the line counts, else that of receipt.
* **text**: a lone surrogate or invalid UTF-8 becomes U+FFFD; a message that is no text is written as JSON; line ends at its end are taken off.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import byte_lengths
from collectors.envelopes.inflate import inflate, is_compressed
from collectors.envelopes.tolerant_json import as_text, values
from collectors.lines import Lines, Origin
from firehose.delivery import DeadLetter
from tailrace.clock import US_PER_MS
from tailrace.errors import DecodeError
from tailrace.ids import position_event_id

CONTROL_RULE: Final = "control-message"
"""The rule's name under which control messages are counted as dropped."""

STREAM_NAME: Final = "cloudwatch"
LAMBDA_PREFIX: Final = "/aws/lambda/"
"""A function's log group is named after it."""

MAX_SOURCE_CHARS: Final = 256
MAX_ID_BYTES: Final = 512
"""The longest ``_id`` that OpenSearch takes."""

MAX_MS: Final = 253_402_300_800_000
"""The year 10000: dates end before it in Python, and a time before it fits into microseconds of 64 bits."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a payload held: runs of lines, one per data message, and how many control messages."""

    runs: tuple[Lines, ...]
    control_messages: int = 0


class _Event(msgspec.Struct, gc=False):
    message: str
    id: str | int | None = None
    timestamp: int | float | None = None


class _Message(msgspec.Struct, rename="camel"):
    message_type: str
    log_events: list[_Event]
    owner: str = ""
    log_group: str = ""
    log_stream: str = ""


_DECODER: Final = msgspec.json.Decoder(_Message)


def decode(payload: bytes | str, *, received_us: int, inflate_max_bytes: int, region: str = "") -> Decoded | DeadLetter:
    """Read one payload: a text is base64; bytes are gzip, zlib, JSON, or base64 of those.

    ``region`` is that of the receiver: a log group and the destination of its subscription lie in one region.
    """
    whole = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
    try:
        inflated = inflate(_binary(payload), inflate_max_bytes)
        messages = _read_messages(inflated)
        data = _data_messages(messages)
        runs = tuple(_lines(message, at, inflated, received_us, region) for at, message in enumerate(data))
    except DecodeError as error:
        return DeadLetter("payload", str(error), whole, {"envelope": STREAM_NAME})
    return Decoded(runs, len(messages) - len(data))


def _binary(payload: bytes | str) -> bytes:
    if not payload:
        raise DecodeError("the payload is empty")
    if isinstance(payload, bytes) and (is_compressed(payload) or payload.lstrip()[:1] == b"{"):
        return payload
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError("neither gzip, zlib, JSON nor base64 of one of them") from error


def _read_messages(inflated: bytes) -> Sequence[_Message]:
    try:
        return [_DECODER.decode(inflated)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return [_message_of(value) for value in values(inflated)]


def _data_messages(messages: Sequence[_Message]) -> Sequence[_Message]:
    unknown = [message.message_type for message in messages if message.message_type not in {"DATA_MESSAGE", "CONTROL_MESSAGE"}]
    if unknown:
        raise DecodeError(f"unknown messageType: {unknown[0][:80]!r}")
    return [message for message in messages if message.message_type == "DATA_MESSAGE"]


def _message_of(value: object) -> _Message:
    if not isinstance(value, dict):
        raise DecodeError("not a CloudWatch Logs payload: no JSON object")
    events = value.get("logEvents")
    if not isinstance(value.get("messageType"), str) or not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise DecodeError("not a CloudWatch Logs payload: messageType or logEvents is missing or of another type")
    owner, group, stream = (as_text(value.get(name) or "") for name in ("owner", "logGroup", "logStream"))
    return _Message(as_text(value["messageType"]), [_event_of(event) for event in events], owner, group, stream)


def _event_of(event: Mapping[str, Any]) -> _Event:
    event_id, time = event.get("id"), event.get("timestamp")
    return _Event(
        as_text(event.get("message", "")),
        as_text(event_id) if isinstance(event_id, str) else None,
        time if isinstance(time, (int, float)) and not isinstance(time, bool) else None,
    )


def _lines(message: _Message, at: int, inflated: bytes, received_us: int, region: str) -> Lines:
    origin = Origin(
        f"{STREAM_NAME}:{message.log_group}"[:MAX_SOURCE_CHARS],
        STREAM_NAME,
        account=message.owner,
        region=region,
        log_group=message.log_group,
        log_stream=message.log_stream,
        service=message.log_group.removeprefix(LAMBDA_PREFIX) if message.log_group.startswith(LAMBDA_PREFIX) else "",
    )
    events = message.log_events
    messages = [event.message for event in events]
    text: pa.StringArray = pa.array(messages, pa.string())
    last = "".join([message[-1:] for message in messages])
    if "\n" in last or "\r" in last:  # most payloads have none, which is seen faster than they are taken off
        text = pc.utf8_rtrim(text, characters="\r\n")
    ids = _event_ids([event.id for event in events], at, inflated)
    return Lines(origin, received_us, text, ids, _times([event.timestamp for event in events]))


def _event_ids(ids: list[str | int | None], at: int, inflated: bytes) -> pa.StringArray:
    known = _all_usable(ids) if len(set(ids)) == len(ids) else None
    if known is not None:
        return known
    digest = hashlib.blake2b(inflated, digest_size=16).hexdigest()
    seen: set[str | int | None] = set()
    kept: list[str] = []
    for position, event_id in enumerate(ids):
        is_first = event_id not in seen
        seen.add(event_id)
        kept.append(str(event_id) if is_first and _usable(event_id) else position_event_id(STREAM_NAME, digest, at, position))
    return pa.array(kept, pa.string())


def _all_usable(ids: list[str | int | None]) -> pa.StringArray | None:
    """Answer the ids as a column if all of them can be kept."""
    try:
        column = pa.array(ids, pa.string())
    except pa.ArrowException:
        return None
    lengths = byte_lengths(column)
    usable = not column.null_count and bool(((lengths > 0) & (lengths <= MAX_ID_BYTES)).all())
    return column if usable else None


def _usable(event_id: str | int | None) -> bool:
    return isinstance(event_id, str) and 0 < len(event_id.encode()) <= MAX_ID_BYTES


def _times(milliseconds: list[int | float | None]) -> pa.TimestampArray:
    try:
        known = np.array(milliseconds, np.int64)
    except (TypeError, ValueError, OverflowError):
        known = np.zeros(1, np.int64)
    if milliseconds and known.min() > 0 and known.max() < MAX_MS:
        return pa.array((known * US_PER_MS).view("datetime64[us]"), pa.timestamp("us"))
    return pa.array([None if number is None else number * US_PER_MS for number in map(_whole, milliseconds)], pa.timestamp("us"))


def _whole(number: float | None) -> int | None:
    return int(number) if number is not None and 0 < number < MAX_MS else None
