"""Whatever is asked by whatever way: an answer, or one clear error, and never a fault of ours."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.testclient import TestClient

import queries
from gateway.app import ROUTES, create_app
from gateway.opensearch.search import COUNT_PARAMETERS, SEARCH_PARAMETERS
from gateway.server import open_node
from queries.athena_dialect import to_duckdb
from queries.saved_query import parse_query
from tailrace.errors import TailraceError
from tailrace.settings import Settings
from tests.properties.test_ways_in import mutated, mutations

BODY = orjson.dumps(
    {
        "query": {
            "bool": {
                "filter": [{"range": {"@timestamp": {"gte": "now-1d/d", "lt": "now"}}}, {"terms": {"severity_text": ["ERROR", "FATAL"]}}],
                "must": [{"query_string": {"query": 'message:"card refused" AND attributes.order.total:>5'}}],
                "must_not": [{"wildcard": {"service.name": "w*b"}}, {"ids": {"values": ["a"]}}, {"exists": {"field": "trace_id"}}],
            }
        },
        "sort": [{"@timestamp": "desc"}, "event_id"],
        "from": 0,
        "size": 5,
        "_source": ["message", "attributes.*"],
        "track_total_hits": True,
        "aggs": {"times": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1m"}, "aggs": {"n": {"cardinality": {"field": "trace_id"}}}}},
    }
)
TEXTS = (
    "",
    "*",
    "_all",
    "-1",
    "1e9",
    "9" * 30,
    "true",
    "'; DROP TABLE logs",
    "\0",
    "\ud7ff",
    "../x",
    "message:(",
    "@timestamp:desc",
    "a:b:c",
    "%",
    "x" * 9_000,
)
SQL = (Path(queries.__file__).parent / "saved" / "errors_by_service.sql").read_bytes()
CLEAR = {200, 400, 404, 405, 406, 413, 415}

values = st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8"), max_size=12)
parameters = st.dictionaries(st.sampled_from(sorted(SEARCH_PARAMETERS | COUNT_PARAMETERS | {"nonsense"})), values, max_size=3)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A gateway with some events; an exception of its code is raised here."""
    with open_node(Settings(home=tmp_path_factory.mktemp("home")), xray=False) as node:
        client = TestClient(create_app(node.parts), base_url="http://127.0.0.1")
        rows = ({"message": "card refused", "level": "error", "order": {"total": 7}}, {"message": "fine"}, {"service": "web", "trace_id": "x"})
        body = b"".join(b'{"index":{"_index":"shop"}}\n' + orjson.dumps(row) + b"\n" for row in rows)
        assert client.post("/_bulk?refresh=true", content=body, headers={"content-type": "application/x-ndjson"}).json()["errors"] is False
        yield client


def assert_clear(answer: Any) -> None:
    assert answer.status_code in CLEAR, answer.text
    if answer.status_code != 200:
        told = answer.json()
        assert told["status"] == answer.status_code
        assert told["error"] if isinstance(told["error"], str) else told["error"]["reason"]


@given(changes=mutations, path=st.sampled_from(["/_search", "/logs*/_search", "/shop/_count", "/_count"]))
@example(changes=[("drop", 1.0, 0)], path="/_search")
def test_a_mutated_body_is_answered_or_refused(door: TestClient, changes: Sequence[tuple[str, float, int]], path: str) -> None:
    assert_clear(door.post(path, content=mutated(BODY, changes), headers={"content-type": "application/json"}))


@given(asked=parameters, path=st.sampled_from(["/_search", "/logs*/_search", "/shop/_count"]))
def test_any_parameters_are_answered_or_refused(door: TestClient, asked: dict[str, str], path: str) -> None:
    assert_clear(door.get(path, params=asked))


@given(name=values, route=st.sampled_from([route.path for route in ROUTES if "{" in route.path and "replay" not in route.path and "drop" not in route.path]))
def test_any_name_in_a_path_is_answered_or_refused(door: TestClient, name: str, route: str) -> None:
    path = route.replace("{index}", "{}").replace("{name}", "{}").replace("{id}", "{}").format(_quoted(name))
    assert_clear(door.get(path))


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


@given(changes=mutations)
def test_a_mutated_saved_query_is_one_that_runs_or_one_clear_error(changes: Sequence[tuple[str, float, int]]) -> None:
    try:
        query = parse_query(mutated(SQL, changes).decode("utf-8", "replace"), "q", "q.sql")
        statement = to_duckdb(query.bound(query.values({}, 1_790_000_000_000_000)))
    except TailraceError as error:
        assert str(error)
        return
    assert statement.sql("duckdb")
