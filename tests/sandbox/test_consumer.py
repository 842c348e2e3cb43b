"""The consumer's door to the gateway: what is taken, what is tried again, what is refused."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from sandbox.checks import free_port
from sandbox.consumer import GatewayDoor
from tailrace.errors import PermanentError, TransientError
from tailrace.gateway_client import GatewayClient
from tailrace.settings import Settings


class Gateway(SimpleNamespace):
    url: str
    status: int
    requests: list[tuple[str, str, str, bytes]]


def door(url: str, token: str = "") -> GatewayDoor:
    return GatewayDoor(GatewayClient(Settings(gateway_address=url, gateway_token=token)))


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A server that answers with a status of one's choice and keeps what it was asked."""
    made = Gateway(url="", status=200, requests=[])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.requests.append((self.path, self.headers["Content-Type"], self.headers.get("Authorization", ""), body))
            self.send_response(made.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()


def test_a_payload_is_posted_as_it_is_with_the_token(gateway: Gateway) -> None:
    door(gateway.url, "word").take(b"\x1f\x8b\x00")
    assert gateway.requests == [("/_tailrace/payload?kind=cloudwatch", "application/octet-stream", "Bearer word", b"\x1f\x8b\x00")]


@pytest.mark.parametrize("status", [429, 503, 500])
def test_what_cannot_be_taken_now_is_to_be_tried_again(gateway: Gateway, status: int) -> None:
    gateway.status = status
    with pytest.raises(TransientError, match=f"the gateway answered {status}"):
        door(gateway.url).take(b"x")


def test_what_is_refused_is_not_tried_again(gateway: Gateway) -> None:
    gateway.status = 401
    with pytest.raises(PermanentError, match="the gateway answered 401"):
        door(gateway.url).take(b"x")


def test_a_gateway_that_is_not_there_is_to_be_tried_again() -> None:
    with pytest.raises(TransientError, match="does not answer"):
        door(f"http://127.0.0.1:{free_port()}").take(b"x")
