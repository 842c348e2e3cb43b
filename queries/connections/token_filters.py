"""Token filters of the lake's merged parts, kept in memory, bounded: which parts a search for words must read (``tailrace.token_filter``)."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Final

from queries.connections.part_cache import GetsObjects
from tailrace.lake import Part
from tailrace.token_filter import TokenFilter, decode, filter_key, text_column

MAX_BYTES: Final = 64 * 1024**2


class TokenFilters:
    """Fetches filters once, and keeps those that were asked last."""

    def __init__(self, store: GetsObjects, max_bytes: int = MAX_BYTES) -> None:
        self._store, self._max_bytes = store, max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, TokenFilter] = OrderedDict()
        self._bytes = 0

    def left(self, parts: Sequence[Part], words: Collection[str]) -> list[Part]:
        """Answer the parts that may hold a row with all of some words: those without a filter are among them."""
        return [part for part in parts if not words or self._may_hold(part, words)]

    def _may_hold(self, part: Part, words: Collection[str]) -> bool:
        if not part.is_merged or text_column(part.table) is None:
            return True
        found = self._of(filter_key(part))
        return found is None or found.may_hold(words)

    def _of(self, key: str) -> TokenFilter | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        data = self._store.get(key)
        found = None if data is None else decode(data)
        if found is not None:
            self._keep(key, found)
        return found

    def _keep(self, key: str, found: TokenFilter) -> None:
        with self._lock:
            before = self._kept.pop(key, None)
            self._kept[key] = found
            self._bytes += found.nbytes - (before.nbytes if before else 0)
            while self._bytes > self._max_bytes and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
