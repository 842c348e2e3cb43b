"""Counting OpenSearch: what is there against what the ledger says was stored there.

What went out is the ledger's ``out`` of the sink (which leaves out what was there before, the duplicates) and the documents that were sent again from dead letters. A higher revision takes the place of
its document, so of ``sent`` documents at least ``sent - revisions`` are there, where ``revisions`` is the sum of the field over the documents, and at most ``sent``, and what is on its way.

OpenSearch does not say what was deleted. What retention and erasure deleted is noted by ourselves (``firehose.opensearch_gone``). A policy of OpenSearch's deletes days: what the lake has of days that have no index explains that much of what is missing, and is told as such; a document that was
deleted out of an index that is there cannot be told from one that was lost.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from firehose.frame import UNITS
from firehose.opensearch_gone import gone_documents
from firehose.opensearch_indices import MISSING_IS_WELL, Performs, ask, day_indices, refresh
from tailrace.forms import INDEX_PREFIX, index_name
from tailrace.ledger import Hop
from tailrace.schema import TableName

NAME: Final = "opensearch"
MAX_INDICES: Final = 10_000
SHOWN_DAYS: Final = 3


@dataclass(frozen=True, slots=True)
class Stored:
    """What is in the indices of a table: documents, the sum of their revisions, and the names of the indices; and how many documents retention and erasure deleted.

    Those that were deleted count in ``documents`` and ``revisions``: they were stored.
    """

    documents: int
    revisions: int
    indices: frozenset[str] = field(default_factory=frozenset)
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """What does not add up, and what cannot be known."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def stored(opensearch: Performs, gone: Path | None = None, *, serverless: bool = False) -> dict[TableName, Stored]:
    """Count each table's indices, after what was written is searchable (OpenSearch Serverless cannot be told so); ``gone`` is the account of what was deleted.

    Raises :class:`TransientError` where OpenSearch does not answer.
    """
    noted = gone_documents(gone, {one.uuid for one in day_indices(opensearch)}) if gone and gone.exists() else {}
    return {table: _stored(opensearch, table, *noted.get(table, (0, 0)), serverless=serverless) for table in UNITS}


def account(
    hops: Sequence[Hop],
    sent_again: int,
    found: Mapping[TableName, Stored],
    lake_days: Mapping[TableName, Mapping[str, int]],
    *,
    after: Sequence[Hop] | None = None,
) -> Account:
    """Lay what is there beside what the ledger said went there before the count (``hops``), which must be there, and ``after`` it, beyond which nothing may be; ``None``: it said the same.

    ``lake_days`` are the rows that the lake has of each day (``YYYY-MM-DD``) of a table. Of documents that were sent again it is not known which table they are of, so they may be of any.
    """
    problems: list[str] = []
    notes: list[str] = []
    sent_before, sent_after = _sent(hops), _sent(hops if after is None else after)
    for table, unit in UNITS.items():
        there, (out, _), (later, pending) = found[table], sent_before.get(unit, (0, 0)), sent_after.get(unit, (0, 0))
        missing = out - there.documents - there.revisions
        if there.documents > later + sent_again + pending:
            more = "others write there, or they are older than the ledger"
            problems.append(f"{later:,} {unit} went to {NAME}, {_there(there)}: {more}")
        elif missing > 0:
            gone = {day: rows for day, rows in sorted(lake_days.get(table, {}).items()) if index_name(table, day) not in there.indices}
            text = f"{out:,} {unit} went to {NAME}, {_there(there)}"
            (notes if missing <= sum(gone.values()) else problems).append(f"{text}: {_why(gone, missing)}")
    return Account(tuple(problems), tuple(notes))


def _sent(hops: Iterable[Hop]) -> dict[str, tuple[int, int]]:
    """Answer by unit what went out to OpenSearch, and what is on its way."""
    return {hop.unit: (hop.went_out, max(hop.pending, 0)) for hop in hops if (hop.hop, hop.sink) == ("deliver", NAME)}


def _there(found: Stored) -> str:
    deleted = f" and {found.deleted:,} were deleted by retention or erasure" if found.deleted else ""
    return f"{found.documents - found.deleted:,} are there{deleted}"


def _why(gone: Mapping[str, int], missing: int) -> str:
    if not gone:
        return f"{missing:,} are not, and whether they were lost or deleted there cannot be known, because OpenSearch does not say"
    days = ", ".join(list(gone)[:SHOWN_DAYS]) + (f" and {len(gone) - SHOWN_DAYS} more" if len(gone) > SHOWN_DAYS else "")
    rows = sum(gone.values())
    told = f"the lake has {rows:,} of days that have no index ({days}): an index policy or a person deleted them, which of the two cannot be known"
    return told if missing <= rows else f"{told}; {missing - rows:,} more are not there, lost or deleted"


def _stored(opensearch: Performs, table: TableName, deleted: int, their_revisions: int, *, serverless: bool) -> Stored:
    indices = f"{INDEX_PREFIX}{table}-*"
    refresh(opensearch, indices, serverless=serverless)
    documents = int(ask(opensearch, "POST", f"/{indices}/_count", {"query": {"match_all": {}}}, MISSING_IS_WELL)["count"])
    aggs = {"revisions": {"sum": {"field": "revision"}}, "indices": {"terms": {"field": "_index", "size": MAX_INDICES}}}
    told = ask(opensearch, "POST", f"/{indices}/_search", {"size": 0, "aggs": aggs}, MISSING_IS_WELL).get("aggregations") or {}
    names = frozenset(str(one["key"]) for one in told.get("indices", {}).get("buckets", ()))
    return Stored(documents + deleted, int(told.get("revisions", {}).get("value") or 0) + their_revisions, names, deleted)
