"""Lines that a format could not read are read again after it was mended: the new row takes the old one's place in the lake and in OpenSearch, once."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from starlette.testclient import TestClient

from collectors.envelopes.opened import Sent
from collectors.from_settings import collector_from_settings, reparse_from_settings
from collectors.lines import Lines, Origin
from firehose import LocalFirehose
from firehose.keeper import Keeper
from firehose.keeper.account import lake_rows
from gateway.app import create_app
from gateway.server import open_node
from queries.workspace import Workspace
from tailrace.cli import root
from tailrace.clock import US_PER_DAY, US_PER_HOUR, ManualClock, SystemClock
from tailrace.errors import TransientError
from tailrace.fields import AttributeRegister
from tailrace.ledger import open_ledger
from tailrace.stores.folder import FolderStore
from tests.collectors.envelopes.otlp.requests import TRACE, logs_request, pairs
from tests.collectors.envelopes.otlp.requests import value as otlp_value
from tests.firehose.deliveries import lake_column, quick
from tests.firehose.fake_opensearch import FakeOpenSearch, fake_opensearch

NOON_US = 20_000 * US_PER_DAY + US_PER_DAY // 2
BROKEN = r"""
name: shop.orders
description: orders of the shop
specification: none
detect: {line: '^order ', rank: 5}
reader: pattern
options: {patterns: ['^order (?P<id>[0-9]+) of (?P<user>[a-z]+) took (?P<ms>[0-9]+)$']}
columns:
  - {source: id, attribute: shop.order, type: long}
  - {source: user, attribute: enduser.id}
  - {source: ms, field: duration_s, type: double, scale: 0.001}
"""
MENDED = BROKEN.replace("(?P<ms>[0-9]+)$", "(?P<ms>[0-9]+) ?(?:ms)?(?: at (?P<at>[0-9TZ:-]+))?$").replace("columns:", "time: {source: at, form: iso}\ncolumns:")


class Place:
    """A home folder with a format of the user's, and an OpenSearch beside it."""

    def __init__(self, home: Path, fake: FakeOpenSearch) -> None:
        self.fake, self.formats, self.home = fake, home / "formats", home / "home"
        self.formats.mkdir()
        self.settings = quick(self.home, opensearch_url=fake.url, formats=str(self.formats))
        self.clock = ManualClock(NOON_US)
        self.write(BROKEN)

    def write(self, text: str) -> None:
        (self.formats / "orders.yaml").write_text(text)

    def ingest(self, *texts: str, at_us: int | None = None, start: int = 0) -> None:
        register = AttributeRegister(self.settings.register_path)
        with LocalFirehose(self.settings, self.clock, register=register) as stream:
            sut = collector_from_settings(self.settings, stream, register, self.clock)
            ids = pa.array([f"e{number}" for number in range(start, start + len(texts))])
            times = pa.array([at_us] * len(texts), pa.timestamp("us"))
            sut.collect_lines(Lines(Origin("file:orders.log", "file", format="shop.orders"), self.clock.now_us(), pa.array(texts), ids, times))
            sut.close()
            assert stream.flush()

    def reparse(self, *times: int) -> dict[str, Any]:
        register = AttributeRegister(self.settings.register_path)
        with LocalFirehose(self.settings, self.clock, register=register) as stream:
            report = reparse_from_settings(self.settings, stream, register, self.clock).run("shop.orders", *times)
            assert stream.flush()
        return report.to_json()

    def lake(self) -> dict[str, dict[str, Any]]:
        """Rows of the lake by event id, as the lake's engine answers them; each is there once."""
        with Workspace(self.settings, self.clock) as space:
            hits = space.engine("lake").search("logs", {"query": {"match_all": {}}, "size": 1_000})["hits"]["hits"]
        assert len({hit["_id"] for hit in hits}) == len(hits)
        return {hit["_id"]: hit["_source"] for hit in hits}

    def search(self) -> dict[str, dict[str, Any]]:
        """Documents of OpenSearch by event id; each is there once."""
        assert len({identity for _, identity in self.fake.documents}) == len(self.fake.documents)
        return {identity: document for (_, identity), (_, document) in self.fake.documents.items()}

    def check(self) -> None:
        """Check that everything adds up, and that both engines say the same."""
        found = open_ledger(self.settings.ledger_path).check()
        assert found.balanced, found.problems
        out = sum(hop.went_out for hop in found.hops if (hop.hop, hop.sink, hop.unit) == ("deliver", "lake", "events"))
        assert lake_rows(FolderStore(self.home / "lake"))["logs"] == out
        lake, search = self.lake(), self.search()
        assert {name: (row["parse_status"], row["revision"], row["message"]) for name, row in lake.items()} == {
            name: (row["parse_status"], row["revision"], row["message"]) for name, row in search.items()
        }


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with fake_opensearch() as fake:
        yield Place(tmp_path, fake)


ORDERS = [f"order {number} of bob took {number}{unit}" for number, unit in enumerate(["", "ms", "ms", "", " ms", "s"])]


def test_a_mended_format_reads_stored_lines_and_both_engines_have_the_new_rows(place: Place) -> None:
    place.ingest(*ORDERS)
    assert [row["parse_status"] for row in place.lake().values()].count("failed") == 4
    assert place.reparse()["replaced"] == 0
    place.write(MENDED)
    assert place.reparse() == {"read": 4, "replaced": 4, "parsed": 3, "partial": 0, "failed": 1, "moved": 0}
    found = place.lake()
    assert {name: (row["parse_status"], row["revision"]) for name, row in found.items()} == {
        "e0": ("parsed", 0),
        "e1": ("parsed", 1),
        "e2": ("parsed", 1),
        "e3": ("parsed", 0),
        "e4": ("parsed", 1),
        "e5": ("failed", 1),
    }
    assert found["e5"]["parse_error"] == "reading stopped at at"  # the reason is that of the format as it is now
    assert (found["e2"]["duration_s"], found["e2"]["attributes"]["enduser.id"], found["e2"]["log.source"]) == (0.002, "bob", "file:orders.log")
    assert place.search()["e2"]["duration_s"] == 0.002
    place.check()
    sources = {row["log_source"]: row["count_in"] for row in open_ledger(place.settings.ledger_path).rows().to_pylist() if row["hop"] == "collect"}
    assert sources == {"file:orders.log": 6, "reparse:shop.orders": 4}


def test_doing_it_again_does_nothing(place: Place) -> None:
    place.ingest(*ORDERS)
    place.write(MENDED)
    place.reparse()
    before = sorted(path.name for path in (place.home / "lake").rglob("*.parquet"))
    assert place.reparse() == {"read": 1, "replaced": 0, "parsed": 0, "partial": 0, "failed": 1, "moved": 0}
    assert sorted(path.name for path in (place.home / "lake").rglob("*.parquet")) == before
    place.check()


def test_a_row_whose_time_is_known_now_moves_to_its_hour_and_day(place: Place) -> None:
    place.ingest("order 1 of bob took 1ms at 2024-10-01T08:00:00Z", "order 2 of bob took 2ms at 2024-10-04T09:30:00Z", "order 3 of bob took 3ms")
    place.write(MENDED)
    assert place.reparse()["moved"] == 2
    times = {name: row["@timestamp"][:16] for name, row in place.lake().items()}
    assert times == {"e0": "2024-10-01T08:00", "e1": "2024-10-04T09:30", "e2": "2024-10-04T12:00"}
    assert {index[-10:] for index, _ in place.fake.documents} == {"2024.10.01", "2024.10.04"}
    assert place.reparse()["read"] == 0
    place.check()


def test_a_time_that_the_envelope_gave_stays(place: Place) -> None:
    place.ingest("order 1 of bob took 1ms at 2024-10-01T08:00:00Z", at_us=NOON_US - 5_000)
    place.write(MENDED)
    assert place.reparse()["moved"] == 0
    assert place.lake()["e0"]["@timestamp"].startswith("2024-10-04T11:59:59.995")


def test_a_range_of_time_may_be_named(place: Place) -> None:
    place.ingest("order 1 of bob took 1ms")
    place.clock.sleep(7_200)
    place.ingest("order 2 of bob took 2ms", start=10)
    place.write(MENDED)
    assert place.reparse(NOON_US + US_PER_HOUR)["replaced"] == 1
    assert {name: row["revision"] for name, row in place.lake().items()} == {"e0": 0, "e10": 1}
    assert place.reparse(0, NOON_US)["read"] == 0


def test_rows_are_replaced_in_merged_parts_too_and_stay_replaced_when_parts_are_merged(place: Place) -> None:
    for start in range(0, 60, 20):
        place.ingest(*[f"order {n} of bob took {n}{'ms' if n % 2 else ''}" for n in range(start, start + 20)], start=start)
    keeper = Keeper(place.settings, place.clock, grace_s=0.0)
    assert keeper.round(force=True).parts == 3
    place.ingest(*[f"order {n} of bob took {n}{'ms' if n % 2 else ''}" for n in range(60, 80)], start=60)
    place.write(MENDED)
    assert place.reparse()["replaced"] == 40
    place.check()
    for _ in range(3):
        keeper.round(force=True)
        place.clock.sleep(4_000)
    assert {row["parse_status"] for row in place.lake().values()} == {"parsed"}
    assert len(lake_column(place.home)) == 80
    place.check()


def test_lines_of_another_format_now_are_found_to_be_of_it(place: Place) -> None:
    place.ingest('{"level":"ERROR","message":"no order"}')
    assert place.reparse()["parsed"] == 1
    row = place.lake()["e0"]
    assert (row["log.format"], row["severity_text"], row["message"]) == ("app.json", "ERROR", "no order")
    place.check()


def test_a_format_that_reads_worse_changes_nothing(place: Place) -> None:
    place.write(BROKEN.replace("took (?P<ms>[0-9]+)", "took (?P<ms>[0-9a-z]+)"))
    place.ingest("order 1 of bob took 1ms")
    assert place.lake()["e0"]["parse_status"] == "partial"
    place.write(BROKEN)
    assert place.reparse() == {"read": 1, "replaced": 0, "parsed": 0, "partial": 0, "failed": 1, "moved": 0}
    assert place.lake()["e0"]["parse_status"] == "partial"


def test_an_opensearch_that_is_down_gets_the_rows_later(place: Place) -> None:
    place.ingest(*ORDERS)
    place.write(MENDED)
    place.fake.faults.extend(["503"] * 3)
    place.reparse()
    with LocalFirehose(place.settings, place.clock) as stream:
        assert stream.flush()
        while any(sink["behind_rows"] for sink in stream.status()["sinks"]):
            stream.flush()
    place.check()


def test_rows_stay_on_the_way_that_they_went(place: Place) -> None:
    place.home.mkdir()
    (place.home / "pipeline.yaml").write_text("route: [{name: failed, when: {parse_status: failed}, to: cold}]")
    place.ingest(*ORDERS)
    place.write(MENDED)
    assert place.reparse()["replaced"] == 4
    assert sorted(place.search()) == ["e0", "e3"]
    assert {row["parse_status"] for name, row in place.lake().items() if name != "e5"} == {"parsed"}


def test_a_withdrawal_that_fails_is_made_up_for_the_next_time(place: Place) -> None:
    place.ingest("order 1 of bob took 1ms at 2024-10-01T08:00:00Z")
    place.write(MENDED)
    register = AttributeRegister(place.settings.register_path)

    class Fails(LocalFirehose):
        def withdraw(self, name: Any, rows: pa.Table) -> None:
            raise TransientError("not now")

    with Fails(place.settings, place.clock, register=register) as stream, pytest.raises(TransientError):
        reparse_from_settings(place.settings, stream, register, place.clock).run("shop.orders")
    assert len(lake_column(place.home)) == 2
    assert place.reparse()["moved"] == 1
    assert place.lake()["e0"]["revision"] == 1
    place.check()


def test_the_command_does_it_where_nothing_runs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("HOME", place.home), ("FORMATS", place.formats), ("OPENSEARCH_URL", place.fake.url)):
        monkeypatch.setenv(f"TAILRACE_{name}", str(value))
    place.ingest(*ORDERS[:3])
    assert CliRunner().invoke(root, ["reparse", "shop.orders", "--from", "now-30000d", "--json"]).exit_code == 1
    place.write(MENDED)
    result = CliRunner().invoke(root, ["reparse", "shop.orders"])
    assert (result.exit_code, "2 rows replaced" in result.output) == (0, True)
    assert "did you mean" in str(CliRunner().invoke(root, ["reparse", "shop.order"]).exception)
    with LocalFirehose(place.settings, SystemClock()):
        monkeypatch.setenv("TAILRACE_GATEWAY_PORT", "9")
        assert "does not answer" in str(CliRunner().invoke(root, ["reparse", "shop.orders"]).exception)


def test_the_gateway_does_it_and_reads_new_lines_with_the_mended_format(place: Place) -> None:
    place.ingest(*ORDERS[:3])
    with open_node(place.settings, xray=False) as node:
        door = TestClient(create_app(node.parts), base_url="http://127.0.0.1")
        place.write(MENDED)
        answer = door.post("/_tailrace/reparse?format=shop.orders").json()
        assert (answer["read"], answer["replaced"]) == (2, 2)
        origin = Origin("file:orders.log", "file", format="shop.orders")
        now = SystemClock().now_us()
        node.collector.collect_lines(Lines(origin, now, pa.array(["order 9 of eve took 9ms"]), pa.array(["e9"]), pa.nulls(1, pa.timestamp("us"))))
        assert node.stream.flush()
        assert door.post("/_tailrace/reparse").status_code == 400
        assert door.post("/_tailrace/reparse?format=shop.none").status_code == 400
        assert door.get("/_tailrace/status").json()["parse_health"]["formats"]
    assert {row["parse_status"] for row in place.lake().values()} == {"parsed"}
    place.check()


def test_what_the_sender_said_beside_the_line_is_there_when_it_is_read_again(place: Place) -> None:
    told: dict[str, Any] = {"time_unix_nano": NOON_US * 1_000, "severity_number": 17, "trace_id": TRACE, "body": otlp_value("order 1 of ann took 7 ms")}
    record = LogRecord(**told, attributes=pairs({"cart": 3}))
    register = AttributeRegister(place.settings.register_path)
    with LocalFirehose(place.settings, place.clock, register=register) as stream:
        sut = collector_from_settings(place.settings, stream, register, place.clock)
        sut.collect_sent([("otlp_logs", Sent(logs_request(record).SerializeToString(), "otlp:logs", "p", format="shop.orders"))])
        sut.close()
        assert stream.flush()
    (before,) = place.lake().values()
    place.write(MENDED)
    assert place.reparse()["replaced"] == 1
    (after,) = place.lake().values()
    said = ("severity_text", "trace_id", "host.name", "service.name", "cloud.region")
    assert (before["parse_status"], after["parse_status"], after["duration_s"]) == ("failed", "parsed", 0.007)
    assert {name: after[name] for name in said} == {name: before[name] for name in said}
    assert after["attributes"].items() >= {"cart": 3, "k8s.pod.name": "web-7", "shop.order": 1, "enduser.id": "ann"}.items()


def test_readers_see_each_row_once_while_rows_are_replaced(place: Place) -> None:
    place.ingest(*[f"order {n} of bob took {n}ms" for n in range(200)])
    place.write(MENDED)
    stop, seen = threading.Event(), set[int]()

    def read() -> None:
        with Workspace(place.settings, place.clock) as space:
            while not stop.is_set():
                seen.add(space.engine("lake").count("logs", {"query": {"match_all": {}}}))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert place.reparse()["replaced"] == 200
    finally:
        stop.set()
        reader.join()
    assert seen == {200}
