"""The lake's engine beyond what is compared with a real node: hostile bodies, unmapped names, caps, documents as the bulk writer makes them."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from firehose.sinks.opensearch.attribute_split import AttributeSplit
from firehose.sinks.opensearch.body import lines
from queries.dsl.nodes import SourceFilter
from queries.engines.documents import documents
from queries.engines.lake import LakeEngine
from queries.sql.ip import MACROS, ip_block, ip_key, ip_text
from queries.sql.printer import print_sql
from tailrace.errors import RequestError, UnsupportedError
from tests.queries.differential.both_engines import lake, table_of
from tests.queries.differential.generated_documents import ATTRIBUTE_TYPES, BASE, numbered, row_lists
from tests.queries.differential.generated_requests import searches

_ROW = {
    "event_time": BASE,
    "message": "error one",
    "service_name": "web",
    "http_response_status_code": 500,
    "attributes": '{"user.id": 3, "tenant": "acme", "odd": 1}',
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeEngine]:
    rows = numbered([{**_ROW, "severity_text": level, "client_address": "10.0.0.1"} for level in ("INFO", "ERROR", None)])
    with lake(tmp_path_factory.mktemp("lake"), rows) as opened:
        yield opened


def test_a_hit_has_the_form_of_opensearch(engine: LakeEngine) -> None:
    response = engine.search("logs", {"size": 1, "query": {"term": {"severity_text": "ERROR"}}})
    assert response["hits"] == {
        "total": {"value": 1, "relation": "eq"},
        "max_score": None,
        "hits": [
            {
                "_index": "tailrace-logs-2026.11.24",
                "_id": "id919",
                "_score": None,
                "_source": {
                    "event_id": "id919",
                    "revision": 0,
                    "@timestamp": "2026-11-24T10:00:00.000000Z",
                    "severity_text": "ERROR",
                    "message": "error one",
                    "service.name": "web",
                    "http.response.status_code": 500,
                    "client.address": "10.0.0.1",
                    "attributes": {"user.id": 3, "tenant": "acme"},
                    "attributes_other": {"odd": "1"},
                },
                "sort": [1_795_514_400_000, "id919"],
            }
        ],
    }
    assert response["_shards"] == {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
    assert response["timed_out"] is False


def test_names_that_no_row_can_have_match_nothing_and_are_listed(engine: LakeEngine) -> None:
    body = {
        "query": {"bool": {"should": [{"term": {"nope": 1}}, {"term": {"user.id": 3}}]}},
        "aggs": {"a": {"terms": {"field": "neither"}}, "b": {"avg": {"field": "nope"}}},
    }
    response = engine.search("logs", body)
    assert response["_tailrace"] == {"unmapped": ["neither", "nope"]}
    assert response["hits"]["total"]["value"] == 3
    assert response["aggregations"] == {"a": {"doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": []}, "b": {"value": None}}


def test_aliases_and_bare_attributes_are_names(engine: LakeEngine) -> None:
    for name in ("status", "http.response.status_code"):
        assert engine.count("logs", {"query": {"term": {name: 500}}}) == 3
    for name in ("user.id", "attributes.user.id"):
        assert engine.count("logs", {"query": {"term": {name: 3}}}) == 3
    assert engine.count("logs", {"query": {"term": {"attributes_other.odd": "1"}}}) == 3
    assert engine.count("logs", {"query": {"term": {"http_response_status_code": 500}}}) == 0


@pytest.fixture(scope="module")
def durations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeEngine]:
    """Services a and b with durations 0..9 and 10..19, an hour each."""
    rows = [{"event_time": BASE + timedelta(hours=number // 10), "service_name": "ab"[number // 10], "duration_s": float(number)} for number in range(20)]
    with lake(tmp_path_factory.mktemp("lake"), numbered(rows)) as opened:
        yield opened


def test_percentiles_lie_between_the_two_nearest_values(durations: LakeEngine) -> None:
    aggs = {
        "keyed": {"percentiles": {"field": "duration_s", "percents": [50, 99]}},
        "listed": {"percentiles": {"field": "duration_s", "percents": [25.5], "keyed": False}},
        "times": {"percentiles": {"field": "@timestamp", "percents": [0]}},
        "nothing": {"percentiles": {"field": "nope", "percents": [50]}},
    }
    found = durations.search("logs", {"size": 0, "aggs": aggs})["aggregations"]
    assert found["keyed"] == {"values": {"50.0": pytest.approx(9.5), "99.0": pytest.approx(18.81)}}
    assert found["listed"] == {"values": [{"key": 25.5, "value": pytest.approx(4.845)}]}
    assert found["times"] == {"values": {"0.0": 1_795_514_400_000.0, "0.0_as_string": "2026-11-24T10:00:00.000Z"}}
    assert found["nothing"] == {"values": {"50.0": None}}


@pytest.mark.parametrize(
    ("order", "keys"), [({"p.99": "desc"}, ["b", "a"]), ({"p.50": "asc"}, ["a", "b"]), ({"s.sum": "desc"}, ["b", "a"]), ({"least": "desc"}, ["b", "a"])]
)
def test_buckets_are_ordered_by_a_metric_below_them(durations: LakeEngine, order: dict[str, str], keys: list[str]) -> None:
    below = {
        "p": {"percentiles": {"field": "duration_s", "percents": [50, 99]}},
        "s": {"stats": {"field": "duration_s"}},
        "least": {"min": {"field": "duration_s"}},
    }
    terms = durations.search("logs", {"size": 0, "aggs": {"t": {"terms": {"field": "service.name", "order": order}, "aggs": below}}})
    assert [bucket["key"] for bucket in terms["aggregations"]["t"]["buckets"]] == keys
    hours = durations.search(
        "logs", {"size": 0, "aggs": {"d": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h", "order": order}, "aggs": below}}}
    )
    counts = [bucket["s"]["max"] for bucket in hours["aggregations"]["d"]["buckets"]]
    assert counts == ([19.0, 9.0] if keys[0] == "b" else [9.0, 19.0])


def test_a_count_takes_a_query_and_nothing_else(engine: LakeEngine) -> None:
    with pytest.raises(UnsupportedError, match="size"):
        engine.count("logs", {"size": 5})


@pytest.mark.parametrize(
    "body",
    [
        {"aggs": {"d": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1ms", "extended_bounds": {"min": "2026-11-01", "max": "2026-12-01"}}}}},
        {"aggs": {"d": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1d", "extended_bounds": {"min": 2, "max": 1}}}}},
        {"aggs": {"d": {"date_histogram": {"field": "status", "fixed_interval": "1d"}}}},
        {"aggs": {"d": {"histogram": {"field": "service.name", "interval": 1}}}},
        {"aggs": {"d": {"histogram": {"field": "status", "interval": 1, "extended_bounds": {"min": "x"}}}}},
        {"aggs": {"d": {"terms": {"field": "message"}}}},
        {"query": {"exists": {"field": "attributes"}}},
        {"query": {"term": {"raw": "x"}}},
        {"query": {"range": {"message": {"gte": "a"}}}},
        {"query": {"term": {"client.address": "10.0.0.0/99"}}},
        {"query": {"term": {"status": {"value": 5, "case_insensitive": True}}}},
        {"query": {"range": {"@timestamp": {"gte": "now", "time_zone": "Mars/Olympus"}}}},
        {"sort": ["client.address"], "search_after": ["x"]},
        {"sort": ["message"]},
    ],
    ids=lambda body: json.dumps(body)[:70],
)
def test_what_cannot_be_answered_is_refused(engine: LakeEngine, body: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        engine.search("logs", body)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["now", "@timestamp", "message", "*", "\x00", "\ud800", "'; --"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(["query", "bool", "term", "field", "value", "aggs"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def _mutated(draw: st.DrawFn) -> Any:
    """A right body with one value, at any place, replaced by any JSON."""
    body = draw(searches())
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        for key, item in list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []:
            places.append((value, key))
            walk(item)

    body = json.loads(json.dumps(body))
    walk(body)
    container, key = draw(st.sampled_from(places))
    container[key] = draw(_JSON)
    return body


@settings(max_examples=150)
@given(body=_mutated() | _JSON)
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_any_body_is_answered_or_refused_with_one_error(engine: LakeEngine, body: Any) -> None:
    try:
        response = engine.search("logs", body)
    except RequestError:
        return
    orjson.dumps(response)


@pytest.mark.parametrize("text", ["'", "'; DROP TABLE logs; --", "\\", "\x00", "%", "_", "$1", "{}", "\n", "'||'x", 'a"b', "/*", "😀"])
def test_no_text_becomes_sql(engine: LakeEngine, text: str) -> None:
    for clause in ("term", "match", "match_phrase", "prefix", "wildcard"):
        for field in ("service.name", "message", "attributes.tenant", "attributes_other.odd"):
            assert engine.count("logs", {"query": {clause: {field: text}}}) in {0, 3}
    assert engine.count("logs", {"query": {"term": {f"attributes_other.{text}": "1"}}}) == 0
    assert engine.search("logs", {"aggs": {text.replace(">", "") or "a": {"filters": {"filters": {text: {"match_all": {}}}}}}})["hits"]["total"]["value"] == 3


@settings(max_examples=30)
@given(rows=row_lists)
def test_documents_are_those_of_the_bulk_writer(rows: list[dict[str, Any]]) -> None:
    table = table_of(numbered(rows))
    written = lines("logs", table, AttributeSplit(ATTRIBUTE_TYPES)).to_pylist()
    theirs = [orjson.loads(text.split("\n")[1]) for text in written]
    assert list(documents("logs", table, ATTRIBUTE_TYPES, SourceFilter())) == theirs


def test_addresses_have_one_key_however_they_are_written() -> None:
    assert ip_key("::ffff:1.2.3.4") == ip_key("1.2.3.4")
    assert ip_text(ip_key("2001:DB8::0:1") or "") == "2001:db8::1"
    assert ip_block("10.0.0.0/8") == ("00000000000000000000ffff0a000000", "00000000000000000000ffff0affffff")
    assert [ip_block(text) for text in ("10.0.0.0", "10.0.0.0/x", "10.0.0.0/33", "x/8")] == [None] * 4
    assert ip_key("fe80::1%eth0") is None


_ADDRESS = st.ip_addresses().map(str) | st.from_regex(r"[0-9a-fA-F:.]{1,24}", fullmatch=True) | st.text(alphabet="0123456789abcdef:.%x", max_size=20)


@given(addresses=st.lists(_ADDRESS, min_size=1, max_size=20))
def test_sql_and_python_read_the_same_addresses(addresses: list[str]) -> None:
    connection = duckdb.connect()
    for macro in MACROS:
        connection.execute(macro)
    rows = pa.table({"address": addresses})
    found = connection.sql("SELECT tailrace_ip(address) AS key FROM rows").fetchall()
    del rows
    assert [key for (key,) in found] == [ip_key(address) for address in addresses]
    connection.close()


def test_sql_is_written_for_duckdb_alone() -> None:
    assert print_sql(exp.select("1")) == "SELECT 1"
    with pytest.raises(UnsupportedError, match="trino"):
        print_sql(exp.select("1"), "trino")
