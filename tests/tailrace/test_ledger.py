"""The ledger: counts that are added once, and what it says when they do not add up."""

import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest

from tailrace.errors import StateError
from tailrace.ledger import Key, LedgerWriter, Progress, open_ledger, read_hops

MINUTE = 60_000_000


def key(hop: str, sink: str = "", unit: str = "events", rule: str = "") -> Key:
    return Key("s", MINUTE, hop, sink, unit, rule)


def test_nothing_was_counted_where_there_is_no_file(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "none.sqlite")
    assert read_hops(tmp_path / "none.sqlite") == []
    assert ledger.check().balanced
    assert ledger.rows().num_rows == 0
    assert not (tmp_path / "none.sqlite").exists()


def test_counts_are_added_and_pending_is_what_is_left(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path / "l.sqlite")
    for _ in range(2):
        writer.apply({key("deliver", "lake"): [10, 4, 0, 1, 0, 2, 0]}, {"lake": Progress(1, 2, 3, (4, 5, 6))})
    (hop,) = read_hops(tmp_path / "l.sqlite")
    assert (hop.came_in, hop.went_out, hop.pending, hop.duplicate, hop.dead, hop.lost) == (20, 8, 6, 2, 4, 0)
    assert writer.progress() == {"lake": Progress(1, 2, 3, (4, 5, 6))}
    assert hop.to_json()["in"] == 20
    writer.close()


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path / "l.sqlite")
    with pytest.raises(sqlite3.Error):
        writer.apply({key("collect"): [1, 1, 0, 0, 0, 0, None]}, {"spool": Progress()})  # type: ignore[list-item] # wrong on purpose
    assert read_hops(tmp_path / "l.sqlite") == []
    writer.close()


def test_what_does_not_add_up_is_said(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path / "l.sqlite")
    counts = {key("collect"): [5, 4, 0, 0, 0, 0, 0], key("spool"): [3, 3, 0, 0, 0, 0, 0], key("deliver", "lake"): [3, 4, 0, 0, 0, 0, 0]}
    writer.apply(counts, {"spool": Progress(), "lake": Progress(), "opensearch": Progress()})
    check = open_ledger(tmp_path / "l.sqlite").check()
    assert check.problems == (
        "collect: 1 events lost",
        "deliver lake: 1 events more went out than came in",
        "4 events left collect, 3 came to spool",
        "3 events left spool, 0 came to deliver opensearch",
    )
    assert check.to_json()["balanced"] is False
    writer.close()


def test_a_reader_never_waits_for_the_writer(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path / "l.sqlite")
    writer.apply({key("collect"): [1, 1, 0, 0, 0, 0, 0]}, {"spool": Progress()})
    writer._connection.execute("BEGIN IMMEDIATE")
    writer._connection.execute("UPDATE counts SET count_in = 100")
    assert read_hops(tmp_path / "l.sqlite")[0].came_in == 1
    writer._connection.execute("ROLLBACK")
    writer.close()
    assert read_hops(tmp_path / "l.sqlite")[0].came_in == 1


def test_rows_are_those_of_the_minutes_that_were_asked_for(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path / "l.sqlite")
    writer.apply({Key("s", n * MINUTE, "collect", "", "events"): [1, 1, 0, 0, 0, 0, 0] for n in range(4)}, {"spool": Progress()})
    rows = open_ledger(tmp_path / "l.sqlite").rows(MINUTE + 5, 3 * MINUTE)
    assert rows.column("event_time").cast(pa.int64()).to_pylist() == [MINUTE, 2 * MINUTE]
    assert len(set(rows.column("event_id").to_pylist())) == 2
    writer.close()


def test_a_foreign_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "l.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(StateError, match="not a ledger"):
        read_hops(tmp_path / "l.sqlite")
    (tmp_path / "l.sqlite").unlink()
    sqlite3.connect(tmp_path / "l.sqlite").execute("CREATE TABLE x (y)").connection.close()
    assert read_hops(tmp_path / "l.sqlite") == []
