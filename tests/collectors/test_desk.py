"""The desk: a dry run puts nothing and says what comes; a replay adds no event twice, however often it is done and wherever it is killed."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from collectors.collector import Collector
from collectors.desk import Desk
from collectors.from_settings import collector_from_settings, desk_from_settings, rehearsal_from_settings, work_with
from collectors.sources.files import LineSource
from firehose import LocalFirehose
from firehose.dead_letters import DeadLetters
from firehose.dead_letters.groups import groups
from firehose.dead_letters.log import ReplayLog, Who
from firehose.delivery import DeadLetter
from firehose.disk import Machine
from firehose.keeper import Keeper
from tailrace.clock import ManualClock, SystemClock
from tailrace.errors import PermanentError, TransientError
from tailrace.fields import AttributeRegister
from tailrace.ledger import open_ledger
from tailrace.schema import TableName
from tests.collectors.readers.samples import formats
from tests.firehose.deliveries import events, lake_column, numbered, quick
from tests.firehose.fake_opensearch import FakeOpenSearch, fake_opensearch

TABLES: tuple[TableName, ...] = ("logs", "spans", "metrics")
RECEIVED = {"received_us": "1790000000000000"}


def payload(*messages: str) -> bytes:
    told = [{"id": f"{message}-{number}", "timestamp": 1_790_000_000_000 + number, "message": message} for number, message in enumerate(messages)]
    head = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "/shop/web", "logStream": "s", "subscriptionFilters": ["f"]}
    return gzip.compress(orjson.dumps({**head, "logEvents": told}), mtime=0)


def arrow(count: int) -> bytes:
    rows, sink = numbered(0, count), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue().to_pybytes())


SEGMENT = b'{"trace_id":"1-6b02b777-63f651453a9bbc6c80be111a","id":"aaaaaaaaaaaaaaaa","name":"web","start_time":1790000000,"end_time":1790000001}'
OTLP = {
    "resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "1790000000000000000", "body": {"stringValue": "hi"}}, {"body": {"stringValue": "ho"}}]}]}]
}
ACTION = '{"create":{"_index":"tailrace-logs-2026.09.21","_id":"d-1"}}'
WHY = "a fault that was mended"
ANNA = Who("anna", "command")

LETTERS = {
    "cloudwatch": (DeadLetter("payload", WHY, payload("a", "b", '{"level":"INFO","message":"c"}'), {"envelope": "cloudwatch"}), 3),
    "base64": (DeadLetter("payload", WHY, payload("d"), {"source": "cloudwatch"}), 1),
    "xray": (DeadLetter("payload", WHY, SEGMENT, {"envelope": "xray", "source": "xray:udp"}), 1),
    "line": (DeadLetter("document", WHY, b'{"message":"x"}', {"envelope": "line", "event_id": "l-1", "source": "s", "stream": "cloudwatch", **RECEIVED}), 1),
    "lines": (DeadLetter("payload", WHY, b"one\ntwo\ntwo\n", {"envelope": "lines", "source": "firehose:a", **RECEIVED}), 3),
    "otlp": (DeadLetter("payload", WHY, orjson.dumps(OTLP), {"envelope": "otlp_logs_json", "source": "otlp", **RECEIVED}), 2),
    "file": (DeadLetter("payload", WHY, b"one\ntwo\n", {"envelope": "file", "path": "/logs/a.log", "source": "file:/logs/a.log"}), 2),
    "arrow": (DeadLetter("payload", "never", arrow(5), {"envelope": "arrow", "table": "logs", "source": "s", "sink": "lake"}), 5),
}


class Killed(BaseException):
    """The process died."""


class DiesBeforeDrop(DeadLetters):
    """Dead letters of a process that is killed when it would drop one."""

    def drop(self, identity: str) -> bool:
        """Die."""
        raise Killed(identity)


@contextmanager
def desk_of(home: Path, letters: type[DeadLetters] = DeadLetters, machine: Machine | None = None, **more: Any) -> Iterator[Desk]:
    settings, clock, register = quick(home, **more), SystemClock(), AttributeRegister(home / "register.json")
    with LocalFirehose(settings, clock, register=register, machine=machine) as stream:
        collector = Collector(stream, work_with(formats(), register), register, clock)
        collector.replay_by("file", LineSource(collector, clock).replay)
        yield Desk(letters(home / "dead"), stream, collector, ReplayLog(home / "log.sqlite"), clock)
        collector.close()
        assert stream.flush()


def ids(home: Path) -> list[str]:
    return sorted(str(one) for table in TABLES for one in lake_column(home, table=table))


def balanced(home: Path) -> bool:
    return open_ledger(home / "ledger.sqlite").check().balanced


@pytest.mark.parametrize("kind", list(LETTERS))
def test_a_letter_that_is_replayed_twice_or_killed_between_put_and_drop_adds_no_event_twice(tmp_path: Path, kind: str) -> None:
    letter, rows = LETTERS[kind]
    dead = DeadLetters(tmp_path / "dead")
    dead.write("p", [letter], time_us=0)
    with desk_of(tmp_path, DiesBeforeDrop) as desk, pytest.raises(Killed):
        desk.replay("p-0", ANNA)
    assert dead.count() == 1
    first = ids(tmp_path)
    with desk_of(tmp_path) as desk:
        done = desk.replay("p-0", ANNA)
        assert done is not None
        assert done.outcome == "replayed"
        assert desk.replay("p-0", ANNA) is None
        dead.write("p", [letter], time_us=0)
        desk.replay("p-0", ANNA)
    assert len(first) == len(set(first)) == rows
    assert ids(tmp_path) == first
    assert (dead.count(), balanced(tmp_path)) == (0, True)
    duplicates = sum(hop.duplicate for hop in open_ledger(tmp_path / "ledger.sqlite").hops() if hop.hop == "spool")
    assert duplicates == 2 * rows


@pytest.mark.parametrize("kind", list(LETTERS))
def test_past_the_recent_ids_the_lake_removes_what_is_there_twice_when_it_merges(tmp_path: Path, kind: str) -> None:
    letter, rows = LETTERS[kind]
    with desk_of(tmp_path, machine=Machine(remembered_ids=4, segment_bytes=1)) as desk:
        for number in range(2):
            DeadLetters(tmp_path / "dead").write("p", [letter], time_us=0)
            assert desk.replay("p-0", ANNA) is not None
            desk._collector._stream.put(events(1_000 + 50 * number, 50))
    assert len(ids(tmp_path)) > rows + 100, "the filter had forgotten them"
    keeper = Keeper(quick(tmp_path), ManualClock(), grace_s=0.0)
    for _ in range(3):
        keeper.round(force=True)
    kept = ids(tmp_path)
    assert len(kept) == len(set(kept)) == rows + 100
    assert balanced(tmp_path)


@pytest.fixture
def opensearch() -> Iterator[FakeOpenSearch]:
    with fake_opensearch() as fake:
        yield fake


def test_past_the_recent_ids_opensearch_answers_that_the_document_is_there(tmp_path: Path, opensearch: FakeOpenSearch) -> None:
    letter, rows = LETTERS["cloudwatch"]
    with desk_of(tmp_path, machine=Machine(remembered_ids=4, segment_bytes=1), opensearch_url=opensearch.url) as desk:
        for number in range(2):
            DeadLetters(tmp_path / "dead").write("p", [letter], time_us=0)
            desk.replay("p-0", ANNA)
            desk._collector._stream.put(events(1_000 + 50 * number, 50))
    assert len(opensearch.ids()) == rows + 100
    assert {hop.duplicate for hop in open_ledger(tmp_path / "ledger.sqlite").hops() if hop.sink == "opensearch"} == {rows}
    assert balanced(tmp_path)


def test_a_document_that_is_sent_again_is_there_once_and_one_that_is_refused_again_stays(tmp_path: Path, opensearch: FakeOpenSearch) -> None:
    dead = DeadLetters(tmp_path / "dead")
    letter = DeadLetter("document", "400 t: no", b'{"event_id":"d-1"}', {"sink": "opensearch", "action": ACTION, "table": "logs"})
    dead.write("os", [letter], time_us=0)
    opensearch.poison = {"d-1"}
    with desk_of(tmp_path, opensearch_url=opensearch.url) as desk:
        with pytest.raises(PermanentError, match="refuses it again"):
            desk.replay("os-0", ANNA)
        assert dead.count() == 1
        opensearch.poison = set()
        for _ in range(2):
            dead.write("os", [letter], time_us=0)
            done = desk.replay("os-0", ANNA)
            assert done is not None
            assert done.to_json() == {"redelivered": True}
    assert opensearch.ids() == ["d-1"]
    assert (dead.count(), balanced(tmp_path)) == (0, True)


def test_a_document_of_a_sink_that_is_not_set_up_stays_as_it_is(tmp_path: Path) -> None:
    dead = DeadLetters(tmp_path / "dead")
    dead.write("os", [DeadLetter("document", "400", b"{}", {"sink": "opensearch", "action": ACTION})], time_us=0)
    with desk_of(tmp_path) as desk:
        with pytest.raises(PermanentError, match="not set up here"):
            desk.replay("os-0", ANNA)
        assert "not set up" in desk.replay_group(groups(dead)[0].name, 10, ANNA)[0].outcome
    assert dead.count() == 1


def test_a_group_is_replayed_whole_and_no_other_letter(tmp_path: Path) -> None:
    dead = DeadLetters(tmp_path / "dead")
    for number in range(5):
        dead.write(f"p-{number}", [DeadLetter("payload", f"{WHY} at offset {number}", payload(f"m{number}"), {"envelope": "cloudwatch"})], time_us=number)
    dead.write("q", [DeadLetter("payload", "another", payload("z"), {"envelope": "cloudwatch"}), DeadLetter("payload", "bad", b"\x1f\x8bno", {})], time_us=9)
    name = next(one.name for one in groups(dead) if one.count == 5)
    with desk_of(tmp_path) as desk:
        assert len(desk.replay_group(name, 2, ANNA)) == 2
        assert [one.outcome for one in desk.replay_group(name, 100, ANNA)] == ["replayed"] * 3
        assert desk.replay_group(name, 100, ANNA) == []
        bad = next(one.name for one in groups(dead) if one.cause == "bad")
        (again,) = desk.replay_group(bad, 100, ANNA)
        assert again.outcome.startswith("dead again: compressed data")
    assert ids(tmp_path) == [f"m{number}-0" for number in range(5)]
    assert {one.cause[:10] for one in groups(dead)} == {"another", "compressed"}


class Down:
    """A stream whose sink is not there."""

    def __init__(self) -> None:
        self.asked = 0

    def replay(self, letter: DeadLetter, identity: str) -> bool:
        """Say so."""
        del letter, identity
        self.asked += 1
        raise TransientError("opensearch is down")


def test_a_group_ends_at_the_first_letter_for_which_nobody_is_there(tmp_path: Path) -> None:
    dead, stream = DeadLetters(tmp_path / "dead"), Down()
    dead.write("os", [DeadLetter("document", "400", b"{}", {"action": ACTION})] * 3, time_us=0)
    settings, register = quick(tmp_path), AttributeRegister()
    collector = collector_from_settings(settings, LocalFirehose(settings, SystemClock(), sinks=[]), register, SystemClock())
    (one,) = Desk(dead, stream, collector, ReplayLog(tmp_path / "log.sqlite"), ManualClock()).replay_group(groups(dead)[0].name, 9, ANNA)
    assert (one.outcome, stream.asked, dead.count()) == ("opensearch is down", 1, 3)


@pytest.mark.parametrize("kind", list(LETTERS))
def test_a_dry_run_says_what_the_replay_does_and_puts_nothing(tmp_path: Path, kind: str) -> None:
    letter, rows = LETTERS[kind]
    DeadLetters(tmp_path / "dead").write("p", [letter], time_us=0)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    found = rehearsal_from_settings(quick(tmp_path), SystemClock()).of("p-0", letter)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert (found.parsed + found.partial + found.failed + found.spans + found.metrics, found.dead, found.documents) == (rows, 0, 0)
    with desk_of(tmp_path) as desk:
        desk.replay("p-0", ANNA)
    assert len(ids(tmp_path)) == rows
    statuses = [str(one or "parsed") for one in lake_column(tmp_path, "parse_status")]
    assert (found.parsed, found.partial, found.failed) == tuple(statuses.count(word) for word in ("parsed", "partial", "failed"))


@pytest.mark.parametrize(
    ("letter", "reason"),
    [
        (DeadLetter("payload", "bad", b"\x1f\x8bno", {}), "compressed data"),
        (DeadLetter("payload", "bad", b"no document", {"envelope": "xray"}), "not JSON"),
        (DeadLetter("payload", "bad", b"\xff\xff", {"envelope": "arrow", "table": "logs"}), "not an Arrow stream"),
        (DeadLetter("payload", "bad", b"", {"envelope": "otlp_logs_json", "received_us": "1"}), "JSON"),
    ],
)
def test_a_dry_run_says_what_is_dead_still_and_why(tmp_path: Path, letter: DeadLetter, reason: str) -> None:
    found = rehearsal_from_settings(quick(tmp_path), SystemClock()).of("p-0", letter)
    assert found.dead == 1
    assert reason in found.reasons[0]


def test_a_dry_run_of_a_refused_document_asks_what_the_index_says_now(tmp_path: Path, opensearch: FakeOpenSearch) -> None:
    reason = "400 mapper_parsing_exception: failed to parse field [attributes.ms] of type [long] in document with id 'd-1'"
    letter = DeadLetter("document", reason, b'{"attributes":{"ms":"12 ms"}}', {"sink": "opensearch", "action": ACTION, "table": "logs"})
    found = []
    for kind in ("long", "keyword", None):
        properties = {} if kind is None else {"attributes": {"properties": {"ms": {"type": kind}}}}
        opensearch.mappings = {"tailrace-logs-2026.09.21": {"properties": properties}}
        found.append(rehearsal_from_settings(quick(tmp_path, opensearch_url=opensearch.url), SystemClock()).of("os-0", letter))
    assert [(one.documents, one.dead) for one in found] == [(0, 1), (1, 0), (1, 0)]
    assert found[0].reasons == ('attributes.ms is long in tailrace-logs-2026.09.21, and "12 ms" is none',)
    assert "fits" in found[1].note
    assert "only a replay shows" in found[2].note
    assert opensearch.documents == {}


def test_each_step_is_in_the_record_before_the_letter_is_gone(tmp_path: Path, opensearch: FakeOpenSearch) -> None:
    dead, log = DeadLetters(tmp_path / "dead"), ReplayLog(tmp_path / "log.sqlite")
    good, bad = DeadLetter("payload", WHY, payload("a"), {"source": "s"}), DeadLetter("payload", "bad", b"\x1f\x8bno", {})
    refused = DeadLetter("document", "400 t", b'{"event_id":"d-1"}', {"sink": "opensearch", "action": ACTION, "table": "logs"})
    dead.write("p", [good, bad, refused, bad], time_us=0)
    opensearch.poison = {"d-1"}
    with desk_of(tmp_path, DiesBeforeDrop) as desk, pytest.raises(Killed):
        desk.replay("p-0", ANNA)
    with desk_of(tmp_path, DiesBeforeDrop) as desk, pytest.raises(Killed):
        desk.drop("p-3", ANNA)
    with desk_of(tmp_path, opensearch_url=opensearch.url) as desk:
        desk.replay("p-0", ANNA)
        desk.replay("p-1", ANNA)
        with pytest.raises(PermanentError):
            desk.replay("p-2", ANNA)
        assert desk.drop("p-3", Who("ben", "gateway 10.0.0.9"))
        assert not desk.drop("p-3", ANNA)
        assert desk.replay("p-0", ANNA) is None
    steps = [(one.action, one.user, one.id, one.outcome.split(":")[0]) for one in reversed(log.newest(99))]
    assert steps == [
        ("replay", "anna", "p-0", "replayed"),
        ("drop", "anna", "p-3", "dropped"),
        ("replay", "anna", "p-0", "replayed"),
        ("replay", "anna", "p-1", "dead again"),
        ("replay", "anna", "p-2", "refused"),
        ("drop", "ben", "p-3", "dropped"),
    ]
    assert log.done("p") == {"p-0", "p-1", "p-3"}
    assert log.newest(99)[-1].group != log.newest(1)[0].group


def test_what_cannot_be_written_down_is_not_done(tmp_path: Path) -> None:
    dead = DeadLetters(tmp_path / "dead")
    dead.write("p", [DeadLetter("payload", WHY, payload("a"), {})], time_us=0)
    (tmp_path / "log.sqlite").write_bytes(b"no database" * 100)
    with desk_of(tmp_path) as desk:
        for work in (desk.replay, desk.drop):
            with pytest.raises(TransientError, match="not a database"):
                work("p-0", ANNA)
    assert dead.count() == 1
    assert ids(tmp_path) == ["a-0"]


def test_formats_are_read_anew_before_a_replay(tmp_path: Path) -> None:
    folder = tmp_path / "formats"
    folder.mkdir()
    settings, clock, register = quick(tmp_path, formats=str(folder)), SystemClock(), AttributeRegister(tmp_path / "register.json")
    body, detail = b"<<a=1>>", {"envelope": "line", "event_id": "l-1", "source": "s", "stream": "files", "format": "own.odd", **RECEIVED}
    with LocalFirehose(settings, clock, register=register) as stream:
        collector = collector_from_settings(settings, stream, register, clock)
        desk = desk_from_settings(settings, stream, collector, register, clock)
        for number in range(2):
            DeadLetters(settings.dead_folder).write("p", [DeadLetter("document", WHY, body, detail)], time_us=0)
            done = desk.replay("p-0", ANNA)
            assert done is not None
            assert done.outcome.startswith("replayed" if number else "dead again")
            (folder / "odd.yaml").write_text(json.dumps(ODD))
        collector.close()
        assert stream.flush()
    assert lake_column(tmp_path, "log_format") == ["own.odd"]


ODD: dict[str, Any] = {
    "name": "own.odd",
    "description": "Odd lines.",
    "specification": "a test",
    "detect": {"line": "^<<"},
    "reader": "pattern",
    "options": {"patterns": ["^<<(?P<message>.*)>>$"]},
    "message": "message",
    "tests": [{"line": "<<x>>", "row": {"message": "x"}}],
}
