"""Datagrams of a UDP port, read by a thread; what the kernel drops because its buffer is full is counted, where the kernel tells."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from collectors.sources.tcp_server import listening_socket

MAX_DATAGRAM_BYTES: Final = 65_535
RECEIVE_BUFFER_BYTES: Final = 8 * 1024 * 1024
"""What is asked of the kernel; it gives up to net.core.rmem_max."""

POLL_S: Final = 0.2
_SO_MEMINFO: Final = 55
_DROPS_AT: Final = 8


class Datagrams:
    """Hands each datagram and the address of its sender to ``take``, which may wait: the kernel's buffer fills meanwhile."""

    def __init__(self, setting: str, host: str, port: int, take: Callable[[bytes, str], None]) -> None:
        self._socket = listening_socket(setting, host, port, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._socket.settimeout(POLL_S)
        self.port: int = self._socket.getsockname()[1]
        self._take = take
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._receive, name=f"udp-{setting}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    @property
    def is_reading(self) -> bool:
        """Whether a datagram may still come."""
        return self._thread.is_alive()

    def stop(self, timeout_s: float) -> None:
        """Read what has arrived, and no more."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def close(self, timeout_s: float) -> None:
        """Read what has arrived, and close the port."""
        self.stop(timeout_s)
        self._socket.close()

    def dropped_by_kernel(self) -> int:
        """How many datagrams the kernel has dropped since the start."""
        return kernel_drops(self._socket)

    def _receive(self) -> None:
        while True:
            try:
                datagram, sender = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            except TimeoutError:
                if self._stop.is_set():
                    return
                continue
            except OSError:
                return
            self._take(datagram, str(sender[0]))


def kernel_drops(listening: socket.socket) -> int:
    """Answer the kernel's count of dropped datagrams (``sk_drops`` of ``SO_MEMINFO``, the last column of ``/proc/net/udp``); 0 where it does not tell."""
    with suppress(OSError, struct.error):
        return int(struct.unpack("=9I", listening.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36))[_DROPS_AT])
    return 0
