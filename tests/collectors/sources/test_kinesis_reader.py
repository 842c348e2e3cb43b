"""A gateway that is told of a Kinesis stream reads it, says what is wrong with it, and goes on where it ended."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collectors.sources import kinesis_reader
from gateway.server import Node, open_node
from tailrace import aws
from tailrace.ledger import open_ledger
from tailrace.settings import Settings
from tests.collectors.sources.test_open_events import TRACE, pieces, whole

PATIENCE_S = 60


def soon(is_so: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < until:
        time.sleep(0.05)
    return is_so()


def _told(node: Node) -> dict[str, Any]:
    return dict(node.parts.status()["doors"]["kinesis"])


def test_a_gateway_reads_the_stream_that_the_settings_name_and_goes_on_after_a_stop(moto: Settings, tmp_path: Path) -> None:
    client = aws.client("kinesis", moto)
    client.create_stream(StreamName="flow-of-a-gateway", ShardCount=1)
    settings = Settings(home=tmp_path, aws_endpoint_url=moto.aws_endpoint_url, kinesis_stream="flow-of-a-gateway")
    first, second = pieces(TRACE, [7])
    for data in (first, second, b"no payload"):
        client.put_record(StreamName="flow-of-a-gateway", PartitionKey="s", Data=data)
        with open_node(settings, xray=False) as node:
            told = partial(_told, node)
            assert soon(lambda: told()["taken"] == 1)  # noqa: B023 - it is called at once
            status = told()
        assert status == {"stream": "flow-of-a-gateway", "taken": 1, "error": ""}
    check = open_ledger(tmp_path / "ledger.sqlite").check()
    hops = {(hop.hop, hop.unit, hop.sink): hop for hop in check.hops}
    assert check.balanced
    assert (hops["decode", "payloads", ""].came_in, hops["decode", "payloads", ""].dead) == (3, 1)
    assert hops["collect", "events", ""].came_in == len(TRACE)
    assert hops["deliver", "events", "lake"].went_out == hops["collect", "events", ""].went_out >= len(whole(TRACE))


def test_a_stream_that_is_not_there_is_said_and_stops_nothing(moto: Settings, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, aws_endpoint_url=moto.aws_endpoint_url, kinesis_stream="nowhere")
    with open_node(settings, xray=False) as node:
        assert soon(lambda: bool(_told(node)["error"]))
        assert "nowhere" in _told(node)["error"]
        assert node.stream.flush()


def test_what_was_wrong_is_forgotten_once_the_stream_is_read(moto: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinesis_reader, "AGAIN_S", 0.1)
    settings = Settings(home=tmp_path, aws_endpoint_url=moto.aws_endpoint_url, kinesis_stream="made-later")
    with open_node(settings, xray=False) as node:
        assert soon(lambda: bool(_told(node)["error"]))
        client = aws.client("kinesis", moto)
        client.create_stream(StreamName="made-later", ShardCount=1)
        client.put_record(StreamName="made-later", PartitionKey="s", Data=pieces(TRACE, [])[0])
        assert soon(lambda: _told(node)["taken"] == 1)
        assert _told(node)["error"] == ""
