"""What a plan costs a month, before anything is changed: of each group and of the pipeline behind, service by service, as a range where the input is a guess.

That log groups take events in and keep them is paid already, with or without a subscription, and a filter has no price of its own; so of CloudWatch only what the collector's own log group takes in
is counted. What is kept (OpenSearch, S3) is counted as it is once the first events expire. Each figure is made of prices (``prices.yaml``) and assumptions (``assumptions.py``).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from collectors.subscriptions.traffic import Traffic

Search = Literal["firehose", "bulk", "none"]

DAYS: Final = 30.4375
"""Days of a month."""

MONTH_S: Final = DAYS * 86_400
GB: Final = 2**30
TB: Final = 2**40
RECORD_STEP: Final = 5 * 1024
"""Firehose bills each record of Direct PUT rounded up to 5 KB: https://aws.amazon.com/firehose/pricing/."""

PUT_UNIT: Final = 25 * 1024
"""Bytes of a PUT payload unit of Kinesis: https://aws.amazon.com/kinesis/data-streams/pricing/."""

SHARD_BYTES_S: Final = 1_048_576
SHARD_RECORDS_S: Final = 1_000
"""What a shard takes in a second: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html."""

LAKE_STREAMS: Final = 2
"""Firehose streams that always have something to write: logs and metrics."""

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Route:
    """Which way events go: the service that filters send to (kinesis, lambda, firehose), and how they come into OpenSearch."""

    service: str
    search: Search = "firehose"


@dataclass(frozen=True, slots=True)
class Flow:
    """What flows in a month: events, their bytes, the sizes of some of them."""

    events: float
    raw: float
    sizes: tuple[float, ...]


def billed_bytes(size: float) -> int:
    """Answer the bytes that Firehose bills for a record.

    >>> billed_bytes(400), billed_bytes(5120), billed_bytes(5121)
    (5120, 5120, 10240)
    """
    return max(1, math.ceil(size / RECORD_STEP)) * RECORD_STEP


def rounding_factor(sizes: Sequence[float], records: Sequence[float] = ()) -> float:
    """Answer how many times their size events are billed as, each a record; ``records`` are the sizes of these, where they are others.

    >>> rounding_factor([400]), rounding_factor([400], [1520]), rounding_factor([400], [5121])
    (12.8, 12.8, 25.6)
    """
    return sum(map(billed_bytes, records or sizes)) / sum(sizes) if sum(sizes) else 1.0


def flow_of(traffic: Traffic, sizes: Sequence[float], share: float) -> Flow:
    """Answer what flows in a month; without a sample, all events are as large as they are on average."""
    events, raw = traffic.events_per_day * DAYS * share, traffic.bytes_per_day * DAYS * share
    return Flow(events, raw, tuple(sizes) or ((raw / events,) if events else ()))


def payloads(flow: Flow, a: Values) -> float:
    """Answer the payloads that CloudWatch Logs makes of it: full ones and, where little comes, one for every event."""
    return min(flow.events, flow.raw / a["payload_bytes"] + MONTH_S / a["payload_s"])


def calls(flow: Flow, route: Route, a: Values) -> float:
    """Answer the calls of the collector's function."""
    return payloads(flow, a) / (1 if route.service == "lambda" else max(1.0, a["payloads_per_call"]))


def documents(flow: Flow, a: Values) -> float:
    """Answer the bytes of its rows as JSON."""
    return flow.raw * a["document_factor"] + flow.events * a["document_overhead"]


def _cloudwatch(flow: Flow, route: Route, a: Values, p: Values) -> float:
    return calls(flow, route, a) * a["own_log_bytes"] / GB * p["cloudwatch.ingest"]


def _lambda(flow: Flow, route: Route, a: Values, p: Values) -> float:
    seconds = calls(flow, route, a) * a["lambda_call_ms"] / 1e3 + flow.events * a["lambda_event_us"] / 1e6
    return calls(flow, route, a) / 1e6 * p["lambda.request"] + seconds * a["lambda_memory_mb"] / 1024 * p["lambda.gb_second"]


def _kinesis(flow: Flow, route: Route, a: Values, p: Values) -> float:
    if route.service != "kinesis":
        return 0.0
    return (payloads(flow, a) + flow.raw / a["gzip_ratio"] / PUT_UNIT) / 1e6 * p["kinesis.put_unit"]


def _firehose(flow: Flow, route: Route, a: Values, p: Values) -> float:
    """The lake's stream gets records of many rows (from a subscription straight to Firehose: whole payloads), OpenSearch's one record a row."""
    records, size = (payloads(flow, a), flow.raw / a["gzip_ratio"]) if route.service == "firehose" else (calls(flow, route, a), documents(flow, a))
    lake = max(size + records * RECORD_STEP / 2, records * RECORD_STEP)
    cost = lake / GB * (p["firehose.ingest"] + a["firehose_convert"] * p["firehose.convert"])
    cost += documents(flow, a) / GB * a["firehose_partition"] * p["firehose.partition"]
    if route.search == "firehose" and flow.sizes:
        cost += flow.events * sum(map(billed_bytes, document_sizes(flow.sizes, a))) / len(flow.sizes) / GB * p["firehose.ingest"]
    return cost


def document_sizes(sizes: Sequence[float], a: Values) -> list[float]:
    """Answer the bytes of rows as JSON by those of their lines."""
    return [size * a["document_factor"] + a["document_overhead"] for size in sizes]


def _opensearch(flow: Flow, route: Route, a: Values, p: Values) -> float:
    if route.search == "none":
        return 0.0
    return documents(flow, a) / DAYS * a["search_days"] * a["search_expansion"] * (1 + a["search_replicas"]) / GB * p["opensearch.storage"]


def _s3(flow: Flow, route: Route, a: Values, p: Values) -> float:
    del route
    return flow.raw / DAYS * a["lake_days"] * a["lake_ratio"] / GB * p["s3.storage"]


def _athena(flow: Flow, route: Route, a: Values, p: Values) -> float:
    del route
    return flow.raw * a["lake_ratio"] * a["scans"] / TB * p["athena.scan"]


Leg = Callable[[Flow, Route, Values, Values], float]

LEGS: Final[Mapping[str, Leg]] = MappingProxyType(
    {"CloudWatch": _cloudwatch, "Lambda": _lambda, "Kinesis": _kinesis, "Firehose": _firehose, "OpenSearch": _opensearch, "S3": _s3, "Athena": _athena}
)
"""What a group costs, service by service, in US dollars a month."""


def group_cost(flow: Flow, route: Route, a: Values, p: Values) -> Mapping[str, float]:
    """Answer what a group costs a month, by service; more bytes or more events never cost less."""
    return {name: leg(flow, route, a, p) for name, leg in LEGS.items()}


def pipeline_cost(flows: Sequence[Flow], route: Route, a: Values, p: Values) -> Mapping[str, float]:
    """Answer what the pipeline of a place costs a month whatever flows: shards, objects of the lake, data nodes."""
    nodes = a["search_nodes"] * DAYS * 24 * p["opensearch.node_hour"] if route.search != "none" else 0.0
    puts = LAKE_STREAMS * MONTH_S / a["firehose_buffer_s"] / 1e3 * p["s3.put"]
    return {"Kinesis": shards(flows, route, a) * DAYS * 24 * p["kinesis.shard_hour"], "OpenSearch": nodes, "S3": puts if flows else 0.0}


def shards(flows: Sequence[Flow], route: Route, a: Values) -> int:
    """Answer how many shards the busiest time needs; none without a Kinesis stream."""
    if route.service != "kinesis" or not flows:
        return 0
    bytes_s = sum(flow.raw for flow in flows) / a["gzip_ratio"] / MONTH_S * a["peak"]
    records_s = sum(payloads(flow, a) for flow in flows) / MONTH_S * a["peak"]
    return max(1, math.ceil(bytes_s / SHARD_BYTES_S), math.ceil(records_s / SHARD_RECORDS_S))
