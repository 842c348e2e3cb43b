"""A search engine over a list of documents that knows the clauses that alert runs send: ranges of times, one term, search_after."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tailrace.clock import US_PER_MS, from_datetime
from tailrace.errors import TransientError
from tailrace.schema import TableName


@dataclass
class MemoryEngine:
    """Documents with ``_id``, times in microseconds, and fields."""

    documents: list[dict[str, Any]] = field(default_factory=list)
    is_down: bool = False

    def add(self, event_id: str, time_us: int, *, observed_us: Any = None, **fields: Any) -> None:
        self.documents.append({"_id": event_id, "@timestamp": time_us, "observed_timestamp": observed_us or time_us, **fields})

    def search(self, table: TableName, body: Mapping[str, Any]) -> dict[str, Any]:
        assert table == "logs"
        if self.is_down:
            raise TransientError("the engine is down")
        clauses = body["query"]["bool"]["filter"]
        found = sorted((d["@timestamp"] // US_PER_MS, d["_id"], n) for n, d in enumerate(self.documents) if all(_holds(d, c) for c in clauses))
        after = tuple(body.get("search_after", (-(2**63), "")))
        page = [item for item in found if item[:2] > after][: body["size"]]
        hits = [{"_id": i, "sort": [t, i], "_source": {k: v for k, v in self.documents[n].items() if k != "_id"}} for t, i, n in page]
        return {"hits": {"hits": hits}}

    def count(self, table: TableName, body: Mapping[str, Any]) -> int:
        return len(self.search(table, {**body, "size": 10_000})["hits"]["hits"])


def _holds(document: Mapping[str, Any], clause: Mapping[str, Any]) -> bool:
    ((kind, inner),) = clause.items()
    ((name, wanted),) = inner.items()
    if kind == "term":
        return bool(document.get(name) == wanted)
    assert kind == "range"
    at_ms = document[name] // US_PER_MS
    bounds = {operator: from_datetime(datetime.fromisoformat(text)) // US_PER_MS for operator, text in wanted.items()}
    return bool(bounds.get("gt", at_ms - 1) < at_ms <= bounds.get("lte", at_ms))
