"""The two engines answer alike through the same interface: bare attribute names, the default order, our clock, searches after a hit, spans."""

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queries.engines.lake import LakeEngine
from queries.engines.opensearch import OpenSearchEngine
from tailrace.aws import opensearch
from tailrace.clock import ManualClock
from tailrace.errors import RequestError
from tailrace.fields import AttributeRegister
from tailrace.settings import Settings
from tests.queries.differential.both_engines import Node, ask, both, difference
from tests.queries.differential.generated_documents import ATTRIBUTE_TYPES, NOW_US, row_values
from tests.queries.differential.generated_requests import searches

pytestmark = [pytest.mark.opensearch, pytest.mark.filterwarnings("ignore:Generating overly large repr")]

_NUMBERS = itertools.count(random.SystemRandom().randrange(10**9))


@dataclass(frozen=True, slots=True)
class Engines:
    lake: LakeEngine
    opensearch: OpenSearchEngine
    node: Node
    index: str


@pytest.fixture(scope="module")
def engines(opensearch_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    rows: list[dict[str, Any]] = []

    @settings(max_examples=150, database=None, derandomize=True)
    @given(row_values)
    def collect(row: dict[str, Any]) -> None:
        rows.append(row)

    collect()
    prefix = f"engines{next(_NUMBERS)}-"
    folder: Path = tmp_path_factory.mktemp("lake")
    with both(opensearch_url, folder, f"{prefix}logs-1", rows) as (node, lake):
        client = opensearch(Settings(opensearch_url=opensearch_url))
        yield Engines(lake, OpenSearchEngine(client, AttributeRegister(None, ATTRIBUTE_TYPES), ManualClock(NOW_US), prefix), node, f"{prefix}logs-1")
        client.close()


def _alike(engines: Engines, body: dict[str, Any]) -> None:
    theirs, ours = ask(engines.opensearch, body), ask(engines.lake, body)
    answer = {"error": str(theirs)} if isinstance(theirs, RequestError) else theirs
    found = difference(engines.node, engines.index, body, ours, answer)
    assert not found, f"{found}\n{json.dumps(body, ensure_ascii=False)}"


@settings(max_examples=200)
@given(body=searches(), default=st.booleans())
def test_both_engines_answer_alike(engines: Engines, body: dict[str, Any], default: bool) -> None:
    _alike(engines, {key: value for key, value in body.items() if key != "sort" or not default})


BARE = [
    {"query": {"term": {"user.id": 2}}},
    {"query": {"query_string": {"query": "tenant:acme OR price:>0.5"}}},
    {"query": {"range": {"@timestamp": {"gte": "now-1d/d", "lt": "now"}}}, "aggs": {"p": {"avg": {"field": "price"}}}},
    {"query": {"match_all": {}}, "sort": [{"user.id": "desc"}], "size": 100},
    {"query": {"exists": {"field": "attributes_other.extra"}}},
    {"query": {"term": {"attributes_other.extra": "x"}}},
    {"query": {"term": {"attributes_other.extra": "5"}}},
    {"query": {"ids": {"values": ["id000"]}}},
    {"query": {"term": {"_id": "id000"}}},
    {"query": {"term": {"@timestamp": "now/d"}}},
    {"size": 0, "aggs": {"d": {"date_histogram": {"field": "@timestamp", "calendar_interval": "day", "extended_bounds": {"min": "now-3d/d", "max": "now/d"}}}}},
    {
        "size": 0,
        "aggs": {
            "f": {"filters": {"other_bucket": True, "filters": {"e": {"query_string": {"query": "error"}}}}, "aggs": {"s": {"stats": {"field": "duration_s"}}}}
        },
    },
]


@pytest.mark.parametrize("body", BARE, ids=lambda body: json.dumps(body)[:60])
def test_names_without_attributes_before_them_mean_the_same(engines: Engines, body: dict[str, Any]) -> None:
    _alike(engines, body)
    assert not isinstance(ask(engines.lake, body), RequestError)


SORTS: list[list[dict[str, Any]]] = [
    [],
    [{"@timestamp": "asc"}],
    [{"service.name": {"order": "asc"}}],
    [{"service.name": {"order": "desc", "missing": "_first"}}, {"status": "asc"}],
    [{"duration_s": {"order": "desc"}}],
    [{"duration_s": {"order": "asc", "missing": "_first"}}],
    [{"attributes.ok": "asc"}, {"client.address": "desc"}],
    [{"observed_timestamp": {"order": "asc", "missing": "_last"}}],
]


@pytest.mark.parametrize("sort", SORTS, ids=str)
def test_pages_after_the_last_hit_cover_every_row_once_in_both_engines(engines: Engines, sort: list[dict[str, Any]]) -> None:
    for engine in (engines.lake, engines.opensearch):
        whole = [hit["_id"] for hit in engine.search("logs", {"sort": sort, "size": 1_000})["hits"]["hits"]]
        paged: list[str] = []
        after: list[Any] | None = None
        while True:
            page = engine.search("logs", {"sort": sort, "size": 17, **({"search_after": after} if after else {})})["hits"]["hits"]
            if not page:
                break
            paged += [hit["_id"] for hit in page]
            after = page[-1]["sort"]
        assert paged == whole
        assert len(set(paged)) == len(paged) > 100


def test_counts_are_the_same(engines: Engines) -> None:
    queries: list[dict[str, Any]] = [{"match_all": {}}, {"match": {"message": "error"}}, {"term": {"nope": 1}}]
    for query in queries:
        assert engines.lake.count("logs", {"query": query}) == engines.opensearch.count("logs", {"query": query})


def test_a_table_without_an_index_answers_nothing(engines: Engines) -> None:
    assert engines.opensearch.search("spans", {})["hits"]["hits"] == []
    assert engines.opensearch.count("spans", {}) == 0
    assert engines.lake.search("spans", {"aggs": {"n": {"terms": {"field": "name"}}}})["aggregations"]["n"]["buckets"] == []


def test_percentiles_lie_within_three_percent_of_rank(engines: Engines) -> None:
    body = {"size": 0, "aggs": {"p": {"percentiles": {"field": "@timestamp", "percents": [25, 50, 75, 99]}}}}
    rows = engines.lake.count("logs", {})
    for percent, theirs in engines.opensearch.search("logs", body)["aggregations"]["p"]["values"].items():
        if not percent.endswith("_as_string"):
            below = engines.lake.count("logs", {"query": {"range": {"@timestamp": {"lt": int(theirs) - 1_000}}}}) / rows
            up_to = engines.lake.count("logs", {"query": {"range": {"@timestamp": {"lte": int(theirs) + 1_000}}}}) / rows
            assert below - 0.03 <= float(percent) / 100 <= up_to + 0.03


def test_what_one_refuses_the_other_refuses(engines: Engines) -> None:
    for body in (
        {"query": {"term": {"status": "abc"}}},
        {"sort": ["message"]},
        {"sort": ["nope"]},
        {"query": {"fuzzy": {"message": "x"}}},
        {"aggs": {"a": {"avg": {"field": "message"}}}},
    ):
        for engine in (engines.lake, engines.opensearch):
            with pytest.raises(RequestError):
                engine.search("logs", body)
