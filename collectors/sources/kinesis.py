"""A consumer of a Kinesis stream: all shards, a checkpoint a shard, written after what was read is durable.

A record is handed to ``take``, which returns when it is durable, and raises :class:`tailrace.errors.TransientError` where it cannot be taken now: the consumer then
waits and reads no further. Killed at any point and started again it reads from the checkpoints on, so a record may be taken twice, and is never left out.

Shards that a resharding made are read after their parents are read to the end, so the order within a partition key is kept. A stream that was deleted and made
again under its name (its creation time tells) is read from its start.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

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
Take = Callable[[bytes], object]


class KinesisConsumer:
    """Reads a stream until it is told to stop; one thread."""

    def __init__(
        self,
        port: ReadsShards,
        stream: str,
        take: Take,
        checkpoints: Checkpoints,
        clock: Clock,
        stop: threading.Event | None = None,
    ) -> None:
        self._port, self._stream, self._take, self._checkpoints, self._clock = port, stream, take, checkpoints, clock
        self._stop = stop or threading.Event()
        self._key = ""
        self._shards: Sequence[Shard] = ()
        self._listed_s: float | None = None
        self._iterators: dict[str, str] = {}

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
                return
            except TransientError as error:
                wait_s = min(LONGEST_WAIT_S, 2 * wait_s)
                logger.warning("stream %s: trying again in %.1f s: %s", self._stream, wait_s, error)
            self._clock.sleep(wait_s)

    def poll(self) -> int:
        """Read each readable shard once; answer how many records were taken."""
        return sum(self._read(shard) for shard in self._readable() if not self._stop.is_set())

    def _readable(self) -> list[Shard]:
        now_s = self._clock.monotonic_s()
        if self._listed_s is None or now_s - self._listed_s >= SHARDS_EVERY_S:
            self._key = f"{self._stream}@{self._port.creation()}"
            self._shards, self._listed_s = self._port.shards(), now_s
        unfinished = {shard.id for shard in self._shards if not self._checkpoints.position(self._key, shard.id)[1]}
        return [shard for shard in self._shards if shard.id in unfinished and not unfinished & set(shard.parents)]

    def _read(self, shard: Shard) -> int:
        after, _ = self._checkpoints.position(self._key, shard.id)
        iterator = self._iterators.pop(shard.id, None) or self._port.iterator(shard.id, after)
        try:
            page = self._port.read(iterator)
        except StaleIteratorError:
            return 0
        taken = self._take_all(shard, page)
        if page.next_iterator is None:
            last = page.records[-1].number if page.records else after
            self._checkpoints.write(self._key, shard.id, last, finished=True)
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
                patiently(partial(self._take, record.data), self._clock, self._stop)
                taken += 1
        finally:
            if taken:
                self._checkpoints.write(self._key, shard.id, page.records[taken - 1].number)
        return taken
