"""The spool on a real disk: what is put comes back, what is damaged is stepped over and known, what does not fit is refused whole."""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firehose.delivery import DeadLetter
from firehose.disk import LocalDisk, Machine
from firehose.frame import NO_ROWS, START, Encoded, Head, Position, TableHead, Totals, decode_dead, decode_tables, encode, read_prefix
from firehose.recent_ids import row_hashes
from firehose.spool import Spool
from tailrace.errors import StateError, TransientError
from tests.firehose.deliveries import delivery_of, events, numbered


def frame(number: int, size: int = 400) -> Encoded:
    head = Head(f"s{number}", number, (), (TableHead("logs", 2, 0, size),), 0)
    return Encoded(head, np.arange(2, dtype=np.uint64).tobytes(), bytes([number % 251]) * size)


def open_spool(folder: Path, **more: object) -> Spool:
    machine = Machine(segment_bytes=int(str(more.pop("segment_bytes", 1 << 26))))
    return Spool(folder, machine, max_bytes=int(str(more.pop("max_bytes", 1 << 40))), new_identity=lambda: "0123456789abcdef")


def put(spool: Spool, number: int, size: int = 400, undo: Callable[[], None] = lambda: None) -> None:
    with spool.lock:
        ticket = spool.enqueue(frame(number, size), undo)
    spool.commit(ticket)


def numbers(spool: Spool, start: Position = START, passed: Totals = NO_ROWS) -> list[int]:
    return [item.head.received_us for item in spool.read(start, passed) if item.head is not None and item.body is not None]


def only_segment(folder: Path) -> Path:
    return next(folder.glob("segment-*.log"))


def test_what_was_put_comes_back_in_order_also_after_a_restart(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, segment_bytes=1_000)
    for number in range(10):
        put(spool, number)
    assert numbers(spool) == list(range(10))
    assert len(spool.segments) > 2
    spool.close()
    again = open_spool(tmp_path)
    assert numbers(again) == list(range(10))
    assert again.totals == Totals(events=20)
    put(again, 10)
    assert numbers(again) == list(range(11))


def test_puts_that_come_while_another_is_synced_share_the_next_sync(tmp_path: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def probe(point: str) -> None:
        if point == "spool.synced" and not reached.is_set():
            reached.set()
            assert go_on.wait(10)

    spool = Spool(tmp_path, Machine(probe=probe), max_bytes=1 << 40, new_identity=lambda: "0123456789abcdef")
    threads = [threading.Thread(target=put, args=(spool, number)) for number in range(40)]
    threads[0].start()
    assert reached.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(spool._queue) < 39:
        pass
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert sorted(numbers(spool)) == list(range(40))
    assert spool.counts.syncs == 2


def test_a_torn_tail_is_cut(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    for number in range(3):
        put(spool, number)
    size = spool.bytes_on_disk
    spool.close()
    only_segment(tmp_path).write_bytes(only_segment(tmp_path).read_bytes()[: size - 7])
    again = open_spool(tmp_path)
    assert numbers(again) == [0, 1]
    assert again.counts.torn_bytes == size // 3 - 7


@pytest.mark.parametrize(("at", "known"), [(5, False), (60, False), (300, True)], ids=["magic", "head", "body"])
def test_a_flipped_bit_costs_one_frame_and_the_loss_is_known(tmp_path: Path, at: int, known: bool) -> None:
    spool = open_spool(tmp_path)
    for number in range(5):
        put(spool, number)
    one = spool.bytes_on_disk // 5
    spool.close()
    data = bytearray(only_segment(tmp_path).read_bytes())
    data[one + at] ^= 4
    only_segment(tmp_path).write_bytes(data)
    again = open_spool(tmp_path)
    assert numbers(again) == [0, 2, 3, 4]
    lost = [item for item in again.read(START, NO_ROWS) if any(item.lost)]
    assert [item.lost for item in lost] == [Totals(events=2)]
    assert (lost[0].head is not None) is known
    assert again.counts.torn_bytes == 0


def test_a_damaged_end_of_a_segment_that_is_not_the_last_is_known_from_the_next(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, segment_bytes=900)
    for number in range(4):
        put(spool, number)
    first = tmp_path / "segment-00000001.log"
    spool.close()
    first.write_bytes(first.read_bytes()[:-100])
    again = open_spool(tmp_path)
    assert numbers(again) == [0, 2, 3]
    assert [item.lost for item in again.read(START, NO_ROWS) if any(item.lost)] == [Totals(events=2)]


def test_a_segment_that_cannot_be_read_is_a_known_loss(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, segment_bytes=400)
    for number in range(3):
        put(spool, number)
    (tmp_path / "segment-00000002.log").unlink()
    assert numbers(spool) == [0, 2]
    assert sum(item.lost.events for item in spool.read(START, NO_ROWS)) == 2


def test_bytes_of_a_body_that_look_like_a_frame_are_none(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    put(spool, 1)
    inner = only_segment(tmp_path).read_bytes()
    other = Spool(tmp_path / "b", Machine(), max_bytes=1 << 40, new_identity=lambda: "0123456700000000")
    with other.lock:
        ticket = other.enqueue(Encoded(frame(2).head, b"", inner), lambda: None)
    other.commit(ticket)
    put(other, 3)
    other.close()
    path = only_segment(tmp_path / "b")
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    again = Spool(tmp_path / "b", Machine(), max_bytes=1 << 40, new_identity=lambda: "")
    assert numbers(again) == [3]


def test_a_full_spool_refuses_and_says_why(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, max_bytes=1_000)
    put(spool, 1)
    with pytest.raises(TransientError, match="the spool is full"):
        put(spool, 2, 900)
    assert spool.counts.refused == 1
    assert numbers(spool) == [1]


class FullDisk(LocalDisk):
    """A disk whose files take no more after a while."""

    left = 1_000

    def create(self, path: Path) -> Any:
        return FullFile(self, super().create(path))


class FullFile:
    def __init__(self, disk: FullDisk, file: object) -> None:
        self._disk, self._file = disk, file

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def write(self, offset: int, pieces: list[bytes]) -> None:
        data = b"".join(pieces)
        self._file.write(offset, [data[: self._disk.left]])  # type: ignore[attr-defined]
        if len(data) > self._disk.left:
            raise OSError(28, "No space left on device")
        self._disk.left -= len(data)


def test_a_full_disk_refuses_what_did_not_fit_and_all_behind_it_and_recovers(tmp_path: Path) -> None:
    disk, undone = FullDisk(), list[int]()
    spool = Spool(tmp_path, Machine(disk=disk), max_bytes=1 << 40, new_identity=lambda: "0123456789abcdef")
    put(spool, 1)
    with pytest.raises(TransientError, match="No space left"):
        put(spool, 2, 5_000, lambda: undone.append(2))
    assert undone == [2]
    put(spool, 3, 100)
    disk.left = 1 << 30
    put(spool, 4)
    assert numbers(spool) == [1, 3, 4]
    assert spool.totals == Totals(events=6)
    spool.close()
    assert numbers(open_spool(tmp_path)) == [1, 3, 4]


def test_a_spool_whose_identity_is_gone_is_not_guessed_at(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    put(spool, 1)
    spool.close()
    (tmp_path / "identity").write_text("nonsense")
    with pytest.raises(StateError, match="not an identity"):
        open_spool(tmp_path)
    only_segment(tmp_path).unlink()
    assert open_spool(tmp_path).producer == "01234567"


def test_a_delivery_is_decoded_as_it_was_encoded() -> None:
    delivery = delivery_of(numbered(0, 5), dead=[DeadLetter("payload", "why", b"\x00\xff", {"a": "b"}), DeadLetter("document", "", b"{}")])
    encoded = encode(delivery, row_hashes(delivery.tables), {})
    assert decode_tables(encoded.head, encoded.body)["logs"].equals(delivery.tables["logs"])
    assert list(decode_dead(encoded.head, encoded.body)) == list(delivery.dead)
    assert len(encoded.ids) == 5 * 8
    assert decode_dead(encode(events(0, 1), {}, {}).head, b"") == ()


@pytest.mark.parametrize("data", [b"", b"\xf7TR1", b"x" * 40, b"\xf7TR1" + b"\xff" * 40])
def test_foreign_bytes_are_no_prefix(data: bytes) -> None:
    assert read_prefix(data) is None


@pytest.mark.parametrize("count", [0, 1, 2, 1_024, 1_025, 2_500])
@pytest.mark.parametrize("most", [3, 100, 1 << 20])
def test_a_write_of_many_pieces_that_the_system_cuts_short_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, most: int) -> None:
    def cut_short(descriptor: int, given: Sequence[memoryview], offset: int) -> int:
        assert len(given) <= 1_024
        return os.pwrite(descriptor, b"".join(given)[:most], offset)

    monkeypatch.setattr("firehose.disk.os.pwritev", cut_short)
    pieces = [bytes([number % 251]) * (number % 5) for number in range(count)]
    file = LocalDisk().create(tmp_path / "file")
    file.write(7, pieces)
    assert file.read(7, 1 << 20) == b"".join(pieces)
    file.close()
