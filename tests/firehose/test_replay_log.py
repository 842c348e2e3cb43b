"""The record of replays is only ever added to."""

import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from firehose.dead_letters.log import MAX_TEXT, ReplayLog, Step


def step(number: int, outcome: str = "replayed") -> Step:
    return Step(number, "anna", "command", "replay", f"p-{number}", "payload", "g", "s", "why", outcome)


def test_steps_are_read_newest_first_and_a_file_that_is_not_there_has_none(tmp_path: Path) -> None:
    log = ReplayLog(tmp_path / "log.sqlite")
    assert (log.newest(9), log.done("p")) == ([], set())
    assert not (tmp_path / "log.sqlite").exists()
    for number in range(3):
        log.write(step(number, "refused: down" if number == 1 else "replayed"))
    assert [one.id for one in log.newest(2)] == ["p-2", "p-1"]
    assert log.newest(1) == [step(2)]
    assert log.done("p") == {"p-0", "p-2"}
    assert log.newest(1)[0].to_json()["time"] == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize("sql", ["UPDATE steps SET user = 'ben'", "DELETE FROM steps", "INSERT OR REPLACE INTO steps SELECT * FROM steps WHERE number = 1"])
def test_what_is_in_it_can_neither_be_changed_nor_deleted(tmp_path: Path, sql: str) -> None:
    log = ReplayLog(tmp_path / "log.sqlite")
    log.write(step(1))
    with closing(sqlite3.connect(tmp_path / "log.sqlite")) as connection, pytest.raises(sqlite3.IntegrityError, match="only added to"):
        connection.execute(sql)
    assert log.newest(9) == [step(1)]


def write_ten(path: Path, first: int) -> None:
    for number in range(first, first + 10):
        ReplayLog(path).write(step(number))


def test_many_write_at_once_and_every_step_is_there(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    threads = [Thread(target=write_ten, args=(path, first)) for first in (0, 10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.time_us for one in ReplayLog(path).newest(99)) == list(range(40))


def test_long_and_odd_texts_are_kept_as_far_as_they_go(tmp_path: Path) -> None:
    log = ReplayLog(tmp_path / "log.sqlite")
    log.write(step(1, "x" * 10_000 + "\ud800"))
    log.write(step(2, "\ud800'; DROP TABLE steps --"))
    assert [one.outcome for one in log.newest(2)] == ["?'; DROP TABLE steps --", "x" * MAX_TEXT]
