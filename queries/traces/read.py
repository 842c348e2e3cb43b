"""Reads spans out of the lake: a part of a time range, or one trace."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson
import pyarrow as pa
from sqlglot import exp, parse_one

from queries.connections.duckdb import FIRST_US, LAST_US, LakeConnection
from queries.traces.model import Span
from tailrace.clock import from_datetime

MAX_SPANS: Final = 300_000
"""Spans that one graph is made of at most: the newest traces of the range."""

_RESOURCES: Final = ("aws.table_name", "aws.bucket_name", "aws.queue_url", "aws.topic_arn", "aws.function_name")
_TIMES: Final = (("event_time", "start_us"), ("end_time", "end_us"), ("observed_time", "observed_us"))
_COLUMNS: Final = [
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "service_name",
    "kind",
    "aws_xray_document",
    "aws_xray_origin",
    "aws_xray_namespace",
    "cloud_account_id",
    "fault",
    "error",
    "throttle",
    "in_progress",
    "http_response_status_code",
    "http_request_method",
    "url_full",
    "revision",
]


def spans_between(lake: LakeConnection, from_us: int, to_us: int, limit: int = MAX_SPANS) -> Iterator[list[Span]]:
    """Answer the spans of each trace that began in the range [from_us, to_us), trace by trace, the newest first; attributes are not read."""

    def ask() -> pa.Table:
        rows = lake.relation("spans", from_us, to_us).select.subquery("s")
        wanted = exp.select(*_outputs()).from_(rows).where(_within())
        ordered = wanted.order_by(exp.Ordered(this=_sql("max(event_time) over (partition by trace_id)"), desc=True), "trace_id").limit(limit)
        return lake.execute(ordered.sql("duckdb"), {"from": from_us, "to": to_us})

    rows = lake.steady(ask).to_pylist()
    group: list[Span] = []
    for row in rows:
        span = _span(row)
        if group and group[0].trace_id != span.trace_id:
            yield group
            group = []
        group.append(span)
    if group:
        yield group


def spans_of(lake: LakeConnection, trace_id: str) -> list[Span]:
    """Answer all spans of one trace, with attributes; the Bloom filters of the parts make it quick over a long lake."""

    def ask() -> pa.Table:
        rows = lake.relation("spans", FIRST_US, LAST_US).select.subquery("s")
        wanted = exp.select(*_outputs(), exp.column("attributes")).from_(rows).where(_sql("trace_id = $trace"))
        return lake.execute(wanted.sql("duckdb"), {"trace": trace_id})

    return [_span(row) for row in lake.steady(ask).to_pylist()]


def _outputs() -> list[exp.Expr]:
    times = [_sql(f"epoch_us({column}) AS {alias}") for column, alias in _TIMES]
    found = ", ".join([f"attributes ->> '$.\"{name}\"'" for name in _RESOURCES] + ["attributes ->> '$.\"aws.resource_names\"[0]'"])
    resource = _sql(f"coalesce({found}) AS resource")
    is_sql = _sql("contains(attributes, '\"sql.') AS is_sql")
    is_traced = _sql("coalesce(attributes ->> '$.traced', 'false') = 'true' AS is_traced")
    is_foreign = _sql("coalesce(attributes ->> '$.inferred', 'false') = 'true' AS is_foreign")
    return [*(exp.column(name) for name in _COLUMNS), *times, resource, is_sql, is_traced, is_foreign]


def _within() -> exp.Expr:
    return _sql("event_time >= make_timestamp($from) AND event_time < make_timestamp($to)")


def _sql(text: str) -> exp.Expr:
    return parse_one(text, read="duckdb")


def span_of_row(row: Mapping[str, Any]) -> Span:
    """Answer the span of a row of the table ``spans`` as Arrow has it, times as datetimes."""
    attributes = orjson.loads(row["attributes"]) if row["attributes"] else {}
    names = attributes.get("aws.resource_names") or [None]
    resource = next((attributes[name] for name in _RESOURCES if attributes.get(name)), names[0])
    times = {alias: from_datetime(row[column]) if row[column] else None for column, alias in _TIMES}
    flags = {
        "is_sql": any(name.startswith("sql.") for name in attributes),
        "is_traced": attributes.get("traced") is True,
        "is_foreign": attributes.get("inferred") is True,
    }
    return _span({**row, **times, **flags, "resource": resource})


def _span(row: Mapping[str, Any]) -> Span:
    in_progress = bool(row["in_progress"])
    attributes = row.get("attributes")
    return Span(
        trace_id=row["trace_id"],
        id=row["span_id"],
        parent_id=row["parent_span_id"],
        name=row["name"] or "",
        service=row["service_name"],
        kind=row["kind"] or "SPAN_KIND_INTERNAL",
        document=row["aws_xray_document"] or ("segment" if row["kind"] in {"SPAN_KIND_SERVER", "SPAN_KIND_CONSUMER"} else "subsegment"),
        start_us=row["start_us"],
        end_us=None if in_progress else row["end_us"],
        fault=bool(row["fault"]),
        error=bool(row["error"]),
        throttle=bool(row["throttle"]),
        status=row["http_response_status_code"],
        origin=row["aws_xray_origin"],
        namespace=row["aws_xray_namespace"],
        account=row["cloud_account_id"],
        resource=_short(row["resource"]),
        is_sql=bool(row["is_sql"]),
        is_traced=bool(row["is_traced"]),
        is_foreign=bool(row["is_foreign"]),
        revision=row["revision"],
        observed_us=row["observed_us"],
        url=row["url_full"],
        method=row["http_request_method"],
        attributes=MappingProxyType(orjson.loads(attributes)) if attributes else MappingProxyType({}),
    )


def _short(resource: str | None) -> str | None:
    """A queue's name for its URL, a topic's for its ARN."""
    if not resource:
        return None
    return resource.rstrip("/").rpartition("/")[2] if "://" in resource else resource.rpartition(":")[2]
