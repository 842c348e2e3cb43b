"""The proofs of ``tailrace demo --check``: each looks at one part, by the door that its users have, and answers what it saw.

A proof raises :class:`NotYetError` with what it expected while it does not hold; any error of Tailrace counts as that too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow.compute as pc
import pyarrow.parquet as pq

from queries.workspace import Workspace
from sandbox.marked import CALLED, CALLER, SPANS, Mark
from sandbox.resources import CHECK_GROUP
from sandbox.webhook import Received
from tailrace.clock import US_PER_HOUR, iso_ms
from tailrace.errors import TailraceError
from tailrace.gateway_client import GatewayClient
from tailrace.lake import live_parts
from tailrace.ledger import open_ledger
from tailrace.settings import Settings
from tailrace.stores.folder import FolderStore

SAVED_QUERY: Final = "errors_by_service"
SOURCE: Final = f"cloudwatch:{CHECK_GROUP}"
TIMEOUT_S: Final = 10.0


class NotYetError(TailraceError):
    """What is to be proved does not hold yet; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where to look, and for what; ``sent_us`` is when the event and the trace were sent."""

    settings: Settings
    mark: Mark
    sent_us: int
    workspace: Workspace
    webhook: Received

    @property
    def span_us(self) -> tuple[int, int]:
        """Answer the span of time to look in: an hour to both sides."""
        return self.sent_us - US_PER_HOUR, self.sent_us + US_PER_HOUR

    def search(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Ask the gateway's ``_search`` for log events."""
        body = orjson.dumps({"query": query, "size": 10})
        answer = GatewayClient(self.settings).ask("POST", "/tailrace-logs-*/_search", body=body, timeout_s=TIMEOUT_S)
        if answer.status != 200:
            raise NotYetError(f"_search answered {answer.status}: {answer.reason}")
        return [hit["_source"] for hit in answer.json()["hits"]["hits"]]


def parsed(evidence: Evidence) -> str:
    """The event's line was read: status, format, level, service, trace id."""
    row = _one(evidence.search({"term": {"attributes.check.word": evidence.mark.word}}), "an event whose attribute check.word was read")
    found = {name: row.get(name) for name in ("parse_status", "severity_text", "service.name", "trace_id")}
    wanted = {"parse_status": "parsed", "severity_text": "ERROR", "service.name": CALLER, "trace_id": evidence.mark.trace_id}
    if found != wanted:
        raise NotYetError(f"expected {wanted}, found {found}")
    return f"{row.get('log.format')}, {row.get('parse_status')}, {row.get('severity_text')} of {row.get('service.name')}"


def in_lake(evidence: Evidence) -> str:
    """A Parquet file of the lake holds the event, once."""
    store, total = FolderStore(Path(evidence.settings.lake_location)), 0
    names = list[str]()
    for part in live_parts(store, "logs", *evidence.span_us):
        table = pq.read_table(str(store.local_path(part.key)), columns=["message"], partitioning=None)
        count = table.filter(pc.field("message") == evidence.mark.message).num_rows
        total += count
        names += [part.key] * (count > 0)
    if total != 1:
        raise NotYetError(f"expected one row in the lake, found {total}")
    return names[0]


def found_by_search(evidence: Evidence) -> str:
    """A Lucene search for the mark finds the event alone."""
    row = _one(evidence.search({"query_string": {"query": f"message:{evidence.mark.word}"}}), f"one hit of message:{evidence.mark.word}")
    if row.get("message") != evidence.mark.message:
        raise NotYetError(f"expected {evidence.mark.message!r}, found {row.get('message')!r}")
    return f"message:{evidence.mark.word} has 1 hit"


def counted_by_ledger(evidence: Evidence) -> str:
    """The ledger adds up, and counts the event once at every hop of its source, from its source to the lake."""
    ledger = open_ledger(evidence.settings.ledger_path)
    check = ledger.check()
    if not check.balanced:
        raise NotYetError(f"expected a ledger that adds up, found: {'; '.join(check.problems)}")
    rows = [row for row in ledger.rows().to_pylist() if row["log_source"] == SOURCE and row["unit"] == "events"]
    went_out = {hop: sum(row["count_out"] for row in rows if row["hop"] == hop) for hop in ("collect", "spool", "deliver")}
    if set(went_out.values()) != {1}:
        raise NotYetError(f"expected one event of {SOURCE} at every hop, found {went_out}")
    return f"1 event of {SOURCE} at {', '.join(went_out)}; nothing lost"


def in_saved_query(evidence: Evidence) -> str:
    """The saved query of errors by service has a row for the service that wrote the event."""
    start_us, end_us = evidence.span_us
    result = evidence.workspace.saved.run(SAVED_QUERY, {"start_time": iso_ms(start_us), "end_time": iso_ms(end_us)})
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows()]
    found = sum(row["errors"] for row in rows if row["service"] == CALLER)
    if found != 1:
        raise NotYetError(f"expected 1 error of {CALLER} in {SAVED_QUERY}, found {found}")
    return f"{SAVED_QUERY}: 1 error of {CALLER}"


def alert_fired(evidence: Evidence) -> str:
    """The rule of the check fired, and its webhook was called with the event."""
    for post in evidence.webhook.posts:
        own = post.get("tailrace", {})
        if evidence.mark.word in orjson.dumps(post).decode():
            return f"webhook called by rule {own.get('rule')!r}: {own.get('subject')!r}"
    raise NotYetError(f"expected a webhook call with {evidence.mark.word}, got {len(evidence.webhook.posts)} calls")


def on_the_map(evidence: Evidence) -> str:
    """The service graph has both services, and the edge between them."""
    graph = evidence.workspace.traces.service_graph(*evidence.span_us)
    services = {service["ReferenceId"]: service for service in graph["Services"]}
    edges = {(service["Name"], services[edge["ReferenceId"]]["Name"]) for service in services.values() for edge in service.get("Edges", ())}
    if (CALLER, CALLED) not in edges:
        raise NotYetError(f"expected an edge from {CALLER} to {CALLED}, found {sorted(edges)}")
    return f"{CALLER} -> {CALLED}, of {len(services)} nodes"


def joined(evidence: Evidence) -> str:
    """The trace is there with its three spans, and its log lines are the event."""
    mark, traces = evidence.mark, evidence.workspace.traces
    trace = traces.get(mark.xray_trace_id)
    sent = [span for span in trace.spans if not span.is_inferred] if trace else []
    if len(sent) != SPANS:
        raise NotYetError(f"expected the {SPANS} spans of trace {mark.trace_id}, found {len(sent)}")
    line = _one([hit["_source"] for hit in traces.logs_of(mark.xray_trace_id)], f"one log line with trace id {mark.trace_id}")
    if line.get("message") != mark.message:
        raise NotYetError(f"expected {mark.message!r}, found {line.get('message')!r}")
    return f"trace {mark.trace_id}: {SPANS} spans, 1 log line"


def _one(rows: list[dict[str, Any]], what: str) -> dict[str, Any]:
    if len(rows) != 1:
        raise NotYetError(f"expected {what}, found {len(rows)}")
    return _flat(rows[0])


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a document to dotted names, as field names are written in searches."""
    flat: dict[str, Any] = {}
    for name, value in document.items():
        flat.update(_flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value})
    return flat


Prove = Callable[[Evidence], str]

PROOFS: Final[tuple[tuple[str, Prove], ...]] = (
    ("the event is parsed", parsed),
    ("it is in the lake", in_lake),
    ("a search finds it", found_by_search),
    ("the ledger counts it", counted_by_ledger),
    ("a saved query has it in its result", in_saved_query),
    ("an alert fired to a webhook", alert_fired),
    ("the trace is on the map", on_the_map),
    ("the trace is joined to its log line", joined),
)
"""Name and proof; ``tailrace demo --check`` shows them in this order."""
