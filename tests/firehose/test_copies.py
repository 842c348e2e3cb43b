"""Backup and restore: what is restored answers as the lake did at the moment of the backup, whatever was written, merged and deleted meanwhile."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

from firehose.keeper import Keeper
from firehose.keeper.account import lake_rows
from firehose.keeper.copies import BACKUP, RESTORING, backup, restore
from firehose.keeper.expire import Expiry
from firehose.keeper.retention import parse_retention
from firehose.keeper.verify import verify
from firehose.parts import by_hour, write_part
from queries.workspace import Workspace
from sandbox.servers.pytest_plugin import S3Server
from tailrace.clock import US_PER_HOUR, ManualClock, SystemClock
from tailrace.errors import StateError, TransientError, UsageError
from tailrace.lake import fresh_name, live_parts, part_key, partition_of, read_state
from tailrace.settings import Settings
from tailrace.stores.folder import FolderStore
from tailrace.stores.port import ObjectStore
from tailrace.stores.s3 import S3Store
from tailrace.yaml_file import parse_yaml
from tests.contracts.memory_store import MemoryStore
from tests.contracts.test_object_store import s3_client
from tests.firehose.deliveries import ALWAYS, NOON_US, numbered

HERE = partition_of(NOON_US)


def put(store: ObjectStore, number: int, table: pa.Table) -> None:
    for partition, own in by_hour(table):
        store.put(part_key("logs", partition, fresh_name("abc", 1, number, number + 1)), write_part(own).to_pybytes())


def spread(first: int, count: int) -> pa.Table:
    """Events over three hours."""
    return pa.concat_tables([numbered(first + n, 1, at_us=NOON_US + n % 3 * US_PER_HOUR) for n in range(count)])


def keeper(store: ObjectStore, grace_s: float = 0.0) -> Keeper:
    return Keeper(Settings(home=Path("none"), search_timeout_s=0), ManualClock(), store=store, grace_s=grace_s)


def live(store: ObjectStore) -> list[str]:
    return [part.key for part in live_parts(store, "logs", *ALWAYS)]


ANSWERS: tuple[dict[str, Any], ...] = (
    {"size": 1000, "track_total_hits": True},
    {"query": {"match": {"message": "7"}}, "size": 10},
    {"size": 0, "aggs": {"hours": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h"}}}},
)


def answers(home: Path) -> list[Any]:
    with Workspace(Settings(home=home), SystemClock()) as space:
        found = [space.engine("lake").search("logs", body) for body in ANSWERS]
    return [{name: one[name] for name in ("hits", "aggregations") if name in one} for one in found]


@pytest.fixture(params=["folder", "memory", pytest.param("s3", marks=pytest.mark.s3)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "folder":
        return FolderStore(tmp_path / "target")
    server: S3Server = request.getfixturevalue("s3_server")
    return S3Store(s3_client(server), server.bucket, f"backup/{uuid4()}/")


class Busy(FolderStore):
    """A lake in which a sink writes and a keeper merges and deletes whenever something is read for the backup."""

    def __init__(self, root: Path, grace_s: float, times: int) -> None:
        super().__init__(root)
        self.times, self._number, self._keeper = times, 100, keeper(FolderStore(root), grace_s)

    def get(self, key: str) -> bytes | None:
        if self.times and key.endswith(".parquet"):
            self.times -= 1
            self._number += 1
            put(FolderStore(self._root), self._number, spread(self._number * 10, 10))
            for _ in range(2):
                self._keeper.round(force=True)
        return super().get(key)


@pytest.mark.parametrize("grace_s", [1_000.0, 0.0], ids=["parts wait", "parts go at once"])
def test_the_drill_a_backup_while_a_sink_writes_and_a_keeper_merges_answers_elsewhere_as_at_its_moment(
    tmp_path: Path, target: ObjectStore, grace_s: float
) -> None:
    lake = Busy(tmp_path / "a" / "lake", grace_s, 4)
    for number in range(4):
        put(lake, number, spread(number * 10, 10))
    moments = list[list[Any]]()
    copied = backup(lake, target, NOON_US, probe=lambda point: moments.append(answers(tmp_path / "a")) if point == "backup.taken" else None)
    assert lake.times == 0
    assert len(moments) > 1 if grace_s == 0 else len(moments) == 1
    restore(target, FolderStore(tmp_path / "b" / "lake"))
    assert answers(tmp_path / "b") == moments[-1]
    assert answers(tmp_path / "a") != moments[0]
    assert verify(FolderStore(tmp_path / "b" / "lake")).problems == []
    assert copied.parts >= len(live(FolderStore(tmp_path / "b" / "lake")))


def test_a_second_backup_copies_what_is_new_and_deletes_what_it_does_not_name() -> None:
    lake, target = MemoryStore(), MemoryStore()
    put(lake, 0, numbered(0, 10))
    put(lake, 1, numbered(10, 10))
    assert (backup(lake, target, NOON_US).parts, backup(lake, target, NOON_US).already) == (2, 2)
    put(lake, 2, numbered(0, 5, at_us=NOON_US + US_PER_HOUR))
    for _ in range(3):
        keeper(lake).round(force=True)
    again = backup(lake, target, NOON_US)
    assert (again.parts, again.already, again.deleted) == (2, 0, 2)
    assert live(target) == live(lake)
    restored = MemoryStore()
    restore(target, restored)
    assert (live(restored), lake_rows(restored)) == (live(lake), lake_rows(lake))
    assert RESTORING not in restored.data


def test_what_was_merged_away_never_counts_in_the_target_again() -> None:
    lake, target = MemoryStore(), MemoryStore()
    put(lake, 0, numbered(0, 10))
    put(lake, 1, numbered(10, 10))
    backup(lake, target, NOON_US)
    for _ in range(4):
        one = keeper(lake)
        one.round(force=True)
        one.round()
    points = list[int]()
    backup(lake, target, NOON_US, probe=lambda point: points.append(len(live(target))) if point == "backup.states_put" else None)
    assert points == [1]


def test_what_expired_is_counted_after_a_restore_too() -> None:
    lake, target, restored = MemoryStore(), MemoryStore(), MemoryStore()
    put(lake, 0, spread(0, 10))
    rules = parse_retention(parse_yaml(b"keep: {logs: 1h}", "retention.yaml"))
    assert sum(one.rows for one in Expiry(lake, rules).run(NOON_US + 2 * US_PER_HOUR)) == 4
    backup(lake, target, NOON_US)
    restore(target, restored)
    assert lake_rows(restored)["logs"] == 10
    assert read_state(restored, "logs", HERE)[0] == read_state(lake, "logs", HERE)[0]


class CrashError(Exception):
    """The process died."""


def crash_at(wanted: str) -> Callable[[str], None]:
    def probe(point: str) -> None:
        if point == wanted:
            raise CrashError

    return probe


@pytest.mark.parametrize("point", ["backup.taken", "backup.parts_put", "backup.states_put", "backup.put"])
@pytest.mark.parametrize("first", [True, False], ids=["the first backup", "a later one"])
def test_a_backup_that_is_killed_leaves_the_one_before_and_can_be_made_again(point: str, first: bool) -> None:
    lake, target = MemoryStore(), MemoryStore()
    put(lake, 0, numbered(0, 10))
    if not first:
        backup(lake, target, NOON_US)
        put(lake, 1, numbered(10, 10))
        keeper(lake).round(force=True)
    with pytest.raises(CrashError):
        backup(lake, target, NOON_US, probe=crash_at(point))
    if not first:
        restored = MemoryStore()
        restore(target, restored)
        assert lake_rows(restored)["logs"] == (20 if point == "backup.put" else 10)
    backup(lake, target, NOON_US)
    restored = MemoryStore()
    restore(target, restored)
    assert live(restored) == live(lake)


@pytest.mark.parametrize("point", ["restore.parts_put", "restore.state_put"])
def test_a_restore_that_is_killed_can_be_begun_again(point: str) -> None:
    lake, target, restored = MemoryStore(), MemoryStore(), MemoryStore()
    put(lake, 0, spread(0, 20))
    put(lake, 1, spread(20, 20))
    keeper(lake).round(force=True)
    backup(lake, target, NOON_US)
    with pytest.raises(CrashError):
        restore(target, restored, probe=crash_at(point))
    restore(target, restored)
    assert live(restored) == live(lake)
    with pytest.raises(UsageError, match="holds something already"):
        restore(target, restored)


def test_a_lake_that_is_not_empty_a_source_that_is_no_backup_and_a_target_that_holds_something_else_are_refused() -> None:
    lake, target = MemoryStore(), MemoryStore()
    put(lake, 0, numbered(0, 10))
    with pytest.raises(UsageError, match="there is no backup"):
        restore(target, MemoryStore())
    other = MemoryStore()
    put(other, 7, numbered(0, 3))
    before = dict(other.data)
    with pytest.raises(UsageError, match="no backup: name another"):
        backup(lake, other, NOON_US)
    backup(lake, target, NOON_US)
    with pytest.raises(UsageError, match="holds something already"):
        restore(target, other)
    assert other.data == before
    target.put(BACKUP, b"{")
    with pytest.raises(StateError, match="not a backup"):
        restore(target, MemoryStore())


def test_a_part_that_is_damaged_missing_or_no_parquet_ends_it() -> None:
    lake, target = MemoryStore(), MemoryStore()
    put(lake, 0, numbered(0, 10))
    backup(lake, target, NOON_US)
    key = live(target)[0]
    whole = target.data[key]
    target.data[key] = whole[:-1]
    with pytest.raises(StateError, match=key):
        restore(target, MemoryStore())
    target.delete(key)
    with pytest.raises(StateError, match="the backup is damaged"):
        restore(target, MemoryStore())
    lake.data[key] = b"x" * len(whole)
    with pytest.raises(StateError, match="is no Parquet file"):
        backup(lake, MemoryStore(), NOON_US)


def test_what_is_read_back_as_something_else_ends_it() -> None:
    class Forgetful(MemoryStore):
        def put(self, key: str, data: bytes) -> None:
            super().put(key, data[:-1] if key.endswith(".parquet") else data)

    lake = MemoryStore()
    put(lake, 0, numbered(0, 10))
    with pytest.raises(StateError, match="read back as something else"):
        backup(lake, Forgetful(), NOON_US)


def test_of_two_backups_at_once_in_one_target_one_fails_and_the_other_is_whole() -> None:
    lake, target = MemoryStore(), MemoryStore()
    put(lake, 0, numbered(0, 10))

    def other(point: str) -> None:
        if point == "backup.states_put":
            put(lake, 1, numbered(10, 10))
            backup(lake, target, NOON_US)

    with pytest.raises(TransientError, match="another backup"):
        backup(lake, target, NOON_US, probe=other)
    restored = MemoryStore()
    restore(target, restored)
    assert lake_rows(restored)["logs"] == 20


def test_parts_that_go_faster_than_they_can_be_copied_end_it(tmp_path: Path) -> None:
    lake = Busy(tmp_path / "lake", 0.0, 1_000)
    for number in range(2):
        put(lake, number, numbered(number * 10, 10))
    with pytest.raises(TransientError, match="faster than they can be copied"):
        backup(lake, MemoryStore(), NOON_US)
