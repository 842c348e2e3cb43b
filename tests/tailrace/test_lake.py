"""Which parts of the lake count, and where they lie."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.clock import US_PER_DAY, US_PER_HOUR
from tailrace.errors import StateError
from tailrace.lake import (
    Partition,
    PartitionState,
    all_partitions,
    decode_state,
    existing_partitions,
    fresh_name,
    list_parts,
    live_parts,
    part_key,
    partition_of,
    partitions_between,
    read_state,
    start_of,
    state_key,
)
from tailrace.stores.folder import FolderStore

NOON_US = 1_790_000_000_000_000
HERE = partition_of(NOON_US)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def live_names(store: FolderStore) -> list[str]:
    return [part.name for part in live_parts(store, "logs", NOON_US, NOON_US + 1)]


def test_a_fresh_part_counts_without_a_state_and_a_merged_part_does_not(store: FolderStore) -> None:
    store.put(part_key("logs", HERE, "f-a.parquet"), b"1")
    store.put(part_key("logs", HERE, "m-a.parquet"), b"2")
    assert live_names(store) == ["f-a.parquet"]


def test_one_put_of_the_state_replaces_fresh_parts_by_a_merged_one(store: FolderStore) -> None:
    for name in ("f-a.parquet", "f-b.parquet", "m-a.parquet"):
        store.put(part_key("logs", HERE, name), b"x")
    state, tag = read_state(store, "logs", HERE)
    assert store.put_if(state_key("logs", HERE), state.replaced(["f-a.parquet", "f-b.parquet"], ["m-a.parquet"]).encode(), tag)
    assert live_names(store) == ["m-a.parquet"]
    store.put(part_key("logs", HERE, "f-c.parquet"), b"x")
    assert live_names(store) == ["f-c.parquet", "m-a.parquet"]


def test_a_second_writer_of_the_state_is_refused(store: FolderStore) -> None:
    _, tag = read_state(store, "logs", HERE)
    assert store.put_if(state_key("logs", HERE), PartitionState().encode(), tag)
    assert not store.put_if(state_key("logs", HERE), PartitionState({"m": True}).encode(), tag)


def test_temporary_files_and_foreign_names_are_no_parts(store: FolderStore, tmp_path: Path) -> None:
    store.put(part_key("logs", HERE, "notes.txt"), b"x")
    (tmp_path / "logs" / HERE.path / "_f-a.parquet").write_bytes(b"half")
    assert list_parts(store, "logs", HERE) == []


def test_a_range_touches_only_its_partitions(store: FolderStore) -> None:
    for hours in (-30, -1, 0, 1, 30):
        store.put(part_key("logs", partition_of(NOON_US + hours * US_PER_HOUR), "f-a.parquet"), b"x")
    found = existing_partitions(store, "logs", NOON_US - US_PER_HOUR, NOON_US + 1)
    assert found == [partition_of(NOON_US - US_PER_HOUR), HERE]
    assert len(existing_partitions(store, "logs", 0, NOON_US + 9 * US_PER_DAY)) == 5


def test_partitions_between_are_hours_in_order() -> None:
    hours = list(partitions_between(NOON_US, NOON_US + 2 * US_PER_HOUR))
    assert hours == sorted(hours)
    assert len(hours) == 3


def test_the_same_batch_has_the_same_name() -> None:
    assert fresh_name("p", 1, 2, 3) == fresh_name("p", 1, 2, 3) == "f-p-00000001-000000000002-000000000003.parquet"


@given(st.dictionaries(st.from_regex(r"[fm]-[a-z0-9-]{1,20}\.parquet", fullmatch=True), st.booleans()))
def test_a_state_is_read_as_it_was_written(counts: dict[str, bool]) -> None:
    assert decode_state(PartitionState(counts).encode(), "k").counts == counts


@given(st.dictionaries(st.text(), st.integers(1, 1 << 50)), st.integers(0, 1 << 50))
def test_what_is_gone_is_read_as_it_was_written_whatever_a_rule_is_called(gone: dict[str, int], commits: int) -> None:
    gone.pop("commits", None)
    found = decode_state(PartitionState({"m-a b.parquet": True}, gone, commits).encode(), "k")
    assert (found.counts, found.gone, found.commits) == ({"m-a b.parquet": True}, gone, commits)


def test_no_state_is_ever_the_same_as_one_before() -> None:
    states = [PartitionState()]
    for _ in range(3):
        states.append(states[-1].replaced([], ["m-a"]))
        states.append(states[-1].replaced(["m-a"], []))
        states.append(states[-1].forgotten(["m-a"]))
    assert len({state.encode() for state in states}) == 10
    assert states[-1].counts == {}


def test_what_is_gone_adds_up_and_stays_when_parts_are_forgotten() -> None:
    state = PartitionState().replaced(["f-a"], [], {"expired x": 2}).replaced(["f-b"], [], {"expired x": 3, "erased y": 1}).forgotten(["f-a", "f-b"])
    assert (state.counts, state.gone) == ({}, {"expired x": 5, "erased y": 1})


def test_a_partition_whose_rows_all_left_has_a_state_alone(store: FolderStore) -> None:
    store.put(part_key("logs", HERE, "f-a.parquet"), b"x")
    earlier = partition_of(NOON_US - US_PER_HOUR)
    store.put(state_key("logs", earlier), PartitionState(gone={"expired x": 1}).encode())
    assert existing_partitions(store, "logs", 0, NOON_US + 1) == [HERE]
    assert all_partitions(store, "logs") == [earlier, HERE]
    assert start_of(HERE) <= NOON_US < start_of(HERE) + US_PER_HOUR


@given(st.binary(max_size=60))
def test_foreign_bytes_are_a_state_or_one_clear_error(data: bytes) -> None:
    try:
        decode_state(data, "logs_state/x")
    except StateError as error:
        assert "logs_state/x" in str(error)


def test_forgotten_parts_leave_the_state() -> None:
    state = PartitionState({"f-a": False, "m-a": True}).forgotten(["f-a"])
    assert state.counts == {"m-a": True}


@pytest.mark.parametrize("key", ["../x", "a/../b", "/etc/passwd", "a//b", "", "a/./b", "a\0b"])
def test_a_key_that_leaves_the_folder_is_refused(store: FolderStore, key: str) -> None:
    with pytest.raises(StateError, match="not a key"):
        store.get(key)


def test_partition_orders_by_time() -> None:
    assert Partition("2026-01-01", "23") < Partition("2026-01-02", "00")
