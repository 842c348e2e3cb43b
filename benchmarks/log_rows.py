"""Rows of application logs as a parser leaves them, and deliveries of them: what the write path behind the collector is measured with."""

from typing import Any, Final

import numpy as np
import pyarrow as pa

from firehose.delivery import Count, Delivery
from tailrace.forms import arrow_schema
from tailrace.schema import FieldType

NOON_US: Final = 1_790_000_000_000_000
TYPES: Final = {"user.id": FieldType.KEYWORD, "order_id": FieldType.LONG, "ok": FieldType.BOOLEAN, "elapsed_ms": FieldType.DOUBLE}
"""The types of their attributes."""


def rows(first: int, count: int) -> pa.Table:
    """App logs as a parser leaves them."""
    numbers = np.arange(first, first + count)
    chance = np.random.default_rng(first)
    texts: dict[str, Any] = {
        "event_id": [f"{n:056d}" for n in numbers],
        "message": [f"order {n} of user u{n % 4096} paid after {x} ms: {x:x}{n:x}" for n, x in zip(numbers, chance.integers(0, 2**40, count), strict=True)],
        "attributes": [f'{{"user.id":"u{n % 4096}","order_id":{n},"ok":true,"elapsed_ms":{n % 977}.5}}' for n in numbers],
        "trace_id": [f"{x:016x}{n:016x}" for n, x in zip(numbers, chance.integers(0, 2**60, count), strict=True)],
        "event_time": NOON_US + numbers * 50,
        "observed_time": NOON_US + numbers * 50,
        "revision": np.zeros(count, np.int64),
        "severity_number": np.full(count, 9),
        **{
            name: [word] * count
            for name, word in (("severity_text", "INFO"), ("service_name", "checkout"), ("log_format", "app.json"), ("parse_status", "parsed"))
        },
        **{name: [f"cloudwatch:/aws/lambda/{name}"] * count for name in ("log_source", "aws_log_group_name", "aws_log_stream_name")},
    }
    return pa.table(
        [pa.array(texts[f.name]).cast(f.type) if f.name in texts else pa.nulls(count, f.type) for f in arrow_schema("logs")], schema=arrow_schema("logs")
    )


def delivery(first: int, count: int) -> Delivery:
    """A delivery of so many rows."""
    return Delivery("cloudwatch:/aws/lambda/checkout", NOON_US, {"logs": rows(first, count)}, (Count("collect", "events", count, count),))
