"""``tailrace traces``: the list of traces, one trace as a waterfall, the service graph."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import click

from queries.dsl.dates import DateReader
from queries.traces.model import Span, Trace
from queries.workspace import Workspace
from tailrace.cli.output import json_option, print_json, print_table, printable
from tailrace.clock import US_PER_MS, SystemClock, iso_ms
from tailrace.ids import xray_trace_id
from tailrace.settings import load

BAR_CHARS: Final = 40
from_option = click.option("--from", "start", default="now-1h", show_default=True, help="Start of the time range: now-1h, 2026-11-24T10:00:00Z.")
to_option = click.option("--to", "end", default="now", show_default=True, help="End of the time range.")


@click.group()
def command() -> None:
    """Traces, one trace, the service graph.

    Example: tailrace traces list --faults
    """


@command.command(name="list")
@from_option
@to_option
@click.option("--service", default="", help="Only traces that this service took part in.")
@click.option("--faults", is_flag=True, help="Only traces with a fault.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
def list_(start: str, end: str, service: str, limit: int, *, faults: bool, as_json: bool) -> None:
    """List traces, the newest first.

    Example: tailrace traces list --from now-15m --service payment
    """
    with Workspace(load().settings, SystemClock()) as space:
        found = space.traces.list(_time_us(start), _time_us(end), limit=limit, service=service, only_faults=faults)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        (iso_ms(one.start_us), xray_trace_id(one.id), one.state, one.status, f"{one.duration_s * 1000:.0f} ms", one.method, one.url, ", ".join(one.services))
        for one in found
    ]
    print_table(["start", "trace", "state", "status", "duration", "method", "url", "services"], rows)


@command.command()
@click.argument("trace_id")
@json_option
def show(trace_id: str, *, as_json: bool) -> None:
    """Show one trace as a waterfall; its id in any notation. Exit 1 if there is none.

    Example: tailrace traces show 1-6b02b777-63f651453a9bbc6c80be111a
    """
    with Workspace(load().settings, SystemClock()) as space:
        trace = space.traces.get(trace_id)
        lines = space.traces.logs_of(trace_id) if trace else ()
    if trace is None:
        click.echo("no such trace", err=True)
        raise SystemExit(1)
    if as_json:
        print_json({"id": trace.id, "is_partial": trace.is_partial, "spans": [_plain(span) for span in trace.spans], "logs": list(lines)})
        return
    print_table(["service and operation", "state", "duration", "", ""], list(_waterfall(trace)), title=xray_trace_id(trace.id))
    if lines:
        click.echo()
        print_table(["time", "severity", "service", "message"], [_line(hit["_source"]) for hit in lines])


@command.command(name="map")
@from_option
@to_option
@json_option
def map_(start: str, end: str, *, as_json: bool) -> None:
    """Show the service graph; with --json in the shape of X-Ray's GetServiceGraph.

    Example: tailrace traces map --from now-1h
    """
    with Workspace(load().settings, SystemClock()) as space:
        graph = space.traces.service_graph(_time_us(start), _time_us(end))
    if as_json:
        print_json(graph)
        return
    names = {service["ReferenceId"]: _node(service) for service in graph["Services"]}
    rows = [
        (names[service["ReferenceId"]], names[edge["ReferenceId"]], *_numbers(edge["SummaryStatistics"]))
        for service in graph["Services"]
        for edge in service["Edges"]
    ]
    print_table(["from", "to", "requests", "faults", "errors", "average"], rows)


def _node(service: dict[str, Any]) -> str:
    kind = service.get("Type")
    return f"{service['Name']} ({kind})" if kind else str(service["Name"])


def _numbers(statistics: dict[str, Any]) -> tuple[object, ...]:
    total = statistics["TotalCount"]
    mean = f"{1000 * statistics['TotalResponseTime'] / total:.0f} ms" if total else ""
    return total, statistics["FaultStatistics"]["TotalCount"], statistics["ErrorStatistics"]["TotalCount"], mean


def _waterfall(trace: Trace) -> Iterator[tuple[str, str, str, str, str]]:
    depth: dict[str, int] = {}
    width = max(trace.end_us - trace.start_us, 1)
    for span in trace.spans:
        depth[span.id] = depth.get(span.parent_id or "", -1) + 1
        if span.is_inferred:
            continue
        before = round(BAR_CHARS * (span.start_us - trace.start_us) / width)
        length = max(1, round(BAR_CHARS * span.duration_s * 1_000_000 / width))
        name = span.name if span.name == span.service else f"{span.service}: {span.name}"
        took = "in progress" if span.in_progress else f"{span.duration_s * 1000:.1f} ms"
        yield "  " * depth[span.id] + printable(name), str(span.status or span.state), took, " " * before + "█" * length, span.namespace or ""


def _line(source: dict[str, Any]) -> tuple[object, ...]:
    return source.get("@timestamp"), source.get("severity_text"), source.get("service.name"), source.get("message")


def _plain(span: Span) -> dict[str, Any]:
    values = {name: getattr(span, name) for name in Span.__dataclass_fields__}
    return {**values, "attributes": dict(span.attributes), "state": span.state}


def _time_us(text: str) -> int:
    return DateReader(SystemClock().now_us(), "time").read_ms(text, round_up=False) * US_PER_MS
