"""A row goes to the sinks that it is meant for, also after a restart, and what a sink does not get is dropped there by the rule's name."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pytest

from collectors.collector import Collector, Document
from collectors.format_file import load_formats
from collectors.from_settings import work_with
from collectors.rules.rule_file import parse_rules
from firehose import LocalFirehose
from firehose.admission import AGAIN_RULE
from firehose.batches import Batch
from firehose.dead_letters import DeadLetters
from firehose.delivery import Count, Delivery
from firehose.frame import Totals, decode_tables, encode, frame_pieces
from firehose.keeper.account import lake_rows
from firehose.routes import Tier, only, withheld
from firehose.sinks.lake.sink import LakeSink
from firehose.sinks.opensearch.sink import OpenSearchSink
from tailrace import aws
from tailrace.clock import SystemClock
from tailrace.errors import FileError, PermanentError, StateError
from tailrace.fields import AttributeRegister
from tailrace.ledger import Hop, open_ledger
from tailrace.stores.folder import FolderStore
from tailrace.yaml_file import parse_yaml
from tests.firehose.deliveries import NOON_US, lake_column, numbered, numbers, quick
from tests.firehose.fake_opensearch import FakeOpenSearch, fake_opensearch

COLD, HOT = only("cold", "route:debug"), only("hot", "route:live")


@pytest.fixture
def opensearch() -> Iterator[FakeOpenSearch]:
    with fake_opensearch() as fake:
        yield fake


def routed(first: int, count: int) -> Delivery:
    """Numbered events: those that end in 0 go cold, in 1 hot, the others to both."""
    words = [{0: COLD, 1: HOT}.get(number % 10) for number in range(first, first + count)]
    return Delivery(
        "test:a", NOON_US, {"logs": numbered(first, count)}, (Count("collect", "events", count, count),), routes={"logs": pa.array(words, pa.string())}
    )


def expected(count: int, without: int) -> list[str]:
    return [name for name in numbers(count) if int(name.removeprefix("e-")) % 10 != without]


def delivered(home: Path, sink: str) -> Hop:
    return next(hop for hop in open_ledger(home / "ledger.sqlite").hops() if (hop.hop, hop.sink) == ("deliver", sink))


def by_rule(home: Path) -> dict[tuple[str, str], int]:
    rows = open_ledger(home / "ledger.sqlite").rows().to_pylist()
    return {(row["sink"], row["rule"]): row["dropped"] for row in rows if row["dropped"]}


def check(home: Path, fake: FakeOpenSearch, count: int) -> None:
    assert sorted(lake_column(home)) == expected(count, without=1)
    assert fake.ids() == expected(count, without=0)
    found = open_ledger(home / "ledger.sqlite").check()
    assert found.balanced, found.problems
    for sink in ("lake", "opensearch"):
        hop = delivered(home, sink)
        assert (hop.came_in, hop.went_out, hop.dropped, hop.pending) == (count, count * 9 // 10, count // 10, 0)
    assert by_rule(home) == {("lake", "route:live"): count // 10, ("opensearch", "route:debug"): count // 10}
    assert lake_rows(FolderStore(home / "lake"))["logs"] == delivered(home, "lake").went_out


def test_rows_go_where_they_are_meant_to(tmp_path: Path, opensearch: FakeOpenSearch) -> None:
    with LocalFirehose(quick(tmp_path, opensearch_url=opensearch.url), SystemClock()) as stream:
        for first in range(0, 200, 20):
            stream.put(routed(first, 20))
            stream.put(routed(first, 20))
        assert stream.flush()
    found = delivered(tmp_path, "lake")
    assert found.came_in == 200
    check(tmp_path, opensearch, 200)


def test_a_route_is_kept_by_the_spool_while_a_sink_is_down(tmp_path: Path, opensearch: FakeOpenSearch) -> None:
    opensearch.faults.extend(["503"] * 1_000)
    for first in (0, 100):
        with LocalFirehose(quick(tmp_path, opensearch_url=opensearch.url), SystemClock()) as stream:
            stream.put(routed(first, 100))
            assert stream.flush()
    assert delivered(tmp_path, "opensearch").pending == 180
    opensearch.faults.clear()
    with LocalFirehose(quick(tmp_path, opensearch_url=opensearch.url), SystemClock()) as stream:
        assert stream.flush()
        while delivered(tmp_path, "opensearch").pending:
            stream.flush()
    check(tmp_path, opensearch, 200)


class RefusesFirst(LakeSink):
    """A lake that takes nothing at first."""

    refuses = True

    def attempt(self, batch: Batch, stem: str) -> Any:
        return self if self.refuses else super().attempt(batch, stem)

    def run(self) -> Any:
        raise PermanentError("never")


def test_what_a_sink_refused_whole_is_put_again_for_it_alone(tmp_path: Path, opensearch: FakeOpenSearch) -> None:
    settings, dead = quick(tmp_path, opensearch_url=opensearch.url), DeadLetters(tmp_path / "dead")
    lake = RefusesFirst(FolderStore(tmp_path / "lake"), flush_after_s=0.02, flush_bytes=1 << 26)
    search = OpenSearchSink(aws.opensearch(settings).transport, AttributeRegister(), dead, SystemClock())
    with LocalFirehose(settings, SystemClock(), sinks=[lake, search]) as stream:
        stream.put(routed(0, 20))
        assert stream.flush()
        lake.refuses = False
        rows = dead.rows(100)
        assert len(rows) == 18
        for row in rows:
            letter = dead.get(row["id"])
            assert letter is not None
            assert stream.replay(letter, row["id"])
        assert stream.flush()
    assert sorted(lake_column(tmp_path)) == expected(20, without=1)
    assert opensearch.ids() == expected(20, without=0)
    assert by_rule(tmp_path)["opensearch", AGAIN_RULE] == 18
    assert open_ledger(tmp_path / "ledger.sqlite").check().balanced


def test_the_head_of_a_frame_counts_what_a_tier_does_not_get() -> None:
    encoded = encode(routed(0, 20), {}, {})
    assert encoded.head.tables[0].withheld == {"hot": {"route:debug": 2}, "cold": {"route:live": 2}}
    assert frame_pieces(encoded, Totals(), 0, 7)
    assert [decode_tables(encoded.head, encoded.body, tier)["logs"].num_rows for tier in get_args(Tier)] == [18, 18]
    assert decode_tables(encoded.head, encoded.body)["logs"].equals(numbered(0, 20))


def test_routes_that_are_wrong_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no such route"):
        withheld(pa.array(["warm x"]))
    bad = Delivery("test:a", NOON_US, {"logs": numbered(0, 3)}, (Count("collect", "events", 3, 3),), routes={"logs": pa.array([COLD])})
    with LocalFirehose(quick(tmp_path), SystemClock()) as stream, pytest.raises(PermanentError, match="not one a row"):
        stream.put(bad)


def rules_of(text: str) -> Any:
    return parse_rules(parse_yaml(text.encode(), "pipeline.yaml"), Path())


def test_rules_say_where_rows_go_and_the_first_one_decides(tmp_path: Path, opensearch: FakeOpenSearch) -> None:
    rules = rules_of(
        "drop: [{name: noise, when: {message: noise}}]\n"
        "route:\n"
        "  - {name: kept, when: {service.name: pay}, to: both}\n"
        "  - {name: debug, when: {severity_text: DEBUG}, to: cold}\n"
        "  - {name: live, when: {message: {matches: '^live'}}, to: hot}\n"
        "redact: [email]"
    )
    register = AttributeRegister()
    settings = quick(tmp_path, opensearch_url=opensearch.url)
    documents = [("INFO", "cart", "a"), ("DEBUG", "cart", "b"), ("DEBUG", "pay", "c"), ("INFO", "cart", "live a@b.example"), ("INFO", "cart", "noise")]
    with LocalFirehose(settings, SystemClock(), register=register) as stream:
        sut = Collector(stream, work_with(load_formats(), register, rules), register, SystemClock())
        bodies = [json.dumps({"level": level, "service": service, "message": message}).encode() for level, service, message in documents]
        sut.collect_documents([Document(body, "logs", f"id{number}") for number, body in enumerate(bodies)])
        assert stream.flush()
    assert sorted(lake_column(tmp_path, "message")) == ["a", "b", "c"]
    assert sorted(document["message"] for _, document in opensearch.documents.values() if "message" in document) == ["a", "c", "live [email]"]
    assert by_rule(tmp_path) == {("", "drop:noise"): 1, ("lake", "route:live"): 1, ("opensearch", "route:debug"): 1}
    assert open_ledger(tmp_path / "ledger.sqlite").check().balanced


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{when: {message: x}, to: hot}", "needs a name"),
        ("{name: x, when: {message: x}}", "hot, cold or both"),
        ("{name: x, when: {message: x}, to: warm}", "hot, cold or both"),
        ("{name: x, to: hot}", "conditions"),
        ("{name: x, when: {message: x}, to: hot, keep: 1}", "no such option: keep"),
        ("{name: x, when: {message: x}, to: hot}, {name: x, when: {message: x}, to: hot}", "two rules"),
    ],
)
def test_a_route_that_is_wrong_is_said_with_its_place(text: str, message: str) -> None:
    with pytest.raises(FileError, match=message) as raised:
        rules_of(f"route: [{text}]")
    assert raised.value.line == 1
