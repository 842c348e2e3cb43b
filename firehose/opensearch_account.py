"""Counting OpenSearch: what is there against what the ledger says was stored there.

What went out is the ledger's ``out`` of the sink (which leaves out what was there before, the duplicates) and the documents that were sent again from dead letters. A higher revision takes the place of
its document, so of ``sent`` documents at least ``sent - revisions`` are there, where ``revisions`` is the sum of the field over the documents, and at most ``sent``, and what is on its way.

OpenSearch does not say what was deleted. An index policy deletes days: what the lake has of days that have no index explains that much of what is missing, and is told as such; a document that was
deleted out of an index that is there cannot be told from one that was lost.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from firehose.frame import UNITS
from tailrace.errors import TransientError
from tailrace.forms import INDEX_PREFIX, index_name
from tailrace.ledger import Hop
from tailrace.schema import TableName

NAME: Final = "opensearch"
MAX_INDICES: Final = 10_000
SHOWN_DAYS: Final = 3
_WHERE: Final = {"ignore_unavailable": "true", "allow_no_indices": "true"}


class Performs(Protocol):
    """The one call of opensearch-py's transport that is used."""

    def perform_request(self, method: str, url: str, *, params: Any = None, body: Any = None) -> Any:  # noqa: ANN401 - opensearch-py's own
        """Send a request, answer the JSON of the response."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """What is in the indices of a table: documents, the sum of their revisions, and the names of the indices."""

    documents: int
    revisions: int
    indices: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Account:
    """What does not add up, and what cannot be known."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def stored(opensearch: Performs) -> dict[TableName, Stored]:
    """Count each table's indices, after what was written is searchable. Raises :class:`TransientError` where OpenSearch does not answer."""
    return {table: _stored(opensearch, table) for table in UNITS}


def account(
    before: Iterable[Hop], after: Iterable[Hop], sent_again: int, found: Mapping[TableName, Stored], lake_days: Mapping[TableName, Mapping[str, int]]
) -> Account:
    """Lay what is there beside what the ledger said went there before the count, which must be there, and after it, beyond which nothing may be.

    ``lake_days`` are the rows that the lake has of each day (``YYYY-MM-DD``) of a table. Of documents that were sent again it is not known which table they are of, so they may be of any.
    """
    problems: list[str] = []
    notes: list[str] = []
    sent_before, sent_after = _sent(before), _sent(after)
    for table, unit in UNITS.items():
        there, (out, _), (later, pending) = found[table], sent_before.get(unit, (0, 0)), sent_after.get(unit, (0, 0))
        missing = out - there.documents - there.revisions
        if there.documents > later + sent_again + pending:
            more = "others write there, or they are older than the ledger"
            problems.append(f"{later:,} {unit} went to {NAME}, {there.documents:,} are there: {more}")
        elif missing > 0:
            gone = {day: rows for day, rows in sorted(lake_days.get(table, {}).items()) if index_name(table, day) not in there.indices}
            text = f"{out:,} {unit} went to {NAME}, {there.documents:,} are there"
            (notes if missing <= sum(gone.values()) else problems).append(f"{text}: {_why(gone, missing)}")
    return Account(tuple(problems), tuple(notes))


def _sent(hops: Iterable[Hop]) -> dict[str, tuple[int, int]]:
    """Answer by unit what went out to OpenSearch, and what is on its way."""
    return {hop.unit: (hop.went_out, max(hop.pending, 0)) for hop in hops if (hop.hop, hop.sink) == ("deliver", NAME)}


def _why(gone: Mapping[str, int], missing: int) -> str:
    if not gone:
        return f"{missing:,} are not, and whether they were lost or deleted there cannot be known, because OpenSearch does not say"
    days = ", ".join(list(gone)[:SHOWN_DAYS]) + (f" and {len(gone) - SHOWN_DAYS} more" if len(gone) > SHOWN_DAYS else "")
    rows = sum(gone.values())
    told = f"the lake has {rows:,} of days that have no index ({days}): an index policy or a person deleted them, which of the two cannot be known"
    return told if missing <= rows else f"{told}; {missing - rows:,} more are not there, lost or deleted"


def _stored(opensearch: Performs, table: TableName) -> Stored:
    indices = f"{INDEX_PREFIX}{table}-*"
    _ask(opensearch, f"/{indices}/_refresh", None)
    documents = int(_ask(opensearch, f"/{indices}/_count", {"query": {"match_all": {}}})["count"])
    aggs = {"revisions": {"sum": {"field": "revision"}}, "indices": {"terms": {"field": "_index", "size": MAX_INDICES}}}
    told = _ask(opensearch, f"/{indices}/_search", {"size": 0, "aggs": aggs}).get("aggregations") or {}
    names = frozenset(str(one["key"]) for one in told.get("indices", {}).get("buckets", ()))
    return Stored(documents, int(told.get("revisions", {}).get("value") or 0), names)


def _ask(opensearch: Performs, path: str, body: Mapping[str, Any] | None) -> Any:  # noqa: ANN401 - JSON of OpenSearch
    try:
        return opensearch.perform_request("POST", path, params=_WHERE, body=body)
    except Exception as error:
        raise TransientError(f"opensearch: POST {path}: {' '.join(str(error).split())[:300]}") from error
