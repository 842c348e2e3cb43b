"""Syslog over UDP, TCP and TLS: what machines and network devices send on their own.

UDP (RFC 5426) and TCP (RFC 6587, ``collectors.sources.framing``) share the port ``syslog_port``; TLS (RFC 5425) has its own, ``syslog_tls_port``. Messages become lines whose formats are found as ever (RFC 3164
and 5424 are formats, and so is whatever else a sender writes). They are put in batches, at the latest 0.3 s after the first. A source in the ledger is a sender: ``syslog:`` and its address.

Syslog has no acknowledgement: what a sender has sent and this process has not put when it is killed is lost, and so is what the kernel drops of UDP while its buffer is full; the kernel's count of
that is in the ledger, dropped by the rule ``kernel-buffer-full`` of the source ``syslog:udp``. Where the delivery stream takes nothing, TCP connections are not read, and their senders wait.
"""

import logging
import secrets
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Final, NamedTuple, Self

import pyarrow as pa

from collectors.collector import Collector
from collectors.lines import Lines, Origin
from collectors.sources.batcher import MAX_WAITING_BYTES, Batcher
from collectors.sources.datagrams import Datagrams
from collectors.sources.framing import Framer
from collectors.sources.patience import StoppedError, patiently
from collectors.sources.tcp_server import Connection, TcpServer
from collectors.sources.text_lines import EMPTY_RULE
from tailrace.clock import Clock
from tailrace.errors import SettingError
from tailrace.ids import Places
from tailrace.settings import Settings
from tailrace.tls import ServerTls, TlsFiles

STREAM_NAME: Final = "syslog"
UDP_SOURCE: Final = "syslog:udp"
KERNEL_RULE: Final = "kernel-buffer-full"
MAX_SENDERS: Final = 1_000
"""Senders that have a source of their own; UDP's addresses may be forged, and the ledger has a row for each."""

OTHERS: Final = "syslog:others"

_log = logging.getLogger(__name__)


class _Message(NamedTuple):
    """What one sender sent, and when."""

    source: str
    text: bytes
    received_us: int


class SyslogServer:
    """Listens while its context is open; on leaving it what has arrived is put. ``max_waiting_bytes`` is what may wait in memory."""

    def __init__(self, collector: Collector, settings: Settings, clock: Clock, max_waiting_bytes: int = MAX_WAITING_BYTES) -> None:
        self._collector, self._clock = collector, clock
        self._places, self._next = Places(STREAM_NAME, secrets.token_hex(16)), 0
        self._give_up, self._counting = threading.Event(), threading.Lock()
        self._senders: dict[str, str] = {}
        self._totals = dict.fromkeys(("received", "put", "dead", "unput", "cut", "framing_faults"), 0)
        self._drops_told = 0
        self._servers: list[TcpServer] = []
        self.tls: ServerTls | None = None
        self._datagrams: Datagrams | None = None
        self._batcher: Batcher[_Message] = Batcher(self._put, clock, changed=self._look_for_room, max_waiting_bytes=max_waiting_bytes)
        try:
            self._listen(settings)
        except SettingError:
            self._close_ports(0.0)
            raise

    def _listen(self, settings: Settings) -> None:
        if settings.syslog_tls_port:
            self.tls = ServerTls(_tls_files(settings), self._clock)
        if settings.syslog_port:
            self._servers.append(TcpServer("syslog_port", settings.syslog_host, settings.syslog_port, self._connection))
            self._datagrams = Datagrams("syslog_port", settings.syslog_host, settings.syslog_port, self._take_datagram)
        if self.tls:
            self._servers.append(TcpServer("syslog_tls_port", settings.syslog_host, settings.syslog_tls_port, self._connection, self.tls.context))

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._batcher.start()
        for server in self._servers:
            server.start()
        if self._datagrams is not None:
            self._datagrams.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop listening and put what has arrived."""
        self.close()

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop listening and put what has arrived; what the delivery stream does not take within the time is counted as ``unput``."""
        self._close_ports(timeout_s)
        if not self._batcher.close(timeout_s):
            self._give_up.set()
            self._batcher.close(timeout_s)
        self._give_up.set()

    def status(self) -> Mapping[str, int]:
        """Answer totals since the start: messages received, put, dead, not put at the end, cut, connections with wrong counts, refused and open, datagrams that the kernel dropped."""
        drops = self._datagrams.dropped_by_kernel() if self._datagrams is not None else 0
        connections = {"connections": sum(map(len, self._servers)), "refused": sum(server.refused for server in self._servers)}
        return {**self._totals, **connections, "dropped_by_kernel": drops}

    def take(self, text: bytes, sender: str, *, waits: bool = False) -> None:
        """Take one message of a sender."""
        self._count("received", 1)
        message = _Message(self._source(sender), text, self._clock.now_us())
        (self._batcher.add_waiting if waits else self._batcher.add)(message, len(text))

    def note(self, cut: int, faults: int) -> None:
        """Take a connection's counts."""
        self._count("cut", cut)
        self._count("framing_faults", faults)

    def _count(self, name: str, number: int) -> None:
        with self._counting:
            self._totals[name] += number

    def _take_datagram(self, datagram: bytes, sender: str) -> None:
        self.take(datagram, sender, waits=True)

    def _connection(self, server: TcpServer) -> Connection:
        return _Sender(server, self)

    def _source(self, sender: str) -> str:
        known = self._senders.get(sender)
        if known is None:
            if len(self._senders) >= MAX_SENDERS:
                return OTHERS
            known = self._senders[sender] = f"{STREAM_NAME}:{sender.removeprefix('::ffff:')}"
        return known

    def _look_for_room(self) -> None:
        for server in self._servers:
            server.look_for_room(lambda: self._batcher.is_full)

    def _close_ports(self, timeout_s: float) -> None:
        for server in self._servers:
            server.close(timeout_s)
        if self._datagrams is not None:
            self._datagrams.close(timeout_s)

    def _put(self, batch: Sequence[_Message]) -> None:
        by_source: dict[str, list[_Message]] = {}
        for message in batch:
            by_source.setdefault(message.source, []).append(message)
        for source, messages in by_source.items():
            self._put_source(source, messages)
        self._tell_drops()

    def _put_source(self, source: str, messages: Sequence[_Message]) -> None:
        texts = [message.text.decode("utf-8", "replace").rstrip("\r\n\0") for message in messages]
        filled = [text for text in texts if text.strip()]
        empty = len(texts) - len(filled)
        lines = self._lines(source, filled, messages[0].received_us)
        try:
            done = patiently(partial(self._collector.collect_lines, lines, {EMPTY_RULE: empty} if empty else {}), self._clock, self._give_up)
        except StoppedError:
            self._count("unput", len(messages))
            return
        self._count("put", done.events)
        self._count("dead", len(done.dead))

    def _lines(self, source: str, texts: Sequence[str], received_us: int) -> Lines:
        ids: pa.StringArray = pa.array([self._places.id(number) for number in range(self._next, self._next + len(texts))], pa.string())
        self._next += len(texts)
        times: pa.TimestampArray = pa.nulls(len(texts), pa.timestamp("us"))
        return Lines(Origin(source, STREAM_NAME), received_us, pa.array(texts, pa.string()), ids, times, whole=True)

    def _tell_drops(self) -> None:
        """Write what the kernel dropped since the last time into the ledger."""
        drops = self._datagrams.dropped_by_kernel() if self._datagrams is not None else 0
        if drops <= self._drops_told:
            return
        _log.warning("the kernel dropped %d datagrams of syslog: its buffer was full (net.core.rmem_max)", drops - self._drops_told)
        new = {KERNEL_RULE: drops - self._drops_told}
        self._drops_told = drops
        try:
            patiently(partial(self._collector.collect_lines, self._lines(UDP_SOURCE, [], self._clock.now_us()), new), self._clock, self._give_up)
        except StoppedError:
            return


def _tls_files(settings: Settings) -> TlsFiles:
    """Answer the files of the port with TLS: its own, or those of the gateway; the authority of senders is its own in either case."""
    if settings.syslog_tls_certificate:
        return TlsFiles("syslog_tls", settings.syslog_tls_certificate, settings.syslog_tls_key, settings.syslog_tls_authority)
    if settings.gateway_tls_certificate:
        return TlsFiles("gateway_tls", settings.gateway_tls_certificate, settings.gateway_tls_key, settings.syslog_tls_authority)
    raise SettingError("syslog_tls_port needs syslog_tls_certificate, a file of the certificate (and of its key, or that in syslog_tls_key)")


class _Sender(Connection):
    """One connection of a sender."""

    def __init__(self, server: TcpServer, syslog: SyslogServer) -> None:
        super().__init__(server)
        self._syslog, self._framer = syslog, Framer()

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        for text in self._framer.feed(data):
            self._syslog.take(text, self.peer)

    def closed(self) -> None:
        """Take what is left."""
        for text in self._framer.end():
            self._syslog.take(text, self.peer)
        self._syslog.note(self._framer.cut, self._framer.faults)
