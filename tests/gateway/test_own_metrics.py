"""The gateway's own metrics are rows like all others, and the rules in ``examples/own-rules`` fire on what is wrong and on nothing else."""

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from alerts.engine import run_rule
from alerts.rule_file import read_rules
from alerts.state import AlertState
from collectors.collector import Collector
from collectors.steps import Work
from firehose.delivery import Delivery, MemoryStream
from gateway import server
from gateway.app import create_app
from gateway.own_metrics import SOURCE, WRITTEN, OwnMetrics, own_metrics
from gateway.server import Node, open_node
from gateway.telemetry import METRICS, Sample
from tailrace.clock import US_PER_S, ManualClock, SystemClock
from tailrace.errors import TransientError
from tailrace.fields import AttributeRegister
from tailrace.ledger import open_ledger
from tailrace.settings import Settings
from tests.collectors.sources.test_files import Rows
from tests.gateway.test_app import bulk, payload

RULES = Path(__file__).parents[2] / "examples" / "own-rules"
HOP = ("deliver", "lake", "events")


class Refusing(MemoryStream):
    """Refuses as many deliveries as it is told to, and says when it took one."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses, self.took = 0, threading.Event()

    def put(self, delivery: Delivery) -> None:
        if self.refuses:
            self.refuses -= 1
            raise TransientError("the spool is full")
        super().put(delivery)
        self.took.set()


def writer(found: Sequence[Sample], stream: MemoryStream | None = None, clock: Any = None, every_s: float = 60) -> OwnMetrics:
    """Write samples of a list, which may change, into a stream."""
    clock = clock or ManualClock()
    return OwnMetrics(lambda: list(found), Collector(stream or MemoryStream(), Work(Rows), AttributeRegister(), clock), clock, every_s)


def rows(stream: MemoryStream) -> list[dict[str, Any]]:
    return [row for delivery in stream.deliveries for row in delivery.tables["metrics"].to_pylist()]


def test_what_is_written_is_found_and_the_ledger_has_it_under_its_own_source(tmp_path: Path) -> None:
    with open_node(Settings(home=tmp_path), xray=False) as node:
        door, sut = TestClient(create_app(node.parts), base_url="http://127.0.0.1"), own_metrics(node.parts, 60)
        bulk(door, {"message": "one"})
        door.post("/_tailrace/payload", content=payload("x")[:-9])
        assert node.stream.flush()
        count = sut.write()
        assert node.stream.flush()
        query = {"query": {"bool": {"filter": [{"term": {"metric.name": "tailrace_ledger_dead"}}, {"range": {"metric.value": {"gt": 0}}}]}}}
        hits = door.post("/tailrace-metrics-*/_search", json=query).json()["hits"]["hits"]
        assert door.get("/tailrace-metrics-*/_count").json()["count"] == count
        assert door.get("/_count").json()["count"] == 1
    (found,) = [hit["_source"] for hit in hits]
    assert (found["metric.value"], found["metric.unit"], found["service.name"]) == (1.0, "Count", "tailrace")
    assert found["attributes"] == {"tailrace.hop": "decode", "tailrace.sink": "", "tailrace.unit": "payloads", "metric.temporality": "delta"}
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    own = [row for row in ledger.rows().to_pylist() if row["log_source"] == SOURCE]
    assert {(row["hop"], row["sink"], row["unit"], row["count_in"], row["count_out"]) for row in own} == {
        ("collect", "", "metrics", count, count),
        ("spool", "", "metrics", count, count),
        ("deliver", "lake", "metrics", count, count),
    }
    assert ledger.check().balanced


def test_a_counter_is_written_as_what_it_grew_by_and_a_gauge_as_it_is() -> None:
    stream, clock, found = MemoryStream(), ManualClock(), list[Sample]()
    found[:] = [("tailrace_ledger_dead_total", HOP, 5), ("tailrace_spool_used_ratio", (), 0.5), ("tailrace_threads", (), 9)]
    sut = writer(found, stream, clock)
    for dead in (5, 8, 3):
        clock.sleep(60)
        found[0] = ("tailrace_ledger_dead_total", HOP, dead)
        assert sut.write() == 2
    told = [(row["metric_name"], row["metric_value"], row["metric_unit"]) for row in rows(stream)]
    assert [value for name, value, _ in told if name == "tailrace_ledger_dead"] == [0, 3, 0]
    assert [(value, unit) for name, value, unit in told if name == "tailrace_spool_used_ratio"] == [(0.5, None)] * 3
    assert len({row["event_id"] for row in rows(stream)}) == 6


def test_what_was_not_taken_is_in_the_next_value() -> None:
    stream, found = Refusing(), list[Sample]([("tailrace_ledger_lost_total", HOP, 0)])
    sut = writer(found, stream)
    found[0], stream.refuses = ("tailrace_ledger_lost_total", HOP, 2), 1
    with pytest.raises(TransientError):
        sut.write()
    found[0] = ("tailrace_ledger_lost_total", HOP, 3)
    sut.write()
    assert [row["metric_value"] for row in rows(stream)] == [3]


def test_the_thread_goes_on_after_a_refusal() -> None:
    stream = Refusing()
    stream.refuses = 1
    with writer([("tailrace_sink_up", ("lake",), 1)], stream, SystemClock(), every_s=0):
        assert stream.took.wait(30)
    assert orjson.loads(rows(stream)[0]["attributes"]) == {"tailrace.sink": "lake"}


def test_what_is_written_are_metrics_that_there_are() -> None:
    assert set(WRITTEN) <= {metric.name for metric in METRICS}


def test_they_are_written_unless_the_setting_says_no(tmp_path: Path) -> None:
    with open_node(Settings(home=tmp_path), xray=False) as node:
        assert isinstance(server._measuring(Settings(), node.parts), OwnMetrics)
        assert isinstance(server._measuring(Settings(own_metrics_every_s=0), node.parts), nullcontext)


@pytest.fixture
def node(tmp_path: Path) -> Any:
    with open_node(Settings(home=tmp_path / "home"), xray=False) as one:
        yield one


CASES: dict[str, tuple[Sample, Sequence[float], Sequence[float], str]] = {
    "tailrace lost rows": (("tailrace_ledger_lost_total", HOP, 0), (0, 0, 0), (0, 0, 1), "Tailrace lost 1.0 events at deliver lake"),
    "tailrace dead letters": (("tailrace_ledger_dead_total", HOP, 4), (4, 4, 4), (4, 4, 6), "2.0 events became dead letters at deliver lake"),
    "tailrace sink behind": (("tailrace_sink_oldest_row_age_seconds", ("opensearch",), 0), (0, 299, 300), (0, 299, 301), "sink opensearch is 301.0 s behind"),
    "tailrace certificate": (
        ("tailrace_certificate_days_left", ("gateway",), 90),
        (90, 15, 14),
        (90, 15, 13.5),
        "the certificate of the gateway port is valid for 13.5 days",
    ),
    "tailrace keeper": (("tailrace_keeper_idle_seconds", (), 3), (3, 60, 900), (3, 60, 901), "the keeper's last round ended 901.0 s ago"),
    "tailrace spool fills": (("tailrace_spool_used_ratio", (), 0), (0.8, 0.9, 0.75), (0.8, 0.9, 0.76), "the spool of Tailrace is used to 0.76"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_rule_fires_on_what_is_wrong_and_on_nothing_else(node: Node, tmp_path: Path, name: str) -> None:
    (rule,) = [rule for rule in read_rules(RULES) if rule.name == name]
    before, fine, wrong, subject = CASES[name]
    state, clock, found = AlertState(tmp_path / "alerts.sqlite"), ManualClock(SystemClock().now_us() - 600 * US_PER_S), [before]
    own_metrics(node.parts, 60)
    sut = OwnMetrics(lambda: list(found), node.collector, clock, 60)
    for values, subjects in ((fine, []), (wrong, [subject])):
        for value in values:
            clock.sleep(20)
            found[0] = (before[0], before[1], value)
            sut.write()
        assert node.stream.flush()
        run = run_rule(node.parts.engine, state, rule, clock.now_us())
        assert (run.error, [notice.subject for notice in state.notices()]) == ("", subjects)
        clock.sleep(330)
    state.close()


def test_every_rule_of_the_folder_has_its_case() -> None:
    assert {rule.name for rule in read_rules(RULES)} == set(CASES)
