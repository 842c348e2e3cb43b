r"""The X-Ray daemon's port: SDKs of AWS X-Ray send segment documents here by UDP, and ask for sampling rules by TCP.

A datagram is a header, ``{"format": "json", "version": 1}``, a line feed, and one document (https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html). Documents
are put in batches of up to 50, at the latest a second after the first, sooner when no other follows. A datagram that is not as it should be is a dead letter, counted in the
ledger like the documents that are none.

UDP has no acknowledgement: what the kernel drops because its buffer is full was never here. How many these are is in :meth:`XRayDaemon.status`.
"""

import json
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

from collectors.collector import Collector, Summary
from collectors.sources.datagrams import POLL_S, Datagrams
from collectors.sources.patience import StoppedError, patiently
from collectors.sources.xray_http import XRayApi, make_server
from collectors.sources.xray_sampling import Sampling
from firehose.delivery import DeadLetter
from tailrace.clock import Clock, SystemClock
from tailrace.errors import DecodeError, SettingError

SOURCE: Final = "xray:udp"
BATCH_DOCUMENTS: Final = 50
BATCH_WITHIN_S: Final = 1.0
IDLE_S: Final = 0.05
QUEUE_DATAGRAMS: Final = 20_000


def document_of(datagram: bytes) -> bytes:
    r"""Answer the document of a datagram; raises :class:`DecodeError` where its header is not as it should be.

    >>> document_of(b'{"format": "JSON", "version": 1}\n{"id": "1"}')
    b'{"id": "1"}'
    """
    header, separator, document = datagram.partition(b"\n")
    if not separator:
        raise DecodeError("the datagram has no header line")
    try:
        members = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise DecodeError("the header is not JSON") from error
    if not isinstance(members, dict) or str(members.get("format")).lower() != "json" or members.get("version") != 1 or members.get("version") is True:
        raise DecodeError(f"the header is not format json, version 1: {header[:80].decode('utf-8', 'replace')}")
    if not document.strip():
        raise DecodeError("no document follows the header")
    return document


class XRayDaemon:
    """Listens while its context is open; on leaving it what has arrived is put."""

    def __init__(self, collector: Collector, host: str, port: int, *, sampling: Sampling | None = None, clock: Clock | None = None) -> None:
        self._collector, self._clock = collector, clock or SystemClock()
        self._server, self._udp = _bind(host, port, XRayApi(collector, sampling or Sampling(self._clock)), self._take)
        self.port: int = self._udp.port
        self._datagrams: queue.Queue[bytes] = queue.Queue(QUEUE_DATAGRAMS)
        self._give_up = threading.Event()
        self._totals = {"received": 0, "spans": 0, "rejected": 0, "unput": 0}
        self._threads = [
            threading.Thread(target=self._batch, name="xray-batch", daemon=True),
            threading.Thread(target=self._server.serve_forever, args=(POLL_S,), name="xray-tcp", daemon=True),
        ]

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._udp.start()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop listening and put what has arrived."""
        self.close()

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop listening and put what has arrived; what the delivery stream does not take within the time is counted as ``unput``."""
        self._server.shutdown()
        self._server.server_close()
        batcher, _ = self._threads
        self._udp.stop(timeout_s)
        batcher.join(timeout_s)
        self._give_up.set()
        batcher.join(timeout_s)
        self._udp.close(0)

    def status(self) -> Mapping[str, int]:
        """Answer totals since the start: datagrams received, spans put, documents rejected, documents not put at the end, datagrams that the kernel dropped."""
        return {**self._totals, "dropped_by_kernel": self._udp.dropped_by_kernel()}

    def _take(self, datagram: bytes, sender: str) -> None:
        del sender
        self._totals["received"] += 1
        self._datagrams.put(datagram)

    def _batch(self) -> None:
        while self._udp.is_reading or not self._datagrams.empty():
            if batch := self._next_batch():
                self._put(batch)

    def _next_batch(self) -> list[bytes]:
        batch: list[bytes] = []
        wait_s, began_s = POLL_S, self._clock.monotonic_s()
        with suppress(queue.Empty):
            while len(batch) < BATCH_DOCUMENTS and self._clock.monotonic_s() - began_s < BATCH_WITHIN_S:
                batch.append(self._datagrams.get(timeout=wait_s))
                wait_s = IDLE_S
        return batch

    def _put(self, datagrams: list[bytes]) -> None:
        documents: list[bytes] = []
        dead: list[DeadLetter] = []
        for datagram in datagrams:
            try:
                documents.append(document_of(datagram))
            except DecodeError as error:
                dead.append(DeadLetter("payload", str(error), datagram, {"envelope": "xray", "error_code": "SegmentRejected"}))
        put = partial(self._collector.collect_spans, documents, SOURCE, dead)
        try:
            summary: Summary = patiently(put, self._clock, self._give_up)
        except StoppedError:
            self._totals["unput"] += len(datagrams)
            return
        self._totals["spans"] += summary.spans
        self._totals["rejected"] += len(summary.dead)


def _bind(host: str, port: int, api: XRayApi, take: Callable[[bytes, str], None]) -> tuple[ThreadingHTTPServer, Datagrams]:
    try:
        server = make_server(host, port, api)
    except OSError as error:
        raise SettingError(f"xray_port = {port}: TCP port of {host} cannot be bound: {error.strerror or error}") from error
    try:
        return server, Datagrams("xray_port", host, server.server_address[1], take)
    except SettingError:
        server.server_close()
        raise
