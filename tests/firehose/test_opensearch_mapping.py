"""The mapping of a real node grows with the attribute register, within bounds, and nothing about it stops the sink."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import opensearchpy
import pytest

from collectors.collector import Collector, Document
from collectors.from_settings import formats_from_settings, work_with
from firehose import LocalFirehose
from tailrace.clock import SystemClock
from tailrace.fields import AttributeRegister
from tailrace.forms import fields_limit, index_name
from tailrace.ledger import open_ledger
from tailrace.schema import FieldType
from tailrace.settings import Settings
from tests.collectors.readers.samples import formats
from tests.firehose.deliveries import NOON_US, delivery_of, everything_delivered, quick, table_of

pytestmark = pytest.mark.opensearch
INDEX = index_name("logs", "2026-09-21")


@pytest.fixture
def client(opensearch_url: str) -> Iterator[opensearchpy.OpenSearch]:
    found = opensearchpy.OpenSearch([opensearch_url])
    found.indices.delete(index="tailrace-*")
    yield found
    found.indices.delete(index="tailrace-*")
    found.transport.perform_request("DELETE", "/_index_template/tailrace-*")


def fields(mapping: dict[str, Any]) -> int:
    """How many fields OpenSearch counts: objects too."""
    own = mapping.get("properties", {})
    return len(own) + sum(fields(one) for one in own.values())


def mapping_of(client: opensearchpy.OpenSearch, index: str) -> dict[str, Any]:
    found: dict[str, Any] = client.indices.get_mapping(index=index)[index]["mappings"]
    return found


def counted(client: opensearchpy.OpenSearch, query: dict[str, Any], index: str = INDEX) -> int:
    client.indices.refresh(index=index)
    return int(client.count(index=index, body={"query": query})["count"])


def test_all_that_the_formats_declare_and_all_that_can_be_learned_is_mapped(tmp_path: Path, opensearch_url: str, client: opensearchpy.OpenSearch) -> None:
    register = AttributeRegister(declared=formats_from_settings(Settings()).declared())
    with LocalFirehose(quick(tmp_path, opensearch_url=opensearch_url), SystemClock(), register=register) as stream:
        stream.put(delivery_of(table_of([{"event_id": "a"}])))
        assert everything_delivered(stream)
        register.learn({f"own.deep.{n}.x{n}": FieldType.LONG for n in range(2_000)})
        stream.put(delivery_of(table_of([{"event_id": "b", "attributes": json.dumps({"own.deep.7.x7": 12})}])))
        assert everything_delivered(stream)
    assert 1_000 < fields(mapping_of(client, INDEX)) <= fields_limit(register.types()) == 2_000
    assert counted(client, {"range": {"attributes.own.deep.7.x7": {"gt": 11}}}) == 1


def test_fifty_thousand_keys_of_one_source_explode_nothing_and_the_numbers_of_another_are_numbers(
    tmp_path: Path, opensearch_url: str, client: opensearchpy.OpenSearch
) -> None:
    register, settings = AttributeRegister(), quick(tmp_path, opensearch_url=opensearch_url)
    with LocalFirehose(settings, SystemClock(), register=register) as stream:
        collector = Collector(stream, work_with(formats(), register), register, SystemClock())
        noisy = [{"message": f"m{row}", **{f"key{row}_{n}": n for n in range(500)}} for row in range(100)]
        collector.collect_documents([Document(json.dumps(one).encode(), "noisy", f"n-{row}") for row, one in enumerate(noisy)], "test:noisy")
        everyday = {"message": "paid", "elapsed": {"total": 17.5}}
        collector.collect_documents([Document(json.dumps(everyday).encode(), "cart", "c")], "test:cart")
        assert everything_delivered(stream)
    (index,) = client.indices.get(index="tailrace-logs-*")
    assert fields(mapping_of(client, index)) < 1_000
    assert counted(client, {"range": {"attributes.elapsed.total": {"gte": 17, "lte": 18}}}, index) == 1
    beyond = next(f"key99_{n}" for n in range(500) if register.type_of(f"key99_{n}") is None)
    assert counted(client, {"term": {f"attributes_other.{beyond}": beyond.partition("_")[2]}}, index) == 1
    check = open_ledger(tmp_path / "ledger.sqlite").check()
    assert check.balanced, check.problems


@pytest.mark.parametrize("there", [{"shop": {"type": "long"}}, {"shop": {"properties": {"id": {"type": "long"}}}}])
def test_a_field_that_an_index_has_otherwise_stays_so_and_stops_nothing(
    tmp_path: Path, opensearch_url: str, client: opensearchpy.OpenSearch, there: dict[str, Any]
) -> None:
    client.indices.create(index=INDEX, body={"mappings": {"dynamic": False, "properties": {"attributes": {"properties": there}}}})
    register = AttributeRegister(declared={f"k{n}": FieldType.LONG for n in range(9)} | {"shop": FieldType.KEYWORD})
    rows = [{"event_id": "good", "attributes": '{"k8": 7}'}, {"event_id": "bad", "attributes": '{"shop": "north"}'}]
    tomorrow = {"event_id": "next day", "event_time": NOON_US + 86_400_000_000, "attributes": '{"shop": "north"}'}
    with LocalFirehose(quick(tmp_path, opensearch_url=opensearch_url), SystemClock(), register=register) as stream:
        stream.put(delivery_of(table_of([*rows, tomorrow])))
        assert everything_delivered(stream)
        reasons = [str(row["reason"]) for row in stream.dead.rows(9)]
    assert counted(client, {"term": {"attributes.k8": 7}}) == 1
    assert counted(client, {"term": {"attributes.shop": "north"}}, "tailrace-logs-2026.09.22") == 1
    assert ["shop" in reason for reason in reasons] == [True]
