"""A disk that does not read some of a segment (EIO): what lies there is counted as lost, exactly, what lies around it is delivered, and nothing is cut off for it."""

import errno
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from firehose.disk import DiskFile, LocalDisk, Machine
from firehose.frame import NO_ROWS, START, Encoded, Head, TableHead, Totals
from firehose.segment import PAGE_BYTES
from firehose.spool import Spool
from tailrace.ledger import open_ledger
from tests.firehose.deliveries import events, lake_column
from tests.firehose.test_delivery_stream import MemorySink, hops, open_stream

SIZE = 6 * PAGE_BYTES


class BadPages(LocalDisk):
    """A disk on which pages of segments are bad: those whose numbers are in ``pages``."""

    def __init__(self) -> None:
        self.pages: Sequence[int] = ()

    def open(self, path: Path) -> DiskFile:
        file, disk = super().open(path), self
        if not path.name.startswith("segment-"):
            return file

        class File:
            size, write, sync, truncate, close = file.size, file.write, file.sync, file.truncate, file.close

            def read(self, offset: int, length: int) -> bytes:
                if any(offset < (page + 1) * PAGE_BYTES and page * PAGE_BYTES < offset + length for page in disk.pages):
                    raise OSError(errno.EIO, "Input/output error")
                return file.read(offset, length)

        return File()


def frame(number: int) -> Encoded:
    head = Head(f"s{number}", number, (), (TableHead("logs", 2, 0, SIZE),), 0)
    return Encoded(head, np.arange(2, dtype=np.uint64).tobytes(), bytes(SIZE))


def open_spool(folder: Path, disk: LocalDisk) -> Spool:
    return Spool(folder, Machine(disk=disk), max_bytes=1 << 40, new_identity=lambda: "0123456789abcdef")


def put(spool: Spool, numbers: range) -> None:
    for number in numbers:
        with spool.lock:
            ticket = spool.enqueue(frame(number), lambda: None)
        spool.commit(ticket)


def there(spool: Spool) -> tuple[list[int], int]:
    """Answer the numbers of the frames that can be read, and how many events are known to be lost."""
    items = list(spool.read(START, NO_ROWS))
    return [item.head.received_us for item in items if item.head is not None and item.body is not None], sum(item.lost.events for item in items)


@pytest.mark.parametrize("pages", [[7], [6, 7], [6, 7, 8, 9, 10, 11, 12]], ids=["a body", "a head and a body", "two heads and a body"])
def test_frames_on_bad_pages_are_lost_and_counted_and_all_others_are_read(tmp_path: Path, pages: list[int]) -> None:
    disk = BadPages()
    spool = open_spool(tmp_path, disk)
    put(spool, range(40))
    one = spool.bytes_on_disk / 40
    disk.pages = pages
    gone = {at for at in range(40) if any(at * one < (page + 1) * PAGE_BYTES and page * PAGE_BYTES < (at + 1) * one for page in pages)}
    assert there(spool) == ([number for number in range(40) if number not in gone], 2 * len(gone))


def test_an_end_that_cannot_be_read_is_not_cut_off(tmp_path: Path) -> None:
    disk = BadPages()
    spool = open_spool(tmp_path, disk)
    put(spool, range(4))
    size, last = spool.bytes_on_disk, int(spool.bytes_on_disk * 3 / 4) // PAGE_BYTES
    spool.close()
    for pages in ([last + 2], range(last + 1, last + 9)):
        disk.pages = pages
        again = open_spool(tmp_path, disk)
        assert (there(again)[0][:2], again.bytes_on_disk, again.counts.torn_bytes) == ([0, 1], size, 0)
        again.close()
    disk.pages = ()
    again = open_spool(tmp_path, disk)
    assert there(again) == ([0, 1, 2, 3], 0)
    assert again.totals == Totals(events=8)


def test_an_engine_goes_on_past_bad_pages_and_its_ledger_says_what_is_lost(tmp_path: Path) -> None:
    disk, sink = BadPages(), MemorySink(down=True)
    with open_stream(tmp_path, sink, machine=Machine(disk=disk)) as stream:
        for first in range(0, 5_000, 500):
            stream.put(events(first, 500))
        assert stream.flush()
        disk.pages = [int(0.45 * stream.status()["spool"]["bytes"]) // PAGE_BYTES]  # the middle of the fifth frame of ten
        sink.down = False
        assert stream.flush(60)
        while stream.status()["sinks"][1]["behind_rows"]:
            assert stream.flush(60)
    assert len(lake_column(tmp_path)) == 5_000
    assert sorted(sink.ids) == sorted(f"e-{number}" for number in range(5_000) if number // 500 != 4)
    hop = hops(tmp_path)["deliver", "memory", "events"]
    assert (hop.came_in, hop.went_out, hop.lost, hop.pending) == (5_000, 4_500, 500, 0)
    assert open_ledger(tmp_path / "ledger.sqlite").check().problems == ("deliver memory: 500 events lost",)
