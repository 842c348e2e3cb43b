"""The commands ledger, dead and lake."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from firehose import LocalFirehose
from firehose.delivery import DeadLetter
from tailrace.cli import root
from tailrace.clock import SystemClock
from tailrace.errors import FileError, UsageError
from tests.firehose.deliveries import delivery_of, lake_column, numbered, quick


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


def test_ledger_trace_says_where_an_event_is(home: Path) -> None:
    del home
    assert [place["place"] for place in json_of("ledger", "trace", "e-7")["places"]] == ["lake"]
    assert json_of("ledger", "trace", "none", code=1)["places"] == []
    assert "lake" in run("ledger", "trace", "e-7").output


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
    assert json_of("dead", "replay", "all")["replayed"] == {second: "replayed"}
    (again,) = json_of("dead", "list")["dead"]
    assert again["id"] != second
    with LocalFirehose(quick(home), SystemClock()):
        (outcome,) = json_of("dead", "replay", "all", code=1)["replayed"].values()
    assert "does not answer" in outcome
    assert run("dead", "drop", "all").output == "1 dropped\n"


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
