"""The gateway's own traces as rows of the table ``spans``: requests, searches, payloads that come by other ways, and what sinks deliver.

Documents (``tailrace.tracing``) wait in a queue of :data:`MAX_WAITING`; a thread reads them as those of X-Ray's SDKs are read, once a second, and the ledger has them under the source
``tailrace:traces``. There is no loop: that thread has no segment open, batches that hold nothing but spans and the like are not traced (``firehose.runner``), and neither are the doors that watchers ask.
What the queue or the write path cannot take is left out, and counted.
"""

import logging
import queue
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Self

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collectors.collector import Collector
from gateway.answers import LIVE_PATH, READY_PATH
from gateway.regularly import Regularly
from tailrace.errors import TransientError
from tailrace.tracing import Tracer

SOURCE: Final = "tailrace:traces"
SERVICE: Final = "tailrace-gateway"
WRITE_EVERY_S: Final = 1.0
MAX_WAITING: Final = 1_000
MAX_URL_CHARS: Final = 200
UNTRACED_PATHS: Final = frozenset({LIVE_PATH, READY_PATH, "/healthz", "/metrics", "/_tailrace/status"})

_log = logging.getLogger(__name__)


class OwnTraces(Regularly):
    """Writes what a tracer gives in the background; a context manager, while which the tracer traces."""

    def __init__(self, tracer: Tracer, collector: Collector) -> None:
        super().__init__("own traces", WRITE_EVERY_S)
        self._tracer, self._collector = tracer, collector
        self._waiting: queue.Queue[bytes] = queue.Queue(MAX_WAITING)
        self._totals = {"segments": 0, "spans": 0, "left_out": 0}

    def __enter__(self) -> Self:
        """Begin to trace."""
        self._tracer.emit = self._take
        return super().__enter__()

    def __exit__(self, *exc: object) -> None:
        """End, after the rows that are being put."""
        self._tracer.emit = None
        super().__exit__(*exc)

    def status(self) -> Mapping[str, Any]:
        """Answer totals since the start: segments that ended, rows that they became, segments that were left out."""
        return dict(self._totals)

    def write(self) -> int:
        """Put the documents that wait; answer how many rows they became. Raises :class:`TransientError` where they are not taken: they are left out."""
        documents: list[bytes] = []
        with suppress(queue.Empty):
            while True:
                documents.append(self._waiting.get_nowait())
        try:
            rows = self._collector.collect_spans(documents, SOURCE).spans
        except TransientError:
            self._totals["left_out"] += len(documents)
            raise
        self._totals["spans"] += rows
        return rows

    def _take(self, document: bytes) -> None:
        self._totals["segments"] += 1
        try:
            self._waiting.put_nowait(document)
        except queue.Full:
            self._totals["left_out"] += 1


class Traced:
    """The middleware that begins a segment for a request."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app, self._tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, and time it if it is sampled."""
        if scope["type"] != "http" or scope["path"] in UNTRACED_PATHS:
            await self._app(scope, receive, send)
            return
        request = {"method": scope["method"], "url": _url(scope)}
        members: dict[str, Any] = {"http": {"request": request}}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                members.update({"http": {"request": request, "response": {"status": message["status"]}}}, **marks(message["status"]))
            await send(message)

        with self._tracer.segment(SERVICE, members):
            await self._app(scope, receive, answer)


def marks(status: int) -> dict[str, bool]:
    """Answer what X-Ray calls an answer: a fault of ours, an error of the client's, a throttle."""
    return {"fault": True} if status >= 500 else {"error": True, **({"throttle": True} if status == 429 else {})} if status >= 400 else {}


def _url(scope: Scope) -> str:
    host, port = scope.get("server") or ("", None)
    return f"{scope['scheme']}://{host}{f':{port}' if port else ''}{scope['path'][:MAX_URL_CHARS]}"
