"""A queue of notifications: a message is deleted when everything of it is durable, comes again when it is not, and ends in dead letters when it never will be."""

import gzip
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.collector import Summary
from collectors.envelopes.s3_event import DELETED_RULE, TEST_RULE, Message
from collectors.sources.patience import StoppedError
from collectors.sources.s3_notices import CRASHES, Outcome, S3Notices
from collectors.sources.s3_objects import ObjectSource
from collectors.sources.s3_queue import FIRST_LATER_S, LONGEST_LATER_S, VISIBILITY_S, Boto3Queue, QueueConsumer, Received
from firehose.delivery import Delivery, MemoryStream
from gateway.server import open_node
from tailrace import aws
from tailrace.clock import ManualClock
from tailrace.errors import PermanentError, TransientError
from tailrace.ledger import open_ledger
from tailrace.settings import Settings
from tests.collectors.sources.s3_fakes import MemoryRanges, balanced, collector, column, payloads

LIMIT = 3


def record(key: str, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    return {"eventSource": "aws:s3", "eventName": name, "awsRegion": "us-east-1", "s3": {"bucket": {"name": "logs"}, "object": {"key": key}}}


def message(*keys: str, receives: int = 1, identity: str = "m1", **more: Any) -> Message:
    return Message(identity, json.dumps({"Records": [*map(record, keys), *more.get("records", [])]}), receives)


def notices(port: MemoryRanges, stream: MemoryStream | None = None, stop: threading.Event | None = None) -> tuple[S3Notices, MemoryStream]:
    memory, clock = stream or MemoryStream(), ManualClock()
    whole = collector(memory, clock)
    return S3Notices(whole, ObjectSource(whole, clock, port, stop=stop, patience_s=0), LIMIT), memory


def dead(stream: MemoryStream) -> list[Any]:
    return [letter for delivery in stream.deliveries for letter in delivery.dead]


def test_all_objects_of_a_message_are_read_and_what_needs_no_reading_is_counted() -> None:
    sut, stream = notices(MemoryRanges({"a": b"one\n", "b": gzip.compress(b"two\n")}))
    outcome = sut.take(message("a", "b", records=[record("c", "ObjectRemoved:Delete")]), "sqs:logs")
    assert outcome == Outcome(Summary(payloads=3, events=2, dropped=1))
    assert column(stream, "message") == ["one", "two"]
    assert payloads(stream) == (3, 2, 1, 0)
    assert [count.dropped for delivery in stream.deliveries for count in delivery.counts if count.dropped] == [{DELETED_RULE: 1}]
    assert sut.take(Message("t", json.dumps({"Event": "s3:TestEvent", "Service": "Amazon S3"}), 1), "sqs:logs").summary.dropped == 1
    assert stream.deliveries[-1].counts[0].dropped == {TEST_RULE: 1}
    assert stream.deliveries[-1].source == "sqs:logs"


@pytest.mark.parametrize("body", ["hello world", "", '{"Records": [{"eventSource": "aws:s3"}]}', "\ud800"])
def test_a_foreign_message_is_a_dead_letter_whole_and_done_with(body: str) -> None:
    sut, stream = notices(MemoryRanges())
    outcome = sut.take(Message("m", body, 1), "sqs:logs")
    assert not outcome.later
    (letter,) = dead(stream)
    assert (letter.body, letter.detail["envelope"], letter.detail["source"]) == (body.encode("utf-8", "replace"), "s3", "sqs:logs")
    assert payloads(stream) == (1, 0, 0, 1)


@pytest.mark.parametrize("error", [TransientError("slow down"), PermanentError("access denied")])
def test_what_cannot_be_read_comes_again_until_its_limit_and_is_a_dead_letter_then(error: Exception) -> None:
    for receives in range(1, LIMIT):
        sut, stream = notices(MemoryRanges({"a": b"one\n"}, faults=[error] * 6))
        assert sut.take(message("a", receives=receives), "q").later == str(error)
        assert not stream.deliveries
    sut, stream = notices(MemoryRanges({"a": b"one\n"}, faults=[error] * 6))
    last = message("a", receives=LIMIT)
    outcome = sut.take(last, "q")
    assert (outcome.later, outcome.summary.payloads) == ("", 1)
    (letter,) = dead(stream)
    assert (letter.body.decode(), letter.detail["key"], letter.detail["source"]) == (last.body, "a", "s3:logs")
    assert letter.reason == f"{error} ({LIMIT} times)"
    assert payloads(stream) == (1, 0, 0, 1)


def test_an_object_that_is_not_there_any_more_is_a_dead_letter_at_once() -> None:
    sut, stream = notices(MemoryRanges())
    assert not sut.take(message("a"), "q").later
    assert "was deleted before it was read" in dead(stream)[0].reason


def test_where_nobody_counts_a_person_is_waited_for_in_dead_letters_and_time_by_whoever_calls() -> None:
    sut, stream = notices(MemoryRanges({"a": b"one\n"}, faults=[PermanentError("access denied")]))
    assert not sut.take(message("a", receives=0), "lambda").later
    assert dead(stream)[0].reason == "access denied"
    sut, _ = notices(MemoryRanges({"a": b"one\n"}, faults=[TransientError("slow down")] * 6))
    assert sut.take(message("a", receives=0), "lambda").later == "slow down"


def test_a_message_that_ends_whoever_reads_it_is_not_read_for_ever() -> None:
    port = MemoryRanges({"a": b"one\n"})
    sut, stream = notices(port)
    assert not sut.take(message("a", receives=CRASHES * LIMIT + 1), "q").later
    assert not port.asked
    assert "no reading of it came to an end" in dead(stream)[0].reason


def test_of_a_message_that_comes_again_only_what_is_missing_is_read_and_counted() -> None:
    port = MemoryRanges({"a": b"one\n", "b": b"two\n", "c": b"three\n"})
    port.on_get = lambda number: port.faults.append(PermanentError("access denied")) if number == 2 else None
    sut, stream = notices(port)
    more = [record("c", "ObjectRemoved:Delete")]
    assert sut.take(message("a", "b", "c", records=more), "q").later == "access denied"
    assert sut.take(message("a", "b", "c", records=more, receives=2), "q") == Outcome(Summary(payloads=2, events=1, dropped=1))
    assert [key for key, _, _ in port.asked] == ["a", "b", "c", "b"]
    assert column(stream, "message") == ["one", "three", "two"]
    assert payloads(stream) == (4, 3, 1, 0)


class Refusing(MemoryStream):
    """Takes nothing at first."""

    left = 1

    def put(self, delivery: Delivery) -> None:
        if self.left:
            self.left -= 1
            raise TransientError("the spool is full")
        super().put(delivery)


def test_what_the_delivery_stream_does_not_take_comes_again() -> None:
    for body in (message("a").body, "hello", json.dumps({"Event": "s3:TestEvent"})):
        stream = Refusing()
        sut, _ = notices(MemoryRanges({"a": b"one\n"}), stream)
        assert sut.take(Message("m", body, 1), "q").later == "the spool is full"
        assert not sut.take(Message("m", body, 2), "q").later
        assert payloads(stream)[0] == 1


def test_a_stop_while_an_object_is_read_is_no_outcome() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        notices(MemoryRanges({"a": b"one\n"}), stop=stop)[0].take(message("a"), "q")


@given(st.text(max_size=60) | st.sampled_from(["a", "none"]).map(lambda key: message(key).body), st.integers(0, 20))
def test_any_message_is_done_with_or_comes_again_and_is_accounted_for(body: str, receives: int) -> None:
    sut, stream = notices(MemoryRanges({"a": gzip.compress(b"one\n")[:-3]}))
    outcome = sut.take(Message("m", body, receives), "q")
    assert not outcome.later
    assert balanced(stream)
    assert payloads(stream)[0] == 1


def test_a_dead_letter_is_replayed_once_the_object_can_be_read() -> None:
    port = MemoryRanges({"a": b"one\n"}, faults=[PermanentError("access denied")])
    sut, stream = notices(port)
    sut.take(message("a", receives=LIMIT), "q")
    (letter,) = dead(stream)
    source = ObjectSource(collector(stream), ManualClock(), port)
    port.faults.append(PermanentError("access denied"))
    with pytest.raises(PermanentError):
        source.replay(letter)
    assert source.replay(letter).events == 1
    assert column(stream, "message") == ["one"]


def test_damaged_bytes_and_foreign_messages_are_replayed_to_what_they_are() -> None:
    port = MemoryRanges({"a": gzip.compress(b"one\n" * 9)[:-3]})
    sut, stream = notices(port)
    sut.take(message("a"), "q")
    sut.take(Message("m", "hello", 1), "sqs:logs")
    source = ObjectSource(collector(stream), ManualClock(), MemoryRanges())
    for letter in dead(stream):
        again = source.replay(letter)
        assert len(again.dead) == 1
        assert (again.dead[0].body, again.dead[0].reason) == (letter.body, letter.reason)
    first, again_ids = column(stream, "event_id")[:9], column(stream, "event_id")[9:]
    assert first == again_ids


@dataclass
class MemoryQueue:
    """A queue in memory: what is hidden is not received until it is shown again."""

    messages: list[Received] = field(default_factory=list)
    hidden: dict[str, int] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    hides: list[tuple[str, int]] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    before: list[str] = field(default_factory=list)

    def receive(self) -> Sequence[Received]:
        if self.faults:
            raise self.faults.pop()
        return [one for one in self.messages if one.receipt not in self.deleted]

    def hide(self, receipt: str, seconds: int) -> None:
        self.hides.append((receipt, seconds))

    def delete(self, receipt: str) -> None:
        if receipt in self.before:
            self.before.remove(receipt)
            raise TransientError("no connection")
        self.deleted.append(receipt)


def received(*receives: int) -> list[Received]:
    return [Received(Message(f"m{n}", "", times), f"r{n}") for n, times in enumerate(receives)]


def test_a_message_is_deleted_after_it_was_taken_and_one_that_comes_again_waits_longer_each_time() -> None:
    port, taken = MemoryQueue(received(1, 1, 2, 4, 50)), list[str]()

    def take(one: Message) -> Outcome:
        assert f"r{one.id[1:]}" not in port.deleted
        taken.append(one.id)
        return Outcome(Summary(), "" if one.id == "m0" else "access denied")

    sut = QueueConsumer(port, take, ManualClock())
    assert sut.poll() == 1
    assert (taken, port.deleted) == (["m0", "m1", "m2", "m3", "m4"], ["r0"])
    assert port.hides == [("r1", FIRST_LATER_S), ("r2", 2 * FIRST_LATER_S), ("r3", 8 * FIRST_LATER_S), ("r4", LONGEST_LATER_S)]
    assert (sut.totals.received, sut.totals.deleted, sut.totals.later) == (5, 1, 4)


def test_visibility_is_extended_while_a_message_is_worked_on_and_for_those_that_wait() -> None:
    port = MemoryQueue(received(1, 1))

    def take(one: Message) -> Outcome:
        before = len(port.hides)
        until = time.monotonic() + 20
        while len(port.hides) < before + 4 and time.monotonic() < until:
            time.sleep(0.005)
        return Outcome(Summary())

    assert QueueConsumer(port, take, ManualClock(), heartbeat_s=0.01).poll() == 2
    assert set(port.hides) == {("r0", VISIBILITY_S), ("r1", VISIBILITY_S)}
    assert ("r0", VISIBILITY_S) not in port.hides[-3:]
    count = len(port.hides)
    time.sleep(0.05)
    assert len(port.hides) == count


def test_a_message_that_cannot_be_deleted_holds_up_no_other() -> None:
    port = MemoryQueue(received(1, 1), before=["r0"])
    sut = QueueConsumer(port, lambda _: Outcome(Summary()), ManualClock())
    assert sut.poll() == 1
    assert port.deleted == ["r1"]
    assert sut.poll() == 1


def test_a_stop_gives_back_what_was_not_done_with() -> None:
    port, stop = MemoryQueue(received(1, 1, 1)), threading.Event()

    def take(one: Message) -> Outcome:
        if one.id == "m1":
            stop.set()
            raise StoppedError("stopped")
        return Outcome(Summary())

    QueueConsumer(port, take, ManualClock(), stop).run()
    assert (port.deleted, port.hides) == (["r0"], [("r1", 0), ("r2", 0)])


def test_an_error_of_the_queue_is_waited_out_and_shown_meanwhile() -> None:
    stop = threading.Event()
    port = MemoryQueue(received(1), faults=[TransientError("no connection")])
    sut = QueueConsumer(port, lambda _: Outcome(Summary()), ManualClock(), stop)
    thread = threading.Thread(target=sut.run)
    thread.start()
    seen, until = set[str](), time.monotonic() + 20
    while not port.deleted and time.monotonic() < until:
        seen.add(sut.totals.error)
        time.sleep(0.01)
    stop.set()
    thread.join()
    assert "no connection" in seen
    assert port.deleted == ["r0"]


def test_through_boto3_a_queue_that_is_not_there_is_said(moto: Settings) -> None:
    with pytest.raises(PermanentError, match="check s3_queue_url"):
        Boto3Queue(aws.client("sqs", moto), f"{moto.aws_endpoint_url}/123456789012/none").receive()
    with pytest.raises(TransientError):
        Boto3Queue(aws.client("sqs", Settings(aws_endpoint_url="http://127.0.0.1:9")), "http://127.0.0.1:9/1/q").receive()


def test_a_gateway_with_a_queue_reads_what_s3_notifies_directly_by_sns_and_by_eventbridge(moto: Settings, tmp_path: Path) -> None:
    sqs, sns, s3 = aws.client("sqs", moto), aws.client("sns", moto), aws.client("s3", moto)
    url = sqs.create_queue(QueueName="notices-of-s3")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topics = [sns.create_topic(Name=name)["TopicArn"] for name in ("wrapped", "raw")]
    for topic, raw in zip(topics, ("false", "true"), strict=True):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": raw})
    s3.create_bucket(Bucket="logs")
    keys = {"direct": "app/a b+c.log", "wrapped": "x.log", "raw": "y.log", "bridge": "z +.log"}
    for key in keys.values():
        s3.put_object(Bucket="logs", Key=key, Body=gzip.compress(f"line of {key}\n".encode() * 2))
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"Records": [record("app/a+b%2Bc.log")]}))
    sns.publish(TopicArn=topics[0], Message=json.dumps({"Records": [record("x.log")]}))
    sns.publish(TopicArn=topics[1], Message=json.dumps({"Records": [record("y.log")]}))
    bridged = {"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": "logs"}, "object": {"key": "z +.log"}}}
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(bridged))
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    settings = Settings(home=tmp_path, aws_endpoint_url=moto.aws_endpoint_url, s3_queue_url=url, s3_queue_readers=2)
    with open_node(settings, xray=False) as node:
        until = time.monotonic() + 60
        while node.parts.status()["doors"]["s3_queue"]["deleted"] < 5 and time.monotonic() < until:
            time.sleep(0.05)
        assert node.stream.flush()
        status = node.parts.status()["doors"]["s3_queue"]
    assert (status["deleted"], status["error"]) == (5, "")
    hops = {(hop.hop, hop.unit, hop.sink): hop for hop in open_ledger(tmp_path / "ledger.sqlite").check().hops}
    assert (hops["decode", "payloads", ""].came_in, hops["decode", "payloads", ""].went_out, hops["decode", "payloads", ""].dead) == (5, 4, 1)
    assert (hops["collect", "events", ""].came_in, hops["deliver", "events", "lake"].went_out) == (8, 8)
    assert open_ledger(tmp_path / "ledger.sqlite").check().balanced
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
