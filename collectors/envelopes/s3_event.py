"""Notifications of S3: a message in, the objects that are new out.

Shapes (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html, .../ev-events.html,
https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html, https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html)::

    {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name"}, "object": {"key", ...}}}]}    S3 itself
    {"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name"}, "object": {"key", ...}}}                     EventBridge
    {"Type": "Notification", "Message": "<one of these>"}                                                                             SNS, without raw delivery
    {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "<one of these>"}}]}                                                   SNS to a function
    {"Records": [{"eventSource": "aws:sqs", "messageId": "...", "body": "<one of these>"}]}                                           SQS to a function
    {"Service": "Amazon S3", "Event": "s3:TestEvent", ...}                                                                            what S3 sends when it is set up

Keys are URL-encoded in S3's own events, a blank is ``+``; in EventBridge's they are as they are. An object that was made or restored is new. Test events, deletions and all
else that happens to objects are counted by rule. A message that is something else, or in part, is a :class:`DecodeError`: it belongs in dead letters whole.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote_plus

from collectors.envelopes.tolerant_json import as_text, values
from tailrace.errors import DecodeError

TEST_RULE: Final = "s3-test-event"
DELETED_RULE: Final = "s3-object-deleted"
OTHER_RULE: Final = "s3-no-new-object"
"""Names of the rules under which notifications are counted as dropped; the last is for tags, access lists, replication and transitions."""

MAX_DEPTH: Final = 8
"""Envelopes within envelopes; SQS, SNS, EventBridge and a list of records are four."""

_NEW: Final = ("ObjectCreated:", "ObjectRestore:Completed")
_DELETED: Final = ("ObjectRemoved:", "LifecycleExpiration:")
_BRIDGE_RULES: Final = MappingProxyType({"Object Created": "", "Object Restore Completed": "", "Object Deleted": DELETED_RULE})


@dataclass(frozen=True, slots=True)
class S3Object:
    """One object that a notification names; what it does not say is empty, or ``None``.

    ``etag`` is without quotes. ``region`` is that of the bucket. ``sequencer`` orders the notifications of one key: hexadecimal, the shorter of two is filled up with zeros on the right.
    """

    bucket: str
    key: str
    version: str = ""
    etag: str = ""
    size: int | None = None
    sequencer: str = ""
    region: str = ""

    @property
    def url(self) -> str:
        """How a person names it."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Notification:
    """What a message says: objects to read, in its order, and how many notices there is nothing to read for, by rule."""

    objects: tuple[S3Object, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a queue: its body, what it is deleted or sent again by, and how often it was received (0: not known)."""

    id: str
    body: str
    receives: int = 0


def read_notification(message: object) -> Notification:
    """Read a message: JSON text, or what was read of it; raises :class:`DecodeError` for one that is no notification of S3."""
    objects: list[S3Object] = []
    dropped = Counter[str]()
    for found in _notices(message, 0):
        if isinstance(found, S3Object):
            objects.append(found)
        else:
            dropped[found] += 1
    return Notification(tuple(objects), MappingProxyType(dict(dropped)))


def is_notification(event: object) -> bool:
    """Whether an event of Lambda, other than SQS's, comes from S3, SNS or EventBridge and so is read here."""
    match event:
        case {"source": "aws.s3", "detail": _} | {"Event": "s3:TestEvent"}:
            return True
        case {"Records": [*records]}:
            return bool(records) and all(_source(record) in {"aws:s3", "aws:sns"} for record in records)
    return False


def queue_messages(event: object) -> tuple[Message, ...]:
    """List the messages of SQS's event to a function; none where it is another event."""
    match event:
        case {"Records": [*records]} if records and all(_source(record) == "aws:sqs" for record in records):
            return tuple(_queue_message(record) for record in records)
    return ()


def _source(record: object) -> str:
    """SNS writes ``EventSource``, all others ``eventSource``."""
    source = (record.get("eventSource") or record.get("EventSource")) if isinstance(record, Mapping) else ""
    return source if isinstance(source, str) else ""


def _queue_message(record: Mapping[str, Any]) -> Message:
    identity, body, attributes = record.get("messageId"), record.get("body"), record.get("attributes")
    receives = attributes.get("ApproximateReceiveCount") if isinstance(attributes, Mapping) else None
    return Message(
        identity if isinstance(identity, str) else "",
        body if isinstance(body, str) else as_text(body),
        int(receives) if isinstance(receives, str) and receives.isascii() and receives.isdigit() else 0,
    )


def _notices(message: object, depth: int) -> Iterable[S3Object | str]:
    """Walk what a message says: objects, and the rules of notices without one."""
    if depth > MAX_DEPTH:
        raise DecodeError(f"no notification of S3: envelopes lie more than {MAX_DEPTH} deep in one another")
    inner = _inner(message)
    if inner is None:
        yield _notice(message)
        return
    for one in inner:
        yield from _notices(one, depth + 1)


def _inner(message: object) -> Iterable[object] | None:
    """Answer what an envelope holds; ``None`` where a message is none."""
    match message:
        case str(text):
            return (value if isinstance(value, Mapping) else None for value in values(text.encode("utf-8", "surrogatepass")))
        case {"Type": "Notification", "Message": str(text)} | {"Sns": {"Message": str(text)}} | {"eventSource": "aws:sqs", "body": str(text)}:
            return (text,)
        case {"Records": [_, *_] as records}:
            return (record if isinstance(record, Mapping) else None for record in records)
    return None


def _notice(message: Any) -> S3Object | str:  # noqa: ANN401 - whatever JSON can hold
    match message:
        case {"Event": "s3:TestEvent"}:
            return TEST_RULE
        case {"source": "aws.s3", "detail-type": str(kind), "detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key), **thing}}}:
            return _BRIDGE_RULES.get(kind, OTHER_RULE) or _object(message, bucket, key, thing)
        case {"eventSource": "aws:s3", "eventName": str(name), "s3": {"bucket": {"name": str(bucket)}, "object": {"key": str(key), **thing}}}:
            return _rule(name) or _object(message, bucket, unquote_plus(key), thing)
    keys = sorted(as_text(key) for key in message)[:10] if isinstance(message, Mapping) else []
    raise DecodeError(f"no notification of S3, but {', '.join(keys)[:200] or 'something else'}")


def _rule(event: str) -> str:
    """Answer the rule of an event by its name, which SNS and SQS may write with ``s3:`` before it; an object that is new has none."""
    name = event.removeprefix("s3:")
    return "" if name.startswith(_NEW) else DELETED_RULE if name.startswith(_DELETED) else OTHER_RULE


def _object(record: Mapping[str, Any], bucket: str, key: str, thing: Mapping[Any, Any]) -> S3Object:
    size = thing.get("size")
    if not bucket or not key:
        raise DecodeError("a notification of S3 without the name of a bucket and a key")
    return S3Object(
        as_text(bucket),
        as_text(key),
        _text(thing, "versionId", "version-id"),
        _text(thing, "eTag", "etag").strip('"'),
        size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        _text(thing, "sequencer"),
        _text(record, "awsRegion", "region"),
    )


def _text(values_: Mapping[Any, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := values_.get(name), str)), "")
