"""The ports beside HTTP: they are open where a setting says so, tell of themselves in the health, and what comes in is searchable."""

import socket
from pathlib import Path

from starlette.testclient import TestClient

from gateway.app import create_app
from gateway.server import open_node
from sandbox.checks import free_port
from tailrace.settings import Settings
from tests.collectors.sources.doors import until
from tests.collectors.sources.fluent_client import FluentClient


def test_ports_are_open_where_a_setting_says_so(tmp_path: Path) -> None:
    syslog, forward = free_port(udp=True), free_port()
    with open_node(Settings(home=tmp_path, syslog_port=syslog, forward_port=forward), xray=False) as node:
        door = TestClient(create_app(node.parts), base_url="http://127.0.0.1")
        with socket.create_connection(("127.0.0.1", syslog)) as one:
            one.sendall(b"<34>1 - host su - - - failed for lonvick\n")
        with FluentClient(forward) as client:
            client.packed_forward("app", [(1_795_514_400, {"message": "no stock"})], chunk="c")
            assert client.read() == {"ack": "c"}
        until(lambda: door.get("/healthz").json()["doors"]["syslog"]["put"] == 1)
        assert door.get("/healthz").json()["doors"]["forward"]["put"] == 1
        assert node.stream.flush(10)
        assert door.get("/_count?q=failed OR stock").json()["count"] == 2


def test_no_port_is_open_unasked(tmp_path: Path) -> None:
    with open_node(Settings(home=tmp_path), xray=False) as node:
        assert "doors" not in TestClient(create_app(node.parts), base_url="http://127.0.0.1").get("/healthz").json()
