"""``tailrace search``: a query string, or a ``_search`` body from a file, asked of the lake or of OpenSearch."""

from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

import click
import orjson

from queries.dsl.dates import DateReader
from queries.engine import Response
from queries.workspace import EngineName, Workspace
from tailrace.cli.output import json_option, print_json, print_table
from tailrace.clock import SystemClock
from tailrace.errors import FileError, UsageError
from tailrace.schema import TABLE_NAMES, TableName
from tailrace.settings import load

MAX_BODY_BYTES: Final = 1024 * 1024

_BARE_FIELDS: Final[Mapping[TableName, tuple[str, ...]]] = {
    "logs": ("message",),
    "spans": ("name", "serviceName"),
    "metrics": ("metric.name",),
    "ledger": ("log.source",),
}
"""What bare words search: the message of a log event; in other tables, names, exactly."""

_COLUMNS: Final[Mapping[TableName, tuple[str, ...]]] = {
    "logs": ("@timestamp", "severity_text", "service.name", "message"),
    "spans": ("@timestamp", "serviceName", "name", "durationInNanos", "traceId"),
    "metrics": ("@timestamp", "metric.namespace", "metric.name", "metric.value", "metric.unit"),
    "ledger": ("@timestamp", "log.source", "hop", "sink", "unit", "in", "out"),
}


@click.command()
@click.argument("query", required=False, metavar="[LUCENE]")
@click.option("--from", "from_time", metavar="TIME", help="Not before: a date, or date math such as now-1h/h.")
@click.option("--to", "to_time", metavar="TIME", help="Before: the same forms.")
@click.option("--size", type=click.IntRange(0, 10_000), default=50, show_default=True, help="Hits to show, the newest.")
@click.option("--table", type=click.Choice(TABLE_NAMES), default="logs", show_default=True)
@click.option("--engine", type=click.Choice(("lake", "opensearch")), default="lake", show_default=True)
@click.option("--body", "body_file", type=click.File("rb"), help="A file with a _search body (- is standard input), instead of a query.")
@json_option
def command(  # noqa: PLR0913 - one for each option
    query: str | None,
    *,
    from_time: str | None,
    to_time: str | None,
    size: int,
    table: TableName,
    engine: EngineName,
    body_file: IO[bytes] | None,
    as_json: bool,
) -> None:
    """Search logs, spans and metrics; words between which nothing stands must all occur.

    Example: tailrace search 'timeout AND status:>=500' --from now-1h
    """
    if body_file is not None and (query is not None or from_time or to_time):
        raise UsageError("--body goes without a query, --from and --to: the body has them")
    clock = SystemClock()
    body = _read_body(body_file) if body_file is not None else search_body(query, from_time, to_time, size, table)
    with Workspace(load().settings, clock) as space:
        response = space.engine(engine).search(table, body)
    if as_json:
        print_json(response)
    else:
        _print(response, table)


def search_body(query: str | None, from_time: str | None, to_time: str | None, size: int, table: TableName) -> dict[str, Any]:
    """Answer the ``_search`` body of a query string and a range of time."""
    filters: list[dict[str, Any]] = []
    if from_time or to_time:
        times = {bound: time for bound, time in (("gte", from_time), ("lt", to_time)) if time}
        _check_times(times)
        filters.append({"range": {"@timestamp": times}})
    if query and query.strip():
        filters.append({"query_string": {"query": query, "fields": list(_BARE_FIELDS[table]), "default_operator": "and"}})
    return {"query": {"bool": {"filter": filters}}, "size": size, "track_total_hits": True}


def _check_times(times: Mapping[str, str]) -> None:
    for bound, time in times.items():
        DateReader(SystemClock().now_us(), "--from" if bound == "gte" else "--to").read_ms(time, round_up=False)


def _read_body(file: IO[bytes]) -> dict[str, Any]:
    name = str(getattr(file, "name", "-"))
    data = file.read(MAX_BODY_BYTES + 1)
    if len(data) > MAX_BODY_BYTES:
        raise FileError("is longer than 1 MiB", path=name)
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise FileError(f"is not JSON: {error.msg}", path=name, line=error.lineno, column=error.colno) from error
    if not isinstance(body, dict):
        raise FileError("is not a JSON object", path=name)
    return body


def _print(response: Response, table: TableName) -> None:
    hits = response["hits"]["hits"]
    if hits:
        columns = [name for name in _COLUMNS[table] if any(name in hit.get("_source", {}) for hit in hits)] or ["_id"]
        print_table(columns, [[_cell(hit, name) for name in columns] for hit in hits])
    for name, found in response.get("aggregations", {}).items():
        print_table(*_aggregation(name, found), title=name)
    click.echo(_footer(response), err=True)


def _cell(hit: Mapping[str, Any], name: str) -> object:
    return hit["_id"] if name == "_id" else hit.get("_source", {}).get(name)


def _aggregation(name: str, found: Mapping[str, Any]) -> tuple[list[str], list[list[object]]]:
    buckets = found.get("buckets")
    if buckets is None:
        return [name], [[orjson.dumps(found, default=str).decode()]]
    pairs = buckets.items() if isinstance(buckets, Mapping) else ((bucket.get("key_as_string", bucket.get("key", "")), bucket) for bucket in buckets)
    return ["key", "rows", "more"], [[key, bucket["doc_count"], _more(bucket)] for key, bucket in pairs]


def _more(bucket: Mapping[str, Any]) -> str:
    inner = {name: value for name, value in bucket.items() if name not in {"key", "key_as_string", "doc_count"}}
    return orjson.dumps(inner, default=str).decode() if inner else ""


def _footer(response: Response) -> str:
    return ". ".join(_sentences(response))


def _sentences(response: Response) -> Iterator[str]:
    hits = response["hits"]
    total = hits.get("total")
    if total:
        least = "at least " if total["relation"] == "gte" else ""
        yield f"{len(hits['hits']):,} of {least}{total['value']:,} in {response['took']:,} ms"
    unmapped = response.get("_tailrace", {}).get("unmapped", [])
    if unmapped:
        yield f"no row can have: {', '.join(unmapped)}"
