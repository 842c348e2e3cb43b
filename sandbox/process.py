"""One child process: it has a process group of its own, a log file, and dies with its parent.

In goes a command (a list of arguments, never a shell text); out come its process id, whether it lives, and the end of its log.

The child is started through a few lines of Python that ask the kernel to send SIGKILL when the parent is gone (``prctl(PR_SET_PDEATHSIG)``,
https://man7.org/linux/man-pages/man2/prctl.2.html, kept over ``execve``), and then become the command. The kernel means the *thread* that started
the child: start children from a thread that lives as long as they should, as the main thread does. Where there is no ``prctl`` the rest works all the same.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tailrace.settings import environment

PR_SET_PDEATHSIG: Final = 1
"""``linux/prctl.h``."""

_BECOME: Final = f"""
import os, signal, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl({PR_SET_PDEATHSIG}, signal.SIGKILL, 0, 0, 0)
except (ImportError, OSError, AttributeError):
    pass
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"cannot start {{sys.argv[2]}}: {{error.strerror}}")
"""

_POLL_S: Final = 0.02
_TAIL_BYTES: Final = 8_192


class Process:
    """A running child; made by :func:`start`."""

    def __init__(self, child: "subprocess.Popen[bytes]", log: Path, log_from: int) -> None:
        self._child, self.log, self._log_from = child, log, log_from
        self._killed = False

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's id too."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """``None`` while it runs; negative: the signal that ended it."""
        return self._child.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group; none left is no error."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended; answer whether it has."""
        until = time.monotonic() + timeout_s
        while self.exit_code is None:
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL_S)
        return True

    def stop(self, within_s: float = 8.0) -> int:
        """Ask it to end (SIGTERM), and after so many seconds make it end (SIGKILL, the whole group); answer its exit code."""
        self.send(signal.SIGTERM)
        self.wait(within_s)
        return self.kill()

    def kill(self) -> int:
        """End the whole group at once; answer the exit code. The signal is sent once: later the number may be another process's."""
        if not self._killed:
            self._killed = True
            self.send(signal.SIGKILL)
        return self._child.wait()

    def last_lines(self, count: int = 8) -> list[str]:
        """Read the last lines that this run of it wrote to its log."""
        with self.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self._log_from, size - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()[-count:]


def start(command: Sequence[str], log: Path, extra: Mapping[str, str] | None = None, folder: Path | None = None) -> Process:
    """Start a command; what it prints is appended to ``log``, ``extra`` is added to the environment, ``folder`` is its current folder.

    ``python`` as first argument is this very interpreter.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable if command[0] == "python" else command[0], *command[1:]]
    with log.open("ab") as output:
        log_from = output.tell()
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _BECOME, str(os.getpid()), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**environment(), **(extra or {})},
            process_group=0,
        )
    return Process(child, log, log_from)
