"""A web server that keeps what is posted to it: where the check lets its alert go."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

MAX_BODY_BYTES: Final = 1_000_000


@dataclass(slots=True)
class Received:
    """The address to post to, and the JSON objects that were posted."""

    url: str
    posts: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def webhook_receiver() -> Iterator[Received]:
    """Serve on a free loopback port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    received = Received(f"http://127.0.0.1:{server.server_address[1]}/alert")
    server.posts = received.posts  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, name="webhook", daemon=True)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Keeps the JSON object of each POST; anything else is refused."""

    def do_POST(self) -> None:
        """Take a post."""
        size = int(self.headers.get("Content-Length", "0"))
        try:
            value = orjson.loads(self.rfile.read(min(size, MAX_BODY_BYTES)))
        except orjson.JSONDecodeError:
            value = None
        if isinstance(value, dict):
            self.server.posts.append(value)  # type: ignore[attr-defined]
        self.send_response(200 if isinstance(value, dict) else 400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
        """Write nothing."""
