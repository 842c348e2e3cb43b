"""Everything that is asked of traces: the list, one trace, the service graph, the log lines of a trace."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from queries.connections.duckdb import LakeConnection
from queries.engine import SearchEngine
from queries.traces.assemble import assemble
from queries.traces.graph import ServiceGraph
from queries.traces.model import Trace, TraceSummary
from queries.traces.read import spans_between, spans_of
from tailrace.errors import RequestError
from tailrace.ids import normal_trace_id

MAX_LISTED: Final = 1_000
MAX_LINES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Traces:
    """Traces of the lake."""

    lake: LakeConnection
    logs: SearchEngine

    def list(self, from_us: int, to_us: int, *, limit: int = 100, service: str = "", only_faults: bool = False) -> list[TraceSummary]:
        """List traces that began in [from_us, to_us), the newest first."""
        found: list[TraceSummary] = []
        for spans in spans_between(self.lake, from_us, to_us):
            trace = assemble(spans)
            summary = summarise(trace) if trace else None
            if summary and (not service or service in summary.services) and (not only_faults or summary.has_fault):
                found.append(summary)
                if len(found) >= min(limit, MAX_LISTED):
                    break
        return sorted(found, key=lambda one: (-one.start_us, one.id))

    def get(self, trace_id: str) -> Trace | None:
        """Answer one trace; its id in any notation. Raises :class:`RequestError` for what is no trace id."""
        return assemble(spans_of(self.lake, normalised(trace_id)))

    def service_graph(self, from_us: int, to_us: int) -> dict[str, Any]:
        """Answer the graph of the traces that began in the range, in the shape of GetServiceGraph."""
        graph = ServiceGraph()
        for spans in spans_between(self.lake, from_us, to_us):
            graph.add(spans)
        return {"StartTime": from_us // 1_000_000, "EndTime": to_us // 1_000_000, **graph.answer(), "ContainsOldGroupVersions": False}

    def logs_of(self, trace_id: str) -> Sequence[dict[str, Any]]:
        """Answer the hits of the log lines that bear a trace's id, oldest first."""
        query = {"term": {"trace_id": {"value": normalised(trace_id)}}}
        body = {"query": query, "size": MAX_LINES, "sort": [{"@timestamp": "asc"}, {"event_id": "asc"}]}
        hits: Sequence[dict[str, Any]] = self.logs.search("logs", body)["hits"]["hits"]
        return hits


def normalised(trace_id: str) -> str:
    """Answer a trace id in 32 hex digits."""
    found = normal_trace_id(trace_id)
    if found is None:
        raise RequestError(f"not a trace id: {trace_id[:80]!r}; one is 32 hex digits, or 1-, 8, -, 24 of them", clause="trace")
    return found


def summarise(trace: Trace) -> TraceSummary:
    """Answer a trace in one line: fault and error are those of the root, as its client saw it; throttle that of any span."""
    root = trace.root
    segments = [span for span in trace.spans if span.is_segment]
    return TraceSummary(
        id=trace.id,
        start_us=trace.start_us,
        duration_s=(trace.end_us - trace.start_us) / 1_000_000,
        root_service=root.service or root.name,
        root_name=root.name,
        method=root.method,
        url=root.url,
        status=root.status,
        state=root.state,
        spans=sum(not span.is_inferred for span in trace.spans),
        services=tuple(dict.fromkeys(span.service or span.name for span in segments)),
        has_fault=any(span.fault for span in trace.spans),
        has_error=any(span.error for span in trace.spans),
        has_throttle=any(span.throttle for span in trace.spans),
        is_partial=trace.is_partial,
    )
