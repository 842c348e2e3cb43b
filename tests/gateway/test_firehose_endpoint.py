"""The Firehose endpoint: every kind of record, answers that Firehose understands, and nothing twice however often it sends again."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from firehose.delivery import MemoryStream
from gateway.app import create_app
from gateway.server import open_node
from tailrace.settings import Settings
from tests.collectors.envelopes.otlp.requests import assert_balanced, rows_of
from tests.collectors.envelopes.test_metric_stream import ONE, lines, otel_070, otel_100
from tests.gateway.running import FullStream, light_door
from tests.gateway.test_app import payload

ARN = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/shop"


@pytest.fixture
def stream() -> MemoryStream:
    return MemoryStream()


@pytest.fixture
def door(stream: MemoryStream) -> TestClient:
    return light_door(stream)


def body(*records: bytes, request_id: str = "r-1") -> bytes:
    return orjson.dumps({"requestId": request_id, "timestamp": 1_795_514_400_000, "records": [{"data": base64.b64encode(one).decode()} for one in records]})


def send(door: TestClient, data: bytes, query: str = "", request_id: str = "r-1", **headers: str) -> Any:
    told = {
        "content-type": "application/json",
        "X-Amz-Firehose-Protocol-Version": "1.0",
        "X-Amz-Firehose-Request-Id": request_id,
        "X-Amz-Firehose-Source-Arn": ARN,
        **headers,
    }
    return door.post(f"/firehose{query}", content=data, headers=told)


def test_records_of_all_kinds_are_told_by_their_content(door: TestClient, stream: MemoryStream) -> None:
    plain = gzip.decompress(payload("inflated by Firehose"))
    records = [
        payload("one", "two"),
        plain,
        lines(ONE),
        otel_100({"a": "b"}),
        otel_070({"MetricName": "m"}),
        b"ERROR a line\nINFO another\n",
        gzip.compress(b'{"message":"packed"}\n'),
    ]
    answer = send(door, body(*records))
    assert answer.status_code == 200
    assert answer.json() == {"requestId": "r-1", "timestamp": answer.json()["timestamp"]}
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert_balanced(stream)
    found = rows_of(stream, "logs")
    assert {row["message"] for row in found} == {"one", "two", "inflated by Firehose", "ERROR a line", "INFO another", "packed"}
    assert {row["log.source"] for row in found} == {"cloudwatch:/shop/web", "firehose:shop"}
    assert len(rows_of(stream, "metrics")) == 3
    (row,) = [row for row in found if row["message"] == "packed"]
    assert (row["cloud.account.id"], row["cloud.region"], row["stream.name"]) == ("123456789012", "eu-west-1", "firehose")


def test_a_request_sent_again_makes_the_same_events_and_equal_lines_are_different_ones(door: TestClient, stream: MemoryStream) -> None:
    for request_id in ("r-1", "r-1", "r-2"):
        assert send(door, body(b"same\nsame\n", b"same\n", lines(ONE, ONE), request_id=request_id), request_id=request_id).status_code == 200
    assert len({row["event_id"] for row in rows_of(stream, "logs")}) == 6
    assert len({row["event_id"] for row in rows_of(stream, "metrics")}) == 4


def test_what_is_sent_twice_is_searchable_once(tmp_path: Path) -> None:
    with open_node(Settings(home=tmp_path), xray=False) as node:
        door = TestClient(create_app(node.parts), base_url="http://127.0.0.1")
        for _ in range(2):
            send(door, body(payload("a"), b"b\n", lines(ONE)))
        assert node.stream.flush(10)
        assert [door.get(f"/tailrace-{table}*/_count").json()["count"] for table in ("logs", "metrics")] == [2, 1]


def test_parameters_and_common_attributes_say_what_the_content_does_not(door: TestClient, stream: MemoryStream) -> None:
    common = json.dumps({"commonAttributes": {"team": "pay", "service.name": "checkout"}})
    query = "?kind=lines&source=mine&format=app.json"
    assert send(door, body(b'{"message":"m","a":1}'), query, **{"X-Amz-Firehose-Common-Attributes": common}).status_code == 200
    (row,) = rows_of(stream, "logs")
    assert (row["log.source"], row["log.format"], row["service.name"], json.loads(row["attributes"])) == (
        "mine",
        "app.json",
        "checkout",
        {"a": 1, "team": "pay"},
    )


def test_a_record_that_cannot_be_read_is_kept_and_the_others_are_taken(door: TestClient, stream: MemoryStream) -> None:
    damaged = [payload("x")[:-6], gzip.compress(b"a line")[:-4], b'{"messageType":"DATA_MESSAGE","logGroup":7']
    assert send(door, body(b"good\n", *damaged)).status_code == 200
    assert_balanced(stream)
    assert [row["message"] for row in rows_of(stream, "logs")] == ["good"]
    assert sum(len(one.dead) for one in stream.deliveries) == 3
    broken = orjson.dumps({"requestId": "r-1", "timestamp": 1, "records": [{"data": "no base64!"}, {"data": ""}]})
    assert send(door, broken).status_code == 200
    assert stream.deliveries[-1].dead[0].body == b"no base64!"


def test_an_empty_record_and_no_records_are_no_fault(door: TestClient, stream: MemoryStream) -> None:
    assert send(door, body()).status_code == 200
    assert send(door, body(b"", b"\n\n", request_id="r-2"), request_id="r-2").status_code == 200
    assert rows_of(stream, "logs") == []
    assert_balanced(stream)


@pytest.mark.parametrize(
    ("data", "query", "headers", "reason"),
    [
        (b"", "", {}, "no request of Firehose's"),
        (b"{", "", {}, "no request of Firehose's"),
        (b"[" * 50_000, "", {}, "no request of Firehose's"),
        (b'{"requestId":"r-1","records":7}', "", {}, "Expected `array`"),
        (b'{"requestId":"r-1","records":[{"data":7}]}', "", {}, "records[0].data"),
        (b'{"requestId":"other","records":[]}', "", {}, "requestId"),
        (b'{"requestId":"","records":[]}', "", {}, "requestId"),
        (body(b"x"), "?kind=cloudwach", {}, "did you mean 'cloudwatch'"),
        (body(b"x"), "?knd=lines", {}, "did you mean 'kind'"),
        (body(b"x"), "", {"X-Amz-Firehose-Protocol-Version": "2.0"}, "protocol version"),
        (body(b"x"), "", {"X-Amz-Firehose-Common-Attributes": "{"}, "common attributes"),
        (body(b"x"), "", {"content-encoding": "gzip"}, "not gzip"),
        (gzip.compress(body(b"x"))[:-3], "", {"content-encoding": "gzip"}, "cut short"),
    ],
)
def test_what_is_no_request_is_refused_so_that_it_stays_with_firehose(
    door: TestClient, stream: MemoryStream, data: bytes, query: str, headers: dict[str, str], reason: str
) -> None:
    answer = send(door, data, query, **headers)
    assert (answer.status_code, answer.json()["requestId"]) == (400, "r-1")
    assert reason in answer.json()["errorMessage"]
    assert stream.deliveries == []


def test_a_body_may_be_compressed(door: TestClient, stream: MemoryStream) -> None:
    assert send(door, gzip.compress(body(b"one\n")), **{"content-encoding": "gzip"}).status_code == 200
    assert len(rows_of(stream, "logs")) == 1


def test_a_record_that_is_a_bomb_is_kept_as_it_came(door: TestClient, stream: MemoryStream) -> None:
    bomb = gzip.compress(b"\0" * (260 * 1024 * 1024), 9)
    assert send(door, body(bomb, b"good\n")).status_code == 200
    assert "inflates to more" in stream.deliveries[-1].dead[0].reason
    assert len(rows_of(stream, "logs")) == 1


def test_a_full_spool_makes_firehose_send_again() -> None:
    answer = send(light_door(FullStream()), body(b"x\n"))
    assert (answer.status_code, answer.json()["errorMessage"], answer.json()["requestId"]) == (503, "the spool is full", "r-1")


@pytest.mark.parametrize(
    ("token", "key", "given", "status"),
    [
        ("", "", "", 200),
        ("", "", "whatever", 200),
        ("t", "", "", 401),
        ("t", "", "t", 200),
        ("t", "k", "t", 401),
        ("t", "k", "k", 200),
        ("", "k", "", 401),
        ("", "k", "K", 401),
        ("", "k", "k", 200),
    ],
)
def test_the_access_key_is_asked_for_where_one_is_set(token: str, key: str, given: str, status: int) -> None:
    door = light_door(MemoryStream(), token, key, base_url="http://127.0.0.1" if not (token or key) else "https://logs.example.com")
    answer = send(door, body(b"x\n"), **({"X-Amz-Firehose-Access-Key": given} if given else {}))
    assert answer.status_code == status
    assert ("errorMessage" in answer.json()) is (status == 401)


def test_the_access_key_opens_no_other_door() -> None:
    door = light_door(MemoryStream(), "t", "k")
    assert door.get("/healthz", headers={"authorization": "Bearer k"}).status_code == 401


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_any_records_are_accounted_for(records: list[bytes]) -> None:
    stream = MemoryStream()
    assert send(light_door(stream), body(*records)).status_code == 200
    assert_balanced(stream)


def test_a_large_record_is_taken_piece_by_piece_and_sent_again_it_is_the_same(door: TestClient, stream: MemoryStream) -> None:
    texts = [f"line {number} " + "x" * 100 for number in range(60_000)]
    records = ["\n".join(texts).encode(), b"short", "\n".join(texts[:50]).encode()]
    for _ in range(2):
        assert send(door, body(gzip.compress(records[0]), *records[1:])).status_code == 200
    assert_balanced(stream)
    rows = rows_of(stream, "logs")
    assert [row["message"] for row in rows[: len(rows) // 2]] == [*texts, "short", *texts[:50]]
    assert len({row["event_id"] for row in rows}) * 2 == len(rows) == 2 * 60_051


def test_json_over_several_lines_is_one_event_and_a_list_several(door: TestClient, stream: MemoryStream) -> None:
    pretty = json.dumps({"message": "pretty", "a": [1]}, indent=2).encode()
    send(door, body(b"{", pretty, b'{"Records":[{"message":"one"},{"message":"two"}]}', b"last"))
    assert sorted(row["message"] for row in rows_of(stream, "logs")) == ["last", "one", "pretty", "two", "{"]
