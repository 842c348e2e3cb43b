"""From PutLogEvents to a delivery: a subscription that we made, moto's Kinesis, the consumer, the collector."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from collectors.collector import Collector
from collectors.lines import Lines
from collectors.sources.checkpoints import Checkpoints
from collectors.sources.kinesis import KinesisConsumer, Straight
from collectors.sources.kinesis_shards import Boto3Shards
from collectors.steps import Work
from collectors.subscriptions.apply import apply, ensure_stream
from collectors.subscriptions.destination import Fed, read_destination
from collectors.subscriptions.inventory import take_inventory
from collectors.subscriptions.log_groups import Boto3LogGroups
from collectors.subscriptions.places import Place
from collectors.subscriptions.plan import Wish, make_plan
from firehose.delivery import MemoryStream
from tailrace import aws
from tailrace.clock import ManualClock
from tailrace.fields import AttributeRegister
from tailrace.forms import arrow_schema
from tailrace.settings import Settings

STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/flow"
GROUP = "/flow/web"


class Rows:
    """A row a line, with nothing but id, time and message."""

    def __init__(self, lines: Lines) -> None:
        columns: dict[str, Any] = {"event_id": lines.event_id, "event_time": lines.event_time, "message": lines.text}
        schema = arrow_schema("logs")
        self.logs = pa.table([columns[f.name] if f.name in columns else pa.nulls(len(lines), f.type) for f in schema], schema=schema)
        self.metrics = arrow_schema("metrics").empty_table()
        self.joined = 0


def test_every_event_arrives_once_also_when_the_consumer_starts_anew(moto: Settings, tmp_path: Path) -> None:
    logs, kinesis = aws.client("logs", moto), aws.client("kinesis", moto)
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="one")
    ensure_stream(kinesis, read_destination(STREAM))
    port = Boto3LogGroups(logs)
    plan = make_plan(take_inventory(Place("123456789012", "us-east-1"), port, [GROUP], Fed()), Wish((GROUP,), STREAM))
    assert [step.action for step in apply(port, plan.steps)] == ["done"]

    memory, clock, checkpoints = MemoryStream(), ManualClock(), Checkpoints(tmp_path / "kinesis.sqlite")
    collector = Collector(memory, Work(Rows), AttributeRegister(), clock)
    now_ms = aws_now_ms()
    for batch in range(3):
        events = [{"timestamp": now_ms + n, "message": f"event {batch} {n}\n"} for n in range(10)]
        logs.put_log_events(logGroupName=GROUP, logStreamName="one", logEvents=events)  # type: ignore[arg-type]
        consumer = KinesisConsumer(Boto3Shards(kinesis, "flow"), "flow", Straight(collector.collect_payload), checkpoints, clock)
        while consumer.poll():
            pass
    found = [row for delivery in memory.deliveries if "logs" in delivery.tables for row in delivery.tables["logs"].to_pylist()]
    assert [row["message"] for row in found] == [f"event {batch} {n}" for batch in range(3) for n in range(10)]
    assert len({row["event_id"] for row in found}) == 30
    assert {delivery.source for delivery in memory.deliveries if delivery.tables} == {f"cloudwatch:{GROUP}"}
    assert not [letter for delivery in memory.deliveries for letter in delivery.dead]
    checkpoints.close()


def aws_now_ms() -> int:
    from tailrace.clock import SystemClock

    return SystemClock().now_us() // 1_000
