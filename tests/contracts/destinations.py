"""Destinations of sinks in memory, each with the face of the real one: they keep what comes, fail as often as they are told, and refuse now and then."""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError, EndpointConnectionError

from firehose.batches import Sink
from firehose.dead_letters import DeadLetters
from firehose.records import CallLimits, TakesRecords
from firehose.sinks.amazon_firehose import calls as amazon_firehose
from firehose.sinks.kinesis import calls as kinesis
from firehose.sinks.lake.sink import LakeSink
from firehose.sinks.opensearch.sink import OpenSearchSink
from firehose.sinks.records import RecordSink
from firehose.sinks.sns import calls as sns
from firehose.sinks.sqs import calls as sqs
from firehose.sinks.stdout import calls as stdout
from firehose.sinks.tailrace.sink import TailraceSink
from tailrace import aws
from tailrace.clock import SystemClock
from tailrace.errors import TransientError
from tailrace.fields import AttributeRegister
from tailrace.gateway_client import Answer
from tailrace.schema import TableName
from tailrace.settings import Settings
from tailrace.stores.folder import FolderStore
from tailrace.wire import decode
from tests.firehose.deliveries import lake_column
from tests.firehose.fake_opensearch import fake_opensearch

LONGEST = 3_000
"""Bytes of a record, where a test makes rows that are too long."""


class Destination(Protocol):
    """What the contract asks of a destination."""

    sink: Sink

    def ids(self) -> list[str]:
        """Ids of all rows that came, in any order, as often as they came."""
        ...

    def fail(self, times: int) -> None:
        """Be down for so many calls."""
        ...


@dataclass
class Service:
    """A service of AWS that takes records: what is common to the fakes."""

    records: list[bytes] = field(default_factory=list)
    faults: int = 0
    refuse_every: int = 0
    poison: bytes = b"\x00"
    seen: int = 0

    def take(self, data: Sequence[bytes], limits: CallLimits) -> list[str]:
        """Keep records; answer for each an empty text, ``now`` where it is refused for now, ``ever`` where for good."""
        assert 0 < len(data) <= limits.call_records
        assert max(map(len, data)) <= limits.record_bytes
        assert len(data) == 1 or sum(len(one) + limits.overhead for one in data) <= limits.call_bytes
        if self.faults:
            self.faults -= 1
            raise EndpointConnectionError(endpoint_url="http://here") if self.faults % 2 else _throttled()
        return [self._take(one) for one in data]

    def _take(self, record: bytes) -> str:
        self.seen += 1
        if self.refuse_every and self.seen % self.refuse_every == 0:
            return "now"
        if self.poison in record:
            return "ever"
        self.records.append(record)
        return ""

    def ids(self) -> list[str]:
        return [json.loads(line)["event_id"] for record in self.records for line in record.splitlines()]


def _throttled() -> ClientError:
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "Put")  # type: ignore[typeddict-item]


class Firehose(Service):
    def put_record_batch(self, DeliveryStreamName: str, Records: Sequence[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert DeliveryStreamName in {"shop-logs", "shop-spans", "shop-metrics"}
        told = self.take([one["Data"] for one in Records], amazon_firehose.LIMITS)
        return {"FailedPutCount": sum(map(bool, told)), "RequestResponses": [{"ErrorCode": "ServiceUnavailableException"} if one else {} for one in told]}


class Kinesis(Service):
    def put_records(self, StreamName: str, Records: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert StreamName == "shop"
        told = self.take([one["Data"] for one in Records], kinesis.LIMITS)
        refused = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "too much"}
        return {"FailedRecordCount": sum(map(bool, told)), "Records": [refused if one else {} for one in told]}


class Messages(Service):
    """SQS and SNS answer alike."""

    def send_message_batch(self, QueueUrl: str, Entries: Sequence[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert QueueUrl == "shop"
        return self._answer([one["MessageBody"] for one in Entries])

    def publish_batch(self, TopicArn: str, PublishBatchRequestEntries: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert TopicArn == "shop"
        assert {one["MessageAttributes"]["table"]["StringValue"] for one in PublishBatchRequestEntries} <= {"logs", "spans", "metrics"}
        return self._answer([one["Message"] for one in PublishBatchRequestEntries])

    def _answer(self, bodies: Sequence[str]) -> dict[str, Any]:
        told = enumerate(self.take([body.encode() for body in bodies], sqs.LIMITS))
        return {"Failed": [{"Id": str(at), "Code": "InvalidMessageContents", "Message": "", "SenderFault": one == "ever"} for at, one in told if one]}


@dataclass
class Output(io.BytesIO):
    """Standard output; its reader is gone for a while."""

    faults: int = 0

    def write(self, data: Any) -> int:
        if self.faults:
            self.faults -= 1
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(data)


@dataclass
class Door:
    """The gateway of another Tailrace, which knows ids that come again."""

    rows: list[str] = field(default_factory=list)
    faults: int = 0
    max_bytes: int = 1 << 30

    def post(self, table: TableName, body: bytes) -> Answer:
        if self.faults:
            self.faults -= 1
            if self.faults % 2:
                raise TransientError("no answer")
            return Answer(503, b"the spool is full")
        if len(body) > self.max_bytes:
            return Answer(413, b"too long")
        found, _ = decode(table, body)
        assert {source for source, _ in found} == {"test:a"}
        self.rows += [str(one) for _, rows in found for one in rows["event_id"].to_pylist()]
        return Answer(200, b"")


@dataclass
class OtherTailrace:
    home: Path
    dead: DeadLetters
    door: Door

    @property
    def sink(self) -> Sink:
        return TailraceSink(self.door, AttributeRegister(self.home / "attributes.json"), self.dead, SystemClock())

    def ids(self) -> list[str]:
        return self.door.rows

    def fail(self, times: int) -> None:
        self.door.faults = times


@dataclass
class OfRecords:
    """A destination that takes records."""

    name: str
    service: Any
    port: TakesRecords
    dead: DeadLetters

    @property
    def sink(self) -> Sink:
        return RecordSink(self.name, self.port, self.dead, SystemClock())

    def ids(self) -> list[str]:
        if isinstance(self.service, Output):
            return [json.loads(line)["event_id"] for line in self.service.getvalue().splitlines()]
        return list(self.service.ids())

    def fail(self, times: int) -> None:
        self.service.faults = times


class FailingStore(FolderStore):
    """A folder that cannot be written for a while."""

    faults = 0

    def put(self, key: str, data: bytes) -> None:
        if self.faults:
            self.faults -= 1
            raise OSError(5, "Input/output error")
        super().put(key, data)


@dataclass
class Lake:
    home: Path

    def __post_init__(self) -> None:
        self._store = FailingStore(self.home / "lake")

    @property
    def sink(self) -> Sink:
        return LakeSink(self._store, flush_after_s=0.02, flush_bytes=1 << 20)

    def ids(self) -> list[str]:
        return [one for table in ("logs", "spans", "metrics") for one in lake_column(self.home, table=table)]

    def fail(self, times: int) -> None:
        self._store.faults = times


@dataclass
class OpenSearch:
    home: Path
    dead: DeadLetters
    fake: Any

    @property
    def sink(self) -> Sink:
        transport = aws.opensearch(Settings(opensearch_url=self.fake.url)).transport
        return OpenSearchSink(transport, AttributeRegister(self.home / "attributes.json"), self.dead, SystemClock())

    def ids(self) -> list[str]:
        return list(self.fake.ids())

    def fail(self, times: int) -> None:
        self.fake.faults.extend(["503"] * times)


@contextmanager
def destination(name: str, home: Path, *, short: bool = False) -> Iterator[Any]:
    """Make a destination; ``short``: its records are short."""
    dead = DeadLetters(home / "dead")
    if name == "lake":
        yield Lake(home)
    elif name == "opensearch":
        with fake_opensearch() as fake:
            fake.max_bytes = LONGEST if short else fake.max_bytes
            yield OpenSearch(home, dead, fake)
    elif name == "tailrace":
        yield OtherTailrace(home, dead, Door(max_bytes=LONGEST) if short else Door())
    else:
        service, port = _service(name)
        yield OfRecords(name, service, replace(port, limits=replace(port.limits, record_bytes=LONGEST)) if short else port, dead)


def _service(name: str) -> tuple[Any, Any]:
    match name:
        case "amazon_firehose":
            firehose = Firehose()
            return firehose, amazon_firehose.DeliveryStreams(amazon_firehose.Boto3Records(firehose), "shop")  # type: ignore[arg-type]
        case "kinesis":
            stream = Kinesis()
            return stream, kinesis.KinesisRecords(stream, "shop")  # type: ignore[arg-type]
        case "sqs":
            queue = Messages()
            return queue, sqs.QueueMessages(queue, "shop")  # type: ignore[arg-type]
        case "sns":
            topic = Messages()
            return topic, sns.TopicMessages(topic, "shop")  # type: ignore[arg-type]
        case _:
            output = Output()
            return output, stdout.OutputLines(output)
