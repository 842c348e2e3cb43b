"""A day's files are ingested three times, with a merge in between: the lake has each line once, under the same keys, and the ledger counts what came again as duplicates."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from tailrace.cli import root
from tailrace.lake import live_parts
from tailrace.ledger import open_ledger
from tailrace.stores.folder import FolderStore
from tests.firehose.deliveries import ALWAYS, lake_column

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
LINES = 4_800


def day(path: Path) -> None:
    """Write a day of application lines, one every 18 seconds; a hundred of them are alike but for their place."""
    times = [MIDNIGHT + timedelta(seconds=18 * n) for n in range(LINES)]
    lines = [json.dumps({"timestamp": at.isoformat(), "level": "info", "message": f"order {n % (LINES - 100)} was paid"}) for n, at in enumerate(times)]
    path.write_text("\n".join(lines) + "\n")


def run(*words: str) -> None:
    result = CliRunner().invoke(root, words)
    assert result.exit_code == 0, result.output


def keys(home: Path) -> list[str]:
    return [part.key for part in live_parts(FolderStore(home / "lake"), "logs", *ALWAYS)]


@pytest.mark.parametrize("merged", [False, True], ids=["as it came", "merged in between"])
def test_a_day_that_is_ingested_three_times_is_there_once_under_the_same_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, merged: bool) -> None:
    home, path = tmp_path / "home", tmp_path / "day.json"
    monkeypatch.setenv("TAILRACE_HOME", str(home))
    monkeypatch.setenv("TAILRACE_GATEWAY_PORT", "9")
    day(path)
    run("ingest", str(path))
    if merged:
        run("lake", "merge")
    first = keys(home)
    for _ in range(2):
        run("ingest", str(path))
        assert keys(home) == first
    assert len({key.rpartition("/")[0] for key in first}) == 24
    assert Counter(lake_column(home, "message")) == Counter(f"order {n % (LINES - 100)} was paid" for n in range(LINES))
    check = open_ledger(home / "ledger.sqlite").check()
    assert check.balanced, check.problems
    spool = next(hop for hop in check.hops if hop.hop == "spool" and hop.unit == "events")
    assert (spool.went_out, spool.duplicate) == (LINES, 2 * LINES)
