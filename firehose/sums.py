"""The sums of the ledger by hop, sink and unit, and by source and unit, kept beside it while it is written, so that asking for them costs the same however long the ledger is.

The ledger has a row for each source and minute: to add them up takes about a second for every million. They are added up once, when they are first asked for; from then on what is applied
to the ledger is applied to the sums, in the same order and under one lock.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from tailrace.ledger import Hop, Key, SourceSums, add_to_sources, with_counts


class Sums:
    """Sums that follow a ledger; ``read`` and ``read_sources`` add up the ledger itself."""

    def __init__(self, read: Callable[[], Sequence[Hop]], read_sources: Callable[[], SourceSums] = dict) -> None:
        self._read, self._read_sources, self._lock = read, read_sources, threading.Lock()
        self._known: Sequence[Hop] | None = None
        self._sources: SourceSums | None = None

    def hops(self) -> Sequence[Hop]:
        """Answer the sums, in the order of the way; raises :class:`tailrace.errors.StateError` where they are not known yet and the ledger cannot be read."""
        with self._lock:
            if self._known is None:
                self._known = self._read()
            return self._known

    def sources(self) -> SourceSums:
        """Answer the sums by source and unit; raises :class:`tailrace.errors.StateError` as :meth:`hops` does."""
        with self._lock:
            if self._sources is None:
                self._sources = self._read_sources()
            return dict(self._sources)

    @contextmanager
    def following(self, counts: Mapping[Key, Sequence[int]]) -> Iterator[None]:
        """Follow a transaction that adds counts; one that raises adds none."""
        with self._lock:
            yield
            if self._known is not None and counts:
                self._known = with_counts(self._known, counts)
            if self._sources is not None:
                add_to_sources(self._sources, counts)

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """Follow a transaction of which it is not known what it does: the ledger is added up again when the sums are next asked for."""
        with self._lock:
            yield
            self._known = self._sources = None
