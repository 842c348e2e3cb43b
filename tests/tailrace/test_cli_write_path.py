"""The commands ledger, dead and lake."""

import base64
import gzip
import json
import os
import pwd
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from firehose import LocalFirehose
from firehose.dead_letters import DeadLetters
from firehose.delivery import DeadLetter
from tailrace.cli import root
from tailrace.clock import SystemClock
from tailrace.errors import FileError, UsageError
from tests.firehose.deliveries import delivery_of, lake_column, numbered, quick
from tests.firehose.fake_opensearch import fake_opensearch


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAILRACE_HOME", str(tmp_path))
    monkeypatch.setenv("TAILRACE_GATEWAY_PORT", "9")
    monkeypatch.chdir(tmp_path)
    with LocalFirehose(quick(tmp_path), SystemClock()) as stream:
        for first in (0, 10):
            stream.put(delivery_of(numbered(first, 10), dead=[DeadLetter("payload", "not gzip", b"\x1f\x00bytes", {"envelope": "cloudwatch"})]))
            assert stream.flush()
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(root, words)


def json_of(*words: str, code: int = 0) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.output)


def test_ledger_check_prints_the_hops_and_ends_with_1_where_rows_are_missing(home: Path) -> None:
    found = json_of("ledger", "check", "--deep")
    assert list(found) == ["balanced", "hops"]
    assert found["balanced"] is True
    assert list(found["hops"][0]) == ["hop", "sink", "unit", "in", "out", "pending", "dropped", "duplicate", "joined", "dead", "lost"]
    assert "balanced" in run("ledger", "check").output
    assert json_of("ledger", "show")["hops"] == found["hops"]
    next((home / "lake" / "logs").rglob("f-*.parquet")).unlink()
    assert json_of("ledger", "check", "--deep", code=1)["problems"] == ["20 events went to the lake, 10 are there"]
    assert run("ledger", "check").exit_code == 0


def test_ledger_check_deep_counts_opensearch_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_HOME", str(tmp_path))
    with fake_opensearch() as fake:
        monkeypatch.setenv("TAILRACE_OPENSEARCH_URL", fake.url)
        fake.poison = {"e-3", "e-4"}
        with LocalFirehose(quick(tmp_path, opensearch_url=fake.url), SystemClock()) as stream:
            stream.put(delivery_of(numbered(0, 10)))
            stream.put(delivery_of(numbered(5, 10)))
            stream.put(delivery_of(numbered(0, 2, revision=1)))
            assert stream.flush()
        assert json_of("ledger", "check", "--deep")["balanced"]
        fake.poison = {"e-4"}
        assert set(json_of("dead", "replay", "all", code=1)["replayed"].values()) == {"replayed", "opensearch refuses it again: 400 t: failed to parse field"}
        assert len(fake.documents) == 14
        assert json_of("ledger", "check", "--deep")["balanced"]
        gone = [fake.documents.pop(key) for key in list(fake.documents)[:3]]
        assert len(gone) == 3
        (problem,) = json_of("ledger", "check", "--deep", code=1)["problems"]
        assert problem.startswith("15 events went to opensearch, 11 are there")
        fake.documents.clear()
        told = json_of("ledger", "check", "--deep")
        assert "of days that have no index (2026-09-21)" in told["notes"][0]
        assert "note: 15 events went to opensearch, 0 are there" in run("ledger", "check", "--deep").output
    assert "could not be counted" in json_of("ledger", "check", "--deep", code=1)["problems"][0]
    monkeypatch.setenv("TAILRACE_OPENSEARCH_URL", "")
    assert json_of("ledger", "check", "--deep")["notes"] == ["opensearch is not counted, because the setting opensearch_url is empty"]


def hops_of(event_id: str, code: int = 0) -> dict[str, Any]:
    return {hop["hop"]: hop for hop in json_of("ledger", "trace", event_id, code=code)["hops"]}


def answers(event_id: str, code: int = 0) -> dict[str, str]:
    return {name: hop["answer"] for name, hop in hops_of(event_id, code).items()}


def test_ledger_trace_follows_an_event_hop_by_hop(home: Path) -> None:
    found = hops_of("e-7")
    assert found["received"]["from"] == [{"source": "test:a", "minute": "2026-09-21T14:13:00.000Z"}]
    assert [one["sinks"] for one in found["spool"]["frames"]] == [{"lake": "passed"}]
    (key,) = found["lake"]["parts"]
    assert (home / "lake" / key).exists()
    assert found["opensearch"]["told"] == "because the setting opensearch_url is empty"
    assert found["dead letters"]["told"] == "because 2 payloads among them cannot be read"
    assert (found["duplicate"]["answer"], found["dropped"]["answer"]) == ("no", "no")
    assert [place["place"] for place in json_of("ledger", "trace", "e-7")["places"]] == ["lake"]
    assert key in run("ledger", "trace", "e-7").output


def test_ledger_trace_of_an_event_that_is_nowhere_says_what_cannot_be_known(home: Path) -> None:
    del home
    assert answers("none", 1) == {
        "received": "cannot be known",
        "spool": "no",
        "lake": "no",
        "opensearch": "cannot be known",
        "dead letters": "cannot be known",
        "duplicate": "no",
        "dropped": "no",
    }
    assert json_of("ledger", "trace", "none", code=1)["places"] == []
    run("dead", "drop", "all")
    assert answers("none", 1)["dead letters"] == "no"


def test_ledger_trace_of_a_running_stack_says_which_sinks_have_passed_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_HOME", str(tmp_path))
    with fake_opensearch() as fake, LocalFirehose(quick(tmp_path, opensearch_url=fake.url, lake_flush_after_s=3_600.0), SystemClock()) as stream:
        fake.poison = {"e-3"}
        stream.put(delivery_of(numbered(0, 5)))
        stream.put(delivery_of(numbered(0, 5)))
        deadline = time.monotonic() + 20
        while hops_of("e-3")["dead letters"]["answer"] == "no" or "opensearch passed" not in hops_of("e-3")["spool"]["told"]:
            assert time.monotonic() < deadline
        found = hops_of("e-3")
        (frame,) = found["spool"]["frames"]
        assert (frame["segment"], frame["sinks"]) == (1, {"lake": "not yet", "opensearch": "passed"})
        assert (found["lake"]["answer"], found["dead letters"]["answer"]) == ("no", "yes")
        assert (found["duplicate"]["answer"], found["duplicate"]["count"]) == ("cannot be known", 5)
        assert stream.flush()
        assert hops_of("e-3")["lake"]["answer"] == "yes"


def test_ledger_trace_names_the_index_and_an_index_that_does_not_answer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del home
    monkeypatch.setenv("TAILRACE_OPENSEARCH_URL", "http://127.0.0.1:9")
    assert "does not answer" in hops_of("e-7")["opensearch"]["told"]


def test_lake_status_and_merge(home: Path) -> None:
    before = json_of("lake", "status")["tables"][0]
    assert (before["table"], before["parts"], before["fresh"], before["rows"]) == ("logs", 2, 2, 20)
    assert json_of("lake", "merge") == {"merged_parts": 2, "rows": 20, "duplicates_removed": 0}
    after = json_of("lake", "status")["tables"][0]
    assert (after["parts"], after["fresh"], after["replaced"], after["rows"]) == (1, 0, 2, 20)
    assert len(lake_column(home)) == 20
    assert run("lake", "status").exit_code == run("lake", "merge").exit_code == 0


def test_dead_letters_are_listed_shown_replayed_and_dropped(home: Path) -> None:
    listed = json_of("dead", "list")
    assert listed["total"] == 2
    first, second = (row["id"] for row in listed["dead"])
    shown = json_of("dead", "show", first)
    assert (shown["reason"], shown["body"]) == ("not gzip", "\x1f\x00bytes")
    assert run("dead", "show", first, "--raw").stdout_bytes == b"\x1f\x00bytes"
    assert "\\x1f" in run("dead", "show", first).output
    assert run("dead", "list").output.count("not gzip") == 2
    assert json_of("dead", "drop", first)["dropped"] == [first]
    assert json_of("dead", "replay", "all", code=1)["replayed"] == {second: "dead again: neither gzip, zlib, JSON nor base64 of one of them"}
    (again,) = json_of("dead", "list")["dead"]
    assert again["id"] != second
    with LocalFirehose(quick(home), SystemClock()):
        (outcome,) = json_of("dead", "replay", "all", code=1)["replayed"].values()
    assert "does not answer" in outcome
    assert run("dead", "drop", "all").output == "1 dropped\n"
    steps = json_of("dead", "log")["log"]
    assert [(one["action"], one["id"], one["via"]) for one in steps] == [
        (word, one, "command") for word, one in (("drop", again["id"]), ("replay", second), ("drop", first))
    ]
    assert {one["user"] for one in steps} == {pwd.getpwuid(os.getuid()).pw_name}
    assert "neither gzip" in run("dead", "log", "--limit", "2").output


def test_dead_letters_are_grouped_and_listed_by_group(home: Path) -> None:
    del home
    (group,) = json_of("dead", "groups")["groups"]
    assert (group["cause"], group["content"], group["count"], group["bytes"]) == ("not gzip", "bytes 1f00", 2, 14)
    assert group["group"] in run("dead", "groups").output
    assert len(json_of("dead", "list", "--group", group["group"])["dead"]) == 2
    assert len(json_of("dead", "list", "--group", group["group"], "--limit", "1")["dead"]) == 1
    assert f"did you mean {group['group']!r}" in str(run("dead", "list", "--group", group["group"][:-1]).exception)


def test_a_group_is_rehearsed_then_replayed_whole(home: Path) -> None:
    body = gzip.compress(b'{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[{"id":"r-1","timestamp":1790000000000,"message":"x"}]}')
    for number in range(2):
        DeadLetters(home / "dead").write(f"own-{number}", [DeadLetter("payload", f"fault {number}", body, {"envelope": "cloudwatch"})], time_us=number)
    name = next(one["group"] for one in json_of("dead", "groups")["groups"] if one["cause"] == "fault #")
    told = json_of("dead", "replay", "--group", name, "--dry-run")["dry_run"]
    assert [(one["id"], one["parsed"] + one["failed"], one["dead"]) for one in told] == [("own-1-0", 1, 0), ("own-0-0", 1, 0)]
    assert "not gzip" not in run("dead", "replay", "--group", name, "--dry-run").output
    assert json_of("dead", "replay", "all", "--dry-run", code=1)["dry_run"][0]["dead"] == 1
    assert json_of("dead", "list")["total"] == 4
    assert set(json_of("dead", "replay", "--group", name)["replayed"].values()) == {"replayed"}
    assert sorted(lake_column(home)).count("r-1") == 1
    assert json_of("ledger", "check", "--deep")["balanced"]
    for words in ((), ("all", "--group", name)):
        assert "name dead letters" in str(run("dead", "replay", *words).exception)


def test_letters_of_others_are_read_once_shown_rehearsed_and_replayed(home: Path) -> None:
    run("dead", "drop", "all")
    folder = home / "errors" / "processing-failed"
    folder.mkdir(parents=True)
    record = '{"errorCode":"E1","errorMessage":"no","arrivalTimestamp":1790000000000,"rawData":"%s"}'
    (folder / "one").write_text("".join(record % base64.b64encode(b'{"message":"m%d"}' % number).decode() for number in range(3)))
    (folder / "two").write_text('{"rawData":')
    told = json_of("dead", "read", str(folder), code=1)
    assert [(one["letters"], one["done_before"], one["problem"][:17]) for one in told["read"]] == [(3, 0, ""), (1, 0, "it breaks off in ")]
    assert "it breaks off" in run("dead", "read", str(folder)).output
    name = next(one["group"] for one in json_of("dead", "groups")["groups"] if one["cause"] == "# no")
    assert sum(one["parsed"] for one in json_of("dead", "replay", "--group", name, "--dry-run")["dry_run"]) == 3
    assert set(json_of("dead", "replay", "--group", name)["replayed"].values()) == {"replayed"}
    assert sorted(lake_column(home, "message"))[-3:] == ["m0", "m1", "m2"]
    assert json_of("dead", "read", str(folder / "one"))["read"] == [{"name": str(folder / "one"), "letters": 0, "done_before": 3, "problem": ""}]
    assert json_of("ledger", "check", "--deep")["balanced"]
    (outcome,) = json_of("dead", "replay", "all", code=1)["replayed"].values()
    assert "read it again" in outcome


def test_a_refused_document_is_shown_beside_the_mapping_of_its_index(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "400 mapper_parsing_exception: failed to parse field [attributes.ms] of type [long] in document with id 'e-1'"
    detail = {"table": "logs", "sink": "opensearch", "action": '{"create":{"_index":"tailrace-logs-2026.11.27","_id":"e-1"}}'}
    DeadLetters(home / "dead").write("opensearch-1", [DeadLetter("document", reason, b'{"attributes":{"ms":"12 ms"}}', detail)], time_us=0)
    assert "no OpenSearch is set up" in json_of("dead", "show", "opensearch-1-0")["refused"]["index_type"]
    with fake_opensearch() as fake:
        fake.mappings["tailrace-logs-2026.11.27"] = {"properties": {"attributes": {"properties": {"ms": {"type": "long"}}}}}
        monkeypatch.setenv("TAILRACE_OPENSEARCH_URL", fake.url)
        shown = json_of("dead", "show", "opensearch-1-0")["refused"]
        told = run("dead", "show", "opensearch-1-0").output
    assert (shown["field"], shown["value"], shown["index_type"], shown["fits"]) == ("attributes.ms", '"12 ms"', "long", False)
    assert "type in tailrace-logs-2026.11.27: long" in told
    assert "fits the index as it is now: no" in told


@pytest.mark.parametrize("words", [("show", "none-0"), ("drop", "none-0"), ("replay", "none-0")])
def test_a_letter_that_is_not_there_is_said(home: Path, words: tuple[str, ...]) -> None:
    del home
    result = run("dead", *words)
    assert "no such dead letter: none-0" in str(result.exception)


def test_lake_verify_ends_with_1_where_a_part_is_damaged_and_names_it(home: Path) -> None:
    assert json_of("lake", "verify") == {"parts": 2, "rows": 20, "problems": [], "told": []}
    assert run("lake", "verify").output == "2 parts, 20 rows, 0 problems\n"
    path = next((home / "lake" / "logs").rglob("f-*.parquet"))
    path.write_bytes(path.read_bytes()[:-100])
    found = json_of("lake", "verify", code=1)["problems"]
    assert found[0]["where"] == str(path.relative_to(home / "lake"))
    assert found[0]["what"].startswith("cannot be read: ")
    assert path.name in run("lake", "verify").output


def test_lake_expire_shows_what_would_go_takes_it_and_the_ledger_still_adds_up(home: Path) -> None:
    assert isinstance(run("lake", "expire").exception, FileError)
    (home / "retention.yaml").write_text("expire: [{name: cart, when: {service.name: cart}, after: 1h}]")
    planned = json_of("lake", "expire", "--dry-run")
    assert planned["dry_run"] is True
    assert [(row["table"], row["rule"], row["rows"]) for row in planned["expired"]] == [("logs", "cart", 20)]
    assert len(lake_column(home)) == 20
    assert run("lake", "expire", "--dry-run").output.endswith("20 rows would go\n")
    assert run("lake", "expire").output.endswith("20 rows went\n")
    assert lake_column(home) == []
    assert json_of("ledger", "check", "--deep")["balanced"] is True
    assert json_of("lake", "verify")["problems"] == []
    status = json_of("lake", "status")["tables"][0]
    assert (status["rows"], status["expired"], status["erased"]) == (0, 20, 0)


def test_lake_erase_shows_erases_proves_and_notes_and_the_ledger_still_adds_up(home: Path) -> None:
    planned = json_of("lake", "erase", "--contains", 'event "7"', "--dry-run")
    assert (planned["rows"], planned["dry_run"], [place["name"] for place in planned["places"]]) == (1, True, ["spool"])
    assert len(lake_column(home)) == 20
    assert json_of("lake", "erasures")["erasures"] == []
    done = json_of("lake", "erase", "--contains", 'event "7"', "--where", "event_id=e-3", "--now", "--by", "ann", code=1)
    assert (done["rows"], done["left"], [place["name"] for place in done["places"]]) == (2, 0, ["spool"])
    assert len(lake_column(home)) == 18
    assert json_of("ledger", "check", "--deep")["balanced"] is True
    assert [(row["who"], row["rows"]) for row in json_of("lake", "erasures")["erasures"]] == [("ann", 2)]
    assert "ann" in run("lake", "erasures").output
    for path in (home / "spool").glob("segment-*"):
        path.unlink()
    gone = run("lake", "erase", "--contains", 'event "7"', "--from", "2020-01-01")
    assert gone.exit_code == 0
    assert "gone: no part of the lake" in gone.output


def test_lake_backup_and_restore_elsewhere(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for inside in (home / "lake", home / "lake" / "copy"):
        assert isinstance(run("lake", "backup", str(inside)).exception, UsageError)
    made = json_of("lake", "backup", str(tmp_path / "copy"))
    assert (made["partitions"], made["parts"], made["already"]) == (1, 2, 0)
    assert isinstance(run("lake", "restore", str(tmp_path / "copy")).exception, UsageError)
    monkeypatch.setenv("TAILRACE_HOME", str(tmp_path / "other"))
    assert json_of("lake", "restore", str(tmp_path / "copy"))["parts"] == 2
    assert len(lake_column(tmp_path / "other")) == 20
    assert run("lake", "backup", str(tmp_path / "copy2")).exit_code == 0
