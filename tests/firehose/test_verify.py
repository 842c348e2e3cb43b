"""Verifying the lake finds what is damaged, missing, misplaced or twice, names it, and calls nothing wrong that is not."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from firehose.keeper import Keeper, account
from firehose.keeper.verify import Verified, verify
from firehose.parts import by_hour, write_part
from tailrace.clock import US_PER_HOUR, ManualClock
from tailrace.lake import Partition, fresh_name, part_key, partition_of, read_state, state_key
from tailrace.settings import Settings
from tests.contracts.memory_store import MemoryStore
from tests.firehose.deliveries import NOON_US, ledger_says, numbered, table_of

HERE = partition_of(NOON_US)
PLACE = f"logs/{HERE.path}"


def put(store: MemoryStore, name: str, table: pa.Table, partition: Partition = HERE) -> str:
    key = part_key("logs", partition, name)
    store.put(key, write_part(table).to_pybytes())
    return key


def put_fresh(store: MemoryStore, number: int, table: pa.Table, partition: Partition = HERE) -> str:
    return put(store, fresh_name("abc", 1, number, number + 1), table, partition)


def merged(store: MemoryStore, *tables: pa.Table) -> str:
    """Put parts and merge them; answer the merged part's key."""
    for number, table in enumerate(tables):
        put_fresh(store, number, table)
    Keeper(Settings(home=Path("none")), ManualClock(), store=store).round(force=True)
    state, _ = read_state(store, "logs", HERE)
    return part_key("logs", HERE, next(name for name, live in state.counts.items() if live))


def problems(found: Verified) -> list[tuple[str, str]]:
    return [(one.where, one.what) for one in found.problems]


def test_a_lake_that_was_written_merged_and_written_again_has_no_problem() -> None:
    store = MemoryStore()
    merged(store, numbered(0, 10), numbered(10, 10))
    put_fresh(store, 7, numbered(20, 5))
    before = dict(store.data)
    found = verify(store, ledger_says(events=25, spans=0, metrics=0))
    assert (found.parts, found.rows, found.problems, found.told) == (2, 25, [], [])
    assert store.data == before


def test_an_empty_lake_has_no_problem() -> None:
    assert verify(MemoryStore(), ledger_says(events=0)).problems == []


def test_a_damaged_byte_anywhere_in_the_pages_is_found_and_its_part_named() -> None:
    store = MemoryStore()
    put_fresh(store, 0, numbered(0, 50))
    key = put_fresh(store, 1, numbered(50, 50))
    whole = store.data[key]
    group = pq.ParquetFile(pa.BufferReader(whole)).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    for column in columns:
        end = (
            column.data_page_offset + column.total_compressed_size - 1 - (column.data_page_offset - (column.dictionary_page_offset or column.data_page_offset))
        )
        store.data[key] = whole[:end] + bytes([whole[end] ^ 1]) + whole[end + 1 :]
        found = problems(verify(store))
        assert [where for where, _ in found] == [key], column.path_in_schema
        assert found[0][1].startswith("cannot be read: ")
    store.data[key] = whole[: len(whole) // 2]
    assert [where for where, _ in problems(verify(store))] == [key]


def test_a_merged_part_that_was_deleted_by_hand_is_named_and_a_fresh_one_is_missed_by_the_ledger() -> None:
    store = MemoryStore()
    key = merged(store, numbered(0, 10), numbered(10, 10))
    gone = put_fresh(store, 7, numbered(20, 5))
    store.delete(gone)
    assert problems(verify(store, ledger_says(events=25))) == [("logs", "25 events went to the lake, 20 are there")]
    store.delete(key)
    assert problems(verify(store, ledger_says(events=20))) == [(key, "counts, and is not there"), ("logs", "20 events went to the lake, 0 are there")]


def test_rows_of_another_hour_are_found() -> None:
    store = MemoryStore()
    key = put_fresh(store, 0, numbered(0, 4), partition_of(NOON_US + US_PER_HOUR))
    assert problems(verify(store)) == [(key, "4 rows are of another hour")]


def test_absurd_times_lie_where_the_layout_says_and_are_no_problem() -> None:
    store = MemoryStore()
    absurd = table_of(
        [
            {"event_id": "early", "event_time": -62_135_596_800_000_000},
            {"event_id": "late", "event_time": 200_000_000_000_000_000},
            {"event_id": "none", "event_time": None},
        ]
    )
    for number, (partition, rows) in enumerate(by_hour(absurd)):
        put_fresh(store, number, rows, partition)
    assert sorted({key.split("/")[1] for key in store.data}) == ["day=1970-01-01", HERE.path.split("/")[0], "day=2099-12-31"]
    assert verify(store, ledger_says(events=3)).problems == []


def test_an_event_that_is_twice_in_merged_parts_is_named() -> None:
    store = MemoryStore()
    first = merged(store, numbered(0, 10), numbered(10, 10))
    second = put(store, "m-other.parquet", numbered(7, 2))
    state, tag = read_state(store, "logs", HERE)
    assert store.put_if(state_key("logs", HERE), state.replaced([], ["m-other.parquet"]).encode(), tag)
    names = ", ".join(sorted(key.rpartition("/")[2] for key in (first, second)))
    for rows_at_once in (1_000, 5):
        found = problems(verify(store, rows_at_once=rows_at_once))
        assert {where for where, _ in found} == {PLACE}
        assert {name for _, what in found for name in ("e-7", "e-8") if name in what} == {"e-7", "e-8"}
        assert all(what.endswith(f": twice in merged parts ({names})") for _, what in found)


@pytest.mark.parametrize("how", ["in one part", "in two parts", "in a fresh and a merged one"])
def test_an_event_that_is_twice_until_fresh_parts_are_merged_is_told_and_no_problem(how: str) -> None:
    store = MemoryStore()
    if how == "in one part":
        put_fresh(store, 0, pa.concat_tables([numbered(0, 1), numbered(0, 1)]))
    elif how == "in two parts":
        put_fresh(store, 0, numbered(0, 5))
        put_fresh(store, 1, numbered(4, 5))
    else:
        merged(store, numbered(0, 5), numbered(5, 5))
        put_fresh(store, 9, numbered(3, 1))
    found = verify(store)
    assert problems(found) == []
    assert [(one.where, one.what) for one in found.told] == [(PLACE, "1 events are there twice until fresh parts are merged")]


def test_another_revision_is_another_row() -> None:
    store = MemoryStore()
    put_fresh(store, 0, numbered(0, 5))
    put_fresh(store, 1, numbered(0, 5, revision=1))
    assert verify(store).told == []


def test_disorder_and_missing_ids_are_found() -> None:
    store = MemoryStore()
    key = put_fresh(store, 0, pa.concat_tables([numbered(1, 1), numbered(0, 1)]))
    other = put_fresh(store, 1, table_of([{"event_id": None}, {"event_id": "x", "revision": None}]))
    assert problems(verify(store)) == [(key, "rows are not in order of event time"), (other, "1 rows have no event_id"), (other, "1 rows have no revision")]


def test_disorder_between_row_groups_is_found() -> None:
    store = MemoryStore()
    sink = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables([numbered(5, 5), numbered(0, 5)]), sink, row_group_size=5)
    key = part_key("logs", HERE, "f-abc-1-0-1.parquet")
    store.put(key, sink.getvalue().to_pybytes())
    assert problems(verify(store)) == [(key, "rows are not in order of event time")]


def test_a_part_of_an_older_schema_and_what_waits_to_be_deleted_are_no_problem() -> None:
    store = MemoryStore()
    merged(store, numbered(0, 10), numbered(10, 10))
    put_fresh(store, 0, numbered(0, 1).slice(0, 0))
    put_fresh(store, 8, numbered(30, 3).drop_columns(["host_name", "observed_time"]))
    store.put(part_key("logs", HERE, "m-orphan.parquet"), b"half")
    assert verify(store).problems == []


def test_a_state_that_is_none_and_a_part_that_is_none_are_named() -> None:
    store = MemoryStore()
    key = part_key("logs", HERE, "f-abc-1-0-1.parquet")
    store.put(key, b"not Parquet")
    assert [where for where, _ in problems(verify(store))] == [key]
    store.put(state_key("logs", HERE), b"{")
    assert [where for where, _ in problems(verify(store))] == [PLACE]
    assert [where for where, _ in problems(verify(store, ledger_says(events=0)))] == [PLACE, "ledger"]


def test_a_part_that_is_merged_and_deleted_while_it_is_verified_is_no_problem() -> None:
    class Busy(MemoryStore):
        """A store in which a keeper merges and deletes when the first part is read."""

        def get(self, key: str) -> bytes | None:
            if key.endswith(".parquet") and not self.busy:
                self.busy = True
                keeper = Keeper(Settings(home=Path("none"), search_timeout_s=0), ManualClock(), store=self, grace_s=0.0)
                for _ in range(3):
                    keeper.round(force=True)
            return super().get(key)

        busy = False

    store = Busy()
    for number in range(3):
        put_fresh(store, number, numbered(number * 10, 10))
    found = verify(store, ledger_says(events=30))
    assert (found.parts, found.rows, found.problems) == (1, 30, [])


def test_what_the_ledger_never_knew_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "LEDGER_WITHIN_S", 0.0)
    store = MemoryStore()
    put_fresh(store, 0, numbered(0, 16))
    assert problems(verify(store, ledger_says(events=15))) == [("logs", "15 events went to the lake, 16 are there")]
