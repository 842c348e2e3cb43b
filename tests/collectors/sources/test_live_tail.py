"""Live tail shows what comes in, session after session, says where it is a sample, and stores equal lines as the different events they are."""

import struct
import threading
from binascii import crc32
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.eventstream import EventStream
from botocore.exceptions import ClientError
from botocore.parsers import EventStreamJSONParser
from botocore.session import get_session

from collectors.collector import Summary
from collectors.sources.live_tail import MAX_GROUPS, Boto3LiveTail, LiveEvent, LiveStore, LiveTail, Tailed, Update, group_of, resolved
from firehose.delivery import Delivery, MemoryStream
from tailrace.clock import ManualClock
from tailrace.errors import PermanentError, TransientError, UsageError
from tests.collectors.sources.s3_fakes import balanced, collector, column

ARN = "arn:aws:logs:eu-west-1:123456789012:log-group:/shop/{}"
TAILED = Tailed((ARN.format("web"),))


def live(message: str, group: str = "/shop/web", stream: str = "s", time_ms: int = 1_790_000_000_000) -> LiveEvent:
    return LiveEvent(group, "123456789012", stream, time_ms, message)


@dataclass
class MemoryTail:
    """Sessions in memory: each a list of updates, of which an exception ends it; ``after`` is called when the last one is begun."""

    sessions: list[list[Update | Exception]]
    groups: Sequence[str] = ()
    begun: int = 0
    closed: int = 0
    after: Callable[[], None] = field(default=lambda: None)

    def arns(self, pattern: str) -> Sequence[str]:
        return [arn for arn in self.groups if pattern.rstrip("*") in arn]

    def session(self, tailed: Tailed) -> Iterator[Update]:
        self.begun += 1
        parts = self.sessions.pop(0) if self.sessions else []
        if not self.sessions:
            self.after()
        try:
            for part in parts:
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            self.closed += 1


def run(port: MemoryTail, clock: ManualClock | None = None) -> list[Update]:
    stop, taken = threading.Event(), list[Update]()
    port.after = stop.set
    LiveTail(port, clock or ManualClock(), stop).run(TAILED, taken.append)
    return taken


def test_a_session_that_ends_is_followed_by_the_next() -> None:
    port = MemoryTail([[Update("a", 1, [live("one")])], [Update("b", 1, [])], []])
    assert [update.session for update in run(port)] == ["a", "b"]
    assert (port.begun, port.closed) == (3, 3)


def test_a_session_that_fails_is_tried_again_after_a_wait_and_what_never_will_is_raised() -> None:
    clock = ManualClock()
    port = MemoryTail([[TransientError("too many sessions")], [Update("a", 1, []), TransientError("reset")], []])
    began_s = clock.monotonic_s()
    assert len(run(port, clock)) == 1
    assert clock.monotonic_s() - began_s >= 1 + 2
    with pytest.raises(PermanentError):
        run(MemoryTail([[PermanentError("access denied")]]))


def test_it_ends_when_it_is_told_to_or_the_time_is_over_and_the_session_is_closed() -> None:
    stop, port = threading.Event(), MemoryTail([[Update("a", 1, []), Update("a", 2, [])]])
    LiveTail(port, ManualClock(), stop).run(TAILED, lambda _: stop.set())
    assert (port.begun, port.closed) == (1, 1)
    clock = ManualClock()
    port = MemoryTail([[Update("a", number, []) for number in range(100)]])
    taken: list[int] = []

    def take(update: Update) -> None:
        clock.sleep(1)
        taken.append(update.number)

    LiveTail(port, clock, until_s=clock.monotonic_s() + 5).run(TAILED, take)
    assert taken == [0, 1, 2, 3, 4]


def test_groups_are_named_by_name_pattern_or_arn_and_ten_are_the_most() -> None:
    port = MemoryTail([], [ARN.format(name) for name in ("web", "cart")])
    other = "arn:aws:logs:eu-west-1:1:log-group:x"
    assert resolved(port, ["/shop/*", "/shop/web", f"{other}:*"]) == (ARN.format("web"), ARN.format("cart"), other)
    with pytest.raises(UsageError, match="no such log group: /none"):
        resolved(port, ["/none"])
    with pytest.raises(UsageError, match="11 log groups: live tail takes 10 at most"):
        resolved(MemoryTail([], [ARN.format(n) for n in range(MAX_GROUPS + 1)]), ["/shop/*"])


def store(stream: MemoryStream, **more: Any) -> LiveStore:
    return LiveStore(collector(stream), ManualClock(), "eu-west-1", **more)


def test_equal_lines_are_stored_as_different_events_with_where_they_are_from() -> None:
    stream = MemoryStream()
    sut = store(stream)
    update = Update("a", 1, [live("same"), live("same"), live("other", "/aws/lambda/pay", "t"), live("no time\r\n", time_ms=0)])
    assert sut.put(update) == Summary(events=4)
    sut.put(Update("a", 2, [live("same")]))
    sut.put(Update("b", 1, [live("same")]))
    assert len(set(column(stream, "event_id"))) == 6
    assert column(stream, "message")[:4] == ["same", "same", "no time", "other"]
    assert {delivery.source for delivery in stream.deliveries} == {"live-tail:/shop/web", "live-tail:/aws/lambda/pay"}
    assert set(column(stream, "service_name")) == {"", "pay"}
    assert balanced(stream)


def test_an_update_that_is_put_again_has_the_same_ids() -> None:
    first, again, update = MemoryStream(), MemoryStream(), Update("a", 1, [live("one"), live("two")])
    store(first).put(update)
    store(again).put(update)
    assert column(first, "event_id") == column(again, "event_id")


class Full(MemoryStream):
    """Takes nothing."""

    def put(self, delivery: Delivery) -> None:
        raise TransientError("the spool is full")


def test_a_stop_while_the_spool_is_full_ends_it() -> None:
    stop = threading.Event()
    stop.set()
    port = MemoryTail([[Update("a", 1, [live("one")])]])
    sut = store(Full(), stop=stop)
    LiveTail(port, ManualClock()).run(TAILED, sut.put)
    assert port.closed == 1


def frame(kind: str, body: bytes, message_type: str = "event") -> bytes:
    """Write a frame of the event stream (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html), as vnd.amazon.eventstream has it."""
    name = ":event-type" if message_type == "event" else ":exception-type"
    headers = b""
    for key, value in ((":message-type", message_type), (name, kind), (":content-type", "application/json")):
        headers += struct.pack("!B", len(key)) + key.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
    prelude = struct.pack("!II", len(headers) + len(body) + 16, len(headers))
    whole = prelude + struct.pack("!I", crc32(prelude)) + headers + body
    return whole + struct.pack("!I", crc32(whole))


class Raw:
    """The bytes of an answer, as urllib3 gives them."""

    def __init__(self, *frames: bytes) -> None:
        self._frames, self.closed = frames, False

    def stream(self) -> Iterator[bytes]:
        yield from self._frames

    def close(self) -> None:
        self.closed = True


START = b'{"sessionId": "s-1", "requestId": "r", "logGroupIdentifiers": ["x"]}'
EVENT = b'{"logStreamName": "s", "logGroupIdentifier": "123456789012:/shop/web", "message": "a\\ud800b", "timestamp": 1790000000000, "ingestionTime": 1790000000001}'
UPDATE = b'{"sessionMetadata": {"sampled": true}, "sessionResults": [' + EVENT + b', {"message": "m", "timestamp": 9000000000000000}]}'


class FakeClient:
    """The two calls of boto3's client; an answer goes through botocore's own parser of event streams."""

    def __init__(self, *frames: bytes, error: Exception | None = None) -> None:
        self.raw, self.error, self.asked = Raw(*frames), error, dict[str, Any]()

    def start_live_tail(self, **asked: Any) -> Any:
        self.asked = asked
        if self.error:
            raise self.error
        shape: Any = get_session().get_service_model("logs").operation_model("StartLiveTail").output_shape.members["responseStream"]  # type: ignore[union-attr] # it has one
        return {"responseStream": EventStream(self.raw, shape, EventStreamJSONParser(), "StartLiveTail")}


def port(client: FakeClient) -> Boto3LiveTail:
    return Boto3LiveTail(client)  # type: ignore[arg-type] # the call is enough


def test_through_botocores_parser_a_session_is_its_updates_and_a_time_out_is_its_end() -> None:
    client = FakeClient(
        frame("sessionStart", START),
        frame("sessionUpdate", b'{"sessionResults": []}'),
        frame("sessionUpdate", UPDATE),
        frame("SessionTimeoutException", b"{}", "exception"),
    )
    updates = list(port(client).session(Tailed(TAILED.arns, "ERROR")))
    assert client.asked == {"logGroupIdentifiers": [ARN.format("web")], "logEventFilterPattern": "ERROR"}
    assert [(update.session, update.number, update.sampled) for update in updates] == [("s-1", 1, False), ("s-1", 2, True)]
    assert updates[1].events == [LiveEvent("/shop/web", "123456789012", "s", 1_790_000_000_000, "a\ufffdb"), LiveEvent("", "", "", 0, "m")]
    assert client.raw.closed


def test_an_error_in_a_session_may_pass_and_one_that_refuses_it_says_what_to_do() -> None:
    client = FakeClient(frame("sessionStart", START), frame("SessionStreamingException", b'{"message": "oops"}', "exception"))
    with pytest.raises(TransientError, match="the session failed"):
        list(port(client).session(TAILED))
    for code, kind, says in (
        ("LimitExceededException", TransientError, "takes no requests now"),
        ("AccessDeniedException", PermanentError, "allow logs:StartLiveTail"),
        ("ResourceNotFoundException", PermanentError, "is not there"),
    ):
        refused = ClientError({"Error": {"Code": code, "Message": "no"}}, "StartLiveTail")
        with pytest.raises(kind, match=says):
            list(port(FakeClient(error=refused)).session(TAILED))


def test_a_session_that_is_left_is_closed() -> None:
    client = FakeClient(frame("sessionStart", START), frame("sessionUpdate", UPDATE), frame("sessionUpdate", UPDATE))
    stop = threading.Event()
    LiveTail(port(client), ManualClock(), stop).run(TAILED, lambda _: stop.set())
    assert client.raw.closed


def test_a_group_is_known_by_each_of_its_names() -> None:
    assert group_of(ARN.format("web")) == group_of("123456789012:/shop/web") == ("123456789012", "/shop/web")
    assert group_of("") == ("", "")
