"""A process that forks children which put numbered events at a rate until they are killed. What was acknowledged is one byte a batch in a file, as an upstream's checkpoint would be.

One line of JSON on standard input a child; one on standard output when it is dead: how it ended, the most memory it had, and how many other engines were refused its folder meanwhile.
"""

import errno
import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from firehose import LocalFirehose
from firehose.delivery import Count, Delivery
from firehose.disk import LocalDisk, LocalFile, Machine
from firehose.keeper import Keeper
from tailrace import aws  # noqa: F401 - imported once, before the forks
from tailrace.clock import SystemClock
from tailrace.errors import StateError, TransientError
from tailrace.forms import arrow_schema
from tailrace.settings import Settings
from tests.firehose.deliveries import quick

SPOOL_BYTES = 64 * 1024 * 1024
STARTS_WITHIN_S = 60.0
DISK_FULL, DISK_FAILS = "disk-full", "disk-fails"
"""Files in the home that say how the disk is just now."""

SECOND_ENGINE = "second-engine"
"""A file in the home that asks for another engine on it."""

OPENED = "opened"
"""A file in the home: the seconds that the last engine took to open it."""


@dataclass
class Order:
    """What a child shall do: put batches of ``rows`` at ``rate`` events a second (0: as fast as it can) until it is killed after ``seconds``; with ``finish``, deliver everything and end.

    With ``from_ack`` its time begins when it has acknowledged something, with ``batches`` it ends after so many; ``row_bytes`` are what is added to each message. ``acked`` is the file of what was acknowledged; without ``synced`` the spool's disk does not
    do what it is asked to.
    """

    home: str
    url: str
    acked: str
    at_us: int
    rows: int = 500
    rate: float = 0.0
    seconds: float = 60.0
    clock_off_s: float = 0.0
    replay: int = 0
    finish: bool = False
    synced: bool = True
    from_ack: bool = False
    batches: int = 0
    row_bytes: int = 0
    spool_bytes: int = SPOOL_BYTES


@dataclass
class Told:
    """What became of a child: its status as ``waitpid`` has it, and the most memory it had."""

    status: int
    rss_mb: float
    refused: int = 0


class BadFile(LocalFile):
    """A file of a disk that is full, or fails, while it is told so."""

    def __init__(self, path: Path, flags: int, home: Path, *, synced: bool) -> None:
        super().__init__(path, flags)
        self._home, self._synced = home, synced

    def write(self, offset: int, pieces: Sequence[bytes | memoryview]) -> None:
        if (self._home / DISK_FULL).exists() and offset + sum(map(len, pieces)) > self.size():
            data = b"".join(pieces)
            super().write(offset, [data[: len(data) // 2]])
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(offset, pieces)

    def sync(self) -> None:
        if (self._home / DISK_FAILS).exists():
            raise OSError(errno.EIO, "Input/output error")
        if self._synced:
            super().sync()


class BadDisk(LocalDisk):
    """The disk of this machine, now and then full or failing."""

    def __init__(self, home: Path, *, synced: bool) -> None:
        self._home, self._synced = home, synced

    def create(self, path: Path) -> BadFile:
        if (self._home / DISK_FULL).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return BadFile(path, os.O_CREAT | os.O_EXCL, self._home, synced=self._synced)

    def open(self, path: Path) -> BadFile:
        return BadFile(path, 0, self._home, synced=self._synced)


class WrongClock(SystemClock):
    """A clock that goes wrong by a constant."""

    def __init__(self, off_s: float) -> None:
        self._off_us = int(off_s * 1e6)

    def now_us(self) -> int:
        return super().now_us() + self._off_us


def main() -> None:
    """Fork a child for each line."""
    for line in sys.stdin:
        order = Order(**json.loads(line))
        child = os.fork()
        if not child:
            _child(order)
        print(json.dumps(asdict(_reap(child, order))), flush=True)


def _reap(child: int, order: Order) -> Told:
    home, acked, refused = Path(order.home), Path(order.acked), 0
    before, deadline = _size(acked), time.monotonic() + order.seconds + (STARTS_WITHIN_S if order.from_ack else 0.0)
    while time.monotonic() < deadline:
        if order.from_ack and _size(acked) > before:
            before, deadline = 1 << 40, time.monotonic() + order.seconds
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return Told(status, usage.ru_maxrss / 1024, refused)
        if (home / SECOND_ENGINE).exists() and _holds(child, home):
            (home / SECOND_ENGINE).unlink()
            refused += _refused(order)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    return Told(status, usage.ru_maxrss / 1024, refused)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _holds(child: int, home: Path) -> bool:
    """Say whether a child has the folder: it lives, and its number is in the lock."""
    lock = home / "spool" / "lock"
    return lock.exists() and lock.read_text("ascii").strip() == str(child)


def _refused(order: Order) -> int:
    """Start another engine on the folder; answer 1 where it is refused, and fail where it is not."""
    second = os.fork()
    if not second:
        code = 1
        try:
            LocalFirehose(_settings(order), SystemClock())
        except StateError:
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(second, 0)
    assert status == 0, "a second engine was let in, or failed otherwise"
    return 1


def _child(order: Order) -> None:
    code = 1
    try:
        _load(order, Path(order.home))
        code = 0
    except BaseException:  # noqa: BLE001 - the child of a fork must not return
        traceback.print_exc()
    finally:
        os._exit(code)


def _load(order: Order, home: Path) -> None:
    settings, clock = _settings(order), WrongClock(order.clock_off_s)
    machine = Machine(disk=BadDisk(home, synced=order.synced), segment_bytes=8 * 1024 * 1024, remembered_ids=1_000_000)
    began = time.monotonic()
    with LocalFirehose(settings, clock, machine=machine) as stream:
        (home / OPENED).write_text(f"{time.monotonic() - began:.3f}")
        keeper = Keeper(settings, clock, merge_after_s=1.0, grace_s=0.0)
        if order.finish:
            assert stream.flush(order.seconds / 2), stream.status()
            keeper.round(force=True)
            keeper.round()
            return
        threading.Thread(target=_keep, args=(keeper,), daemon=True).start()
        acked = os.open(order.acked, os.O_CREAT | os.O_RDWR | os.O_APPEND)
        done = os.fstat(acked).st_size
        for number in range(max(done - order.replay, 0), done):
            _put(stream, batch(number, order))
        for number in _paced(done, order):
            _put(stream, batch(number, order))
            os.write(acked, b".")


def _settings(order: Order) -> Settings:
    return quick(Path(order.home), opensearch_url=order.url, spool_max_bytes=order.spool_bytes, lake_flush_after_s=0.5)


def _paced(first: int, order: Order) -> Iterator[int]:
    """Count on from a number at the rate that is asked for."""
    began = time.monotonic()
    for number in range(first, first + (order.batches or 1 << 40)):
        due = began + (number - first) * order.rows / order.rate if order.rate else 0.0
        time.sleep(max(due - time.monotonic(), 0.0))
        yield number


def _put(stream: LocalFirehose, delivery: Delivery) -> None:
    """Put as an upstream does that is told to wait: again and again."""
    while True:
        try:
            stream.put(delivery)
        except TransientError:
            time.sleep(0.02)
        else:
            return


def _keep(keeper: Keeper) -> None:
    parent = os.getppid()
    while True:
        if os.getppid() != parent:  # who would kill this process is dead
            os._exit(1)
        keeper.round()
        time.sleep(0.5)


def batch(number: int, order: Order) -> Delivery:
    """The delivery of a number: the same whenever it is asked for."""
    first, rows = number * order.rows, order.rows
    numbers, more, wide = range(first, first + rows), _words(number, order), order.row_bytes
    made: dict[str, Any] = {
        "event_id": pa.array([f"e-{n}" for n in numbers]),
        "revision": pa.array([0] * rows),
        "event_time": pa.array([order.at_us + n * 1_000 for n in numbers], pa.timestamp("us")),
        "observed_time": pa.array([order.at_us] * rows, pa.timestamp("us")),
        "message": pa.array([f"payment {n} of customer {n % 9_973} took {n % 997} ms{more[(n - first) * wide : (n - first + 1) * wide]}" for n in numbers]),
        "attributes": pa.array([f'{{"order":"o-{n}","items":{n % 7},"price":{n % 100}.5}}' for n in numbers]),
    }
    schema = arrow_schema("logs")
    table = pa.table([made[field.name].cast(field.type) if field.name in made else pa.nulls(rows, field.type) for field in schema], schema=schema)
    counts = (Count("decode", "payloads", 1, 1), Count("collect", "events", rows, rows))
    return Delivery(f"soak:{number % 5}", order.at_us, {"logs": table}, counts)


def _words(number: int, order: Order) -> str:
    """Text for the rows of a batch that no codec makes much smaller."""
    return random.Random(number).randbytes((order.rows * order.row_bytes + 1) // 2).hex()


if __name__ == "__main__":
    main()
