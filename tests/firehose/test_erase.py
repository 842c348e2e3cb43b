"""Erasure: chosen rows are gone from every part, nothing else is, it is counted, and other places that hold them are named."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from firehose import LocalFirehose
from firehose.delivery import DeadLetter
from firehose.disk import REWRITE_POINTS
from firehose.keeper.account import gone_rows, lake_rows, summary, views
from firehose.keeper.conditions import chosen
from firehose.keeper.erase import ALWAYS, Erased, Order, erase, order_of, would_erase
from firehose.keeper.erasures import begin, end, erasures
from firehose.keeper.merge import merge, view
from firehose.keeper.places import empty_part_cache, other_places
from firehose.keeper.verify import verify
from firehose.parts import write_part
from tailrace.clock import SystemClock
from tailrace.errors import StateError, UsageError
from tailrace.lake import fresh_name, list_parts, part_key, partition_of
from tailrace.schema import TableName
from tailrace.settings import Settings
from tests.contracts.memory_store import MemoryStore
from tests.firehose.deliveries import NOON_US, delivery_of, ledger_says, numbered, quick, table_of

HERE = partition_of(NOON_US)
ANN = "ann@example.com"


def put(store: MemoryStore, number: int, table: pa.Table, name: TableName = "logs") -> None:
    store.put(part_key(name, HERE, fresh_name("abc", 1, number, number + 1)), write_part(table).to_pybytes())


def people() -> MemoryStore:
    store = MemoryStore()
    put(
        store,
        0,
        table_of([{"event_id": "a", "message": f"mail to {ANN}"}, {"event_id": "b", "message": "mail to bob"}, {"event_id": "c", "service_name": "cart"}]),
    )
    put(store, 1, table_of([{"event_id": "d", "attributes": json.dumps({"user.id": "u17", "n": 1})}, {"event_id": "e", "url_full": f"/?q={ANN}"}]))
    put(store, 2, table_of([{"event_id": "f", "message": "nothing"}]))
    put(
        store, 3, table_of([{"event_id": "s", "enduser_id": "u17", "raw": json.dumps({"mail": ANN})}, {"event_id": "t", "enduser_id": "u18"}], "spans"), "spans"
    )
    return store


def settled(name: str) -> str:
    return "yes"


def run(store: MemoryStore, order: Order, *, now: bool = True, probe: Callable[[str], None] = lambda _: None) -> Erased:
    return erase(store, order, settled, now=now, probe=probe)  # type: ignore[arg-type] # a word of three


def holding(store: MemoryStore, order: Order) -> list[str]:
    """All parts, live or not, that hold such rows."""
    return [part.key for table in order.conditions for part in list_parts(store, table, HERE) if chosen(store, part, order.conditions[table]).any()]


def there(store: MemoryStore) -> set[str]:
    return {
        str(one) for seen in views(store) for part in seen.live for one in pa.parquet.read_table(pa.BufferReader(store.data[part.key]))["event_id"].to_pylist()
    }


ORDER = order_of(["attributes.user.id=u17", "enduser.id=u17"], [ANN])


def test_what_meets_one_of_the_conditions_is_gone_from_every_part_and_nothing_else_is() -> None:
    store = people()
    done = run(store, ORDER)
    assert (done.rows, done.parts, done.left, done.waiting) == (4, 3, 0, [])
    assert there(store) == {"b", "c", "f", "t"}
    assert holding(store, ORDER) == []
    assert not any(ANN.encode() in data or b"u17" in data for data in store.data.values())
    assert lake_rows(store) == {"logs": 6, "spans": 2, "metrics": 0}
    assert verify(store, ledger_says(events=6, spans=2)).problems == []
    assert gone_rows(views(store)) == {ORDER.reason: 4}
    assert [row["erased"] for row in summary(store)] == [3, 1, 0]


def test_a_dry_run_says_the_same_and_writes_nothing() -> None:
    store = people()
    before = dict(store.data)
    planned = would_erase(store, ORDER)
    assert store.data == before
    done = run(store, ORDER)
    assert (planned.rows, planned.parts, planned.bytes) == (done.rows, done.parts, done.bytes)


def test_parts_that_were_merged_before_and_wait_to_be_deleted_are_deleted_at_once_too() -> None:
    store = people()
    assert merge(store, view(store, "logs", HERE), settled).parts == 3  # type: ignore[arg-type] # a word of three
    assert len(holding(store, ORDER)) == 4
    later = run(store, ORDER, now=False)
    assert (later.rows, len(later.waiting), later.deleted) == (4, 4, 0)
    assert holding(store, ORDER) == later.waiting
    again = run(store, ORDER)
    assert (again.rows, again.deleted, again.waiting) == (0, 4, [])
    assert holding(store, ORDER) == []
    assert lake_rows(store)["logs"] == 6


def test_only_a_range_of_time_is_looked_at_where_one_is_given() -> None:
    store = MemoryStore()
    put(store, 0, numbered(0, 10))
    done = run(store, order_of(["service.name=cart"], [], NOON_US + 3_000, NOON_US + 5_000))
    assert done.rows == 2
    assert there(store) == {f"e-{n}" for n in range(10)} - {"e-3", "e-4"}


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ('say "hi"', {"attributes": json.dumps({"x": 'you say "hi" to'})}),
        ("Jörg", {"raw": json.dumps({"x": "Jörg"})}),
        ("Jörg", {"raw": json.dumps({"x": "Jörg"}, ensure_ascii=False)}),
        ("10.0.0.9", {"client_address": "10.0.0.9"}),
    ],
)
def test_a_text_is_found_in_any_column_as_it_is_and_as_json_writes_it(text: str, row: dict[str, str]) -> None:
    store = MemoryStore()
    put(store, 0, table_of([{"event_id": "x", **row}, {"event_id": "y"}]))
    assert run(store, order_of([], [text])).rows == 1
    assert there(store) == {"y"}


@pytest.mark.parametrize(
    ("where", "contains", "said"),
    [
        ([], [], "say what is to be erased"),
        (["service.name="], [], "say what is to be erased"),
        ([], [""], "say what is to be erased"),
        (["service.name"], [], "not FIELD=VALUE: service.name"),
        (["servce.name=x"], [], "no such field of logs: servce.name (did you mean 'service.name'?)"),
        (["http.response.status_code=x"], [], "is of type long"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(where: list[str], contains: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        order_of(where, contains)
    assert said in str(caught.value)


def test_a_part_that_cannot_be_read_ends_it_and_is_not_called_clean() -> None:
    store = people()
    store.data[part_key("logs", HERE, fresh_name("abc", 1, 2, 3))] = b"damaged"
    with pytest.raises(StateError, match="a part cannot be read, so nobody knows"):
        would_erase(store, ORDER)
    with pytest.raises(StateError, match="a part cannot be read, so nobody knows"):
        run(store, ORDER)


class CrashError(Exception):
    """The process died."""


@pytest.mark.parametrize("point", [point for point in REWRITE_POINTS if point.startswith("keeper.")])
@pytest.mark.parametrize("nth", [1, 2])
def test_killed_anywhere_and_asked_again_the_result_is_the_same(point: str, nth: int) -> None:
    left = [nth]

    def probe(name: str) -> None:
        left[0] -= name == point
        if name == point and left[0] == 0:
            raise CrashError

    store = people()
    with pytest.raises(CrashError):
        run(store, ORDER, probe=probe)
    assert lake_rows(store) == {"logs": 6, "spans": 2, "metrics": 0}
    assert run(store, ORDER).left == 0
    assert holding(store, ORDER) == []
    assert there(store) == {"b", "c", "f", "t"}
    assert gone_rows(views(store)) == {ORDER.reason: 4}


def test_a_merge_that_commits_meanwhile_hides_no_row() -> None:
    store, merges = people(), [1]

    def probe(name: str) -> None:
        if name == "keeper.rewritten" and merges and merges.pop():
            assert merge(store, view(store, "logs", HERE), settled).parts == 3  # type: ignore[arg-type] # a word of three

    done = run(store, ORDER, probe=probe)
    assert (done.rows, done.left) == (4, 0)
    assert holding(store, ORDER) == []
    assert lake_rows(store)["logs"] == 6


def test_rows_that_come_meanwhile_are_said() -> None:
    store = people()

    def probe(name: str) -> None:
        if name == "keeper.let_go":
            put(store, 9, table_of([{"event_id": "late", "message": ANN}]))

    assert run(store, ORDER, probe=probe).left == 1
    assert run(store, ORDER).rows == 1


def test_dead_letters_and_the_spool_that_hold_it_are_named_and_others_are_not(tmp_path: Path) -> None:
    settings = quick(tmp_path, opensearch_url="http://127.0.0.1:9")
    with LocalFirehose(quick(tmp_path), SystemClock()) as stream:
        dead = [DeadLetter("payload", "x", body, {}) for body in (f"to {ANN}".encode(), b"other", gzip.compress(f"to {ANN}".encode()))]
        stream.put(delivery_of(numbered(0, 3, host_name=ANN), dead=dead))
        assert stream.flush()
    found = other_places(settings, order_of([], [ANN]))
    assert [place.name for place in found] == ["dead letter", "dead letter", "spool"]
    assert "3 rows, 2 dead letters" in found[2].what
    assert [place.name for place in other_places(settings, order_of([], ["nobody"]))] == []
    assert other_places(quick(tmp_path), order_of(["host.name=nobody"], [])) == []


def test_files_that_a_killed_writer_left_in_the_lake_are_named(tmp_path: Path) -> None:
    path = tmp_path / "lake" / "logs" / HERE.path / "_f-abc-1-0-1.parquet.7.7"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")
    assert [place.name for place in other_places(Settings(home=tmp_path), ORDER)] == ["half-written parts"]


def test_copies_of_parts_are_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "x-1.parquet").write_bytes(b"x")
    assert empty_part_cache(tmp_path) == 1
    assert empty_part_cache(tmp_path) == empty_part_cache(tmp_path / "none") == 0


def test_who_had_what_erased_is_noted_before_and_after_without_the_value(tmp_path: Path) -> None:
    path = tmp_path / "erasures.sqlite"
    first = begin(path, ORDER, "ops", NOON_US)
    assert [(row["id"], row["who"], row["ended"], row["rows"]) for row in erasures(path)] == [(first, "ops", None, None)]
    assert begin(path, ORDER, "ops", NOON_US) == first + 1
    end(path, first + 1, Erased(rows=4, parts=3, deleted=1), NOON_US + 1_000)
    noted = erasures(path)[1]
    assert (noted["rows"], noted["parts"], noted["deleted"], noted["ended"]) == (4, 3, 1, "2026-09-21T14:13:20.001Z")
    assert noted["what"].startswith("attributes.user.id = blake2b:")
    assert noted["reason"] == ORDER.reason
    assert not any(ANN.encode() in file.read_bytes() or b"u17" in file.read_bytes() for file in tmp_path.iterdir())
    assert ORDER.reason == order_of(["enduser.id=u17", "attributes.user.id=u17"], [ANN], 0, ALWAYS[1]).reason != order_of([], [ANN]).reason
