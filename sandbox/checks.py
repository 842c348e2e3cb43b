"""Whether a part is there: checks over HTTP and TCP, and ports: which are free, and who has one that is taken.

A check is a callable without arguments that answers within about a second, and never raises.
"""

import errno
import http.client
import secrets
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tailrace.errors import SettingError

Check = Callable[[], bool]
TIMEOUT_S: Final = 1.0
LEAST_PORT: Final = 10_000
USUAL_FIRST_OF_CONNECTIONS: Final = 32_768
"""What Linux begins with where nobody set it, and where it cannot be read."""

EMULATOR_HEALTH: Final = "/healthz"
"""Where ``sandbox.emulator`` says that it is up."""


def http_ok(url: str) -> Check:
    """Answer a check: ``GET url`` has a status below 400."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def check() -> bool:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", path)
            return connection.getresponse().status < http.client.BAD_REQUEST
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return check


def tcp_open(host: str, port: int) -> Check:
    """Answer a check: something listens there."""

    def check() -> bool:
        try:
            with socket.create_connection((host, port), timeout=TIMEOUT_S):
                return True
        except OSError:
            return False

    return check


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a part wants: the setting that names it, and whether a person asked for this very number."""

    setting: str
    wanted: int
    asked_for: bool = False
    udp: bool = False
    host: str = "127.0.0.1"


class Claims:
    """Ports that were chosen and are not bound yet, because the part that will bind them has not begun: who else asks here finds them taken. They are let go with the object, or the process.

    A claim is an abstract Unix socket (unix(7)) of the port's number: the kernel gives a name once in a network namespace, which is what a port is given once in, and takes it back when its process is gone.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self, number: int) -> bool:
        """Claim a port; answer whether nobody else has."""
        one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            one.bind(f"\0tailrace.port.{number}")
        except OSError as error:
            one.close()
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        self._held.append(one)
        return True

    def release(self) -> None:
        """Let all go."""
        for one in self._held:
            one.close()
        self._held.clear()


def choose_port(port: Port, claims: Claims) -> int:
    """Answer the wanted port if it is free and can be claimed, else a free one.

    Raises :class:`SettingError`, naming the setting and the process that has the port, where a person asked for this very number.
    """
    if _is_free(port) and claims.take(port.wanted):
        return port.wanted
    if port.asked_for:
        owner = owner_of(port.wanted) or ("another that is about to begin" if _is_free(port) else "")
        raise SettingError(f"{port.setting} = {port.wanted}: the port is taken{f' by {owner}' if owner else ''}; end that or choose another {port.setting}")
    while True:
        number = free_port(port.host, udp=port.udp)
        if claims.take(number):
            return number


def free_port(host: str = "127.0.0.1", *, udp: bool = False) -> int:
    """Answer a port that is free now, for TCP and, where asked for, for UDP too."""
    return free_ports(1, host, udp=udp)


def free_ports(count: int, host: str = "127.0.0.1", *, udp: bool = False) -> int:
    """Answer the first of so many free ports in a row.

    They are below those that the system gives to connections (ip(7)), where no connection that happens to be made takes one between this answer and its use.
    """
    span = range(LEAST_PORT, max(_first_of_connections(), LEAST_PORT + 2 * count) - count)
    while True:
        first = span[secrets.randbelow(len(span))]
        if all(_is_free(Port("", number, udp=udp, host=host)) for number in range(first, first + count)):
            return first


def owner_of(port: int) -> str:
    """Name the process that listens on a TCP or UDP port, such as ``process 4711 (python -m http.server)``; empty where that cannot be seen."""
    inodes = {inode for name in ("tcp", "tcp6", "udp", "udp6") for inode in _listening(Path("/proc/net") / name, port)}
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        if inodes & set(_sockets_of(process)):
            return f"process {process.name} ({_command_of(process)})"
    return ""


def _is_free(port: Port) -> bool:
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM) if port.udp else (socket.SOCK_STREAM,)
    return all(_can_bind(port.host, port.wanted, kind) for kind in kinds)


def _can_bind(host: str, number: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as one:
        if kind is socket.SOCK_STREAM:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, number))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
        return True


def _first_of_connections() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    except (OSError, ValueError):
        return USUAL_FIRST_OF_CONNECTIONS


_LISTEN: Final = "0A"
_UDP_OPEN: Final = "07"


def _listening(table: Path, port: int) -> Iterator[str]:
    """Read ``/proc/net/tcp`` (proc_net(5)): local address, state and inode are columns 1, 3 and 9."""
    try:
        rows = table.read_text("ascii").splitlines()[1:]
    except OSError:
        return
    for row in rows:
        columns = row.split()
        if int(columns[1].rsplit(":", 1)[1], 16) == port and columns[3] in {_LISTEN, _UDP_OPEN}:
            yield columns[9]


def _sockets_of(process: Path) -> Iterator[str]:
    try:
        for link in (process / "fd").iterdir():
            target = str(link.readlink())
            if target.startswith("socket:["):
                yield target.removeprefix("socket:[").removesuffix("]")
    except OSError:
        return


def _command_of(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()[:120]
    except OSError:
        return "?"
