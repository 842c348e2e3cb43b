"""Asks the engine for what a rule has not seen: the hits of its query, oldest first, all pages.

A run asks for rows that were received since the last run (with an overlap, because rows become searchable a little after they were received) and whose event time lies within the
rule's ``buffer_time``; ids that were taken before are left out by :class:`alerts.state.AlertState`. So a late row is judged once, as long as its event time lies within the buffer.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from alerts.rule import Hit, Rule
from queries.engine import SearchEngine
from tailrace.clock import US_PER_MS, US_PER_S, iso_ms
from tailrace.errors import StateError

PAGE: Final = 1_000
MAX_HITS: Final = 200_000
"""A run that finds more is an error that says so: a rule of that kind wants a narrower filter."""

OVERLAP_US: Final = 120 * US_PER_S
"""How long a row may take from its receipt to being searchable and still be seen by a run."""


def new_hits(engine: SearchEngine, rule: Rule, read_to_us: int | None, now_us: int) -> list[Hit]:
    """Answer the hits of a rule's query in the order of their event times, those of the overlap too."""
    received_from = now_us - rule.buffer_us if read_to_us is None else read_to_us - OVERLAP_US
    extra = [
        {"range": {"@timestamp": {"gt": iso_ms(now_us - rule.buffer_us), "lte": iso_ms(now_us + US_PER_MS)}}},
        {"range": {"observed_timestamp": {"gt": iso_ms(received_from)}}},
    ]
    query = rule.target.narrowed({"query": {"bool": {"filter": [*rule.filters, *extra]}}})["query"]
    return [hit for page in _pages(engine, rule, query) for hit in page]


def _pages(engine: SearchEngine, rule: Rule, query: Mapping[str, Any]) -> Iterator[list[Hit]]:
    after: list[Any] | None = None
    taken = 0
    while True:
        body = {"query": query, "size": PAGE, "sort": [{"@timestamp": "asc"}, {"event_id": "asc"}], "track_total_hits": False}
        found = engine.search(rule.target.table, body if after is None else {**body, "search_after": after})["hits"]["hits"]
        yield [_hit(one) for one in found]
        taken += len(found)
        if len(found) < PAGE:
            return
        if taken >= MAX_HITS:
            raise StateError(f"rule {rule.name}: more than {MAX_HITS} hits in one run: narrow its filter")
        after = found[-1]["sort"]


def _hit(found: Mapping[str, Any]) -> Hit:
    return Hit(str(found["_id"]), int(found["sort"][0]) * US_PER_MS, found["_source"])
