"""``tailrace up`` and ``tailrace serve`` as processes: they become ready, send heartbeats, write their own metrics, and end as asked."""

import http.client
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.checks import free_ports
from sandbox.process import start

WITHIN_S = 120.0


class Beat(http.server.BaseHTTPRequestHandler):
    """Takes a heartbeat."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.server.beats.append(self.path)  # type: ignore[attr-defined]

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def watchdog() -> Iterator[Any]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Beat) as server:
        server.beats = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asked(port: int, path: str) -> dict[str, Any]:
    """Ask the gateway; nothing where it does not answer yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": "Bearer t"})
        found: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException):
        return {}
    finally:
        connection.close()
    return found


def until(condition: Any) -> None:
    end = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.1)


@pytest.mark.parametrize("command", [("up", "--no-dashboard", "--no-alerts"), ("serve",)], ids=["up", "serve"])
def test_a_stack_with_a_token_sends_heartbeats_writes_its_metrics_and_ends(tmp_path: Path, watchdog: Any, command: tuple[str, ...]) -> None:
    port = free_ports(2, udp=True)
    settings = {"HOME": tmp_path, "GATEWAY_PORT": port, "XRAY_PORT": port + 1, "GATEWAY_TOKEN": "t", "OWN_METRICS_EVERY_S": 1, "HEARTBEAT_EVERY_S": 1}
    environment = {f"TAILRACE_{name}": str(value) for name, value in settings.items()}
    environment["TAILRACE_HEARTBEAT_URL"] = f"http://127.0.0.1:{watchdog.server_port}/beat"
    process = start(("python", "-m", "tailrace", *command), tmp_path / "log", environment, folder=tmp_path)
    try:
        until(lambda: watchdog.beats and asked(port, "/tailrace-metrics-*/_count").get("count", 0) > 0)
        health = asked(port, "/healthz")
        assert (health["status"], health["heartbeat"]["pid"], health["heartbeat"]["failed"]) == ("ok", process.pid, 0)
        assert set(watchdog.beats) == {"/beat"}
        assert b"/beat" not in (tmp_path / "heartbeat.json").read_bytes()
    finally:
        assert process.stop(20) == 0, process.last_lines()
