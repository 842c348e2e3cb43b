"""Rows of a higher revision take the place of lower ones by one commit, whatever else is done to the partition, and a crash leaves either."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose.columns import ints, one_array
from firehose.keeper.account import lake_rows
from firehose.keeper.merge import delete, merge, newest, view
from firehose.keeper.replace import Rows, replace_rows
from firehose.parts import write_part
from tailrace.errors import TransientError
from tailrace.lake import fresh_name, live_parts, part_key, partition_of, state_key
from tests.contracts.memory_store import MemoryStore
from tests.firehose.deliveries import ALWAYS, NOON_US, numbered

HERE = partition_of(NOON_US)


class CrashError(Exception):
    """The process died."""


def crash(point: str) -> None:
    del point
    raise CrashError


def put_fresh(store: MemoryStore, number: int, table: pa.Table) -> None:
    store.put(part_key("logs", HERE, fresh_name("abc", 1, number, number + 1)), write_part(table).to_pybytes())


def rows_of(table: pa.Table) -> Rows:
    return Rows(one_array(table, "event_id"), ints(table, "revision"), table)


def there(store: MemoryStore) -> dict[str, int]:
    """Event ids and revisions of the rows that count; each id once."""
    tables = [pq.read_table(pa.BufferReader(store.get(part.key) or b"")) for part in live_parts(store, "logs", *ALWAYS)]
    found = [(str(row["event_id"]), int(row["revision"])) for table in tables for row in table.select(["event_id", "revision"]).to_pylist()]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_lower_revisions_go_and_others_stay() -> None:
    store = MemoryStore()
    put_fresh(store, 0, numbered(0, 5))
    put_fresh(store, 1, numbered(5, 5))
    new = numbered(4, 3, revision=1)
    assert not replace_rows(store, "logs", HERE, rows_of(new), "s").any()
    assert there(store) == {f"e-{n}": int(n in {4, 5, 6}) for n in range(10)}
    assert lake_rows(store)["logs"] == 13
    assert replace_rows(store, "logs", HERE, rows_of(new), "s").all()
    assert replace_rows(store, "logs", HERE, rows_of(numbered(4, 1, revision=0)), "t").all()
    assert lake_rows(store)["logs"] == 13


def test_rows_may_be_taken_away_without_others_in_their_place() -> None:
    store = MemoryStore()
    put_fresh(store, 0, numbered(0, 3))
    gone = numbered(0, 3)
    replace_rows(store, "logs", HERE, Rows(one_array(gone, "event_id"), ints(gone, "revision") + 1), "s")
    assert there(store) == {}
    assert lake_rows(store)["logs"] == 3
    replace_rows(store, "logs", HERE, Rows(one_array(gone, "event_id"), ints(gone, "revision") + 1), "s")
    assert lake_rows(store)["logs"] == 3


def test_a_crash_before_the_commit_changes_nothing_and_doing_it_again_does_it() -> None:
    store = MemoryStore()
    put_fresh(store, 0, numbered(0, 5))
    new = rows_of(numbered(2, 2, revision=1))
    with pytest.raises(CrashError):
        replace_rows(store, "logs", HERE, new, "s", crash)
    assert there(store) == {f"e-{n}": 0 for n in range(5)}
    replace_rows(store, "logs", HERE, new, "s")
    assert there(store) == {f"e-{n}": int(n in {2, 3}) for n in range(5)}


class Contested(MemoryStore):
    """A store in which somebody else commits first, so many times."""

    def __init__(self, times: int, other: Callable[["Contested"], None]) -> None:
        super().__init__()
        self.times, self.other = times, other

    def put_if(self, key: str, data: bytes, tag: str | None) -> bool:
        if key == state_key("logs", HERE) and self.times > 0:
            self.times -= 1
            self.other(self)
        return super().put_if(key, data, tag)


def test_a_merge_that_commits_meanwhile_is_taken_into_account() -> None:
    def merged(store: Contested) -> None:
        assert merge(store, view(store, "logs", HERE), lambda _: "yes").parts == 3

    store = Contested(0, merged)
    for number in range(3):
        put_fresh(store, number, numbered(number * 5, 5))
    store.times = 1
    replace_rows(store, "logs", HERE, rows_of(numbered(4, 3, revision=1)), "s")
    assert there(store) == {f"e-{n}": int(n in {4, 5, 6}) for n in range(15)}


def test_others_who_commit_all_the_time_are_waited_for_up_to_a_limit() -> None:
    def changed(store: Contested) -> None:
        MemoryStore.put(store, state_key("logs", HERE), b'{"part":"m-x%d.parquet","counts":false}\n' % store.times)

    store = Contested(1_000, changed)
    put_fresh(store, 0, numbered(0, 2))
    with pytest.raises(TransientError, match="commit all the time"):
        replace_rows(store, "logs", HERE, rows_of(numbered(0, 1, revision=1)), "s")


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("fresh"), st.integers(0, 20), st.integers(1, 8)),
            st.tuples(st.just("replace"), st.integers(0, 20), st.integers(1, 8)),
            st.tuples(st.just("merge"), st.just(0), st.just(0)),
            st.tuples(st.just("delete"), st.just(0), st.just(0)),
        ),
        max_size=12,
    )
)
def test_whatever_happens_in_whatever_order_the_highest_revision_counts_once(steps: list[tuple[str, int, int]]) -> None:
    store, expected, put = MemoryStore(), dict[str, int](), 0
    for number, (what, first, count) in enumerate(steps):
        seen = view(store, "logs", HERE)
        if what == "fresh":
            new = [n for n in range(first, first + count) if f"e-{n}" not in expected]
            table = pa.concat_tables([numbered(n, 1) for n in new]) if new else numbered(0, 0)
            if new:
                put_fresh(store, number, table)
                put += len(new)
                expected |= {f"e-{n}": 0 for n in new}
        elif what == "replace":
            revision = number + 1
            assert not replace_rows(store, "logs", HERE, rows_of(numbered(first, count, revision=revision)), f"s{number}").any()
            expected |= {f"e-{n}": revision for n in range(first, first + count)}
            put += count
        elif what == "merge":
            merge(store, seen, lambda _: "yes")
        else:
            delete(store, seen, seen.idle, lambda _: "yes")
        assert there(store) == expected
        assert lake_rows(store)["logs"] == put
    if expected:
        table = pa.concat_tables([pq.read_table(pa.BufferReader(store.get(part.key) or b"")) for part in live_parts(store, "logs", *ALWAYS)])
        assert newest(table).num_rows == len(expected) == table.num_rows
