"""The sinks there are, and which the settings ask for."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from firehose.batches import Sink
from firehose.dead_letters import DeadLetters
from firehose.disk import Probe, no_probe
from firehose.routes import LAKE, OPENSEARCH
from firehose.sinks.lake.sink import LakeSink
from firehose.sinks.records import RecordSink
from tailrace.clock import Clock
from tailrace.fields import AttributeRegister
from tailrace.settings import Settings
from tailrace.stores import open_store
from tailrace.stores.port import ObjectStore


@dataclass(frozen=True, slots=True)
class Parts:
    """What sinks are made of."""

    settings: Settings
    dead: DeadLetters
    clock: Clock
    register: AttributeRegister | None = None
    store: ObjectStore | None = None
    probe: Probe = no_probe


@dataclass(frozen=True, slots=True)
class Entry:
    """When a sink is wanted, and how it is made; clients are imported where they are made, they take long."""

    wanted: Callable[[Settings], object]
    make: Callable[[Parts], Sink]


def made_sinks(parts: Parts) -> list[Sink]:
    """Make the sinks that the settings ask for."""
    return [entry.make(parts) for entry in SINKS.values() if entry.wanted(parts.settings)]


def _lake(parts: Parts) -> Sink:
    settings = parts.settings
    store = parts.store or open_store(settings)
    return LakeSink(store, flush_after_s=settings.lake_flush_after_s, flush_bytes=settings.lake_flush_bytes, probe=parts.probe)


def _opensearch(parts: Parts) -> Sink:
    from firehose.sinks.opensearch.sink import OpenSearchSink
    from tailrace import aws
    from tailrace.opensearch_connection import is_serverless

    register = parts.register or AttributeRegister(parts.settings.register_path)
    serverless = is_serverless(parts.settings)
    return OpenSearchSink(aws.opensearch(parts.settings).transport, register, parts.dead, parts.clock, probe=parts.probe, serverless=serverless)


def _amazon_firehose(parts: Parts) -> Sink:
    from firehose.sinks.amazon_firehose.calls import Boto3Records, DeliveryStreams
    from tailrace import aws

    port = DeliveryStreams(Boto3Records(aws.client("firehose", parts.settings)), parts.settings.sink_firehose_streams)
    return RecordSink("amazon_firehose", port, parts.dead, parts.clock)


def _kinesis(parts: Parts) -> Sink:
    from firehose.sinks.kinesis.calls import KinesisRecords
    from tailrace import aws

    port = KinesisRecords(aws.client("kinesis", parts.settings), parts.settings.sink_kinesis_stream)
    return RecordSink("kinesis", port, parts.dead, parts.clock)


def _sqs(parts: Parts) -> Sink:
    from firehose.sinks.sqs.calls import QueueMessages
    from tailrace import aws

    return RecordSink("sqs", QueueMessages(aws.client("sqs", parts.settings), parts.settings.sink_sqs_url), parts.dead, parts.clock)


def _sns(parts: Parts) -> Sink:
    from firehose.sinks.sns.calls import TopicMessages
    from tailrace import aws

    return RecordSink("sns", TopicMessages(aws.client("sns", parts.settings), parts.settings.sink_sns_topic), parts.dead, parts.clock)


def _tailrace(parts: Parts) -> Sink:
    from firehose.sinks.tailrace.sink import Gateway, TailraceSink
    from tailrace.gateway_client import gateway_context
    from tailrace.secrets import secret

    url = parts.settings.sink_tailrace_url
    door = Gateway(url, secret(parts.settings.sink_tailrace_token, parts.settings), gateway_context(parts.settings, url))
    return TailraceSink(door, parts.register or AttributeRegister(parts.settings.register_path), parts.dead, parts.clock)


def _stdout(parts: Parts) -> Sink:
    from firehose.sinks.stdout.calls import OutputLines

    return RecordSink("stdout", OutputLines(sys.stdout.buffer), parts.dead, parts.clock)


SINKS: Final[Mapping[str, Entry]] = MappingProxyType(
    {
        LAKE: Entry(lambda _: True, _lake),
        OPENSEARCH: Entry(lambda settings: settings.opensearch_url, _opensearch),
        "amazon_firehose": Entry(lambda settings: settings.sink_firehose_streams, _amazon_firehose),
        "kinesis": Entry(lambda settings: settings.sink_kinesis_stream, _kinesis),
        "sqs": Entry(lambda settings: settings.sink_sqs_url, _sqs),
        "sns": Entry(lambda settings: settings.sink_sns_topic, _sns),
        "tailrace": Entry(lambda settings: settings.sink_tailrace_url, _tailrace),
        "stdout": Entry(lambda settings: settings.sink_stdout, _stdout),
    }
)
