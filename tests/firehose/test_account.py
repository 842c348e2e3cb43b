"""The lake's count is held against the ledger's exactly, also while rows arrive, are merged and are counted at the same time."""

import threading
from pathlib import Path

from firehose import LocalFirehose
from firehose.keeper import Keeper
from firehose.keeper.account import Difference, differences
from firehose.parts import write_part
from tailrace.clock import SystemClock
from tailrace.lake import fresh_name, part_key, partition_of
from tailrace.ledger import Hop, open_ledger
from tailrace.stores.folder import FolderStore
from tests.contracts.memory_store import MemoryStore
from tests.firehose.deliveries import NOON_US, events, ledger_says, numbered, quick

HERE = partition_of(NOON_US)


def put(store: MemoryStore, number: int, first: int, count: int) -> None:
    store.put(part_key("logs", HERE, fresh_name("abc", 1, number, number + 1)), write_part(numbered(first, count)).to_pybytes())


def test_a_part_that_is_there_before_the_ledger_says_so_is_waited_for() -> None:
    store, waits = MemoryStore(), list[float]()
    put(store, 0, 0, 10)
    put(store, 1, 10, 5)

    def hops() -> list[Hop]:
        return ledger_says(events=10 if len(waits) < 3 else 15)()

    assert differences(store, hops, wait=waits.append) == []
    assert len(waits) == 3


def test_what_was_written_before_a_kill_and_is_pending_in_the_ledger_is_no_difference_and_one_row_more_is() -> None:
    store = MemoryStore()
    put(store, 0, 0, 15)
    assert differences(store, ledger_says(events=10, pending=5), wait=lambda _: None) == []
    put(store, 1, 15, 1)
    assert [str(one) for one in differences(store, ledger_says(events=10, pending=5), wait=lambda _: None)] == ["10 events went to the lake, 16 are there"]


def test_one_row_that_is_missing_is_told_though_rows_are_pending() -> None:
    store = MemoryStore()
    put(store, 0, 0, 9)
    (found,) = differences(store, ledger_says(events=10, pending=100), wait=lambda _: None)
    assert (found.delivered, found.there) == (10, 9)


def test_nothing_differs_while_rows_are_put_delivered_merged_and_counted(tmp_path: Path) -> None:
    settings, store, done = quick(tmp_path), FolderStore(tmp_path / "lake"), threading.Event()
    merged, found = list[int](), list[list[Difference]]()
    with LocalFirehose(settings, SystemClock()) as stream:

        def load() -> None:
            number = 0
            while not done.is_set():
                stream.put(events(number * 20, 20))
                number += 1

        def keep() -> None:
            keeper = Keeper(settings, SystemClock(), merge_after_s=0.0, grace_s=1.0)
            while not done.wait(0.05):
                merged.append(keeper.round().parts)

        threads = [threading.Thread(target=work) for work in (load, keep)]
        for thread in threads:
            thread.start()
        ledger = open_ledger(settings.ledger_path)
        try:
            while len(found) < 10 or sum(map(bool, merged)) < 3:
                found.append(differences(store, ledger.hops))
        finally:
            done.set()
            for thread in threads:
                thread.join()
    assert [one for one in found if one] == []
    assert ledger.check().balanced
