"""Transformation by Lambda: Amazon Data Firehose gives the function records of CloudWatch's payloads and takes rows in their places.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html: the answer names every ``recordId`` once, as ``Ok`` with the data, ``Dropped``, or ``ProcessingFailed``, and is shorter than 6 MB.

* A payload becomes lines of JSON of one event hour, with the partition keys ``day`` and ``hour`` (dynamic partitioning). Its rows of other hours, and what the answer has no room for, are put into the same stream
  again as lines of JSON, which pass as they are when they come.
* A control message is dropped. What cannot be decoded is ``ProcessingFailed``: Firehose keeps it whole under ``processing-failed/``.
* Metrics and dead letters go to the streams of their own, ``<prefix>-metrics`` and ``<prefix>-dead``.

Where something cannot be put the call fails, and Firehose tries all its records again: at least once, with the same event ids.
"""

import base64
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import pyarrow as pa

from collectors.collector import Collector, Summary
from firehose.columns import ints
from firehose.delivery import Delivery, DeliveryStream
from firehose.records import pack
from firehose.sinks.amazon_firehose.calls import LIMITS
from tailrace.clock import US_PER_S
from tailrace.errors import DecodeError
from tailrace.lake import Partition, partition_of
from tailrace.schema import TableName

MAX_ANSWER_BYTES: Final = 6_000_000
"""Lambda takes 6,291,456 bytes of an answer; what AWS's blueprint keeps to."""

ENTRY_BYTES: Final = 400
"""What a record takes in the answer beside its data: its id, the result, the partition keys."""

ROWS_BEGIN: Final = b'{"event_id":"'

PutsAgain = Callable[[Mapping[str, Any], Sequence[bytes]], None]
"""Puts records into the stream that an event came from."""


class Held:
    """A delivery stream that, while it is asked to, holds what is put instead of passing it on; used by one thread."""

    def __init__(self, stream: DeliveryStream) -> None:
        self.stream = stream
        self._held: list[Delivery] | None = None

    def put(self, delivery: Delivery) -> None:
        """Hold a delivery, or pass it on."""
        if self._held is None:
            self.stream.put(delivery)
        else:
            self._held.append(delivery)

    @contextmanager
    def holding(self) -> Iterator[list[Delivery]]:
        """Hold what is put within."""
        found: list[Delivery] = []
        self._held = found
        try:
            yield found
        finally:
            self._held = None


@dataclass(frozen=True, slots=True)
class _Piece:
    """Lines of JSON of one event hour."""

    data: bytes
    partition: Partition


@dataclass(slots=True)
class _Made:
    """What a record became: pieces, or nothing (``Dropped``), or it could not be read (``ProcessingFailed``)."""

    pieces: list[_Piece] = field(default_factory=list)
    beside: list[Delivery] = field(default_factory=list)
    failed: bool = False
    summary: Summary = field(default_factory=Summary)
    oversized: int = 0


def is_transformation(event: object) -> bool:
    """Whether Firehose asks for a transformation."""
    return isinstance(event, dict) and isinstance(event.get("records"), list) and "deliveryStreamArn" in event


@dataclass(frozen=True, slots=True)
class Transformation:
    """Transforms records with a collector that puts into ``held``."""

    collector: Collector
    held: Held
    again: PutsAgain

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a record for each, and ``counts`` of them, which are not Firehose's; raises :class:`tailrace.errors.DeliveryError` where something cannot be put."""
        records = event["records"]
        made = [self._made(record) for record in records]
        left = MAX_ANSWER_BYTES - ENTRY_BYTES * len(records)
        answers, later = list[dict[str, Any]](), list[bytes]()
        for record, one in zip(records, made, strict=True):
            first = one.pieces[0] if one.pieces and _base64_bytes(one.pieces[0].data) <= left else None
            left -= _base64_bytes(first.data) if first else 0
            later += [piece.data for piece in (one.pieces[1:] if first else one.pieces)]
            answers.append(_answer(str(record.get("recordId", "")), one, first, str(record.get("data", ""))))
        for one in made:
            for delivery in one.beside:
                self.held.stream.put(delivery)
        if later:
            self.again(event, later)
        return {"records": answers, "counts": _counts(records, made, answers, len(later))}

    def _made(self, record: Mapping[str, Any]) -> _Made:
        try:
            data = base64.b64decode(record["data"], validate=True)
            return _Made([_Piece(data, _partition(data))]) if data.startswith(ROWS_BEGIN) else self._read(data)
        except (KeyError, TypeError, ValueError, DecodeError):
            return _Made(failed=True)

    def _read(self, data: bytes) -> _Made:
        with self.held.holding() as deliveries:
            summary = self.collector.collect_payload(data)
        logs = [delivery.tables["logs"] for delivery in deliveries if "logs" in delivery.tables]
        if not logs:
            failed = len(summary.dead) == summary.payloads
            return _Made(failed=failed, beside=[] if failed else list(_beside(deliveries)), summary=summary)
        rows = pa.concat_tables(logs)
        records, oversized = pack("logs", rows, LIMITS)
        times = ints(rows, "event_time")
        pieces = [_Piece(one.data, partition_of(int(times[one.rows[0]]))) for one in records]
        beside = [*_beside(deliveries), *(_alone(rows, one.rows, deliveries[0]) for one in oversized)]
        return _Made(pieces, beside, summary=summary, oversized=len(oversized))


def _beside(deliveries: Sequence[Delivery]) -> Iterator[Delivery]:
    """Answer what of deliveries goes to other streams."""
    for delivery in deliveries:
        others: dict[TableName, pa.Table] = {name: table for name, table in delivery.tables.items() if name != "logs"}
        if others or delivery.dead:
            yield replace(delivery, tables=others, routes={})


def _alone(rows: pa.Table, numbers: Any, like: Delivery) -> Delivery:  # noqa: ANN401 - an array of numbers
    """Answer a row that fits into no record as a delivery: its stream makes a dead letter of it."""
    return replace(like, tables={"logs": rows.slice(int(numbers[0]), 1)}, dead=(), routes={})


def _partition(data: bytes) -> Partition:
    """Answer the partition of lines that were made before; raises ``ValueError`` where they are none."""
    first = orjson.loads(data.partition(b"\n")[0])
    time = datetime.strptime(first["event_time"], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    return partition_of(int(time.timestamp()) * US_PER_S)


def _answer(identity: str, made: _Made, first: _Piece | None, original: str) -> dict[str, Any]:
    if made.failed:
        return {"recordId": identity, "result": "ProcessingFailed", "data": original}
    if first is None:
        return {"recordId": identity, "result": "Dropped"}
    keys = {"day": first.partition.day, "hour": f"{first.partition.hour}"}
    return {"recordId": identity, "result": "Ok", "data": base64.b64encode(first.data).decode(), "metadata": {"partitionKeys": keys}}


def _counts(records: Sequence[Mapping[str, Any]], made: Sequence[_Made], answers: Sequence[Mapping[str, Any]], reingested: int) -> dict[str, int]:
    """Answer what became of records, of the payloads in them and of their events; an event is counted in the call that read it, not in the one in which its row passes."""
    results = Counter(str(one["result"]) for one in answers)
    summary = sum((one.summary for one in made), Summary())
    return {
        "records": len(records),
        "records_ok": results["Ok"],
        "records_dropped": results["Dropped"],
        "records_failed": results["ProcessingFailed"],
        "records_reingested": reingested,
        "bytes_in": sum(_bytes_of(one.get("data")) for one in records),
        "bytes_out": sum(_bytes_of(one.get("data")) for one in answers if one["result"] == "Ok"),
        "payloads": summary.payloads,
        "events": summary.events - sum(one.oversized for one in made),
        "dropped": summary.dropped,
        "dead": sum(len(delivery.dead) for one in made for delivery in one.beside) + sum(one.oversized for one in made),
    }


def _bytes_of(base64_text: object) -> int:
    """Answer how many bytes a text in base64 stands for."""
    text = base64_text if isinstance(base64_text, str) else ""
    return len(text) // 4 * 3 - text[-2:].count("=")


def _base64_bytes(data: bytes) -> int:
    return (len(data) + 2) // 3 * 4
