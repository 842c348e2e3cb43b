"""What the doctor says of the gateway: how it is, in the gateway's own words."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sandbox.checks import free_port
from tailrace.cli.doctor import Finding, examine
from tailrace.settings import Settings


@contextmanager
def gateway(status: int, body: bytes) -> Iterator[tuple[int, list[str]]]:
    """Run a server that gives one answer; answer its port, and the words that clients brought."""
    brought: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            brought.append(self.headers.get("Authorization", ""))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port, brought
        server.shutdown()
        thread.join()


def found(port: int, token: str = "") -> Finding:
    return next(one for one in examine(Settings(gateway_port=port, gateway_token=token)) if one.what == "gateway")


@pytest.mark.parametrize(
    ("code", "told", "state", "text"),
    [
        (200, {"status": "ok", "problems": [], "threads": 3}, "ok", "answers at"),
        (200, {"status": "degraded", "problems": [{"part": "keeper", "why": "no bucket", "state": "degraded"}]}, "warning", "is degraded: keeper: no bucket"),
        (503, {"status": "ill", "problems": [{"part": "spool", "why": "it is full"}, {"part": "ledger", "why": "gone"}]}, "wrong", "is ill: spool: it is full; ledger: gone"),
        (404, {"error": "no such page"}, "wrong", "answers 404"),
    ],
)  # fmt: skip
def test_the_gateway_is_told_as_it_tells_of_itself(code: int, told: dict[str, Any], state: str, text: str) -> None:
    with gateway(code, json.dumps(told).encode()) as (port, brought):
        finding = found(port)
    assert (finding.state, text in finding.found, brought) == (state, True, [""])


def test_the_token_is_brought_and_another_program_on_the_port_is_guessed() -> None:
    with gateway(200, b"<html>") as (port, brought):
        finding = found(port, "t")
    assert (finding.state, brought) == ("wrong", ["Bearer t"])
    assert "another program" in finding.remedy


def test_a_gateway_that_does_not_run_is_no_fault() -> None:
    finding = found(free_port())
    assert (finding.state, "does not run" in finding.found) == ("warning", True)
