"""Two keepers over one lake: whatever one does between any two steps of the other, each row counts once and none is lost."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose.columns import ints, one_array
from firehose.keeper import Keeper
from firehose.keeper.account import lake_rows
from firehose.keeper.erase import erase, order_of
from firehose.keeper.expire import Expiry
from firehose.keeper.merge import merge, source, view
from firehose.keeper.replace import Rows, replace_rows
from firehose.keeper.retention import parse_retention
from firehose.keeper.verify import verify
from firehose.parts import write_part
from sandbox.servers.pytest_plugin import S3Server
from tailrace.clock import US_PER_DAY, ManualClock
from tailrace.lake import fresh_name, live_parts, part_key, partition_of, state_key
from tailrace.settings import Settings
from tailrace.stores.folder import FolderStore
from tailrace.stores.port import ObjectStore
from tailrace.stores.s3 import S3Store
from tailrace.yaml_file import parse_yaml
from tests.contracts.memory_store import MemoryStore
from tests.contracts.test_object_store import s3_client
from tests.firehose.deliveries import ALWAYS, NOON_US, ledger_says, numbered, numbers

HERE = partition_of(NOON_US)
POINTS = ("keeper.part_put", "keeper.committed", "keeper.deleted")
Probe = Callable[[str], None]


@pytest.fixture(params=["folder", "memory", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "folder":
        return FolderStore(tmp_path)
    server: S3Server = request.getfixturevalue("s3_server")
    return S3Store(s3_client(server), server.bucket, f"keepers/{uuid4()}/")


def put(store: ObjectStore, number: int, first: int, count: int = 5) -> None:
    store.put(part_key("logs", HERE, fresh_name("abc", 1, number, number + 1)), write_part(numbered(first, count)).to_pybytes())


def keeper(store: ObjectStore, probe: Probe = lambda _: None) -> Keeper:
    return Keeper(Settings(home=Path("none"), search_timeout_s=0), ManualClock(), store=store, grace_s=0.0, probe=probe)


def ids(store: ObjectStore) -> list[str]:
    parts = live_parts(store, "logs", *ALWAYS)
    return sorted(str(one) for part in parts for one in pq.ParquetFile(source(store, part)).read(["event_id"])["event_id"].to_pylist())


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", POINTS)
def test_a_keeper_that_does_everything_between_two_steps_of_another_loses_and_doubles_nothing(store: ObjectStore, point: str, nth: int) -> None:
    for number in range(4):
        put(store, number, number * 5)
    other, left, there = keeper(store), [nth], [20]

    def between(name: str) -> None:
        left[0] -= name == point
        if name == point and left[0] == 0:
            put(store, 9, there[0])
            there[0] += 5
            for _ in range(3):
                other.round(force=True)
                assert ids(store) == numbers(there[0])

    one = keeper(store, between)
    for _ in range(3):
        one.round(force=True)
        assert ids(store) == numbers(there[0])
    put(store, 10, there[0])
    there[0] += 5
    for _ in range(4):
        one.round(force=True)
        other.round(force=True)
    assert left[0] <= 0
    assert ids(store) == numbers(30)
    assert lake_rows(store)["logs"] == 30
    assert verify(store, ledger_says(events=30)).problems == []
    assert len(live_parts(store, "logs", *ALWAYS)) == 1
    assert one.status()["error"] == other.status()["error"] == ""


def test_of_two_keepers_that_merge_the_same_parts_one_commits_and_the_other_retries() -> None:
    store = MemoryStore()
    for number in range(3):
        put(store, number, number * 5)
    seen = view(store, "logs", HERE)
    put(store, 3, 15)
    first, second = merge(store, view(store, "logs", HERE), lambda _: "yes"), merge(store, seen, lambda _: "yes")
    assert (first.parts, second.parts) == (4, 0)
    assert ids(store) == numbers(20)
    put(store, 4, 20)
    assert merge(store, view(store, "logs", HERE), lambda _: "yes").parts == 2
    assert ids(store) == numbers(25)


def test_a_keeper_that_slept_while_its_state_came_and_went_does_not_commit_over_it() -> None:
    store = MemoryStore()
    for number in range(2):
        put(store, number, number * 5)

    def sleep(point: str) -> None:
        if point == "keeper.part_put":
            for number in range(2, 6):  # another one merges, deletes and forgets, more than once
                put(store, number, number * 5)
                for _ in range(3):
                    keeper(store).round(force=True)

    assert merge(store, view(store, "logs", HERE), lambda _: "yes", sleep).parts == 0
    assert ids(store) == numbers(30)
    assert lake_rows(store)["logs"] == 30


class Interleaved(MemoryStore):
    """A store in which something else is done before a state is put, each thing once."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Callable[[ObjectStore], object]] = []

    def put_if(self, key: str, data: bytes, tag: str | None) -> bool:
        if key == state_key("logs", HERE) and self.waiting:
            self.waiting.pop()(self)
        return super().put_if(key, data, tag)


def expired(store: ObjectStore) -> object:
    rules = parse_retention(parse_yaml(b"expire: [{name: x, when: {event_id: [e-1, e-7]}, after: 1d}]", "retention.yaml"))
    return Expiry(store, rules).run(NOON_US + 3 * US_PER_DAY)


def erased(store: ObjectStore) -> object:
    return erase(store, order_of(["event_id=e-2", "event_id=e-8"], []), lambda _: "yes", now=True)


def replaced(store: ObjectStore) -> object:
    new = numbered(3, 2, revision=1)
    return replace_rows(store, "logs", HERE, Rows(one_array(new, "event_id"), ints(new, "revision"), new), "s")


def kept(store: ObjectStore) -> object:
    return keeper(store).round(force=True)


DOERS: dict[str, Callable[[ObjectStore], object]] = {"expire": expired, "erase": erased, "replace": replaced, "merge": kept}


@given(st.lists(st.sampled_from(sorted(DOERS)), min_size=2, max_size=8))
def test_whoever_commits_in_between_nothing_is_lost_doubled_or_brought_back(order: list[str]) -> None:
    store = Interleaved()
    for number in range(4):
        put(store, number, number * 3, 3)
    store.waiting = [DOERS[name] for name in order[1:]]
    DOERS[order[0]](store)
    for name in ("expire", "erase", "replace", "merge", "merge"):
        DOERS[name](store)
    store.waiting = []
    assert ids(store) == sorted(set(numbers(12)) - {"e-1", "e-7", "e-2", "e-8"})
    assert lake_rows(store)["logs"] == 14
    assert verify(store, ledger_says(events=14)).problems == []
