"""What OpenSearch has, against what the ledger says went there; and what cannot be known is said."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from firehose.opensearch_account import Stored, account, stored
from tailrace import aws
from tailrace.errors import TransientError
from tailrace.ledger import Hop
from tailrace.schema import TableName
from tests.firehose.deliveries import quick
from tests.firehose.fake_opensearch import fake_opensearch

DAYS: Mapping[TableName, Mapping[str, int]] = {"logs": {"2026-11-20": 40, "2026-11-21": 60}}
BOTH = frozenset({"tailrace-logs-2026.11.20", "tailrace-logs-2026.11.21"})


def hop(out: int, *, pending: int = 0, duplicate: int = 0, dead: int = 0, sink: str = "opensearch") -> Hop:
    return Hop("deliver", sink, "events", out + pending + duplicate + dead, out, pending, 0, duplicate, 0, dead, 0)


def found(documents: int, revisions: int = 0, indices: frozenset[str] = BOTH) -> dict[TableName, Stored]:
    return {"logs": Stored(documents, revisions, indices), "spans": Stored(0, 0), "metrics": Stored(0, 0)}


@pytest.mark.parametrize(
    ("out", "documents", "revisions", "sent_again", "pending"),
    [
        (100, 100, 0, 0, 0),
        (100, 90, 10, 0, 0),
        (100, 95, 10, 0, 0),
        (98, 100, 0, 2, 0),
        (98, 98, 0, 2, 0),
        (90, 100, 0, 0, 10),
        (90, 90, 0, 0, 10),
        (0, 0, 0, 0, 0),
    ],
)
def test_duplicates_revisions_resent_documents_and_what_is_on_its_way_are_accounted_for(
    out: int, documents: int, revisions: int, sent_again: int, pending: int
) -> None:
    told = account([hop(out, pending=pending, duplicate=7), hop(3, sink="lake")], sent_again, found(documents, revisions), DAYS)
    assert (told.problems, told.notes) == ((), ())


def test_documents_that_are_missing_from_indices_that_are_there_are_a_fault_and_it_is_said_what_cannot_be_known() -> None:
    told = account([hop(100)], 0, found(99), DAYS)
    assert told.problems == (
        "100 events went to opensearch, 99 are there: 1 are not, and whether they were lost or deleted there cannot be known, because OpenSearch does not say",
    )


def test_days_whose_index_is_gone_are_no_fault_and_are_told() -> None:
    told = account([hop(100)], 0, found(60, indices=frozenset({"tailrace-logs-2026.11.21"})), DAYS)
    assert told.problems == ()
    (note,) = told.notes
    assert "the lake has 40 of days that have no index (2026-11-20)" in note
    assert "cannot be known" in note


def test_more_that_is_missing_than_the_days_that_are_gone_had_is_a_fault() -> None:
    told = account([hop(100)], 0, found(59, indices=frozenset({"tailrace-logs-2026.11.21"})), DAYS)
    assert told.notes == ()
    assert "1 more are not there, lost or deleted" in told.problems[0]


def test_documents_that_nobody_sent_are_a_fault() -> None:
    assert "others write there" in account([hop(100)], 0, found(101), DAYS).problems[0]
    assert "others write there" in account([], 0, found(1), DAYS).problems[0]


@pytest.mark.parametrize(("documents", "faults"), [(99, 1), (100, 0), (110, 0), (115, 0), (116, 1)])
def test_documents_that_arrive_while_they_are_counted_are_no_fault(documents: int, faults: int) -> None:
    told = account([hop(100, pending=3)], 0, found(documents), DAYS, after=[hop(110, pending=5)])
    assert len(told.problems) == faults


def test_a_server_that_is_not_there_is_said() -> None:
    with fake_opensearch() as fake:
        url = fake.url
    with pytest.raises(TransientError, match="_refresh"):
        stored(aws.opensearch(quick(Path("x"), opensearch_url=url)).transport)
