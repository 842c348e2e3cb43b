"""``GET /metrics``: what Prometheus' own parser reads there is what the ledger and the status say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from gateway.app import create_app
from gateway.server import open_node
from gateway.telemetry import MAX_QUOTAS, MAX_SOURCES, METRICS, OTHERS, metrics_page, page
from tailrace.ledger import Hop, SourceSum, open_ledger, read_hops
from tailrace.settings import Settings
from tests.gateway.test_app import bulk, payload
from tests.gateway.test_health import status

HOSTILE = 'a "quoted" \\ name\nof two lines{x="y"} 1\r' + "ü" * 256
Read = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Read:
    """Answer the samples by name and labels; each is there once."""
    found: Read = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(found: Read, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def full_status() -> dict[str, Any]:
    """A status that tells of everything that a metric is made of."""
    return {
        "status": "degraded",
        "problems": [{}],
        "threads": 9,
        **status(
            spool={"segments": 2, "rows": 70, "waiting_rows": 3, "refused": 1, "torn_bytes": 5, "holes": 4, "duplicates": 6},
            keeper={
                "rounds": 9,
                "round_s": 0.5,
                "failing_s": 0.0,
                "fresh_parts": 3,
                "due_parts": 0,
                "merged_parts": 1,
                "merged_rows": 2,
                "duplicates_removed": 3,
                "deleted_parts": 4,
            },
            doors={"syslog": {"connections": 2, "error": ""}},
            certificates={"gateway": {"names": ["localhost"], "days_left": 12.5, "error": "", "failed_handshakes": 3}},
            own_traces={"segments": 4, "spans": 12, "left_out": 1},
            heartbeat={"sent": 5, "failed": 1, "withheld": 2, "last_sent_us": 1_790_000_000_500_000},
        ),
        "quotas": [{"source": HOSTILE, "quota": "q", "bytes_today": 7, "beyond": 8, "delayed": 9}],
    }


HOPS = (Hop("deliver", "lake", "events", 10, 4, 3, 1, 1, 0, 1, 0), Hop("decode", "", "payloads", 5, 2, 0, 1, 0, 0, 2, 0))


SOURCES = {(HOSTILE, "events"): SourceSum(5, 1, 0, 0)}


def test_the_page_holds_what_the_ledger_and_the_status_say(tmp_path: Path) -> None:
    with open_node(Settings(home=tmp_path), xray=False) as node:
        door = TestClient(create_app(node.parts), base_url="http://127.0.0.1")
        bulk(door, {"message": "one", "_id": "a"}, {"message": "two", "_id": "b"}, {"message": "again", "_id": "a"})
        door.post("/_tailrace/payload", content=payload("x")[:-9])
        assert door.post("/_tailrace/flush").json() == {"flushed": True}
        answer = door.get("/metrics")
        found, hops = read(answer.text), read_hops(tmp_path / "ledger.sqlite")
        spool = door.get("/healthz").json()["spool"]
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert {(hop.hop, hop.sink, hop.unit) for hop in hops} >= {("decode", "", "payloads"), ("spool", "", "events"), ("deliver", "lake", "events")}
    fields = {"in_total": "came_in", "out_total": "went_out", "pending": "pending", "dropped_total": "dropped"}
    fields |= {"duplicate_total": "duplicate", "joined_total": "joined", "dead_total": "dead", "lost_total": "lost"}
    for hop in hops:
        told = {field: value(found, f"tailrace_ledger_{name}", hop=hop.hop, sink=hop.sink, unit=hop.unit) for name, field in fields.items()}
        assert told == {field: getattr(hop, field) for field in fields.values()}
    assert value(found, "tailrace_ledger_duplicate_total", hop="spool", sink="", unit="events") == value(found, "tailrace_spool_duplicate_rows_total") == 1
    assert (value(found, "tailrace_spool_bytes"), value(found, "tailrace_spool_rows_total")) == (spool["bytes"], 2)
    assert (value(found, "tailrace_dead_letters"), value(found, "tailrace_ledger_dead_total", hop="decode", sink="", unit="payloads")) == (1, 1)
    assert (value(found, "tailrace_sink_up", sink="lake"), value(found, "tailrace_sink_behind_rows", sink="lake")) == (1, 0)
    assert value(found, "tailrace_sink_oldest_row_age_seconds", sink="lake") == 0
    assert [value(found, "tailrace_health_state", state=state) for state in ("ok", "degraded", "ill")] == [1, 0, 0]
    assert value(found, "process_resident_memory_bytes") > 1e7
    assert value(found, "process_cpu_seconds_total") > 0
    assert value(found, "process_start_time_seconds") > 1.5e9


def test_every_metric_has_a_value_where_all_is_told_and_no_other_has_one() -> None:
    found = read(page(full_status(), HOPS, SOURCES).decode())
    own = {name for name, _ in found if name.startswith("tailrace_")}
    assert own == {metric.name for metric in METRICS}


def test_values_are_those_of_the_status_in_base_units() -> None:
    found = read(page(full_status(), HOPS, SOURCES).decode())
    named: Mapping[str, float] = {
        "tailrace_spool_limit_bytes": 1024**3,
        "tailrace_spool_waiting_rows": 3,
        "tailrace_spool_refused_puts_total": 1,
        "tailrace_spool_torn_bytes_total": 5,
        "tailrace_spool_holes_total": 4,
        "tailrace_spool_duplicate_rows_total": 6,
        "tailrace_keeper_duplicate_rows_total": 3,
        "tailrace_keeper_deleted_parts_total": 4,
        "tailrace_heartbeat_last_sent_timestamp_seconds": 1_790_000_000.5,
        "tailrace_heartbeat_failed_total": 1,
        "tailrace_health_problems": 1,
        "tailrace_threads": 9,
    }
    assert {name: value(found, name) for name in named} == named
    assert value(found, "tailrace_ledger_pending", hop="deliver", sink="lake", unit="events") == 3
    assert value(found, "tailrace_door_connections", door="syslog") == 2
    assert value(found, "tailrace_door_counts_total", door="kinesis", what="taken") == 3


def test_names_follow_the_conventions_of_prometheus() -> None:
    for metric in METRICS:
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert not metric.name.endswith(("_ms", "_us", "_kb", "_mb", "_s")), metric.name
        assert metric.meaning
        assert f"| `{metric.name}` |" in metrics_page()
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_a_source_of_quotes_backslashes_and_lines_is_one_label() -> None:
    found = read(page(full_status(), HOPS, SOURCES).decode())
    assert value(found, "tailrace_quota_day_bytes", source=HOSTILE, quota="q") == 7
    assert value(found, "tailrace_quota_beyond_events_total", source=HOSTILE, quota="q") == 8
    assert value(found, "tailrace_quota_delayed_total", source=HOSTILE, quota="q") == 9


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=256))
def test_any_source_comes_back_as_it_was(source: str) -> None:
    quota = {"source": source, "quota": "q", "bytes_today": 7, "beyond": 0, "delayed": 0}
    assert value(read(page({"quotas": [quota]}, ()).decode()), "tailrace_quota_day_bytes", source=source, quota="q") == 7


def test_half_a_character_does_not_break_the_page() -> None:
    quota = {"source": "a\ud800b", "quota": "q", "bytes_today": 7, "beyond": 0, "delayed": 0}
    assert value(read(page({"quotas": [quota]}, ()).decode()), "tailrace_quota_day_bytes", source="a?b", quota="q") == 7


def test_of_very_many_sources_those_of_the_most_bytes_are_named() -> None:
    quotas = [{"source": f"s{number}", "quota": "q", "bytes_today": number, "beyond": 0, "delayed": 0} for number in range(MAX_QUOTAS + 2)]
    shown = {dict(labels)["source"] for name, labels in read(page({"quotas": quotas}, ()).decode()) if name == "tailrace_quota_day_bytes"}
    assert shown == {f"s{number}" for number in range(2, MAX_QUOTAS + 2)}


def test_a_ledger_that_cannot_be_read_is_told_and_hides_nothing_else(tmp_path: Path) -> None:
    with open_node(Settings(home=tmp_path), xray=False) as node:
        door = TestClient(create_app(node.parts), base_url="http://127.0.0.1")
        for path in tmp_path.glob("ledger.sqlite*"):
            path.unlink()
        (tmp_path / "ledger.sqlite").write_bytes(b"this is no database, and long enough that nobody takes it for one" * 20)
        found = read(door.get("/metrics").text)
        assert (value(found, "tailrace_ledger_up"), value(found, "tailrace_sink_up", sink="lake")) == (0, 1)


@pytest.mark.parametrize(("told", "up"), [({"state": "up", "alive": True}, 1), ({"state": "failing", "alive": True}, 0), ({"state": "up", "alive": False}, 0)])
def test_a_sink_is_up_where_it_does_not_fail_and_its_thread_runs(told: dict[str, Any], up: int) -> None:
    assert value(read(page(status(sinks=told), ()).decode()), "tailrace_sink_up", sink="lake") == up


def test_sources_are_named_by_their_rows_and_the_rest_is_summed() -> None:
    sums = {(f"s{number}", unit): SourceSum(number, 1, 2, 0) for number in range(MAX_SOURCES + 3) for unit in ("events", "spans")}
    found = read(page({}, [], sums).decode())
    named = {dict(labels)["source"] for name, labels in found if name == "tailrace_source_rows_total"}
    assert named == {f"s{number}" for number in range(3, MAX_SOURCES + 3)} | {OTHERS}
    assert value(found, "tailrace_source_rows_total", source=OTHERS, unit="events") == 0 + 1 + 2
    assert value(found, "tailrace_source_dead_total", source=OTHERS, unit="spans") == 6


def test_the_sums_of_sources_are_the_ledgers_while_it_grows(tmp_path: Path) -> None:
    with open_node(Settings(home=tmp_path), xray=False) as node:
        door = TestClient(create_app(node.parts), base_url="http://127.0.0.1")
        for turn in range(2):
            bulk(door, {"message": "one", "_id": f"a{turn}"}, {"message": "two"})
            door.post("/_tailrace/payload", content=payload("x")[:-9])
            assert door.post("/_tailrace/flush").json() == {"flushed": True}
            assert node.parts.source_sums() == open_ledger(tmp_path / "ledger.sqlite").sources()
        found = read(door.get("/metrics").text)
    assert value(found, "tailrace_source_rows_total", source="gateway:bulk", unit="events") == 4
    assert value(found, "tailrace_source_dead_total", source="cloudwatch", unit="payloads") == 2
