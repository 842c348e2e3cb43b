"""A bucket in memory, with faults on order: what the port of ranges and boto3's client are tested with."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from collectors.collector import Collector
from collectors.envelopes.s3_event import S3Object
from collectors.lines import Lines
from collectors.sources.s3_errors import ChangedError, GoneError
from collectors.sources.s3_ranges import Part
from collectors.steps import Work
from firehose.delivery import MemoryStream
from tailrace.clock import ManualClock
from tailrace.fields import AttributeRegister
from tailrace.forms import arrow_schema


class Rows:
    """A row a line, with nothing but id, time, message and where it is from."""

    def __init__(self, lines: Lines) -> None:
        columns: dict[str, Any] = {
            "event_id": lines.event_id,
            "event_time": pa.array([lines.received_us] * len(lines), pa.timestamp("us")),
            "message": lines.text,
            "log_source": pa.array([lines.origin.source] * len(lines)),
            "cloud_account_id": pa.array([lines.origin.account] * len(lines)),
            "service_name": pa.array([lines.origin.service] * len(lines)),
        }
        schema = arrow_schema("logs")
        self.logs = pa.table([columns[f.name] if f.name in columns else pa.nulls(len(lines), f.type) for f in schema], schema=schema)
        self.metrics = arrow_schema("metrics").empty_table()
        self.joined = 0


def collector(stream: MemoryStream, clock: ManualClock | None = None) -> Collector:
    return Collector(stream, Work(Rows), AttributeRegister(), clock or ManualClock())


def column(stream: MemoryStream, name: str) -> list[Any]:
    return [value for delivery in stream.deliveries if "logs" in delivery.tables for value in delivery.tables["logs"][name].to_pylist()]


@dataclass
class MemoryRanges:
    """Objects by key; ``faults`` are raised one after another before anything is answered; ``on_get`` is called with the number of each request."""

    objects: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    faults: list[Exception] = field(default_factory=list)
    on_get: Callable[[int], None] = lambda _: None
    asked: list[tuple[str, int, int]] = field(default_factory=list)

    def get(self, place: S3Object, start: int, length: int, etag: str = "") -> Part:
        self.asked.append((place.key, start, length))
        self.on_get(len(self.asked))
        if self.faults:
            raise self.faults.pop(0)
        if place.key not in self.objects:
            raise GoneError(f"{place.url}: is not there: it was deleted before it was read")
        data = self.objects[place.key]
        own = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if etag and etag != own:
            raise ChangedError(f"{place.url}: was written anew while it was read")
        return Part(data[start : start + length], len(data), own, self.versions.get(place.key, ""))


def balanced(stream: MemoryStream) -> bool:
    return all(count.balanced for delivery in stream.deliveries for count in delivery.counts)


def payloads(stream: MemoryStream) -> tuple[int, int, int, int]:
    """Answer in, out, dropped and dead of the hop ``decode``."""
    counts = [count for delivery in stream.deliveries for count in delivery.counts if count.hop == "decode"]
    sums: Sequence[int] = [sum(one) for one in zip(*((c.came_in, c.went_out, sum(c.dropped.values()), c.dead) for c in counts), strict=True)] or [0] * 4
    return sums[0], sums[1], sums[2], sums[3]


def place(key: str, **known: Any) -> S3Object:
    return replace(S3Object("logs", key), **known)
