"""A TCP port, with TLS or without: connections are served by protocols of asyncio in one thread, so that a thousand idle senders cost next to nothing.

A protocol takes what arrives as it arrives (:class:`Connection`). Where those behind it have no room it stops reading, and the sender's own buffers fill: nothing is dropped, and memory is bounded.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tailrace.errors import SettingError

MAX_CONNECTIONS: Final = 1_000
HANDSHAKE_WITHIN_S: Final = 10.0
DRAIN_S: Final = 0.1
"""How long what lies in the kernel is still read when the port is closed."""


class Connection(asyncio.Protocol):
    """One sender. Made for each, with the server that has it."""

    def __init__(self, server: "TcpServer") -> None:
        self.server = server
        self.peer = ""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or refuse it where there are too many."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.peer = transport, str((transport.get_extra_info("peername") or ("",))[0])
        if self.server.admit(self):
            self.opened()
        else:
            transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Let the connection go."""
        del error
        if self.server.release(self):
            self.closed()

    def opened(self) -> None:
        """Say what a protocol says first."""

    def closed(self) -> None:
        """Take what is left of the last message."""

    def send(self, data: bytes) -> None:
        """Write to the sender; may be called from any thread."""
        self.server.call(self._write, data)

    def hold(self, *, holds: bool) -> None:
        """Stop reading, or go on; in the server's thread."""
        with suppress(RuntimeError, AttributeError):
            if self.transport is not None and not self.transport.is_closing():
                (self.transport.pause_reading if holds else self.transport.resume_reading)()

    def end(self) -> None:
        """Close the connection after what was written is sent."""
        if self.transport is not None:
            self.transport.close()

    def _write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)


class TcpServer:
    """Listens from :meth:`start` on until :meth:`close`; ``setting`` is the name of the setting that says the port."""

    def __init__(self, setting: str, host: str, port: int, make: Callable[["TcpServer"], Connection], tls: ssl.SSLContext | None = None) -> None:
        self._socket = listening_socket(setting, host, port)
        self.port: int = self._socket.getsockname()[1]
        self._make, self._tls = make, tls
        self._connections: set[Connection] = set()
        self.refused = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._is_full: Callable[[], bool] = bool
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name=f"tcp-{setting}", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()
        self._ready.wait()

    def close(self, timeout_s: float) -> None:
        """Take what has arrived, and stop."""
        self.call(self._stop.set)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self._socket.close()

    def __len__(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def admit(self, connection: Connection) -> bool:
        """Whether a new connection may stay."""
        if len(self._connections) >= MAX_CONNECTIONS:
            self.refused += 1
            return False
        self._connections.add(connection)
        if self._is_full():
            connection.hold(holds=True)
        return True

    def release(self, connection: Connection) -> bool:
        """Forget a connection; answer whether it was admitted."""
        known = connection in self._connections
        self._connections.discard(connection)
        return known

    def look_for_room(self, is_full: Callable[[], bool]) -> None:
        """Ask whether there is room, and stop reading from everybody or go on; may be called from any thread, whenever the answer may have changed."""
        self._is_full = is_full
        self.call(self._hold_or_go_on)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function in the thread of the server, where it runs."""
        with suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(function, *arguments)

    def _hold_or_go_on(self) -> None:
        holds = self._is_full()
        for connection in self._connections:
            connection.hold(holds=holds)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        handshake = HANDSHAKE_WITHIN_S if self._tls else None
        server = await self._loop.create_server(lambda: self._make(self), sock=self._socket, ssl=self._tls, ssl_handshake_timeout=handshake)
        self._ready.set()
        await self._stop.wait()
        server.close()
        await asyncio.sleep(DRAIN_S)
        for connection in list(self._connections):
            connection.end()
        await asyncio.sleep(0)
        for connection in list(self._connections):
            connection.connection_lost(None)
            if connection.transport is not None:
                connection.transport.abort()


def listening_socket(setting: str, host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Bind a port; raises :class:`SettingError` that names the setting."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        if kind is socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except OSError as error:
        made.close()
        word = "TCP" if kind is socket.SOCK_STREAM else "UDP"
        raise SettingError(f"{setting} = {port}: {word} port of {host} cannot be bound: {error.strerror or error}") from error
    return made
