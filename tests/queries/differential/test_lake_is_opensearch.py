"""One meaning, proved: generated documents and requests, on a real OpenSearch node and on the lake."""

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queries.engines.lake import LakeEngine
from tests.queries.differential.both_engines import Node, ask, both, difference
from tests.queries.differential.generated_documents import row_lists, row_values
from tests.queries.differential.generated_requests import search_lists, searches

pytestmark = [pytest.mark.opensearch, pytest.mark.filterwarnings("ignore:Generating overly large repr")]

_NUMBERS = itertools.count(random.SystemRandom().randrange(10**9))

Both = tuple[Node, str, LakeEngine]


def _index() -> str:
    return f"difference-{next(_NUMBERS)}"


@pytest.fixture(scope="module")
def many(opensearch_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Both engines over three hundred documents that are the same in each run."""
    rows: list[dict[str, Any]] = []

    @settings(max_examples=1000, database=None, derandomize=True)
    @given(row_values)
    def collect(row: dict[str, Any]) -> None:
        rows.append(row)

    collect()
    index = _index()
    with both(opensearch_url, tmp_path_factory.mktemp("lake"), index, rows[:300]) as (node, engine):
        yield node, index, engine


def _check(node: Node, index: str, engine: LakeEngine, bodies: list[dict[str, Any]]) -> None:
    for body, theirs in zip(bodies, node.searches(index, bodies), strict=True):
        found = difference(node, index, body, ask(engine, body), theirs)
        assert not found, f"{found}\n{json.dumps(body, ensure_ascii=False)}"


@settings(max_examples=60)
@given(bodies=search_lists)
def test_lake_answers_as_opensearch_over_many_documents(many: Both, bodies: list[dict[str, Any]]) -> None:
    _check(*many, bodies)


@settings(max_examples=15)
@given(rows=row_lists, bodies=search_lists)
def test_lake_answers_as_opensearch_over_generated_documents(
    opensearch_url: str, tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], bodies: list[dict[str, Any]]
) -> None:
    index = _index()
    folder: Path = tmp_path_factory.mktemp("lake")
    with both(opensearch_url, folder, index, rows) as (node, engine):
        _check(node, index, engine, bodies)


@pytest.mark.soak
@settings(max_examples=5_000)
@given(body=st.lists(searches(), min_size=20, max_size=60))
def test_lake_answers_as_opensearch_for_long(many: Both, body: list[dict[str, Any]]) -> None:
    _check(*many, body)
