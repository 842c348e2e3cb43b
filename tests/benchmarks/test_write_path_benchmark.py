"""The write path's benchmarks measure what they say: the same batches for all sides, each row delivered, the same documents in every body."""

import json
import sqlite3
from pathlib import Path

import pytest

from benchmarks import backlog, both_legs, bulk_body, merge, searchable, spool_put, tenfold
from benchmarks.ingest import write_payloads
from benchmarks.into_opensearch import Filled
from benchmarks.into_opensearch import section as node_section
from benchmarks.log_rows import TYPES, rows
from benchmarks.payloads import EVENTS_A_PAYLOAD
from benchmarks.spool_child import frames_side, rows_side
from benchmarks.spool_peers import SHAPES, WARM_UP, batches, sqlite_side
from firehose.disk import Machine
from firehose.sinks.opensearch.attribute_split import AttributeSplit
from firehose.spool import Spool

SMALL = "400 B x 200"


def test_all_sides_are_given_the_same_batches() -> None:
    size, each, count = SHAPES[SMALL]
    made = batches(SMALL)
    assert made == batches(SMALL)
    assert len(made) == count + WARM_UP
    assert {len(batch) for batch in made} == {each}
    assert {len(record) for batch in made[:5] for record in batch} == {size}


@pytest.mark.parametrize("whole", [False, True])
def test_sqlite_keeps_every_record_in_a_synced_log(tmp_path: Path, whole: bool) -> None:
    made = batches(SMALL)[:3]
    put = sqlite_side(tmp_path, whole=whole)
    for number, batch in enumerate(made):
        put(number, batch)
    found = [body for (body,) in sqlite3.connect(tmp_path / "peer.sqlite").execute("SELECT body FROM records ORDER BY number")]
    assert b"".join(found) == b"".join(record for batch in made for record in batch)
    assert (tmp_path / "peer.sqlite-wal").exists()


def test_the_spool_keeps_every_record(tmp_path: Path) -> None:
    made = batches(SMALL)[:3]
    put = frames_side(tmp_path)
    for number, batch in enumerate(made):
        put(number, batch)
    there = Spool(tmp_path, Machine(), max_bytes=1 << 30, new_identity=lambda: "")
    assert [item.body for item in there.read(*there.start())] == [b"".join(batch) for batch in made]
    rows_side(tmp_path / "rows", SMALL)(0, made[0])
    assert sum(path.stat().st_size for path in (tmp_path / "rows").rglob("segment-*.log")) > 200 * 300


def test_the_bodies_of_all_sides_hold_the_same_documents() -> None:
    table, split = rows(0, 1_000), AttributeSplit(TYPES)
    actions = list(bulk_body._actions(table, split))
    ours = [json.loads(line) for body in bulk_body._columns(table, split) for line in body.splitlines()]
    assert len(ours) == 2_000
    for make in bulk_body.SERIALIZERS.values():
        assert [json.loads(line) for body in bulk_body._helper(actions, make()) for line in body.splitlines()] == ours
    assert [line.count("|") for line in bulk_body.section(bulk_body.measure(2, 10_000)).splitlines()[2:7]] == [7] * 5


def test_both_legs_get_every_event(tmp_path: Path) -> None:
    write_payloads("app", 15, tmp_path / "app.payloads")
    run = both_legs.child(tmp_path / "app.payloads", tmp_path / "home")
    assert (run.events, run.failed) == (5 * EVENTS_A_PAYLOAD, 0)
    assert run.bytes > run.events * 380
    assert f"| peak memory | **{run.peak_rss_mb:.0f} MB** |" in both_legs.section([run] * 3)


def test_a_backlog_is_started_with_and_a_merge_loses_no_row(tmp_path: Path) -> None:
    with backlog._opened(tmp_path / "backlog"):
        pass
    started = backlog.child(tmp_path / "backlog")
    assert started.rows == 1
    assert "a backlog" in backlog.section([started] * 2)
    merge.write_parts(tmp_path / "merge", 5, 100)
    done = merge.child(tmp_path / "merge")
    assert (done.parts, done.left_parts, done.rows, done.rounds) == (5, 1, 500, 1)
    assert "| parts before, after | **5, 1** |" in merge.section(done)


def test_tenfold_counts_what_the_ledger_has() -> None:
    found = tenfold.measure(1, 4_000, 40_000)
    assert {count: len(taken) for count, taken in found.items()} == {4_000: 1, 40_000: 1}
    assert "10 times the rows" in tenfold.section(found)


def test_the_sections_say_medians_and_the_faster_form_of_a_peer() -> None:
    def side(name: str, shape: str, seconds: float) -> spool_put.Side:
        return spool_put.Side(name, shape, [spool_put.Taken(seconds, 0.1), spool_put.Taken(3 * seconds, 0.1), spool_put.Taken(2 * seconds, 0.1)])

    names = ("frames", "rows", "sqlite rows", "sqlite")
    text = spool_put.section([side(name, shape, 1.0 + at) for at, name in enumerate(names) for shape in SHAPES], "LMDB could not be installed")
    assert "3.0 times SQLite (16 kB x 64)" in text
    assert "could not be installed" in text
    assert "| **90%** |" in node_section([Filled(1_000, 1.0, 1.0, 9.0)] * 3)
    assert "| OpenSearch | **1.50 s** |" in searchable.section({"opensearch": [1.0, 1.5, 2.0]}, 5_000.0)
