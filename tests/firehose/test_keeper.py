"""The keeper: what counts stays the same at every step of a merge."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose.keeper import Keeper
from firehose.keeper.account import lake_rows, summary
from firehose.keeper.loop import ORPHAN_AFTER_S
from firehose.keeper.merge import delete, merge, newest, view
from firehose.keeper.settled import settled_by
from firehose.parts import write_part
from tailrace.clock import ManualClock
from tailrace.errors import StateError
from tailrace.lake import PartitionState, fresh_name, part_key, partition_of, read_state, state_key
from tailrace.settings import Settings
from tailrace.stores.folder import FolderStore
from tests.contracts.memory_store import MemoryStore
from tests.firehose.deliveries import NOON_US, lake_column, numbered, numbers, quick, table_of

HERE = partition_of(NOON_US)


class CrashError(Exception):
    """The process died."""


def crash_at(wanted: str) -> Callable[[str], None]:
    def probe(point: str) -> None:
        if point == wanted:
            raise CrashError

    return probe


def put_fresh(home: Path, number: int, first: int, count: int = 10, revision: int = 0) -> None:
    key = part_key("logs", HERE, fresh_name("abc", 1, number, number + 1))
    FolderStore(home / "lake").put(key, write_part(numbered(first, count, revision=revision)).to_pybytes())


def keeper(home: Path, clock: ManualClock | None = None, **more: object) -> Keeper:
    return Keeper(Settings(home=home, search_timeout_s=10), clock or ManualClock(), **more)  # type: ignore[arg-type] # options of the keeper


def rounds(one: Keeper, count: int) -> None:
    for _ in range(count):
        one.round(force=True)


def files(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "lake" / "logs").rglob("*.parquet"))


def test_fresh_parts_are_merged_when_they_are_many_or_old_and_deleted_after_the_grace(tmp_path: Path) -> None:
    clock = ManualClock()
    one = keeper(tmp_path, clock, merge_after_s=60.0, grace_s=30.0)
    put_fresh(tmp_path, 1, 0)
    put_fresh(tmp_path, 2, 10)
    assert one.round().parts == 0
    clock.sleep(61)
    assert (one.round().parts, len(files(tmp_path))) == (2, 3)
    assert sorted(lake_column(tmp_path)) == numbers(20)
    one.round()
    clock.sleep(29)
    one.round()
    assert len(files(tmp_path)) == 3
    clock.sleep(2)
    one.round()
    assert [name[:2] for name in files(tmp_path)] == ["m-"]
    for number in range(17):
        put_fresh(tmp_path, 10 + number, 20 + number, 1)
    assert one.round().parts == 18
    assert sorted(lake_column(tmp_path)) == numbers(37)
    assert one.status()["merged_parts"] == 20


def test_of_each_event_the_highest_revision_stays_also_across_parts_that_were_merged_before(tmp_path: Path) -> None:
    one = keeper(tmp_path, grace_s=0.0)
    put_fresh(tmp_path, 1, 0, 2_000)
    one.round(force=True)
    put_fresh(tmp_path, 2, 5, 1, revision=3)
    put_fresh(tmp_path, 3, 5, 1, revision=2)
    done = one.round(force=True)
    assert (done.rows_in, done.rows_out) == (2_002, 2_000)
    assert sorted(lake_column(tmp_path)) == numbers(2_000)
    assert sorted(lake_column(tmp_path, "revision"))[-2:] == [0, 3]
    assert lake_rows(FolderStore(tmp_path / "lake"))["logs"] == 2_002
    put_fresh(tmp_path, 4, 0, 1)
    one.round(force=True)
    assert lake_rows(FolderStore(tmp_path / "lake"))["logs"] == 2_003
    assert summary(FolderStore(tmp_path / "lake"))[0]["rows"] == 2_000
    assert one.status()["duplicates_removed"] == 3


@pytest.mark.parametrize("point", ["keeper.part_put", "keeper.committed", "keeper.deleted"])
def test_a_crash_at_any_point_leaves_each_row_once(tmp_path: Path, point: str) -> None:
    for number in range(4):
        put_fresh(tmp_path, number, number * 10)
    dying = keeper(tmp_path, grace_s=0.0, probe=crash_at(point))
    with pytest.raises(CrashError):
        rounds(dying, 3)
    assert sorted(lake_column(tmp_path)) == numbers(40)
    again = keeper(tmp_path, grace_s=0.0)
    for _ in range(4):
        again.round(force=True)
        assert sorted(lake_column(tmp_path)) == numbers(40)
    assert len(files(tmp_path)) == 1


def test_what_a_crash_left_is_deleted_after_an_hour(tmp_path: Path) -> None:
    put_fresh(tmp_path, 0, 20)
    put_fresh(tmp_path, 1, 0)
    with pytest.raises(CrashError):
        keeper(tmp_path, probe=crash_at("keeper.part_put")).round(force=True)
    put_fresh(tmp_path, 2, 10)
    clock = ManualClock()
    one = keeper(tmp_path, clock)
    one.round(force=True)
    one.round()
    clock.sleep(ORPHAN_AFTER_S / 2)
    one.round()
    assert len(files(tmp_path)) == 2
    clock.sleep(ORPHAN_AFTER_S)
    one.round()
    assert len(files(tmp_path)) == 1
    assert sorted(lake_column(tmp_path)) == numbers(30)


def test_what_no_state_names_is_deleted_only_when_whoever_would_commit_it_must_lose(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)  # its tags are hashes: a state that came back would have the tag that it had
    store.put(state_key("logs", HERE), PartitionState().encode())
    for number in range(2):
        store.put(part_key("logs", HERE, fresh_name("abc", 1, number, number + 1)), write_part(numbered(number * 5, 5)).to_pybytes())

    def meanwhile(point: str) -> None:
        if point == "keeper.part_put":  # another keeper takes what was put for what a crash left, deletes it and forgets it
            for _ in range(2):
                seen = view(store, "logs", HERE)
                delete(store, seen, seen.idle, lambda _: "yes")

    assert merge(store, view(store, "logs", HERE), lambda _: "yes", meanwhile).parts == 0
    assert read_state(store, "logs", HERE)[0].counts == {}
    assert lake_rows(store)["logs"] == 10
    assert merge(store, view(store, "logs", HERE), lambda _: "yes").parts == 2
    assert lake_rows(store)["logs"] == 10


def test_parts_that_another_keeper_merged_and_deleted_meanwhile_end_no_round(tmp_path: Path) -> None:
    class Busy(MemoryStore):
        """A store in which another keeper merges and deletes when the first part is read."""

        busy = False

        def get(self, key: str) -> bytes | None:
            if key.endswith(".parquet") and not self.busy:
                self.busy = True
                rounds(keeper(tmp_path, store=self, grace_s=0.0), 3)
            return super().get(key)

    store = Busy()
    for number in range(3):
        store.put(part_key("logs", HERE, fresh_name("abc", 1, number, number + 1)), write_part(numbered(number * 5, 5)).to_pybytes())
    one = keeper(tmp_path, store=store)
    assert one.round(force=True).parts == 0
    assert lake_rows(store)["logs"] == 15
    assert len(store.objects(f"logs/{HERE.path}/")) == 1


def test_one_part_alone_is_left_as_it_is(tmp_path: Path) -> None:
    put_fresh(tmp_path, 1, 0)
    one = keeper(tmp_path)
    assert one.round(force=True).parts == 0
    assert [name[:2] for name in files(tmp_path)] == ["f-"]


def test_one_part_alone_is_not_behind_however_old(tmp_path: Path) -> None:
    clock, store = ManualClock(), FolderStore(tmp_path / "lake")
    keeper = Keeper(quick(tmp_path), clock, store=store)
    store.put(part_key("logs", HERE, fresh_name("abc", 1, 0, 1)), write_part(numbered(0, 3)).to_pybytes())
    for _ in range(2):
        keeper.look()
        clock.sleep(3_600)
    assert (keeper.status()["fresh_parts"], keeper.status()["due_parts"]) == (1, 0)


def test_a_part_that_may_be_written_again_is_left_alone_and_that_of_another_producer_is_never_forgotten(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "identity").write_text("00000abc12345678")
    settled = settled_by(tmp_path / "spool")
    assert settled(fresh_name("00000abc", 1, 0, 10)) == "no"
    assert settled(fresh_name("ffffffff", 1, 0, 10)) == "unknown"
    assert settled("m-x.parquet") == "yes"
    store = FolderStore(tmp_path / "lake")
    store.put(part_key("logs", HERE, fresh_name("00000abc", 1, 0, 10)), write_part(numbered(0, 10)).to_pybytes())
    put_fresh(tmp_path, 1, 10)
    one = keeper(tmp_path, grace_s=0.0)
    for _ in range(4):
        one.round(force=True)
    assert fresh_name("00000abc", 1, 0, 10) in files(tmp_path)
    put_fresh(tmp_path, 1, 10)
    assert sorted(lake_column(tmp_path)) == numbers(20)


def test_a_commit_that_another_keeper_won_changes_nothing(tmp_path: Path) -> None:
    class Raced(MemoryStore):
        def put_if(self, key: str, data: bytes, tag: str | None) -> bool:
            return False

    store = Raced()
    for name in ("f-abc-1-0-1.parquet", "f-abc-1-1-2.parquet"):
        store.put(part_key("logs", HERE, name), write_part(numbered(0, 5)).to_pybytes())
    assert keeper(tmp_path, store=store).round(force=True).parts == 0
    assert read_state(store, "logs", HERE)[1] is None


def test_an_older_schema_is_read_with_nulls(tmp_path: Path) -> None:
    store = MemoryStore()
    store.put(part_key("logs", HERE, "f-abc-1-0-1.parquet"), write_part(numbered(0, 5).drop_columns(["host_name"])).to_pybytes())
    store.put(part_key("logs", HERE, "f-abc-1-1-2.parquet"), write_part(numbered(5, 5)).to_pybytes())
    assert keeper(tmp_path, store=store).round(force=True).rows_out == 10


def test_one_keeper_at_a_time_has_a_home_and_it_ends_when_told(tmp_path: Path) -> None:
    with keeper(tmp_path) as one, pytest.raises(StateError, match="in use"), keeper(tmp_path):
        assert one.status()["error"] == ""


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(0, 5)), max_size=25))
def test_newest_keeps_one_row_an_event_in_order_of_time(rows: list[tuple[int, int, int]]) -> None:
    table = table_of([{"event_id": str(event), "revision": revision, "event_time": NOON_US + at} for event, revision, at in rows])
    kept = newest(table).to_pylist()
    assert {row["event_id"]: row["revision"] for row in kept} == {str(e): max(r for e2, r, _ in rows if e2 == e) for e, _, _ in rows}
    assert [row["event_time"] for row in kept] == sorted(row["event_time"] for row in kept)


class FailingStore(MemoryStore):
    """Lists nothing while it fails."""

    fails = False

    def folders(self, prefix: str) -> Sequence[str]:
        if self.fails:
            raise OSError("no such bucket")
        return super().folders(prefix)


def test_it_says_how_its_rounds_go_and_whether_it_is_behind(tmp_path: Path) -> None:
    clock, store = ManualClock(), FailingStore()
    one = keeper(tmp_path, clock, store=store, merge_after_s=60.0)
    told = one.status()
    assert (told["rounds"], told["last_round_us"], told["failures"]) == (0, 0, 0)
    for number in range(2):
        store.put(part_key("logs", HERE, fresh_name("abc", 1, number, number + 1)), write_part(numbered(10 * number, 10)).to_pybytes())
    clock.sleep(7)
    one.look()
    told = one.status()
    assert (told["rounds"], told["last_round_us"], told["idle_s"], told["fresh_parts"], told["due_parts"]) == (1, clock.now_us(), 0, 2, 0)
    store.fails = True
    for _ in range(2):
        clock.sleep(5)
        one.look()
    told = one.status()
    assert (told["rounds"], told["idle_s"], told["failures"], told["failing_s"], told["error"]) == (1, 10, 2, 5, "no such bucket")
    store.fails = False
    clock.sleep(60)
    one.look()
    told = one.status()
    assert (told["rounds"], told["idle_s"], told["failures"], told["failing_s"], told["error"], told["merged_parts"]) == (2, 0, 0, 0, "", 2)


def test_what_killed_writers_left_in_the_lake_is_deleted_after_a_day_and_nothing_else(tmp_path: Path) -> None:
    clock, lake = ManualClock(), tmp_path / "lake"
    store = FolderStore(lake)
    key = part_key("logs", partition_of(NOON_US), "f-ab-1-0-9.parquet")
    part = write_part(numbered(0, 3)).to_pybytes()
    store.put(key, part)
    store.put("_odd/name", b"no temporary file")
    left = lake / key
    names = [left.with_name(f"_{left.name}.{pid}.140") for pid in (1, 2)]
    for name, age_s in zip(names, (2 * 86_400, 60), strict=True):
        name.write_bytes(b"half")
        os.utime(name, (clock.now_us() / 1e6 - age_s,) * 2)
    for path in (left, lake / "_odd" / "name", lake / "_lock"):
        path.touch()
        os.utime(path, (0, 0))
    keeper = Keeper(quick(tmp_path), clock, store=store)
    keeper.look()
    assert [name.exists() for name in names] == [False, True]
    assert (store.get(key), store.get("_odd/name")) == (part, b"no temporary file")
    clock.sleep(3 * 86_400)
    keeper.look()
    assert not names[1].exists()
    assert keeper.status()["error"] == ""
