"""The gateway's own traces are spans like all others, the map shows its services, and they make no traces of their own."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from firehose.delivery import MemoryStream
from gateway.app import create_app
from gateway.own_traces import MAX_WAITING, SOURCE, OwnTraces, marks
from gateway.server import Node, open_node
from queries.workspace import Workspace
from tailrace.clock import SystemClock
from tailrace.errors import TransientError
from tailrace.ledger import open_ledger
from tailrace.settings import Settings
from tailrace.tracing import Tracer
from tests.gateway.running import FullStream, light_door
from tests.gateway.test_app import bulk, payload


def spans(node: Node) -> dict[tuple[str, str], dict[str, Any]]:
    hits = node.parts.engine.search("spans", {"size": 100})["hits"]["hits"]
    return {(hit["_source"].get("serviceName", ""), hit["_source"]["name"]): hit["_source"] for hit in hits}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The spans of a payload, a search and what watchers ask, the folder, and how many rows a second writing was."""
    home = tmp_path_factory.mktemp("traces")
    with open_node(Settings(home=home), xray=False) as node:
        door, sut = TestClient(create_app(node.parts), base_url="http://127.0.0.1"), node.traces
        node.parts.tracer.emit = sut._take
        for path in ("/livez", "/readyz", "/healthz", "/metrics", "/_tailrace/status"):
            door.get(path)
        door.post("/_tailrace/payload", content=payload("x"))
        assert node.stream.flush()
        sut.write()
        assert node.stream.flush()
        again = sut.write()
        found = spans(node)
    return found, home, again


def test_a_payload_is_a_trace_of_its_steps(told: Any) -> None:
    found, _, _ = told
    assert {("tailrace-gateway", name) for name in ("tailrace-gateway", "decode", "parse", "put")} <= set(found)
    segment, put = found["tailrace-gateway", "tailrace-gateway"], found["tailrace-gateway", "put"]
    assert (segment["http.request.method"], segment["http.response.status_code"], segment["kind"]) == ("POST", 200, "SPAN_KIND_SERVER")
    assert put["attributes_other"]["metadata.tailrace.rows"] == "1"
    assert put["traceId"] == segment["traceId"]


def test_what_a_sink_delivered_is_a_trace_that_names_its_batch(told: Any) -> None:
    found, _, _ = told
    delivery = found["tailrace-firehose", "tailrace-firehose"]["attributes_other"]
    assert (delivery["metadata.tailrace.sink"], delivery["metadata.tailrace.rows"], delivery["metadata.tailrace.retries"]) == ("lake", "1", "0")
    assert delivery["metadata.tailrace.batch"]
    assert ("tailrace-firehose", "lake") in found


def test_traces_make_no_traces_and_neither_do_watchers(told: Any) -> None:
    found, home, again = told
    assert again == 0
    assert len([name for name in found if name[0] == name[1]]) == 2
    ledger = open_ledger(home / "ledger.sqlite")
    assert ledger.check().balanced
    assert {row["hop"] for row in ledger.rows().to_pylist() if row["log_source"] == SOURCE} == {"decode", "collect", "spool", "deliver"}


def test_the_map_shows_the_services(told: Any) -> None:
    _, home, _ = told
    with Workspace(Settings(home=home), SystemClock()) as workspace:
        graph = workspace.traces.service_graph(0, SystemClock().now_us() + 1)
    assert {"tailrace-gateway", "tailrace-firehose"} <= {node["Name"] for node in graph["Services"]}


def test_a_search_is_a_trace_too(tmp_path: Path) -> None:
    with open_node(Settings(home=tmp_path), xray=False) as node:
        door, sut = TestClient(create_app(node.parts), base_url="http://127.0.0.1"), node.traces
        bulk(door, {"message": "one"})
        assert node.stream.flush()
        node.parts.tracer.emit = sut._take
        assert door.post("/_search", json={}).status_code == 200
        sut.write()
        assert node.stream.flush()
        assert spans(node)["tailrace-gateway", "search"]["attributes_other"] == {"metadata.tailrace.table": "logs", "metadata.tailrace.hits": "1"}


def test_an_answer_is_marked_as_x_ray_marks_it() -> None:
    assert [marks(status) for status in (200, 404, 429, 503)] == [{}, {"error": True}, {"error": True, "throttle": True}, {"fault": True}]


def test_what_cannot_be_taken_is_left_out_and_counted() -> None:
    parts = light_door(FullStream()).app.state.parts  # type: ignore[attr-defined]
    sut = OwnTraces(Tracer(SystemClock()), parts.collector)
    for _ in range(MAX_WAITING + 3):
        sut._take(b'{"name": "a", "id": "1234567890abcdef", "trace_id": "1-67891233-abcdef012345678912345678", "start_time": 1, "end_time": 2}')
    with pytest.raises(TransientError):
        sut.write()
    assert sut.status() == {"segments": MAX_WAITING + 3, "spans": 0, "left_out": MAX_WAITING + 3}


def test_it_traces_while_it_is_open() -> None:
    parts, tracer = light_door(MemoryStream()).app.state.parts, Tracer(SystemClock())  # type: ignore[attr-defined]
    with OwnTraces(tracer, parts.collector):
        assert tracer.emit is not None
    assert tracer.emit is None
