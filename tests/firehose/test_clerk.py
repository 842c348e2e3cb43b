"""The clerk: what it cannot write down now it writes down later, and nothing of it is lost meanwhile."""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from firehose.admission import Admission
from firehose.clerk import FRAMES_A_STEP, Clerk
from firehose.dead_letters import DeadLetters
from firehose.delivery import DeadLetter
from firehose.disk import DiskFile, LocalDisk, Machine
from firehose.frame import NO_ROWS, START
from firehose.recent_ids import RecentIds
from firehose.remembered import Remembered
from firehose.spool import Spool
from tailrace.ledger import Key, LedgerWriter, Progress, open_ledger
from tests.firehose.deliveries import events


class FullLedger(LedgerWriter):
    """A ledger whose disk is full some times; ``freed_by`` is a file whose space helps."""

    def __init__(self, path: Path, times: int, freed_by: Path | None = None) -> None:
        super().__init__(path)
        self.times, self.freed_by = times, freed_by

    def apply(self, counts: Mapping[Key, Sequence[int]], progress: Mapping[str, Progress]) -> None:
        """Fail, or write."""
        self.times -= 1
        if self.times >= 0 and (self.freed_by is None or self.freed_by.exists()):
            raise sqlite3.OperationalError("database or disk is full")
        super().apply(counts, progress)


@contextmanager
def clerk_of(home: Path, ledger: LedgerWriter, dead: DeadLetters | None = None, ballast: Path | None = None) -> Iterator[tuple[Clerk, Admission, Spool]]:
    spool = Spool(home / "spool", Machine(segment_bytes=2_000), max_bytes=1 << 40, new_identity=lambda: "0123456789abcdef")
    clerk = Clerk(spool, ledger, dead or DeadLetters(home / "dead"), reports=dict, ballast=ballast)
    yield clerk, Admission(spool, RecentIds(1_000)), spool
    clerk.stop(5)
    spool.close()
    ledger.close()


def spooled(home: Path) -> int:
    return sum(hop.went_out for hop in open_ledger(home / "l.sqlite").hops() if hop.hop == "spool")


def wait_for_rows(home: Path, rows: int) -> bool:
    deadline = time.monotonic() + 10
    while spooled(home) != rows and time.monotonic() < deadline:
        time.sleep(0.02)
    return spooled(home) == rows


def test_a_ledger_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    ledger = FullLedger(tmp_path / "l.sqlite", 0)
    with clerk_of(tmp_path, ledger) as (clerk, door, _):
        clerk.begin(START, NO_ROWS)
        ledger.times = 2
        clerk.start()
        door.put(events(0, 10))
        clerk.wake()
        deadline = time.monotonic() + 5
        while not clerk.error and time.monotonic() < deadline:
            time.sleep(0.01)
        assert "disk is full" in clerk.error
        assert wait_for_rows(tmp_path, 10)
        clerk.wake(hurry=True)
        assert wait_for_rows(tmp_path, 10)


def test_the_ballast_makes_room_once(tmp_path: Path) -> None:
    ballast = tmp_path / "ballast"
    with clerk_of(tmp_path, FullLedger(tmp_path / "l.sqlite", 1, ballast), ballast=ballast) as (clerk, _, _):
        clerk.begin(START, NO_ROWS)
        assert clerk.position == START
        assert ballast.exists()


def test_many_frames_are_applied_in_steps(tmp_path: Path) -> None:
    with clerk_of(tmp_path, LedgerWriter(tmp_path / "l.sqlite")) as (clerk, door, spool):
        clerk.begin(START, NO_ROWS)
        for number in range(FRAMES_A_STEP // 100):
            door.put(events(number * 5, 5))
        clerk.catch_up(spool.end)
        assert spooled(tmp_path) == FRAMES_A_STEP // 100 * 5
        clerk.enrol("late", Progress(*spool.end, rows=spool.totals))
        check = open_ledger(tmp_path / "l.sqlite").check()
        assert check.balanced


def test_dead_letters_that_find_no_room_wait_in_the_spool(tmp_path: Path) -> None:
    dead = DeadLetters(tmp_path / "dead", max_bytes=10)
    with clerk_of(tmp_path, LedgerWriter(tmp_path / "l.sqlite"), dead) as (clerk, door, spool):
        clerk.begin(START, NO_ROWS)
        clerk.start()
        door.put(events(0, 1, dead=[DeadLetter("payload", "why", b"x" * 100)]))
        clerk.wake()
        deadline = time.monotonic() + 5
        while not clerk.error and time.monotonic() < deadline:
            time.sleep(0.01)
        assert "replay or drop some" in clerk.error
        assert clerk.position < spool.end


def test_rows_of_a_frame_that_nobody_can_read_are_in_the_ledger_under_a_name_of_their_own(tmp_path: Path) -> None:
    with clerk_of(tmp_path, LedgerWriter(tmp_path / "l.sqlite")) as (clerk, door, spool):
        clerk.begin(START, NO_ROWS)
        clerk.enrol("lake", Progress())
        for number in range(3):
            door.put(events(number * 5, 5, dead=[DeadLetter("payload", "why", b"x")]))
        first, second = spool.segments[0], spool.end
        path = tmp_path / "spool" / f"segment-{first:08}.log"
        data = bytearray(path.read_bytes())
        data[34] ^= 1
        path.write_bytes(data)
        clerk.catch_up(second)
        rows = open_ledger(tmp_path / "l.sqlite").rows().to_pylist()
        assert {(row["hop"], row["count_in"]) for row in rows if row["log_source"].startswith("(unreadable")} == {("collect", 5), ("spool", 5), ("deliver", 5)}
        assert open_ledger(tmp_path / "l.sqlite").check().balanced


def test_a_dead_letter_whose_frame_is_damaged_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with clerk_of(tmp_path, LedgerWriter(tmp_path / "l.sqlite")) as (clerk, door, spool):
        clerk.begin(START, NO_ROWS)
        door.put(events(0, 5, dead=[DeadLetter("payload", "why", b"x")]))
        door.put(events(5, 5))
        path = tmp_path / "spool" / "segment-00000001.log"
        data = bytearray(path.read_bytes())
        one = next(iter(spool.heads(1))).end
        data[one - 3] ^= 1
        path.write_bytes(data)
        clerk.catch_up(spool.end)
        assert "1 dead letters of test:a are lost" in caplog.text


class NoRoomDisk(LocalDisk):
    """A disk that has no room for id files."""

    full = False

    def create(self, path: Path) -> DiskFile:
        """Make a file, but for ids."""
        if self.full and path.name.startswith("ids-"):
            raise OSError(28, "No space left on device")
        return super().create(path)


def test_ids_of_deleted_segments_are_kept_while_there_is_room(tmp_path: Path) -> None:
    disk = NoRoomDisk()
    spool = Spool(tmp_path, Machine(segment_bytes=1), max_bytes=1 << 40, new_identity=lambda: "0123456789abcdef")
    door = Admission(spool, RecentIds(1_000))
    for number in range(5):
        door.put(events(number * 10, 10))
    kept = Remembered(tmp_path, disk, 25)
    for number in spool.segments[:4]:
        disk.full = number == 2
        kept.keep(spool, number)
    spool.remove_before(spool.end)
    assert [path.name for path in sorted(tmp_path.glob("ids-*"))] == ["ids-00000001.u64", "ids-00000003.u64", "ids-00000004.u64"]
    (tmp_path / "ids-00000003.u64").write_bytes(b"broken")
    recent = RecentIds(1_000)
    kept.rebuild(spool, recent)
    ids = np.concatenate([np.frombuffer((tmp_path / f"ids-0000000{n}.u64").read_bytes(), np.uint64, offset=4) for n in (1, 4)])
    assert not recent.admit(ids).any()
