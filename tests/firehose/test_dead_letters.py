"""Dead letters on disk."""

from pathlib import Path

import pytest

from firehose.dead_letters import DeadLetters
from firehose.delivery import DeadLetter
from tailrace.errors import TransientError

LETTERS = [DeadLetter("payload", "why", b"\x00\xff", {"source": "udp"}), DeadLetter("document", "mapping", b"{}")]


def test_letters_are_kept_whole_and_written_again_are_the_same(tmp_path: Path) -> None:
    dead = DeadLetters(tmp_path)
    assert (dead.count(), list(dead.rows(5)), dead.get("a-0"), dead.drop("a-0")) == (0, [], None, False)
    for _ in range(2):
        dead.write("spool-a-1", LETTERS, time_us=1_000_000, source="s", sink="x")
    assert dead.count() == 2
    assert dead.get("spool-a-1-0") == LETTERS[0]
    assert [(row["id"], row["source"], row["bytes"]) for row in dead.rows(5)] == [("spool-a-1-0", "udp", 2), ("spool-a-1-1", "s", 2)]
    assert dead.rows(1)[0]["time"] == "1970-01-01T00:00:01.000Z"


def test_the_newest_are_listed_first(tmp_path: Path) -> None:
    dead = DeadLetters(tmp_path)
    for number in range(5):
        dead.write(f"p-{number}", LETTERS[:1], time_us=number)
    assert [row["id"] for row in dead.rows(2)] == ["p-4-0", "p-3-0"]


def test_one_is_dropped_alone(tmp_path: Path) -> None:
    dead = DeadLetters(tmp_path)
    dead.write("p", LETTERS, time_us=0)
    assert dead.drop("p-0")
    assert not dead.drop("p-0")
    assert dead.get("p-1") == LETTERS[1]
    assert dead.drop("p-1")
    assert (dead.count(), list(tmp_path.glob("*.jsonl"))) == (0, [])


@pytest.mark.parametrize("identity", ["", "-", "../../etc/passwd-0", "x" * 5_000, "p-0\0", "*-0"])
def test_a_hostile_id_is_none(tmp_path: Path, identity: str) -> None:
    dead = DeadLetters(tmp_path)
    dead.write("p", LETTERS, time_us=0)
    assert dead.get(identity) is None
    assert not dead.drop(identity)


def test_a_full_folder_takes_no_more_until_some_are_dropped(tmp_path: Path) -> None:
    dead = DeadLetters(tmp_path, max_bytes=400)
    dead.write("a", LETTERS[:1], time_us=0)
    with pytest.raises(TransientError, match="replay or drop some"):
        dead.write("b", LETTERS * 2, time_us=0)
    dead.drop("a-0")
    dead.write("c", LETTERS[:1], time_us=0)
