"""A consumer of a Kinesis stream: all shards, a checkpoint a shard, written after what was read is durable.

A record is handed to an intake, which raises :class:`tailrace.errors.TransientError` where it cannot be taken now: the consumer then waits and reads no further. The intake says up to which record all is durable. Killed at any
point and started again the consumer reads from the checkpoints on, so a record may be taken twice, and is never left out.

Shards that a resharding made are read after their parents are read to the end, so the order within a partition key is kept. A stream that was deleted and made
again under its name (its creation time tells) is read from its start.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from collectors.sources.checkpoints import Checkpoints
from collectors.sources.kinesis_shards import Page, ReadsShards, Shard, StaleIteratorError
from collectors.sources.patience import StoppedError, patiently
from tailrace.clock import Clock
from tailrace.errors import TransientError

POLL_EVERY_S: Final = 0.25
"""A shard may be asked 5 times a second (https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html); this leaves one for others."""

SHARDS_EVERY_S: Final = 30.0
LONGEST_WAIT_S: Final = 5.0

logger = logging.getLogger(__name__)


class Intake(Protocol):
    """What takes records, each shard's in its order."""

    def take(self, shard: str, number: str, data: bytes) -> object:
        """Take a record."""
        ...

    def durable(self, shard: str, *, end: bool = False) -> str | None:
        """Answer the number of the record up to which all that was taken is durable; ``None``: nothing yet. ``end``: no more will come for now, so nothing is worth waiting for."""
        ...


class Straight:
    """Takes records by a function that returns when one is durable."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take, self._last = take, dict[str, str]()

    def take(self, shard: str, number: str, data: bytes) -> None:
        """Take a record."""
        self._take(data)
        self._last[shard] = number

    def durable(self, shard: str, *, end: bool = False) -> str | None:
        """Answer the number of the last one."""
        del end
        return self._last.get(shard)


class KinesisConsumer:
    """Reads a stream until it is told to stop; one thread."""

    def __init__(
        self,
        port: ReadsShards,
        stream: str,
        intake: Intake,
        checkpoints: Checkpoints,
        clock: Clock,
        stop: threading.Event | None = None,
    ) -> None:
        self._port, self._stream, self._intake, self._checkpoints, self._clock = port, stream, intake, checkpoints, clock
        self._stop = stop or threading.Event()
        self._key = ""
        self._shards: Sequence[Shard] = ()
        self._listed_s: float | None = None
        self._iterators: dict[str, str] = {}
        self._last: dict[str, str] = {}
        self._written: dict[str, str] = {}
        self.taken = 0

    def stop(self) -> None:
        """Let :meth:`run` end after the record at hand; may be called from another thread or a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Read until it is told to stop. Raises :class:`tailrace.errors.PermanentError` where the stream is not there or may not be read."""
        wait_s = POLL_EVERY_S
        while not self._stop.is_set():
            try:
                self.poll()
                wait_s = POLL_EVERY_S
            except StoppedError:
                break
            except TransientError as error:
                wait_s = min(LONGEST_WAIT_S, 2 * wait_s)
                logger.warning("stream %s: trying again in %.1f s: %s", self._stream, wait_s, error)
            self._clock.sleep(wait_s)
        self._end()

    def poll(self) -> int:
        """Read each readable shard once; answer how many records were taken."""
        return sum(self._read(shard) for shard in self._readable() if not self._stop.is_set())

    def _readable(self) -> list[Shard]:
        now_s = self._clock.monotonic_s()
        if self._listed_s is None or now_s - self._listed_s >= SHARDS_EVERY_S:
            self._be_at(f"{self._stream}@{self._port.creation()}")
            self._shards, self._listed_s = self._port.shards(), now_s
        unfinished = {shard.id for shard in self._shards if not self._checkpoints.position(self._key, shard.id)[1]}
        return [shard for shard in self._shards if shard.id in unfinished and not unfinished & set(shard.parents)]

    def _read(self, shard: Shard) -> int:
        after = self._last.get(shard.id) or self._checkpoints.position(self._key, shard.id)[0]
        iterator = self._iterators.pop(shard.id, None) or self._port.iterator(shard.id, after)
        try:
            page = self._port.read(iterator)
        except StaleIteratorError:
            return 0
        taken = self._take_all(shard, page)
        if page.next_iterator is None:
            patiently(partial(self._intake.durable, self._named(shard.id), end=True), self._clock, self._stop)
            self._checkpoints.write(self._key, shard.id, self._last.get(shard.id) or after, finished=True)
            self._listed_s = None
        else:
            self._iterators[shard.id] = page.next_iterator
        return taken

    def _take_all(self, shard: Shard, page: Page) -> int:
        taken = 0
        try:
            for record in page.records:
                if self._stop.is_set():
                    raise StoppedError("stopped between two records")
                patiently(partial(self._intake.take, self._named(shard.id), record.number, record.data), self._clock, self._stop)
                self._last[shard.id] = record.number
                taken += 1
                self.taken += 1
        finally:
            self._check(shard.id)
        return taken

    def _check(self, shard: str, *, end: bool = False) -> None:
        """Write down up to where all is durable."""
        number = self._intake.durable(self._named(shard), end=end)
        if number is not None and number != self._written.get(shard):
            self._checkpoints.write(self._key, shard, number)
            self._written[shard] = number

    def _named(self, shard: str) -> str:
        """Name a shard for the intake; those of a stream that was made again are others."""
        return f"{self._key}/{shard}"

    def _be_at(self, key: str) -> None:
        """Go to the stream as it is now; of one that was made again nothing is known."""
        if self._key and key != self._key:
            self._end()
            self._last, self._written, self._iterators = {}, {}, {}
        self._key = key

    def _end(self) -> None:
        """Let the intake put what it waits with; what it cannot put is read again the next time."""
        for shard in list(self._last):
            try:
                self._check(shard, end=True)
            except TransientError as error:
                logger.warning("stream %s: what was held of shard %s is read again the next time: %s", self._stream, shard, error)
