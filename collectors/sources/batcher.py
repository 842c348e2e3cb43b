"""Items of many senders, gathered into batches by size and time, and put by one thread; how much may wait is bounded.

A sender that can wait asks for room first (:meth:`Batcher.add_waiting`); one that cannot is told when there may be none any more, or room again (``changed``), and looks at :attr:`Batcher.is_full`.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from tailrace.clock import Clock

MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
BATCH_BYTES: Final = 4 * 1024 * 1024
BATCH_ITEMS: Final = 10_000
WITHIN_S: Final = 0.3
"""How long the first item of a batch waits for others."""

ITEM_BYTES: Final = 200
"""What an item costs beside its bytes."""

POLL_S: Final = 0.1
T = TypeVar("T")


def nothing() -> None:
    """Do nothing."""


class Batcher(Generic[T]):
    """Hands batches to ``put``, which returns when they are durable."""

    def __init__(
        self,
        put: Callable[[Sequence[T]], None],
        clock: Clock,
        *,
        changed: Callable[[], None] = nothing,
        within_s: float = WITHIN_S,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self._put, self._clock, self._tell = put, clock, changed
        self._within_s, self._max_bytes = within_s, max_waiting_bytes
        self._waiting: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self.is_full = self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, item: T, size: int) -> None:
        """Add an item, whether there is room or not."""
        with self._changed:
            self._waiting.append((item, size + ITEM_BYTES))
            self._bytes += size + ITEM_BYTES
            became_full = self._bytes >= self._max_bytes and not self.is_full
            self.is_full = self.is_full or became_full
            self._changed.notify_all()
        if became_full:
            self._tell()

    def add_waiting(self, item: T, size: int) -> None:
        """Add an item as soon as there is room."""
        with self._changed:
            while self._bytes >= self._max_bytes and not self._closed:
                self._changed.wait(POLL_S)
        self.add(item, size)

    def close(self, timeout_s: float) -> bool:
        """Put what waits, and end; answer whether it did in time."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while batch := self._next():
            self._put(batch)
            self._give_room()

    def _next(self) -> list[T]:
        """Wait for a batch; an empty one is the end."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait(POLL_S)
            began_s = self._clock.monotonic_s()
            while not self._is_enough() and (left_s := self._within_s - (self._clock.monotonic_s() - began_s)) > 0:
                self._changed.wait(min(left_s, POLL_S))
            return self._taken()

    def _is_enough(self) -> bool:
        return self._closed or len(self._waiting) >= BATCH_ITEMS or self._bytes >= min(BATCH_BYTES, self._max_bytes)

    def _taken(self) -> list[T]:
        batch: list[T] = []
        size = 0
        while self._waiting and len(batch) < BATCH_ITEMS and size < BATCH_BYTES:
            item, own = self._waiting.popleft()
            batch.append(item)
            size += own
        self._bytes -= size
        return batch

    def _give_room(self) -> None:
        with self._changed:
            has_room = self.is_full and self._bytes < self._max_bytes // 2
            self.is_full = self.is_full and not has_room
            self._changed.notify_all()
        if has_room:
            self._tell()
