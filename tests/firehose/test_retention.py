"""Retention: what the rules say goes, whole hours or single rows, once, counted, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from firehose.disk import REWRITE_POINTS
from firehose.keeper import Keeper
from firehose.keeper.account import gone_rows, lake_rows, summary, views
from firehose.keeper.expire import Expired, Expiry, totals
from firehose.keeper.loop import EXPIRE_EVERY_S
from firehose.keeper.merge import merge, read_part, view
from firehose.keeper.retention import Retention, parse_retention
from firehose.keeper.verify import verify
from firehose.parts import by_hour, write_part
from tailrace.clock import US_PER_DAY, US_PER_HOUR, ManualClock
from tailrace.errors import FileError, StateError
from tailrace.lake import fresh_name, live_parts, part_key, partition_of
from tailrace.schema import TableName
from tailrace.settings import Settings
from tailrace.stores.port import ObjectStore
from tailrace.yaml_file import parse_yaml
from tests.contracts.memory_store import MemoryStore
from tests.firehose.deliveries import ALWAYS, NOON_US, ledger_says, table_of

RULES = """
keep: {logs: 30d, spans: 2w}
expire:
  - {name: debug, when: {severity_text: DEBUG}, after: 3d}
  - {name: cart in trace, when: {service.name: [cart, ads], severity_text: TRACE}, after: 36h}
  - {name: tenant, when: {attributes.tenant.id: 7}, after: 1d}
"""


def rules(text: str = RULES) -> Retention:
    return parse_retention(parse_yaml(text.encode(), "retention.yaml"))


def row(name: str, age_us: int, **more: object) -> dict[str, object]:
    return {"event_id": name, "event_time": NOON_US - age_us, "observed_time": NOON_US - age_us, **more}


def lake_of(*rows: dict[str, object], table: TableName = "logs") -> MemoryStore:
    store = MemoryStore()
    add(store, 0, *rows, table=table)
    return store


def add(store: ObjectStore, number: int, *rows: dict[str, object], table: TableName = "logs") -> None:
    for partition, own in by_hour(table_of(rows, table)):
        store.put(part_key(table, partition, fresh_name("abc", 1, number, number + 1)), write_part(own).to_pybytes())


def there(store: ObjectStore) -> list[str]:
    return sorted(str(one) for part in live_parts(store, "logs", *ALWAYS) for one in read_part(store, part).column("event_id").to_pylist())


def taken(found: list[Expired]) -> dict[str, int]:
    return {str(one["rule"]): int(one["rows"]) for one in totals(found)}


def example() -> MemoryStore:
    day = US_PER_DAY
    store = lake_of(
        row("old", 40 * day),
        row("young", 29 * day),
        row("debug", 4 * day, severity_text="DEBUG"),
        row("info beside it", 4 * day, severity_text="INFO"),
        row("young debug", 2 * day, severity_text="DEBUG"),
        row("trace of cart", 2 * day, severity_text="TRACE", service_name="cart"),
        row("trace of another", 2 * day, severity_text="TRACE", service_name="shop"),
        row("tenant", 2 * day, attributes='{"tenant.id":7,"n":1}'),
        row("tenant in a text", 2 * day, attributes='{"tenant.id":"7"}'),
        row("another tenant", 2 * day, attributes='{"tenant.id":77,"x":"tenant.id"}'),
        row("old debug", 41 * day, severity_text="DEBUG"),
    )
    add(store, 1, row("another part", 4 * day, severity_text="DEBUG"))
    return store


LEFT = ["another tenant", "info beside it", "trace of another", "young", "young debug"]


def test_whole_hours_go_by_age_and_single_rows_by_what_they_say() -> None:
    store = example()
    assert taken(Expiry(store, rules()).run(NOON_US)) == {"keep": 1, "debug": 3, "cart in trace": 1, "tenant": 2}
    assert there(store) == LEFT
    assert lake_rows(store)["logs"] == 12
    assert verify(store, ledger_says(events=12)).problems == []
    assert gone_rows(views(store)) == {"expired keep": 1, "expired debug": 3, "expired cart in trace": 1, "expired tenant": 2}
    assert (summary(store)[0]["rows"], summary(store)[0]["expired"]) == (5, 7)


def test_a_dry_run_says_the_same_and_writes_nothing() -> None:
    store = example()
    before = dict(store.data)
    planned = Expiry(store, rules()).run(NOON_US, dry_run=True)
    assert store.data == before
    assert planned == Expiry(store, rules()).run(NOON_US)
    assert Expiry(store, rules()).run(NOON_US, dry_run=True) == Expiry(store, rules()).run(NOON_US) == []


def test_an_hour_goes_when_all_of_it_is_old_enough_and_not_before() -> None:
    start = NOON_US - NOON_US % US_PER_HOUR
    store = lake_of(row("a", NOON_US - start))
    expiry = Expiry(store, rules("keep: {logs: 2h}"))
    assert expiry.run(start + 3 * US_PER_HOUR - 1) == []
    assert taken(expiry.run(start + 3 * US_PER_HOUR)) == {"keep": 1}


def test_a_part_that_comes_late_goes_too_and_one_that_was_looked_at_is_not_read_again() -> None:
    class Counting(MemoryStore):
        reads = 0

        def get(self, key: str) -> bytes | None:
            self.reads += key.endswith(".parquet")
            return super().get(key)

    store = Counting()
    add(store, 0, row("info", 4 * US_PER_DAY, severity_text="INFO"))
    expiry = Expiry(store, rules())
    expiry.run(NOON_US)
    before = store.reads
    expiry.run(NOON_US)
    assert store.reads == before
    add(store, 1, row("debug", 4 * US_PER_DAY, severity_text="DEBUG"))
    assert taken(expiry.run(NOON_US)) == {"debug": 1}


def test_rows_of_absurd_times_are_as_old_as_their_receipt() -> None:
    store = lake_of(
        {"event_id": "just came", "event_time": 5, "observed_time": NOON_US},
        {"event_id": "came long ago", "event_time": 5, "observed_time": NOON_US - 31 * US_PER_DAY},
        {"event_id": "of the year 9999", "event_time": 253_000_000_000_000_000, "observed_time": NOON_US - 31 * US_PER_DAY},
        {"event_id": "debug", "event_time": 5, "observed_time": NOON_US - 4 * US_PER_DAY, "severity_text": "DEBUG"},
    )
    expiry = Expiry(store, rules())
    assert taken(expiry.run(NOON_US)) == {"keep": 2, "debug": 1}
    assert there(store) == ["just came"]
    assert taken(expiry.run(NOON_US + 31 * US_PER_DAY)) == {"keep": 1}


def test_beyond_its_size_the_lake_loses_the_oldest_hours_of_all_tables_but_never_the_present_one() -> None:
    store = lake_of(*(row(f"h{hour}", hour * US_PER_HOUR) for hour in range(4)))
    add(store, 1, row("span", 2 * US_PER_HOUR), table="spans")
    one = sum(part.size for part in live_parts(store, "logs", *ALWAYS)) // 4
    expiry = Expiry(store, rules(f"max_bytes: {2 * one + 100}"))
    planned = expiry.run(NOON_US, dry_run=True)
    assert {(part.table, part.rule, part.rows) for part in planned} == {("logs", "max_bytes", 1), ("spans", "max_bytes", 1)}
    assert len(planned) == 3
    assert expiry.run(NOON_US) == planned
    assert there(store) == ["h0", "h1"]
    assert lake_rows(store) == {"logs": 4, "spans": 1, "metrics": 0}
    assert sum(one.rows for one in Expiry(store, rules("max_bytes: 1")).run(NOON_US)) == 1
    assert there(store) == ["h0"]


def test_a_dry_run_by_size_counts_what_other_rules_take_first() -> None:
    first, second = example(), example()
    text = f"{RULES}max_bytes: 1\n"
    planned = totals(Expiry(first, rules(text)).run(NOON_US, dry_run=True))
    done = totals(Expiry(second, rules(text)).run(NOON_US))
    assert [(one["rule"], one["rows"]) for one in planned] == [(one["rule"], one["rows"]) for one in done]
    assert lake_rows(second)["logs"] == 12


def test_a_part_that_cannot_be_read_is_named_and_keeps_nothing_else_from_going() -> None:
    store = example()
    key = part_key("logs", partition_of(NOON_US - 4 * US_PER_DAY), fresh_name("abc", 1, 0, 1))
    store.data[key] = b"damaged"
    with pytest.raises(StateError, match="1 partitions cannot be read"):
        Expiry(store, rules()).run(NOON_US)
    store.delete(key)
    assert there(store) == ["another part", "another tenant", "trace of another", "young", "young debug"]


class CrashError(Exception):
    """The process died."""


def crash_at(wanted: str, nth: int) -> Callable[[str], None]:
    left = [nth]

    def probe(point: str) -> None:
        left[0] -= point == wanted
        if point == wanted and left[0] == 0:
            raise CrashError

    return probe


@pytest.mark.parametrize("point", [point for point in REWRITE_POINTS if point in {"keeper.rewritten", "keeper.let_go"}])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_killed_anywhere_and_run_again_the_result_is_the_same(point: str, nth: int) -> None:
    store = example()
    with pytest.raises(CrashError):
        Expiry(store, rules(), crash_at(point, nth)).run(NOON_US)
    assert lake_rows(store)["logs"] == 12
    Expiry(store, rules()).run(NOON_US)
    assert there(store) == LEFT
    assert gone_rows(views(store)) == {"expired keep": 1, "expired debug": 3, "expired cart in trace": 1, "expired tenant": 2}
    assert verify(store, ledger_says(events=12)).problems == []


def test_a_merge_that_commits_meanwhile_is_taken_into_account_and_what_it_removed_stays_counted() -> None:
    class Contested(MemoryStore):
        times = 0

        def put_if(self, key: str, data: bytes, tag: str | None) -> bool:
            if self.times:
                self.times -= 1
                assert merge(self, view(self, "logs", partition_of(NOON_US - 4 * US_PER_DAY)), lambda _: "yes").parts == 3
            return super().put_if(key, data, tag)

    store = Contested()
    for number in range(2):
        add(store, number, row("debug", 4 * US_PER_DAY, severity_text="DEBUG"))
    add(store, 3, row("info", 4 * US_PER_DAY, severity_text="INFO"))
    store.times = 1
    assert taken(Expiry(store, rules()).run(NOON_US)) == {"debug": 1}
    assert there(store) == ["info"]
    assert lake_rows(store)["logs"] == 3
    assert sum(one.rows for one in Expiry(store, rules("keep: {logs: 1d}")).run(NOON_US)) == 1
    assert lake_rows(store)["logs"] == 3
    assert gone_rows(views(store)) == {"expired debug": 1, "expired keep": 1, "removed": 1}


def test_the_keeper_lets_rows_expire_at_its_start_and_again_after_a_while(tmp_path: Path) -> None:
    (tmp_path / "retention.yaml").write_text(RULES)
    store, clock = example(), ManualClock(NOON_US)
    keeper = Keeper(Settings(home=tmp_path), clock, store=store)
    assert keeper.expire() == 7
    assert keeper.expire() == 0
    add(store, 5, row("late", 50 * US_PER_DAY))
    assert keeper.expire() == 0
    clock.sleep(EXPIRE_EVERY_S)
    assert keeper.expire() == 1
    assert keeper.status()["expired_rows"] == 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("keep: {logs: 30}", "1:8: not an age: 30"),
        ("keep: {logs: 0d}", "not an age"),
        ("keep: {log: 30d}", "no such option: log (did you mean 'logs'?)"),
        ("keep: 30d", "expected a mapping of tables to ages"),
        ("kep: {}", "no such option: kep (did you mean 'keep'?)"),
        ("max_bytes: lots", "not a size: lots"),
        ("expire: []\nmax_bytes: 0", "not a size: 0"),
        ("expire: x", "expected a list of rules"),
        ("expire: [x]", "expected a mapping with name, when and after"),
        ("expire: [{name: a, when: {severity_text: X}}]", "after is missing"),
        ("expire: [{name: a, when: {}, after: 1d}]", "expected a mapping of fields to values"),
        ("expire: [{name: a, when: {severity: X}, after: 1d}]", "1:27: no such field of logs: severity"),
        ("expire: [{name: a, when: {severity_text: {gte: 1}}, after: 1d}]", "expected a value or a list of values"),
        ("expire: [{name: a, when: {status: high}, after: 1d}]", "status is of type long"),
        ("expire: [{name: a, table: ledger, when: {hop: x}, after: 1d}]", "no such table: ledger"),
        ("expire: [{name: a, when: {message: x}, after: 1d}, {name: a, when: {message: y}, after: 1d}]", "two rules are called a"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_place(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        rules(text)
    assert said in str(caught.value)
    (tmp_path / "retention.yaml").write_text(text)
    with pytest.raises(FileError):
        Keeper(Settings(home=tmp_path), ManualClock())


def test_sizes_and_ages_are_read_in_their_units() -> None:
    assert [rules(f"max_bytes: {text}").max_bytes for text in ("7", "200GB", "5 MiB")] == [7, 200 * 10**9, 5 * 1024**2]
    assert rules("keep: {logs: 1w, spans: 2 d, metrics: 3h}").keep_us == {"logs": 7 * US_PER_DAY, "spans": 2 * US_PER_DAY, "metrics": 3 * US_PER_HOUR}
    assert not rules("{}")
