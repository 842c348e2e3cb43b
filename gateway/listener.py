"""The gateway's port: uvicorn's own where it speaks HTTP, and one with TLS that uvicorn has not.

A connection is looked at before TLS begins: a hello of TLS starts with the byte 0x16 (RFC 8446, 5.1), and whoever says something else, which is HTTP as a rule, is told so in HTTP. Each handshake is a task
of its own with a time limit: one that hangs holds up nobody.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Final, cast

import uvicorn

from collectors.sources.tcp_server import HANDSHAKE_WITHIN_S, listening_socket
from gateway.answers import refused
from tailrace.tls import ServerTls

HANDSHAKE: Final = b"\x16"
BACKLOG: Final = 2_048
"""uvicorn's."""

MAX_OPENING: Final = 1_000
"""Connections whose handshake is not done; a further one is closed."""

LINGER_S: Final = 1.0
"""How long what an HTTP client still sends is read, so that it reads our answer before the connection ends; and how long a client of TLS may take to take leave."""

AFTER_ERROR_S: Final = 0.1
PLAIN: Final = "this port speaks TLS: use https://"

Make = Callable[[], asyncio.Protocol]


class GatewayServer(uvicorn.Server):
    """Serves until it is told to stop, with TLS where it has one. Raises :class:`tailrace.errors.SettingError` where its port cannot be bound."""

    def __init__(self, config: uvicorn.Config, tls: ServerTls | None = None) -> None:
        super().__init__(config)
        self._tls, self._listener = tls, cast("TlsListener | None", None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        if self._tls is None:
            await super().startup(sockets)
            return
        port = listening_socket("gateway_port", self.config.host, self.config.port)
        port.listen(BACKLOG)
        port.setblocking(False)
        self._listener = TlsListener(port, self._tls, self._protocol)
        self._listener.start()
        await super().startup(sockets=[])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and end the connections there are."""
        if self._listener is not None:
            self._listener.close()
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        make = cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class)
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


class TlsListener:
    """Takes connections of a socket that listens, in the event loop that runs :meth:`start`; ``make`` makes the protocol of each."""

    def __init__(self, port: socket.socket, tls: ServerTls, make: Make) -> None:
        self._port, self._tls, self._make = port, tls, make
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to take connections."""
        self._begin(self._accept())

    def close(self) -> None:
        """Take no more, and end those whose handshake is not done."""
        for task in self._tasks:
            task.cancel()
        self._port.close()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                one, _ = await loop.sock_accept(self._port)
            except OSError:  # no file descriptor is left, say: those there are go on
                await asyncio.sleep(AFTER_ERROR_S)
                continue
            if len(self._tasks) > MAX_OPENING:
                self._tls.failed_handshakes += 1
                one.close()
            else:
                self._begin(self._open(one))

    async def _open(self, one: socket.socket) -> None:
        handed_over = False
        try:
            async with asyncio.timeout(HANDSHAKE_WITHIN_S):
                first = await _first_byte(one)
            if first == HANDSHAKE:
                handed_over = True
                loop, limits = asyncio.get_running_loop(), {"ssl_handshake_timeout": HANDSHAKE_WITHIN_S, "ssl_shutdown_timeout": LINGER_S}
                await loop.connect_accepted_socket(self._make, one, ssl=self._tls.context, **limits)
            elif first:
                await _tell_plain(one)
        except (OSError, ssl.SSLError):  # a time-out is one of the first kind
            self._tls.failed_handshakes += 1
        finally:
            if not handed_over:
                one.close()


async def _first_byte(one: socket.socket) -> bytes:
    """Wait for the first byte that a client sends, and leave it there; nothing where it has closed."""
    loop = asyncio.get_running_loop()
    there: asyncio.Future[None] = loop.create_future()
    loop.add_reader(one.fileno(), _arrived, there)
    try:
        await there
        return one.recv(1, socket.MSG_PEEK)
    finally:
        loop.remove_reader(one.fileno())


def _arrived(there: "asyncio.Future[None]") -> None:
    if not there.done():
        there.set_result(None)


async def _tell_plain(one: socket.socket) -> None:
    answer = refused(400, "security_exception", PLAIN)
    head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(answer.body)}\r\nconnection: close\r\n\r\n"
    loop = asyncio.get_running_loop()
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            await loop.sock_sendall(one, head.encode("ascii") + bytes(answer.body))
            one.shutdown(socket.SHUT_WR)
            while await loop.sock_recv(one, 65_536):
                pass
