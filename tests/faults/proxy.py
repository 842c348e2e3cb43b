"""A proxy before a server that speaks HTTP: it does harm to requests and answers as it is told to, one harm a request."""

import http.client
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.serving import QuietHandler, serving

_ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>told to</Message><RequestId>1</RequestId></Error>'
STATUSES = {
    "500": (500, "InternalError"),
    "slow-down": (503, "SlowDown"),
    "denied": (403, "AccessDenied"),
    "skewed": (403, "RequestTimeTooSkewed"),
    "no-bucket": (404, "NoSuchBucket"),
}
HARMS = (*STATUSES, "reset", "late", "cut", "empty", "slow", "trickle", "hang")
"""``reset``: before the server has the request; ``late``: after it did what was asked; ``cut``: in the middle of the answer; ``empty``: 200, and nothing was done; ``trickle``: a few bytes at a time."""

TRICKLE_BYTES, TRICKLE_S = 500, 0.02


class Proxy:
    """``harms`` are used up one a request whose method is in ``methods``."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.harms: deque[str] = deque()
        self.methods = {"PUT", "GET", "DELETE", "POST", "HEAD"}
        self.done: Counter[str] = Counter()
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        """Method, path and headers (names in lower case) of the requests."""
        self.lock = threading.Lock()
        self.url = ""

    def next_harm(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        with self.lock:
            self.seen.append((method, path, {name.lower(): value for name, value in headers.items()}))
            harm = self.harms.popleft() if self.harms and method in self.methods else ""
            self.done[harm or "none"] += 1
            return harm


@contextmanager
def proxy_before(upstream: str) -> Iterator[Proxy]:
    """Run one."""
    proxy = Proxy(upstream)
    with serving(_Handler, proxy=proxy) as proxy.url:
        yield proxy


class _Handler(QuietHandler):
    proxy: Proxy

    def do_GET(self) -> None:
        self._pass()

    def do_PUT(self) -> None:
        self._pass()

    def do_POST(self) -> None:
        self._pass()

    def do_DELETE(self) -> None:
        self._pass()

    def do_HEAD(self) -> None:
        self._pass()

    def _pass(self) -> None:
        body, harm = self._body(), self.proxy.next_harm(self.command, self.path, dict(self.headers.items()))
        if harm in STATUSES:
            status, code = STATUSES[harm]
            self._answer(status, [("Content-Type", "application/xml")], _ERROR.format(code=code).encode())
            return
        if harm == "reset":
            self._reset()
            return
        if harm == "empty":
            self._answer(200, [], b"")
            return
        if harm in {"slow", "hang"}:
            time.sleep(0.4 if harm == "slow" else 0.7)
        if harm == "hang":
            self.close_connection = True
            return
        status, headers, data = self._asked(body)
        if harm == "late":
            self._reset()
            return
        if harm == "cut":
            self.close_connection = True
            self.wfile.write(f"HTTP/1.1 {status} OK\r\nContent-Length: {len(data) + 9}\r\n\r\n".encode() + data)
            return
        self._answer(status, headers, data, trickle=harm == "trickle")

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return data

    def _asked(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = http.client.HTTPConnection(self.proxy.host, self.proxy.port, timeout=30)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in {"transfer-encoding", "expect", "connection", "content-length"}:
                    upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(body)))
            upstream.putheader("Connection", "close")
            upstream.endheaders(body)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes, *, trickle: bool = False) -> None:
        self.send_response(status)
        length = next((value for name, value in headers if name.lower() == "content-length"), str(len(data))) if self.command == "HEAD" else str(len(data))
        for name, value in headers:
            if name.lower() not in {"transfer-encoding", "content-length", "connection", "date", "server"}:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command == "HEAD":
            return
        step = TRICKLE_BYTES if trickle else max(len(data), 1)
        for start in range(0, len(data), step):
            self.wfile.write(data[start : start + step])
            time.sleep(TRICKLE_S if trickle else 0)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
