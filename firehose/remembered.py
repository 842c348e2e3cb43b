"""Ids of segments that are deleted, so that the recent-id filter outlives them.

``ids-00000001.u64`` beside the segments holds a CRC-32 and the hashes of one segment that is gone. Best effort: where there is no space for it, space is what counts; what then
slips through the filter after a restart is found in OpenSearch by its id, and in the lake when parts are merged.
"""

import contextlib
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from firehose.disk import Disk
from firehose.recent_ids import RecentIds
from firehose.spool import Spool
from tailrace.text_hashes import Hashes

_PREFIX, _SUFFIX = "ids-", ".u64"
_NONE: Final = np.empty(0, np.uint64)


class Remembered:
    """The id files of a spool's folder; ``limit`` ids are kept at least, while there are so many."""

    def __init__(self, folder: Path, disk: Disk, limit: int) -> None:
        self._folder, self._disk, self._limit = folder, disk, limit

    def rebuild(self, spool: Spool, into: RecentIds) -> None:
        """Fill a filter with the ids of the newest segments, gone or there, oldest first."""
        found: list[Hashes] = []
        for number in sorted({*self._numbers(), *spool.segments}, reverse=True):
            found.append(_of_segment(spool, number) if number in spool.segments else self._load(number))
            if sum(map(len, found)) >= self._limit:
                break
        for hashes in reversed(found):
            into.admit(hashes)

    def keep(self, spool: Spool, number: int) -> None:
        """Write down the ids of a segment that will be deleted, and delete those that are old enough."""
        data = _of_segment(spool, number).tobytes()
        path = self._path(number)
        try:
            self._disk.remove(path)
            with contextlib.closing(self._disk.create(path)) as file:
                file.write(0, [zlib.crc32(data).to_bytes(4, "little"), data])
                file.sync()
        except OSError:
            self._disk.remove(path)
        self._prune()

    def _prune(self) -> None:
        kept = 0
        for number in sorted(self._numbers(), reverse=True):
            if kept >= self._limit:
                self._disk.remove(self._path(number))
            kept += len(self._load(number))

    def _load(self, number: int) -> Hashes:
        try:
            with contextlib.closing(self._disk.open(self._path(number))) as file:
                data = file.read(0, file.size())
        except OSError:
            return _NONE
        good = zlib.crc32(data[4:]) == int.from_bytes(data[:4], "little") and len(data) % 8 == 4
        return np.frombuffer(data, np.uint64, offset=4) if good else _NONE

    def _numbers(self) -> list[int]:
        middles = [name[len(_PREFIX) : -len(_SUFFIX)] for name in self._disk.names(self._folder) if name.startswith(_PREFIX) and name.endswith(_SUFFIX)]
        return [int(middle) for middle in middles if middle.isdecimal()]

    def _path(self, number: int) -> Path:
        return self._folder / f"{_PREFIX}{number:08}{_SUFFIX}"


def _of_segment(spool: Spool, number: int) -> Hashes:
    return np.frombuffer(b"".join(found.ids for found in spool.heads(number)), np.uint64)
