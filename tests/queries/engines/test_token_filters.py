"""Searches read only the merged parts that may hold their words, and answer the same as without filters."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firehose.keeper import Keeper
from firehose.keeper.tokens import AFTER_S
from queries.connections.duckdb import LakeConnection
from queries.connections.token_filters import TokenFilters
from queries.dsl.parse import parse_search
from queries.engines.lake import LakeEngine
from queries.needed_words import needed_words
from tailrace.clock import ManualClock
from tailrace.fields import AttributeRegister
from tailrace.lake import fresh_name, live_parts, part_key, partition_of
from tailrace.settings import Settings
from tailrace.stores.folder import FolderStore
from tests.queries.differential.both_engines import ask, table_of
from tests.queries.differential.generated_documents import ATTRIBUTE_TYPES, BASE, NOW_US, WORDS, numbered
from tests.queries.differential.generated_requests import queries

HOUR_US = 3_600_000_000


def merged_lake(folder: Path, by_hour: dict[int, list[dict[str, Any]]], *, filters: bool = True) -> FolderStore:
    """A lake of merged parts, one an hour, with their filters."""
    store = FolderStore(folder / "lake")
    for hour, rows in by_hour.items():
        for number, half in enumerate((rows[::2], rows[1::2] or rows[:1])):
            path = folder / "lake" / part_key("logs", partition_of(NOW_US + hour * HOUR_US), fresh_name("t", 1, hour * 2 + number, hour * 2 + number))
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table_of(half), path)
    clock = ManualClock()
    keeper = Keeper(Settings(home=folder), clock, store=store)
    keeper.round(force=True)
    keeper.round()
    assert keeper.status()["token_filters"] == 0
    if filters:
        clock.sleep(AFTER_S)
        keeper.round()
        assert keeper.status()["token_filters"] == len(by_hour)
    return store


def engine_of(folder: Path, store: FolderStore) -> LakeEngine:
    return LakeEngine(LakeConnection(Settings(home=folder), store), AttributeRegister(None, ATTRIBUTE_TYPES), ManualClock(NOW_US))


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FolderStore]:
    folder = tmp_path_factory.mktemp("hours")
    by_hour = {hour: [{"event_time": BASE + timedelta(hours=hour), "message": f"order {hour} of rare{hour}"} for _ in range(4)] for hour in range(6)}
    rows = numbered([row for own in by_hour.values() for row in own])
    return folder, merged_lake(folder, {hour: rows[hour * 4 : hour * 4 + 4] for hour in by_hour})


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"match": {"message": "Rare3"}}, {"rare3"}),
        ({"match": {"message": {"query": "of rare3", "operator": "and"}}}, {"of", "rare3"}),
        ({"match": {"message": "of rare3"}}, set()),
        ({"match_phrase": {"message": "of rare3"}}, {"of", "rare3"}),
        ({"term": {"message": "rare3"}}, {"rare3"}),
        ({"term": {"message": "of rare3"}}, set()),
        ({"query_string": {"query": "rare3 AND order"}}, {"rare3", "order"}),
        ({"query_string": {"query": "rare3 OR order"}}, set()),
        ({"query_string": {"query": "rare*"}}, set()),
        ({"bool": {"filter": [{"match": {"message": "a"}}, {"term": {"status": 5}}], "must_not": [{"match": {"message": "b"}}]}}, {"a"}),
        ({"bool": {"should": [{"match": {"message": "a"}}]}}, {"a"}),
        ({"bool": {"should": [{"match": {"message": "a"}}], "filter": [{"term": {"status": 5}}]}}, set()),
        ({"bool": {"should": [{"match": {"message": "a"}}, {"match": {"message": "b"}}]}}, set()),
        ({"match": {"service.name": "a"}}, set()),
        ({"match": {"message": {"query": "naïve a", "operator": "and"}}}, {"a"}),
        ({"match_all": {}}, set()),
    ],
)
def test_only_words_that_every_row_needs_are_asked_for(query: dict[str, Any], words: set[str]) -> None:
    assert needed_words(parse_search({"query": query}, "logs").query, "logs") == words


@pytest.mark.parametrize(("word", "parts"), [("rare3", 1), ("order", 6), ("nowhere", 0), ("rare", 0)])
def test_parts_that_cannot_hold_a_word_are_not_read(hours: tuple[Path, FolderStore], word: str, parts: int) -> None:
    folder, store = hours
    connection = LakeConnection(Settings(home=folder), store)
    assert connection.relation("logs", words={word}).parts == parts
    assert engine_of(folder, store).count("logs", {"query": {"match": {"message": word}}}) == 4 * parts
    connection.close()


def test_a_fresh_part_and_one_without_a_filter_and_one_with_a_damaged_filter_are_read(hours: tuple[Path, FolderStore], tmp_path: Path) -> None:
    _, store = hours
    parts = live_parts(store, "logs", 0, NOW_US + 9 * HOUR_US)

    class Some:
        def get(self, key: str) -> bytes | None:
            data = store.get(key)
            return {0: data, 1: None, 2: b"damaged", 3: data[:-1] if data else None}.get(
                [p.partition.hour for p in parts].index(key.split("hour=")[1][:2]), data
            )

    assert [part.partition for part in TokenFilters(Some()).left(parts, {"nowhere"})] == [part.partition for part in parts[1:4]]
    assert TokenFilters(Some()).left(parts, ()) == list(parts)


def test_filters_in_memory_keep_their_bound(hours: tuple[Path, FolderStore]) -> None:
    _, store = hours
    gets = list[str]()

    class Counting:
        def get(self, key: str) -> bytes | None:
            gets.append(key)
            return store.get(key)

    parts = live_parts(store, "logs", 0, NOW_US + 9 * HOUR_US)
    bounded, roomy = TokenFilters(Counting(), max_bytes=1), TokenFilters(Counting())
    for filters, fetched in ((roomy, 6), (bounded, 12)):
        gets.clear()
        assert filters.left(parts, {"order"}) == filters.left(parts, {"order"}) == list(parts)
        assert len(gets) == fetched


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[LakeEngine, LakeEngine]:
    """The same rows in a lake with filters, and in one without."""
    by_hour = {hour: numbered([{**_ROW, "event_time": BASE + timedelta(hours=hour), "message": text} for text in WORDS[hour::5]]) for hour in range(5)}
    folders = [tmp_path_factory.mktemp("lake") for _ in range(2)]
    return (
        engine_of(folders[0], merged_lake(folders[0], by_hour)),
        engine_of(folders[1], merged_lake(folders[1], by_hour, filters=False)),
    )


_ROW = {"severity_text": "ERROR", "service_name": "web", "http_response_status_code": 500}


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(max_examples=30)
@given(queries | st.sampled_from(WORDS).map(lambda text: {"match_phrase": {"message": text}}))
def test_answers_never_change_by_filters(both: tuple[LakeEngine, LakeEngine], query: dict[str, Any]) -> None:
    body = {"query": query, "size": 50, "aggs": {"by": {"terms": {"field": "@timestamp"}}}}
    first, second = (ask(engine, body) for engine in both)
    if isinstance(first, dict) and isinstance(second, dict):
        assert {**first, "took": 0} == {**second, "took": 0}
    else:
        assert str(first) == str(second)
