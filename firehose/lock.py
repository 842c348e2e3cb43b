"""One process at a time has a folder: flock on a file in it, let go by the kernel when the process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tailrace.durable import make_folders
from tailrace.errors import StateError


@contextmanager
def held(folder: Path, name: str = "lock") -> Iterator[None]:
    """Hold a folder; raises :class:`StateError` where another process (or another object of this one) has it."""
    make_folders(folder.absolute())
    descriptor = os.open(folder / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(descriptor, 20).decode("ascii", "replace").strip()
            raise StateError(f"{folder} is in use by another process (pid {owner or '?'}): end it, or use its gateway") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
