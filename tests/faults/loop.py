"""A disk that loses power: ext4 in a file, on a loop device (losetup(8)).

Whatever the writer has not synced lies in the page cache of the file system in the file, and not in the file. A copy of the file, taken when the writer is dead, is what a disk
holds after a power loss; mounting it replays its journal. The file system neither writes its journal for itself (``commit``) nor flushes what is renamed (``noauto_da_alloc``), and
the kernel writes what is dirty after 30 s (``vm.dirty_expire_centisecs``): the lives between must be shorter.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

OPTIONS: Final = "loop,commit=600,noauto_da_alloc"
COPIES: Final = 20
"""So often a copy is tried that nothing is written to meanwhile."""


def lacking() -> str:
    """Say what this machine lacks for it; empty where it has all."""
    if os.geteuid():
        return "a file system is mounted by root alone"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    missing = [name for name in ("mkfs.ext4", "mount", "umount", "losetup") if shutil.which(name) is None]
    return f"there is no {missing[0]}" if missing else ""


class LoopDisk:
    """A file system in a file, mounted at ``folder``; :meth:`lose_power` puts in its place what was on the disk."""

    def __init__(self, image: Path, folder: Path, mebibytes: int) -> None:
        self.image, self.folder = image, folder
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(mebibytes << 20)
        _run("mkfs.ext4", "-q", "-F", str(image))
        self._mount()

    def lose_power(self) -> None:
        """Mount what was on the disk at this moment; nobody may have a file of it open."""
        survived = self.image.with_suffix(".survived")
        self._copy(survived)
        self.unmount()
        survived.replace(self.image)
        self._mount()

    def unmount(self) -> None:
        """Unmount it."""
        _run("umount", str(self.folder))

    def _mount(self) -> None:
        _run("mount", "-o", OPTIONS, str(self.image), str(self.folder))

    def _copy(self, to: Path) -> None:
        """Copy the file between two writes of the device, so that the copy is of one moment."""
        device = _run("losetup", "-n", "-O", "NAME", "-j", str(self.image)).strip().rpartition("/")[2]
        for _ in range(COPIES):
            before = _writes(device)
            _run("cp", "--sparse=always", "--reflink=auto", str(self.image), str(to))
            if _writes(device) == before and not before[1]:
                return
            time.sleep(0.05)
        raise AssertionError(f"{device} is written to all the time")


@contextmanager
def loop_disk(folder: Path, mebibytes: int = 256) -> Iterator[LoopDisk]:
    """Make one in a folder, mounted at ``disk`` in it."""
    disk = LoopDisk(folder / "disk.img", folder / "disk", mebibytes)
    try:
        yield disk
    finally:
        disk.unmount()


def _writes(device: str) -> tuple[int, int]:
    """Answer how many requests to write a device has done, and how many are on their way (Documentation/block/stat.rst)."""
    numbers = Path(f"/sys/block/{device}/stat").read_text("ascii").split()
    return int(numbers[4]), int(numbers[8])


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
