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
import requests
from queries.workspace import Workspace

from sandbox.marked import CALLER, Mark
from sandbox.webhook import Received
from tailrace.clock import US_PER_HOUR
from tailrace.errors import TailraceError
from tailrace.lake import live_parts
from tailrace.settings import Settings
from tailrace.stores import FolderStore

SAVED_QUERY: Final = "errors_by_service"
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
        answer = requests.post(f"{self.settings.gateway_url}/tailrace-logs-*/_search", json={"query": query, "size": 10}, timeout=TIMEOUT_S)
        if not answer.ok:
            raise NotYetError(f"_search answered {answer.status_code}: {answer.text[:200]}")
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


def alert_fired(evidence: Evidence) -> str:
    """The rule of the check fired, and its webhook was called with the event."""
    for post in evidence.webhook.posts:
        own = post.get("tailrace", {})
        if evidence.mark.word in orjson.dumps(post).decode():
            return f"webhook called by rule {own.get('rule')!r}: {own.get('subject')!r}"
    raise NotYetError(f"expected a webhook call with {evidence.mark.word}, got {len(evidence.webhook.posts)} calls")


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
    ("an alert fired to a webhook", alert_fired),
)
"""Name and proof; ``tailrace demo --check`` shows them in this order."""
