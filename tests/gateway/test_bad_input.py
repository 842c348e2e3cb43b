"""What no sane client sends: each item is answered, what is taken is there, what is refused is said, and the counts add up."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.app import create_app
from gateway.server import open_node
from tailrace.ledger import open_ledger
from tailrace.settings import Settings
from tests.contracts.bad_rows import ATTRIBUTES, TEXTS, bad_rows
from tests.firehose.deliveries import delivery_of, table_of
from tests.gateway.test_app import NDJSON

TIMES = (
    "1970-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "2100-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "-1",
    "",
    "yesterday",
    "9" * 30,
)
NUMBERS: tuple[Any, ...] = (0, -1, 2**63, 1e300, True, None, [], {})
DOCUMENTS: dict[str, bytes] = {
    **{f"attributes: {name}": text.replace("\n", " ").replace("\r", " ").encode() for name, text in ATTRIBUTES.items()},
    **{f"time {at}": json.dumps({"message": "m", "@timestamp": at}).encode() for at in TIMES},
    **{f"time {at}": json.dumps({"message": "m", "@timestamp": at}).encode() for at in NUMBERS},
    **{f"text {name}": json.dumps({"message": text}).encode() for name, text in TEXTS.items()},
    "bytes that are no UTF-8": b'{"message":"\xff\xfe\xc3("}',
    "a message of another type": b'{"message":{"a":[1,{"b":null}]},"level":7,"trace_id":[],"status":"many"}',
    "cut off": b'{"message":"x',
    "a million signs": json.dumps({"message": "x" * 1_000_000}).encode(),
}


@pytest.mark.timeout(120)
def test_each_item_of_a_bulk_request_is_answered_and_what_was_taken_is_found(tmp_path: Path) -> None:
    body = b"".join(b'{"index":{"_index":"bad","_id":%b}}\n%b\n' % (json.dumps(name).encode(), document) for name, document in DOCUMENTS.items())
    with open_node(Settings(home=tmp_path), xray=False) as node:
        door = TestClient(create_app(node.parts), base_url="http://127.0.0.1")
        answer = door.post("/_bulk?refresh=true", content=gzip.compress(body), headers={**NDJSON, "content-encoding": "gzip"})
        items = [item["index"] for item in answer.json()["items"]]
        assert [item["_id"] for item in items] == list(DOCUMENTS)
        taken = {item["_id"] for item in items if item["status"] == 201}
        assert all(item["status"] == 201 or (item["status"] == 400 and item["error"]["reason"]) for item in items)
        found = door.post("/bad/_search", json={"size": 1_000, "query": {"match_all": {}}}).json()["hits"]["hits"]
        assert len({hit["_id"] for hit in found}) == len(taken) > 30
        good = door.post("/_bulk?refresh=true", content=b'{"index":{"_index":"bad","_id":"good"}}\n{"message":"good"}\n', headers=NDJSON)
        assert good.json()["errors"] is False
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    assert ledger.check().balanced, ledger.check().problems
    out = {hop.hop: hop.went_out for hop in ledger.hops() if hop.unit == "events"}
    assert out["deliver"] == len(taken) + 1


def test_rows_of_another_writer_with_absurd_times_and_attributes_are_answered_as_opensearch_has_them(tmp_path: Path) -> None:
    rows = [row for row in bad_rows() if row["event_id"] != "too long"]
    with open_node(Settings(home=tmp_path), xray=False) as node:
        node.stream.put(delivery_of(table_of(rows)))
        assert node.stream.flush()
        door = TestClient(create_app(node.parts), base_url="http://127.0.0.1")
        hits = door.post("/tailrace-logs/_search", json={"size": 1_000, "sort": [{"@timestamp": "asc"}]}).json()["hits"]["hits"]
    sources = {hit["_id"]: hit["_source"] for hit in hits}
    assert sources.keys() == {row["event_id"] for row in rows}
    ends = ("0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z")
    assert [sources[name]["@timestamp"] for name in ("before year 0", "first there is", "year 10000", "last there is")] == [ends[0]] * 2 + [ends[1]] * 2
    assert [hit["_index"] for hit in (hits[0], hits[-1])] == ["tailrace-logs-1970.01.01", "tailrace-logs-2099.12.31"]
    assert sources["no json"]["attributes_other"] == {"_unreadable": "no json"}
    assert sources["deep"]["attributes_other"]["a"].startswith('{"a":{"a":')
