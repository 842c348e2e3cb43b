"""The messages of Fluent's forward protocol, version 1 (https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1): MessagePack in, entries out.

Modes: one entry (``[tag, time, record, option]``), many (``[tag, [[time, record], ...], option]``), many packed as bytes (``[tag, bin, option]``), and packed and compressed (option ``compressed: gzip``).
A time is a whole number of seconds, a floating one, or an ``EventTime`` (extension 0: seconds and nanoseconds). A record becomes one line of JSON; bytes of a text that are no UTF-8 become U+FFFD, a value
of the kind ``bin`` that is none base64. Senders of old pack entries as a text.
"""

import base64
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgpack
import orjson
import pyarrow as pa

from collectors.envelopes.inflate import inflate
from collectors.envelopes.opened import Opened, Sent
from collectors.envelopes.tolerant_json import as_text
from collectors.lines import Lines, Origin
from tailrace.clock import US_PER_S
from tailrace.errors import DecodeError
from tailrace.ids import Places

STREAM_NAME: Final = "forward"
INFLATE_MAX_BYTES: Final = 256 * 1024 * 1024
MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
MAX_ITEMS: Final = 16_384
"""Items of one list or map. The reader makes room for a list when it reads its length, so a larger number would let a few bytes take much memory; packed entries are no list."""

MAX_ENTRIES: Final = 500_000
"""Packed entries of one message."""

EVENT_TIME: Final = 0
EVENT_TIME_BYTES: Final = 8
LAST_S: Final = 253_402_300_800
"""The year 10000, where dates end."""

_NS_PER_US: Final = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One record as a line of JSON; ``time_us`` is ``None`` where its time is none."""

    time_us: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Forwarded:
    """One message: its tag, its entries, and the id that is to be acknowledged (empty: none)."""

    tag: str
    entries: tuple[Entry, ...]
    chunk: str


def unpacker(max_bytes: int = MAX_MESSAGE_BYTES) -> "msgpack.Unpacker":
    """Make a reader of MessagePack that takes no more than so many bytes, and no list that is longer than :data:`MAX_ITEMS`."""
    return msgpack.Unpacker(
        raw=False,
        unicode_errors="surrogateescape",
        strict_map_key=False,
        ext_hook=_extension,
        max_buffer_size=max_bytes,
        max_array_len=MAX_ITEMS,
        max_map_len=MAX_ITEMS,
    )


UNREADABLE: Final = (ValueError, msgpack.UnpackException, msgpack.StackError, RecursionError, TypeError, MemoryError)
"""What msgpack raises for bytes that are none of it, too long, or too deep."""


def read_message(value: object, inflate_max_bytes: int) -> Forwarded:
    """Read a message that was unpacked; raises :class:`DecodeError` where it is none."""
    match value:
        case [str(tag), bytes() | str() as packed, *options]:
            option = _option(options)
            return Forwarded(tag, tuple(_packed(packed, option, inflate_max_bytes)), _chunk(option))
        case [str(tag), [*entries], *options]:
            option = _option(options)
            return Forwarded(tag, tuple(_entry(entry) for entry in entries), _chunk(option))
        case [str(tag), time, dict(record), *options]:
            return Forwarded(tag, (_entry([time, record]),), _chunk(_option(options)))
    raise DecodeError("not a message of the forward protocol: no list of a tag and entries")


def open_forward(sent: Sent) -> Opened:
    """Answer the entries of a message that was kept as a dead letter."""
    reader = unpacker(max(len(sent.data), 1))
    try:
        reader.feed(sent.data)
        messages, end = list[Forwarded](), 0
        for value in reader:
            end = reader.tell()
            messages.append(read_message(value, INFLATE_MAX_BYTES))
    except UNREADABLE as error:
        raise DecodeError(f"no MessagePack: {str(error)[:200] or type(error).__name__}") from error
    if end != len(sent.data) or not messages:
        raise DecodeError("not a whole message of the forward protocol")
    places = Places(STREAM_NAME, sent.identity)
    ids = [places.id(number, at) for number, message in enumerate(messages) for at in range(len(message.entries))]
    return Opened((lines_of(messages, ids, sent.source, sent.received_us),))


def lines_of(messages: Sequence[Forwarded], ids: Sequence[str], source: str, received_us: int) -> Lines:
    """Answer the entries of messages as lines, each an event of its own."""
    entries = [entry for message in messages for entry in message.entries]
    times: pa.TimestampArray = pa.array([entry.time_us for entry in entries], pa.timestamp("us"))
    texts = pa.array([entry.text for entry in entries], pa.string())
    return Lines(Origin(source, STREAM_NAME), received_us, texts, pa.array(ids, pa.string()), times, whole=True)


def _option(options: Sequence[Any]) -> dict[Any, Any]:
    match options:
        case [] | [None]:
            return {}
        case [dict(option)]:
            return option
    raise DecodeError("not a message of the forward protocol: its option is no map")


def _chunk(option: dict[Any, Any]) -> str:
    chunk = option.get("chunk", "")
    return chunk if isinstance(chunk, str) else base64.b64encode(chunk).decode("ascii") if isinstance(chunk, bytes) else ""


def _packed(packed: bytes | str, option: dict[Any, Any], inflate_max_bytes: int) -> Iterator[Entry]:
    data = packed.encode("utf-8", "surrogateescape") if isinstance(packed, str) else packed
    compression = option.get("compressed", "text")
    if compression == "gzip":
        data = inflate(data, min(inflate_max_bytes, MAX_MESSAGE_BYTES)) if data else b""
    elif compression != "text":
        raise DecodeError(f"compression {str(compression)[:40]!r} is not taken: gzip is")
    reader = unpacker(max(len(data), 1))
    try:
        reader.feed(data)
        end = 0
        for number, entry in enumerate(reader):
            if number >= MAX_ENTRIES:
                raise DecodeError(f"more than {MAX_ENTRIES} entries in one message")
            end = reader.tell()
            yield _entry(entry)
        if end != len(data):
            raise DecodeError(f"the packed entries are cut short: the last begins at byte {end}")
    except UNREADABLE as error:
        raise DecodeError(f"the packed entries are no MessagePack: {str(error)[:200]}") from error


def _entry(value: object) -> Entry:
    match value:
        case [[time, dict()], dict(record)] | [time, dict(record)]:
            return Entry(_time_us(time), json_line(record))
    raise DecodeError("an entry is no list of a time and a record")


def _time_us(time: object) -> int | None:
    if isinstance(time, _EventTime):
        return time.us
    if isinstance(time, bool) or not isinstance(time, int | float) or not math.isfinite(time) or not 0 < time < LAST_S:
        return None
    return round(time * US_PER_S)


@dataclass(frozen=True, slots=True)
class _EventTime:
    us: int


def _extension(code: int, data: bytes) -> object:
    if code == EVENT_TIME and len(data) == EVENT_TIME_BYTES:
        seconds, nanoseconds = struct.unpack(">II", data)
        return _EventTime(seconds * US_PER_S + nanoseconds // _NS_PER_US)
    return base64.b64encode(data).decode("ascii")


def json_line(record: dict[Any, Any]) -> str:
    r"""Write a record as JSON.

    >>> json_line({"log": b"a line", 1: float("nan"), "bin": b"\xff"})
    '{"log":"a line","1":null,"bin":"/w=="}'
    """
    try:
        return orjson.dumps(record, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except (orjson.JSONEncodeError, TypeError, RecursionError):
        return as_text(_without_bytes(record))


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, _EventTime):
        return value.us / US_PER_S
    return str(value)


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def _without_bytes(value: Any) -> Any:  # noqa: ANN401 - plain data of any shape
    """Answer data that the slower writer takes: keys that are texts, no bytes; raises :class:`DecodeError` where it is nested too deep."""
    try:
        if isinstance(value, dict):
            return {_key(key): _without_bytes(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [_without_bytes(one) for one in value]
    except RecursionError as error:
        raise DecodeError("the record is nested too deep") from error
    return value if value is None or isinstance(value, bool | int | float | str) else _plain(value)


def _key(key: object) -> str:
    return key if isinstance(key, str) else str(_plain(key))
