"""The emulator: the resources of the demo, and what is mended in moto."""

import gzip
import threading
from typing import TYPE_CHECKING

import orjson
import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.kinesis.models import Shard, kinesis_backends
from moto.logs.models import LogEvent, logs_backends

from sandbox import resources
from sandbox.checks import EMULATOR_HEALTH
from sandbox.emulator import KEEP_S, STUCK_AFTER_S, OneAtATime, forget, number_by_time
from tailrace.aws import client
from tailrace.clock import US_PER_S, ManualClock, SystemClock
from tailrace.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

BEGUN_US = SystemClock().now_us()
"""Before the emulator was started, which the tests of a run share: its numbers begin with that time."""


def put(settings: Settings, stream: str, *messages: str) -> None:
    logs = client("logs", settings)
    logs.create_log_stream(logGroupName=resources.CHECK_GROUP, logStreamName=stream)
    now_ms = SystemClock().now_us() // 1_000
    logs.put_log_events(logGroupName=resources.CHECK_GROUP, logStreamName=stream, logEvents=[{"timestamp": now_ms, "message": text} for text in messages])


def records(settings: Settings) -> list[tuple[int, dict[str, object]]]:
    kinesis = client("kinesis", settings)
    shard = kinesis.list_shards(StreamName=resources.STREAM)["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(StreamName=resources.STREAM, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    found = kinesis.get_records(ShardIterator=iterator)["Records"]
    return [(int(record["SequenceNumber"]), orjson.loads(gzip.decompress(record["Data"]))) for record in found]


def test_the_resources_of_the_demo_are_there_and_may_be_made_again(emulator: Settings) -> None:
    resources.make_all(emulator)
    groups = {group["logGroupName"] for group in client("logs", emulator).describe_log_groups()["logGroups"]}
    assert groups >= set(resources.LOG_GROUPS)
    for group in resources.LOG_GROUPS:
        (found,) = client("logs", emulator).describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
        assert found["destinationArn"] == resources.stream_arn(emulator)
    topics = {topic["TopicArn"] for topic in client("sns", emulator).list_topics()["Topics"]}
    assert topics >= {resources.topic_arn(emulator, name) for name in (resources.ORDERS_TOPIC, resources.ALERTS_TOPIC)}
    secret = client("ssm", emulator).get_parameter(Name="/shop/payment/api-key", WithDecryption=True)["Parameter"]
    assert (secret["Type"], secret["Value"]) == ("SecureString", "not-a-secret")
    client("s3", emulator).head_bucket(Bucket=resources.RECEIPTS_BUCKET)


def test_a_log_event_comes_out_of_the_stream_with_an_id_of_this_time(emulator: Settings) -> None:
    put(emulator, "ids", "one", "two")
    number, payload = next((number, payload) for number, payload in records(emulator) if payload["logStream"] == "ids")
    events = payload["logEvents"]
    assert isinstance(events, list)
    assert [event["message"] for event in events] == ["one", "two"]
    now_us = SystemClock().now_us()
    assert all(BEGUN_US < int(value) <= now_us + US_PER_S for value in (number, events[0]["id"], events[1]["id"]))


def test_no_record_is_lost_when_many_put_at_once(emulator: Settings) -> None:
    names = [f"stream-{number}" for number in range(24)]
    threads = [threading.Thread(target=put, args=(emulator, name, "x")) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = records(emulator)
    assert {payload["logStream"] for _, payload in found} >= set(names)
    assert len({number for number, _ in found}) == len(found)


def test_requests_are_served_one_at_a_time() -> None:
    inside, most = [0], [0]

    def app(environ: object, start_response: object) -> "Iterable[bytes]":
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        threading.Event().wait(0.01)
        inside[0] -= 1
        return []

    served = OneAtATime(app, SystemClock())
    threads = [threading.Thread(target=served, args=({"PATH_INFO": "/"}, None)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_the_health_check_waits_for_no_request_and_says_when_one_does_not_end() -> None:
    clock, entered, go_on, statuses = ManualClock(0), threading.Event(), threading.Event(), list[str]()

    def app(environ: object, start_response: object) -> "Iterable[bytes]":
        entered.set()
        assert go_on.wait(10)
        return []

    served = OneAtATime(app, clock)

    def health() -> str:
        served({"PATH_INFO": EMULATOR_HEALTH}, lambda status, _: statuses.append(status))  # type: ignore[arg-type]
        return statuses[-1][:3]

    busy = threading.Thread(target=served, args=({"PATH_INFO": "/"}, None))
    busy.start()
    assert entered.wait(10)
    assert health() == "200"
    clock.sleep(STUCK_AFTER_S + 1)
    assert health() == "503"
    go_on.set()
    busy.join()
    assert health() == "200"


def test_what_is_old_is_forgotten_and_sequence_numbers_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogEvent, "_event_id", 0)
    monkeypatch.setattr(Shard, "put_record", Shard.put_record)
    clock, region = ManualClock(SystemClock().now_us()), "eu-north-1"
    number_by_time(clock)
    kinesis, logs = kinesis_backends[DEFAULT_ACCOUNT_ID][region], logs_backends[DEFAULT_ACCOUNT_ID][region]
    kinesis.create_stream("s", 1, stream_mode=None)
    shard = next(iter(kinesis.streams["s"].shards.values()))
    numbers = [int(shard.put_record("k", "data", "")) for _ in range(3)]
    logs.create_log_group("g", {})
    logs.create_log_stream("g", "s")
    logs.put_log_events("g", "s", [{"timestamp": clock.now_us() // 1_000, "message": "m"}])
    assert numbers == [clock.now_us(), clock.now_us() + 1, clock.now_us() + 2]
    forget(region, clock)
    assert len(shard.records) == 3
    assert len(logs.groups["g"].streams["s"].events) == 1
    clock.sleep(KEEP_S + 5)
    forget(region, clock)
    assert list(shard.records) == numbers[-1:]
    assert logs.groups["g"].streams["s"].events == []
    assert int(shard.put_record("k", "data", "")) > numbers[-1]
