"""Letting whole day indices of OpenSearch expire by the rules of retention: a plain ``DELETE`` of each, by its name.

An index leaves when the last moment of its day is older than ``opensearch`` says for its table, or ``keep`` where that says nothing. An event of a day that is gone makes its index anew, which
leaves at the next look. The first and the last day there are hold events with absurd times: their age is that of the newest receipt in them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firehose.disk import Probe, no_probe
from firehose.keeper.retention import Retention
from firehose.opensearch_gone import Gone, note
from firehose.opensearch_indices import DayIndex, Performs, ask, day_indices, refresh
from tailrace.clock import US_PER_DAY, US_PER_MS
from tailrace.errors import TransientError
from tailrace.settings import Settings


@dataclass(frozen=True, slots=True)
class ExpiredIndex:
    """An index that went, or would go, and its documents."""

    index: str
    documents: int


class IndexExpiry:
    """Deletes indices; ``account`` is the file in which what goes is noted. ``serverless``: OpenSearch Serverless, which refreshes when it likes."""

    def __init__(self, opensearch: Performs, rules: Retention, account: Path, probe: Probe = no_probe, *, serverless: bool = False) -> None:
        self._opensearch, self._rules, self._account, self._probe, self._serverless = opensearch, rules, account, probe, serverless

    def run(self, now_us: int, *, dry_run: bool = False) -> list[ExpiredIndex]:
        """Delete what may go at a time; with ``dry_run`` nothing is deleted. Raises :class:`TransientError` where OpenSearch does not answer, or not yes."""
        found = list[ExpiredIndex]()
        for index in day_indices(self._opensearch):
            keep_us = self._rules.opensearch_us.get(index.table, self._rules.keep_us.get(index.table))
            if keep_us is None or not self._is_old(index, now_us - keep_us):
                continue
            gone = self._counted(index)
            if not dry_run:
                self._delete(index, gone, now_us)
            found.append(ExpiredIndex(index.name, gone.documents))
        return found

    def _is_old(self, index: DayIndex, before_us: int) -> bool:
        if not index.is_absurd:
            return index.start_us + US_PER_DAY <= before_us
        refresh(self._opensearch, index.name, serverless=self._serverless)
        newest = self._asked(index, {"newest": {"max": {"field": "observed_timestamp"}}})["newest"].get("value")
        return newest is not None and newest * US_PER_MS < before_us

    def _counted(self, index: DayIndex) -> Gone:
        refresh(self._opensearch, index.name, serverless=self._serverless)
        documents = int(ask(self._opensearch, "POST", f"/{index.name}/_count", {"query": {"match_all": {}}})["count"])
        revisions = self._asked(index, {"revisions": {"sum": {"field": "revision"}}})["revisions"].get("value")
        return Gone(index.uuid, index.name, index.table, documents, int(revisions or 0))

    def _delete(self, index: DayIndex, gone: Gone, now_us: int) -> None:
        note(self._account, [gone], now_us)
        self._probe("keeper.index_noted")
        answer = ask(self._opensearch, "DELETE", f"/{index.name}")
        if not answer.get("acknowledged"):
            raise TransientError(f"opensearch: DELETE /{index.name}: not acknowledged")
        self._probe("keeper.index_deleted")

    def _asked(self, index: DayIndex, aggregations: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = ask(self._opensearch, "POST", f"/{index.name}/_search", {"size": 0, "aggs": dict(aggregations)}).get("aggregations") or {}
        return {name: found.get(name, {}) for name in aggregations}


def index_expiry(settings: Settings, rules: Retention, probe: Probe = no_probe) -> IndexExpiry | None:
    """Make what the settings and the rules ask for; ``None`` where there is no OpenSearch, or no rule is about age."""
    if not settings.opensearch_url or not (rules.keep_us or rules.opensearch_us):
        return None
    from tailrace import aws  # opensearch-py takes long to import
    from tailrace.opensearch_connection import is_serverless

    transport = aws.opensearch(settings).transport
    return IndexExpiry(transport, rules, settings.opensearch_gone_path, probe, serverless=is_serverless(settings))
