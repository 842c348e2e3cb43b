"""Files and names that are there after a power loss: a file is synced, and then the folder that names it."""

import os
import re
import threading
from pathlib import Path
from typing import Final

TEMPORARY: Final = re.compile(r"_.+\.\d+\.\d+")
"""Names of files that are being written: of which file, by which process and thread."""


def replace_file(path: Path, data: bytes) -> None:
    """Write a file whole: a name beside it that begins with ``_``, fsync, rename, fsync of the folder. Whoever reads sees the old bytes or the new ones."""
    temporary = path.with_name(f"_{path.name}.{os.getpid()}.{threading.get_ident()}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, and sync every folder that got a new entry."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: fsync of a folder, without which a new file may be gone after a power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
