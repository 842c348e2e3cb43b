"""Documents reach OpenSearch once, whatever it answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import opensearchpy
import pytest

from firehose import LocalFirehose
from firehose.dead_letters import DeadLetters
from firehose.sinks.opensearch.answer import STORED, read_answer
from tailrace.clock import SystemClock
from tailrace.errors import PermanentError, TransientError
from tailrace.fields import AttributeRegister
from tailrace.ledger import Hop, open_ledger
from tailrace.schema import FieldType
from tests.firehose.deliveries import delivery_of, events, everything_delivered, lake_column, numbers, quick, table_of
from tests.firehose.fake_opensearch import FakeOpenSearch, Fault, fake_opensearch


@pytest.fixture
def fake() -> Iterator[FakeOpenSearch]:
    with fake_opensearch() as found:
        yield found


@contextmanager
def stream_to(home: Path, fake: FakeOpenSearch) -> Iterator[LocalFirehose]:
    with LocalFirehose(quick(home, opensearch_url=fake.url), SystemClock()) as stream:
        yield stream


def delivered(home: Path, sink: str = "opensearch") -> Hop:
    return next(hop for hop in open_ledger(home / "ledger.sqlite").hops() if hop.sink == sink)


@pytest.mark.parametrize("fault", ["429", "503", "cut", "refuse", "short", "garbage", "partial429", "block", "403", "slow"])
def test_after_a_fault_each_document_is_there_once_and_none_is_a_duplicate(tmp_path: Path, fake: FakeOpenSearch, fault: Fault) -> None:
    fake.faults += [fault, fault]
    with stream_to(tmp_path, fake) as stream:
        stream.put(events(0, 20))
        assert everything_delivered(stream)
        assert lake_column(tmp_path) != []
    assert fake.ids() == numbers(20)
    hop = delivered(tmp_path)
    assert (hop.went_out, hop.duplicate, hop.dead, hop.pending) == (20, 0, 0, 0)


@pytest.mark.parametrize("fault", ["413", "400"])
def test_a_request_that_is_refused_whole_is_halved(tmp_path: Path, fake: FakeOpenSearch, fault: Fault) -> None:
    fake.faults += [fault]
    with stream_to(tmp_path, fake) as stream:
        stream.put(events(0, 20))
        assert everything_delivered(stream)
    assert fake.ids() == numbers(20)
    assert fake.requests == 3
    assert delivered(tmp_path).duplicate == 0


def test_a_document_that_is_too_long_alone_is_a_dead_letter(tmp_path: Path, fake: FakeOpenSearch) -> None:
    fake.max_bytes = 2_000
    with stream_to(tmp_path, fake) as stream:
        stream.put(delivery_of(table_of([{"event_id": "e-0", "message": "short"}, {"event_id": "long", "message": "x" * 3_000}, {"event_id": "e-1"}])))
        assert everything_delivered(stream)
    assert fake.ids() == ["e-0", "e-1"]
    assert [row["reason"][:3] for row in DeadLetters(tmp_path / "dead").rows(9)] == ["413"]
    assert delivered(tmp_path).dead == 1


def test_a_poison_document_is_a_dead_letter_and_stops_no_other(tmp_path: Path, fake: FakeOpenSearch) -> None:
    fake.poison = {"e-7", "e-8"}
    with stream_to(tmp_path, fake) as stream:
        stream.put(events(0, 1_000))
        assert everything_delivered(stream)
        rows = stream.dead.rows(10)
        assert {row["reason"] for row in rows} == {"400 t: failed to parse field"}
        letter = stream.dead.get(str(rows[0]["id"]))
        assert letter is not None
        assert json.loads(letter.body)["event_id"] in fake.poison
        with pytest.raises(PermanentError, match="refuses it again"):
            stream.replay(letter, "os-0")
        fake.poison = set()
        assert stream.replay(letter, "os-0")
    assert len(fake.ids()) == 999
    assert sorted(lake_column(tmp_path)) == numbers(1_000)
    hop = delivered(tmp_path)
    assert (hop.went_out, hop.dead) == (998, 2)
    assert open_ledger(tmp_path / "ledger.sqlite").check().balanced


def test_what_was_there_before_is_a_duplicate(tmp_path: Path, fake: FakeOpenSearch) -> None:
    fake.documents["tailrace-logs-2026.09.21", "e-3"] = (1, {})
    with stream_to(tmp_path, fake) as stream:
        stream.put(events(0, 5))
        assert everything_delivered(stream)
    hop = delivered(tmp_path)
    assert (hop.went_out, hop.duplicate) == (4, 1)


def test_a_higher_revision_replaces_a_lower_one_and_never_the_other_way_round(tmp_path: Path, fake: FakeOpenSearch) -> None:
    with stream_to(tmp_path, fake) as stream:
        for revision, event in [(1, "a"), (0, "a"), (0, "b"), (2, "b")]:
            stream.put(delivery_of(table_of([{"event_id": event, "revision": revision, "message": f"{event}{revision}"}])))
        assert everything_delivered(stream)
    assert [document["message"] for _, document in fake.documents.values()] == ["a1", "b2"]


def test_a_sink_that_is_down_holds_up_no_other_and_catches_up(tmp_path: Path, fake: FakeOpenSearch) -> None:
    url, fake.url = fake.url, "http://127.0.0.1:9"
    with stream_to(tmp_path, fake) as stream:
        stream.put(events(0, 50))
        assert stream.flush(10)
        lake, search = stream.status()["sinks"]
        assert (lake["state"], lake["behind_rows"]) == ("up", 0)
        assert (search["state"], search["behind_rows"]) == ("failing", 50)
        assert search["error"]
    hop = delivered(tmp_path)
    assert (hop.came_in, hop.went_out, hop.pending) == (50, 0, 50)
    assert sorted(lake_column(tmp_path)) == numbers(50)
    fake.url = url
    with stream_to(tmp_path, fake) as stream:
        assert everything_delivered(stream)
    assert fake.ids() == numbers(50)
    assert delivered(tmp_path).pending == 0


def test_attributes_go_where_their_type_is_known_and_mappings_grow(tmp_path: Path, fake: FakeOpenSearch) -> None:
    register = AttributeRegister(declared={"order.id": FieldType.LONG})
    with LocalFirehose(quick(tmp_path, opensearch_url=fake.url), SystemClock(), register=register) as stream:
        stream.put(delivery_of(table_of([{"event_id": "a", "attributes": '{"order.id": 7, "shop": "x"}'}])))
        assert everything_delivered(stream)
        register.learn({"shop": FieldType.KEYWORD})
        stream.put(delivery_of(table_of([{"event_id": "b", "attributes": '{"order.id": "seven", "shop": "y"}'}])))
        assert everything_delivered(stream)
    a, b = (document for _, document in fake.documents.values())
    assert (a["attributes"], a["attributes_other"]) == ({"order.id": 7}, {"shop": "x"})
    assert (b["attributes"], b["attributes_other"]) == ({"shop": "y"}, {"order.id": "seven"})
    templates = [body["template"]["mappings"]["properties"]["attributes"]["properties"] for path, body in fake.puts if path.endswith("/tailrace-logs")]
    assert [sorted(found) for found in templates] == [["order.id"], ["order.id", "shop"]]
    assert any(path.startswith("/tailrace-logs-*") and "shop" in body["properties"]["attributes"]["properties"] for path, body in fake.puts)


def test_opensearch_serverless_gets_templates_without_what_is_its_own_and_mappings_by_name(tmp_path: Path, fake: FakeOpenSearch) -> None:
    register = AttributeRegister(declared={"order.id": FieldType.LONG})
    settings = quick(tmp_path, opensearch_url=fake.url, opensearch_service="aoss", opensearch_user="basic, as nothing checks signatures here")
    with LocalFirehose(settings, SystemClock(), register=register) as stream:
        stream.put(events(0, 2))
        assert everything_delivered(stream)
        register.learn({"shop": FieldType.KEYWORD})
        stream.put(events(2, 1))
        assert everything_delivered(stream)
    templates = [body["template"]["settings"] for path, body in fake.puts if path.startswith("/_index_template/")]
    assert len(templates) == 6
    assert all(own["index"] == {"mapping": {"total_fields": {"limit": 1_000}}} for own in templates)
    grown = {path.partition("?")[0]: body["properties"]["attributes"]["properties"] for path, body in fake.puts if "_mapping" in path}
    assert grown == {"/tailrace-logs-2026.09.21/_mapping": {"shop": {"type": "keyword", "ignore_above": 8_191}}}


@pytest.mark.parametrize(
    "answer", [None, {}, {"items": []}, {"items": "x"}, {"items": [{}]}, {"items": [{"create": 1}]}, {"items": [{"create": {"status": "201"}}]}, []]
)
def test_an_answer_that_does_not_say_what_became_of_each_is_unknown(answer: object) -> None:
    with pytest.raises(TransientError, match="opensearch answered"):
        read_answer(answer, 1)


def test_an_answer_is_read_item_by_item() -> None:
    items = [{"create": {"status": status, "error": {"type": "t", "reason": "r", "caused_by": {"reason": "c"}}}} for status in (201, 409, 429, 503, 403, 400)]
    found = read_answer({"items": items}, 6)
    assert found[0] is STORED
    assert [one.kind for one in found] == ["stored", "there", "again", "again", "again", "refused"]
    assert found[5].reason == "400 t: r: c"


@pytest.mark.opensearch
def test_a_real_node_takes_hostile_rows_and_finds_them(tmp_path: Path, opensearch_url: str) -> None:
    client = opensearchpy.OpenSearch([opensearch_url])
    client.indices.delete(index="tailrace-logs-2032.*,tailrace-logs-1970.*,tailrace-logs-2099.*")
    at_us = 1_960_000_000_000_000
    rows: list[dict[str, Any]] = [
        {"event_id": "h-0", "message": 'quote " back\\slash \n\t\x00\x1b\x7f \u2028 \U0001f600', "attributes": '{"a": 1}'},
        {"event_id": 'h-1 "\\/', "attributes": '{"": "empty", ".": 1, "a..b": [1, {"c": null}], "n": 123456789012345678901234567890}'},
        {"event_id": "h-2", "client_address": "not an address", "duration_s": float("nan"), "attributes": "no json"},
        {"event_id": "h-3", "service_name": "x" * 40_000, "attributes": "[]"},
        {"event_id": "h-4", "attributes": '{"t": "2026-11-24T10:00:00Z",\n "t2": "yesterday", "ok": true}'},
        {"event_id": "x" * 600},
        {"event_id": ""},
    ]
    absurd: list[dict[str, Any]] = [{"event_id": "t-0", "event_time": -62_135_596_800_000_000}, {"event_id": "t-1", "event_time": 253_402_300_799_000_000 * 2}]
    register = AttributeRegister(declared={"t": FieldType.TIME, "t2": FieldType.TIME, "ok": FieldType.BOOLEAN, "n": FieldType.LONG})
    settings = quick(tmp_path, opensearch_url=opensearch_url)
    with LocalFirehose(settings, SystemClock(), register=register) as stream:
        stream.put(delivery_of(table_of([{"event_time": at_us, **row} for row in [*rows, *absurd]])))
        assert everything_delivered(stream)
        dead = [json.loads(letter.body)["event_id"] for letter in (stream.dead.get(str(row["id"])) for row in stream.dead.rows(9)) if letter]
    assert sorted(dead) == ["", "x" * 600]
    client.indices.refresh(index="tailrace-logs-*")
    query = {"query": {"terms": {"event_id": [*(row["event_id"] for row in rows[:5]), "t-0", "t-1"]}}, "sort": ["event_id"], "size": 20}
    hits = client.search(index="tailrace-logs-2032.*,tailrace-logs-1970.*,tailrace-logs-2099.*", body=query)["hits"]["hits"]
    assert [hit["_id"] for hit in hits] == ["h-0", 'h-1 "\\/', "h-2", "h-3", "h-4", "t-0", "t-1"]
    assert hits[0]["_source"]["message"] == rows[0]["message"]
    assert hits[4]["_source"]["attributes"] == {"t": "2026-11-24T10:00:00Z", "ok": True}
    client.indices.delete(index="tailrace-logs-2032.*,tailrace-logs-1970.*,tailrace-logs-2099.*")
