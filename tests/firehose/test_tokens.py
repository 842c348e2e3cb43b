"""Token filters come with merged parts and go with them, and no word of an erased person stays in one."""

from typing import Any

import pytest

from firehose.keeper.copies import backup, restore
from firehose.keeper.erase import erase, order_of
from firehose.keeper.merge import delete, merge, view
from firehose.keeper.tokens import TokenFilters
from firehose.keeper.verify import verify
from firehose.parts import write_part
from tailrace.lake import fresh_name, part_key, partition_of
from tailrace.token_filter import TokenFilter, decode
from tests.contracts.memory_store import MemoryStore
from tests.firehose.deliveries import NOON_US, ledger_says, table_of

HERE = partition_of(NOON_US)
PREFIX = f"logs_tokens/{HERE.path}/"


def settled(name: str) -> Any:
    return "yes"


def put(store: MemoryStore, number: int, *messages: str) -> None:
    rows = [{"event_id": f"{number} {at}", "message": message} for at, message in enumerate(messages)]
    store.put(part_key("logs", HERE, fresh_name("abc", 1, number, number + 1)), write_part(table_of(rows)).to_pybytes())


def merged() -> MemoryStore:
    store = MemoryStore()
    put(store, 0, "order of ann", "order of bob")
    put(store, 1, "paid by carol")
    assert merge(store, view(store, "logs", HERE), settled).parts == 2
    return store


def filters(store: MemoryStore) -> dict[str, TokenFilter]:
    found = {key.removeprefix(PREFIX): decode(data) for key, data in store.data.items() if key.startswith("logs_tokens/")}
    return {name: one for name, one in found.items() if one is not None}


def tend(store: MemoryStore, keeper: TokenFilters | None = None) -> int:
    return (keeper or TokenFilters(store)).tend(view(store, "logs", HERE))


def live(store: MemoryStore) -> set[str]:
    return {part.name.replace(".parquet", ".tokens") for part in view(store, "logs", HERE).live}


def test_a_merged_part_that_counts_has_one_and_a_fresh_one_has_none() -> None:
    store = merged()
    put(store, 2, "fresh")
    assert (tend(store), tend(store)) == (1, 0)
    ((name, found),) = filters(store).items()
    assert name in live(store)
    assert [found.may_hold([word]) for word in ("ann", "bob", "carol", "order", "fresh", "dave")] == [True] * 4 + [False] * 2
    assert verify(store, ledger_says(events=4)).problems == []


def test_a_filter_goes_with_its_part() -> None:
    store = merged()
    keeper = TokenFilters(store)
    tend(store, keeper)
    put(store, 2, "later")
    assert merge(store, view(store, "logs", HERE), settled).parts == 2
    assert tend(store, keeper) == 1
    assert len(filters(store)) == 2
    seen = view(store, "logs", HERE)
    delete(store, seen, seen.idle, settled)
    assert set(filters(store)) == live(store)


def test_a_filter_whose_part_is_gone_is_deleted_at_the_next_look() -> None:
    store = merged()
    store.put(f"{PREFIX}m-gone.tokens", b"x")
    tend(store)
    assert set(filters(store)) == live(store)
    assert f"{PREFIX}m-gone.tokens" not in store.data


def test_after_an_erasure_no_filter_knows_a_word_of_the_erased() -> None:
    store = merged()
    keeper = TokenFilters(store)
    tend(store, keeper)
    assert any(found.may_hold(["ann"]) for found in filters(store).values())
    assert erase(store, order_of([], ["ann"]), settled, now=True).rows == 1
    assert not any(found.may_hold(["ann"]) for found in filters(store).values())
    assert tend(store, keeper) == 1
    (found,) = filters(store).values()
    assert [found.may_hold([word]) for word in ("ann", "bob", "carol")] == [False, True, True]


def test_a_restored_lake_gets_them_again() -> None:
    store, copy, back = merged(), MemoryStore(), MemoryStore()
    tend(store)
    backup(store, copy, NOON_US)
    restore(copy, back)
    assert filters(back) == {}
    assert tend(back) == 1
    assert {key: data for key, data in back.data.items() if "tokens" in key} == {key: data for key, data in store.data.items() if "tokens" in key}


def test_two_keepers_write_the_same_and_one_that_was_killed_is_made_up_for() -> None:
    store = merged()

    def killed(point: str) -> None:
        assert point == "keeper.filter_put"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TokenFilters(store, killed).tend(view(store, "logs", HERE))
    before = dict(store.data)
    assert tend(store) == 0
    assert store.data == before


def test_a_part_that_cannot_be_read_has_none_and_stops_nothing() -> None:
    store = merged()
    (part,) = view(store, "logs", HERE).live
    store.data[part.key] = b"PAR1 no"
    assert tend(store) == 0
    assert filters(store) == {}


def test_other_tables_have_none() -> None:
    store = MemoryStore()
    for number in range(2):
        store.put(part_key("spans", HERE, fresh_name("abc", 1, number, number + 1)), write_part(table_of([{"event_id": f"{number}"}], "spans")).to_pybytes())
    merge(store, view(store, "spans", HERE), settled)
    assert TokenFilters(store).tend(view(store, "spans", HERE)) == 0
    assert not any("tokens" in key for key in store.data)
