"""The searches that pages ask, and their answers as data frames. A body goes in as plain data, a frame with named columns comes out."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from dashboard.timerange import TimeRange, step_us
from queries.engine import SearchEngine
from tailrace.clock import US_PER_MS
from tailrace.errors import RequestError
from tailrace.schema import TableName

SEVERITY_ORDER: Final = ("FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "none")
PAGE_ROWS: Final = 200
MAX_QUERY_CHARS: Final = 2_000
TOP: Final = 5
EXPORT_ROWS: Final = 10_000


def query_of(text: str, span: TimeRange, extra: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Answer the query of a search bar: words must all occur, within the range."""
    if len(text) > MAX_QUERY_CHARS:
        raise RequestError(f"a search has at most {MAX_QUERY_CHARS} characters", clause="q")
    clauses: list[Mapping[str, Any]] = [span.clause(), *extra]
    if text.strip():
        clauses.append({"query_string": {"query": text, "default_operator": "AND"}})
    return {"bool": {"filter": clauses}}


def histogram(engine: SearchEngine, table: TableName, query: Mapping[str, Any], span: TimeRange, by: str | None) -> pd.DataFrame:
    """Answer the counts over time: columns ``start``, ``end`` (UTC), ``group`` and ``count``; over all hits, not over a page."""
    step = step_us(span.to_us - span.from_us)
    bounds = {"min": span.from_us // US_PER_MS, "max": (span.to_us - 1) // US_PER_MS}
    over_time: dict[str, Any] = {
        "date_histogram": {"field": "@timestamp", "fixed_interval": f"{step // 1_000_000}s", "min_doc_count": 0, "extended_bounds": bounds}
    }
    if by:
        over_time["aggs"] = {"group": {"terms": {"field": by, "size": 10}}}
    buckets = _aggregate(engine, table, query, {"time": over_time})["time"]["buckets"]
    rows = [row for bucket in buckets for row in _bars(bucket, grouped=by is not None)]
    frame = pd.DataFrame(rows, columns=["start", "group", "count"])
    frame["start"] = pd.to_datetime(frame["start"], unit="ms", utc=True)
    frame.insert(1, "end", frame["start"] + pd.Timedelta(step, unit="us"))
    return frame


def _bars(bucket: Mapping[str, Any], *, grouped: bool) -> list[tuple[Any, str, int]]:
    if not grouped:
        return [(bucket["key"], "events", bucket["doc_count"])]
    groups = [(bucket["key"], str(group["key"]), group["doc_count"]) for group in bucket["group"]["buckets"]]
    rest = bucket["doc_count"] - sum(count for _, _, count in groups)
    return [*groups, (bucket["key"], "none", rest)] if rest or not groups else groups


def top_values(engine: SearchEngine, table: TableName, query: Mapping[str, Any], fields: Sequence[str], size: int = TOP) -> dict[str, pd.DataFrame]:
    """Answer the most frequent values of fields over all hits: a frame with columns ``value`` and ``count`` for each."""
    asked = {f"f{number}": {"terms": {"field": field, "size": size}} for number, field in enumerate(fields)}
    found = _aggregate(engine, table, query, asked) if asked else {}
    return {field: _values(found[f"f{number}"]["buckets"]) for number, field in enumerate(fields)}


def _values(buckets: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([(bucket.get("key_as_string", bucket["key"]), bucket["doc_count"]) for bucket in buckets], columns=["value", "count"])


def hits(engine: SearchEngine, table: TableName, query: Mapping[str, Any], *, size: int = PAGE_ROWS, oldest_first: bool = False) -> tuple[pd.DataFrame, int]:
    """Answer a page of hits, the newest first, and how many there are: columns ``_id`` and those of the documents, attributes by their own names."""
    order = "asc" if oldest_first else "desc"
    body = {"query": query, "size": size, "sort": [{"@timestamp": order}, {"event_id": "asc"}], "track_total_hits": True}
    answer = engine.search(table, body)["hits"]
    return documents_frame(answer["hits"]), int(answer["total"]["value"])


def documents_frame(found: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Answer hits as a frame; times are read as times."""
    rows = [{"_id": hit["_id"], **_flat(hit["_source"])} for hit in found]
    frame = pd.DataFrame(rows)
    for column in ("@timestamp", "observed_timestamp", "startTime", "endTime"):
        if column in frame:
            frame[column] = pd.to_datetime(frame[column], utc=True, format="ISO8601")
    return frame


def _flat(source: Mapping[str, Any]) -> dict[str, Any]:
    inner = {**_mapping(source, "attributes_other"), **_mapping(source, "attributes")}
    own = {name: value for name, value in source.items() if name not in {"attributes", "attributes_other"}}
    return {**own, **{f"attributes.{name}": value for name, value in inner.items()}}


def _mapping(source: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = source.get(name)
    return value if isinstance(value, Mapping) else {}


def services(engine: SearchEngine, span: TimeRange) -> pd.DataFrame:
    """Answer a row for each service: ``service``, ``events``, ``errors``, ``warnings`` and ``error_rate``."""
    asked = {"service": {"terms": {"field": "service.name", "size": 50}, "aggs": {"severity": {"terms": {"field": "severity_text", "size": 10}}}}}
    buckets = _aggregate(engine, "logs", query_of("", span), asked)["service"]["buckets"]
    frame = pd.DataFrame([_service(bucket) for bucket in buckets], columns=["service", "events", "errors", "warnings"])
    frame["error_rate"] = frame["errors"] / frame["events"].where(frame["events"] > 0, 1)
    return frame.sort_values(["errors", "events"], ascending=False, ignore_index=True)


def _service(bucket: Mapping[str, Any]) -> tuple[str, int, int, int]:
    counts = {group["key"]: group["doc_count"] for group in bucket["severity"]["buckets"]}
    return bucket["key"], bucket["doc_count"], counts.get("ERROR", 0) + counts.get("FATAL", 0), counts.get("WARN", 0)


def parse_health(engine: SearchEngine, span: TimeRange) -> pd.DataFrame:
    """Answer a row for each format: ``format``, ``parsed``, ``partial``, ``failed``."""
    asked = {"format": {"terms": {"field": "log.format", "size": 100}, "aggs": {"status": {"terms": {"field": "parse_status", "size": 5}}}}}
    buckets = _aggregate(engine, "logs", query_of("", span), asked)["format"]["buckets"]
    rows = [(bucket["key"], {group["key"]: group["doc_count"] for group in bucket["status"]["buckets"]}) for bucket in buckets]
    return pd.DataFrame(
        [(name, counts.get("parsed", 0), counts.get("partial", 0), counts.get("failed", 0)) for name, counts in rows],
        columns=["format", "parsed", "partial", "failed"],
    )


def _aggregate(engine: SearchEngine, table: TableName, query: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    answer = engine.search(table, {"query": query, "size": 0, "track_total_hits": False, "aggs": asked})
    return dict(answer["aggregations"])
