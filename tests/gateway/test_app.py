"""The gateway as its clients see it: a whole write path and engine behind every request."""

import base64
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import opensearchpy
import orjson
import pytest
import uvicorn
from starlette.testclient import TestClient

from firehose.dead_letters.log import ReplayLog
from gateway.app import create_app
from gateway.server import open_node
from sandbox.checks import free_port
from tailrace.settings import Settings

NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture
def door(tmp_path: Path) -> Iterator[TestClient]:
    with open_node(Settings(home=tmp_path), xray=False) as node:
        yield TestClient(create_app(node.parts), base_url="http://127.0.0.1")


def bulk(door: TestClient, *documents: dict[str, Any], index: str = "shop", refresh: str = "true") -> dict[str, Any]:
    lines = [line for document in documents for line in ({"index": {"_index": index, **({"_id": document.pop("_id")} if "_id" in document else {})}}, document)]
    answer = door.post(f"/_bulk?refresh={refresh}", content=b"".join(orjson.dumps(line) + b"\n" for line in lines), headers=NDJSON)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def payload(*messages: str) -> bytes:
    events = [{"id": f"id-{number}", "timestamp": 1_795_514_400_000 + number, "message": message} for number, message in enumerate(messages)]
    envelope = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "/shop/web",
        "logStream": "s",
        "subscriptionFilters": ["f"],
        "logEvents": events,
    }
    return gzip.compress(orjson.dumps(envelope), mtime=0)


def test_what_was_written_is_found_at_once_with_refresh(door: TestClient) -> None:
    written = bulk(door, {"message": "com.shop.Error: 500", "level": "error", "user": {"id": 3}, "_id": "a"}, {"message": "fine"})
    assert [item["index"]["status"] for item in written["items"]] == [201, 201]
    assert (written["errors"], written["items"][0]["index"]["_id"]) == (False, "a")
    found = door.post("/shop/_search", json={"query": {"match": {"message": "error"}}}).json()
    source = found["hits"]["hits"][0]["_source"]
    assert (found["hits"]["total"]["value"], source["severity_text"], source["attributes"]) == (1, "ERROR", {"user.id": 3})
    assert door.get("/_count?q=message:fine").json()["count"] == 1
    assert (
        door.get("/logs*/_search?q=fine&size=1&sort=event_id:asc&track_total_hits=true&from=0&default_operator=AND&df=message").json()["hits"]["total"]["value"]
        == 1
    )


def test_the_same_id_again_is_the_same_event(door: TestClient) -> None:
    for _ in range(2):
        bulk(door, {"message": "once", "_id": "a"})
    bulk(door, {"message": "once", "_id": "a"}, index="other")
    assert door.get("/shop/_count").json()["count"] == 1
    assert door.get("/sho*/_count").json()["count"] == 1
    assert door.get("/_count").json()["count"] == 2


def test_a_document_that_is_no_json_object_is_refused_alone(door: TestClient) -> None:
    body = b'{"index":{"_index":"a"}}\n{bad\n{"index":{"_index":"a"}}\n[1]\n{"delete":{"_index":"a","_id":"1"}}\n{"index":{"_index":"a"}}\n{"message":"good"}\n'
    answer = door.put("/_bulk?refresh", content=body, headers=NDJSON).json()
    assert [next(iter(item.values()))["status"] for item in answer["items"]] == [400, 400, 400, 201]
    assert answer["errors"]
    assert door.get("/a/_count").json()["count"] == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/nosuch/_search", 404, "no such index"),
        ("GET", "/nosuch/_count", 404, "no such index"),
        ("GET", "/_serch", 404, "did you mean '_search'"),
        ("GET", "/_search?siez=1", 400, "did you mean 'size'"),
        ("GET", "/_search?size=many", 400, "not a whole number"),
        ("GET", "/_search?typed_keys=true", 400, "not supported"),
        ("GET", "/tailrace-spans*,tailrace-logs*/_search", 400, "one search reads one table"),
        ("GET", "/_tailrace/dead/none", 404, "no such dead letter"),
        ("POST", "/_tailrace/dead/none/drop", 404, "no such dead letter"),
        ("POST", "/_tailrace/dead/none/replay", 404, "no such dead letter"),
        ("POST", "/_tailrace/payload?kind=cloudwach", 400, "did you mean 'cloudwatch'"),
        ("POST", "/_bulk", 400, "request body is required"),
        ("GET", "/_index_template/nosuch", 404, "not found"),
    ],
)
def test_what_is_wrong_is_answered_in_opensearchs_words(door: TestClient, method: str, path: str, status: int, reason: str) -> None:
    answer = door.request(method, path)
    assert answer.status_code == status
    assert reason in answer.json()["error"]["reason"]


def test_a_wrong_clause_is_named_and_an_unavailable_stream_may_be_passed_over(door: TestClient) -> None:
    answer = door.post("/_search", json={"query": {"trem": {"a": 1}}})
    assert answer.status_code == 400
    assert "term" in answer.json()["error"]["reason"]
    assert door.get("/nosuch/_search?ignore_unavailable=true").json()["hits"]["total"]["value"] == 0
    assert door.delete("/_search").status_code == 405


def test_a_node_says_who_it_is_and_how_its_indices_are_made(door: TestClient) -> None:
    assert door.get("/").json()["version"]["distribution"] == "opensearch"
    assert door.get("/healthz").json()["status"] == "ok"
    assert door.get("/_tailrace/status").json()["sinks"][0]["name"] == "lake"
    template = door.get("/_index_template/tailrace-logs").json()["index_templates"][0]
    assert template["index_template"]["index_patterns"] == ["tailrace-logs-*"]


def test_a_payload_of_cloudwatch_is_taken_and_flushed(door: TestClient) -> None:
    told = door.post("/_tailrace/payload", content=base64.b64encode(payload("one", "two"))).json()
    assert (told["payloads"], told["events"], told["dead"]) == (1, 2, 0)
    assert door.post("/_tailrace/flush").json() == {"flushed": True}
    assert door.get("/cloudwatch/_count").json()["count"] == 2


def test_dead_letters_are_grouped_and_those_of_a_group_are_listed(door: TestClient) -> None:
    for message in ("x", "yy"):
        door.post("/_tailrace/payload", content=payload(message)[:-9])
    door.post("/_tailrace/payload?kind=xray", content=b"no document")
    door.post("/_tailrace/flush")
    told = door.get("/_tailrace/dead/groups").json()
    assert (told["total"], sorted(one["count"] for one in told["groups"])) == (2, [1, 2])
    large = max(told["groups"], key=lambda one: one["count"])
    listed = door.get(f"/_tailrace/dead?group={large['group']}&limit=1").json()
    assert (listed["total"], [row["reason"] for row in listed["dead"]]) == (2, [large["reason"]])
    assert door.get("/_tailrace/dead?group=none").json() == {"dead": [], "total": 0}


def test_a_group_is_rehearsed_and_replayed_whole_and_the_record_says_by_whom(door: TestClient, tmp_path: Path) -> None:
    for message in ("x", "yy"):
        door.post("/_tailrace/payload", content=payload(message)[:-9])
    door.post("/_tailrace/flush")
    (group,) = door.get("/_tailrace/dead/groups").json()["groups"]
    path = f"/_tailrace/dead/groups/{group['group']}/replay"
    told = door.post(f"{path}?dry_run=true").json()["dry_run"]
    assert [(one["dead"], one["reasons"]) for one in told] == [(1, [group["reason"]])] * 2
    one = door.post(f"/_tailrace/dead/{told[0]['id']}/replay?dry_run=true").json()
    assert (one["id"], one["dead"]) == (told[0]["id"], 1)
    assert door.get("/_tailrace/dead").json()["total"] == 2
    done = door.post(path, headers={"X-Tailrace-User": "anna"}).json()
    assert (done["replayed"], done["dead"], done["refused"], done["left"]) == (2, 2, 0, 0)
    assert door.post("/_tailrace/dead/groups/none/replay").json()["replayed"] == 0
    assert door.post(f"{path}?dry_run=maybe").status_code == 400
    steps = ReplayLog(tmp_path / "dead_log.sqlite").newest(9)
    assert [(one.user, one.via, one.outcome[:10]) for one in steps] == [("anna", "gateway testclient", "dead again")] * 2
    door.post("/_tailrace/flush")
    assert door.get("/_tailrace/dead").json()["total"] == 2


def test_a_dead_letter_is_listed_shown_replayed_and_dropped(door: TestClient) -> None:
    assert door.post("/_tailrace/payload", content=payload("x")[:-9]).json()["dead"] == 1
    door.post("/_tailrace/flush")
    (row,) = door.get("/_tailrace/dead").json()["dead"]
    shown = door.get(f"/_tailrace/dead/{row['id']}")
    assert (shown.content, shown.headers["x-content-type-options"]) == (payload("x")[:-9], "nosniff")
    assert door.post(f"/_tailrace/dead/{row['id']}/replay").json()["dead"] == 1
    door.post("/_tailrace/flush")
    (again,) = door.get("/_tailrace/dead?limit=5").json()["dead"]
    assert door.post(f"/_tailrace/dead/{again['id']}/drop").json() == {"dropped": True}
    assert door.get("/_tailrace/dead").json() == {"dead": [], "total": 0}


def test_opensearch_py_is_a_client(tmp_path: Path) -> None:
    with open_node(Settings(home=tmp_path), xray=False) as node:
        port = free_port()
        server = uvicorn.Server(uvicorn.Config(create_app(node.parts), port=port, log_level="error", lifespan="off"))
        from threading import Thread

        thread = Thread(target=server.run, daemon=True)
        thread.start()
        client = opensearchpy.OpenSearch([f"http://127.0.0.1:{port}"], max_retries=20, retry_on_timeout=True)
        while not server.started:
            thread.join(0.05)
        assert client.info()["tagline"].startswith("Tailrace")
        done, errors = opensearchpy.helpers.bulk(client, [{"_index": "py", "_source": {"message": f"line {n}"}} for n in range(500)], refresh=True)
        assert (done, errors) == (500, [])
        assert client.count(index="py")["count"] == 500
        assert len(client.search(index="py", body={"query": {"match": {"message": "line"}}, "size": 50})["hits"]["hits"]) == 50
        server.should_exit = True
        thread.join(10)
