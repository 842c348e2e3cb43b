"""The keeper's rounds: which partitions are looked at, when they are merged, when rows expire, when what was replaced is deleted.

One keeper at a time has a home folder (a lock on ``keeper/lock``). Ages are counted from when a part was first seen: after a restart a part waits its time again, which is
never too short.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, Self

import pyarrow as pa

from firehose.disk import Probe, no_probe
from firehose.frame import UNITS
from firehose.keeper.expire import Expiry
from firehose.keeper.expire_indices import index_expiry
from firehose.keeper.merge import MANY_FRESH, Merged, View, delete, merge, view
from firehose.keeper.retention import read_retention
from firehose.keeper.settled import settled_by
from firehose.keeper.tokens import AFTER_S, TokenFilters
from firehose.lock import held
from tailrace.clock import US_PER_HOUR, US_PER_S, Clock
from tailrace.errors import StateError
from tailrace.lake import LAST_HOUR_US, existing_partitions
from tailrace.settings import Settings
from tailrace.stores import open_store
from tailrace.stores.port import ObjectStore, Sweeps

EVERY_S: Final = 5.0
MERGE_AFTER_S: Final = 60.0
"""Fresh parts that are older than this are merged, however few."""

EXPIRE_EVERY_S: Final = 300.0
"""Ages are those of whole hours, so rows need not be looked at more often."""

ORPHAN_AFTER_S: Final = 3_600.0
"""A merged part that no state names is what a crash left, or what another keeper is about to commit."""

SWEEP_EVERY_S: Final = 3_600.0
LEFT_AFTER_S: Final = 86_400.0
"""A file that is being written is renamed within seconds; a day leaves room for clocks that are set."""


@dataclass(slots=True)
class Rounds:
    """How the rounds go: how many ended well, when the last of these did and what it took, and failures in a row since when; times are monotonic seconds."""

    count: int = 0
    ended_s: float = 0.0
    ended_us: int = 0
    took_s: float = 0.0
    failures: int = 0
    failing_since_s: float = 0.0
    fresh_parts: int = 0
    due_parts: int = 0


class _Every:
    """Says once in so many seconds that it is time; the first time at once."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds, self._clock, self._at_s = seconds, clock, clock.monotonic_s()

    def is_due(self) -> bool:
        now_s = self._clock.monotonic_s()
        due = now_s >= self._at_s
        self._at_s = now_s + self._seconds if due else self._at_s
        return due


class Keeper:
    """Merges, expires and deletes in the background; a context manager. ``grace_s`` must be longer than the longest query.

    Raises :class:`tailrace.errors.FileError` where the file of the rules of retention is wrong.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        store: ObjectStore | None = None,
        merge_after_s: float = MERGE_AFTER_S,
        grace_s: float = 60.0,
        probe: Probe = no_probe,
    ) -> None:
        self._settings, self._clock, self._store, self._probe = settings, clock, store or open_store(settings), probe
        self._merge_after_s, self._grace_s = merge_after_s, max(grace_s, 2 * settings.search_timeout_s if grace_s else 0)
        rules = read_retention(settings.retention_path, required=bool(settings.retention))
        self._expiry = Expiry(self._store, rules, probe) if rules else None
        self._indices = index_expiry(settings, rules, probe)
        self._expired = self._expired_indices = 0
        self._expires, self._expires_indices, self._sweeps = (_Every(seconds, clock) for seconds in (EXPIRE_EVERY_S, EXPIRE_EVERY_S, SWEEP_EVERY_S))
        self._first_seen: dict[str, float] = {}
        self._tokens = TokenFilters(self._store, probe)
        self._done, self._deleted, self._filters, self._error = Merged(), 0, 0, ""
        self._rounds = Rounds(ended_s=clock.monotonic_s())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start the rounds; raises :class:`tailrace.errors.StateError` where another keeper has the home folder."""
        self._stack.enter_context(held(self._settings.home / "keeper"))
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Finish what is at hand, and end."""
        self._stop.set()
        self._thread.join(30)
        self._stack.close()

    def status(self) -> dict[str, Any]:
        """Answer what was done since the start, and how the rounds go.

        ``last_round_us`` is when the last one ended well (0: none has), ``idle_s`` how long ago that is, or the start; ``due_parts`` were old enough and not merged in it.
        """
        done, rounds, now_s = self._done, self._rounds, self._clock.monotonic_s()
        return {
            "rounds": rounds.count,
            "last_round_us": rounds.ended_us,
            "idle_s": max(now_s - rounds.ended_s, 0.0),
            "round_s": rounds.took_s,
            "failures": rounds.failures,
            "failing_s": max(now_s - rounds.failing_since_s, 0.0) if rounds.failures else 0.0,
            "fresh_parts": rounds.fresh_parts,
            "due_parts": rounds.due_parts,
            "merged_parts": done.parts,
            "merged_rows": done.rows_in,
            "duplicates_removed": done.rows_in - done.rows_out,
            "deleted_parts": self._deleted,
            "token_filters": self._filters,
            "expired_rows": self._expired,
            "expired_indices": self._expired_indices,
            "error": self._error,
            "alive": self._thread.is_alive(),
        }

    def round(self, *, force: bool = False) -> Merged:
        """Look at every partition once; with ``force`` whatever can be merged is merged now. Answer what was merged."""
        total, fresh, due, there = Merged(), 0, 0, set[str]()
        for seen in self._views():
            there.update(self._note(seen, part.key) for part in seen.parts)
            merged, waiting = self._tend(seen, force=force)
            total, fresh, due = total + merged, fresh + len(seen.fresh), due + waiting
            if self._stop.is_set():
                break
        else:  # what is gone, by whomever, is forgotten; what has just ceased to count begins its age in the next round
            self._first_seen = {note: first_s for note, first_s in self._first_seen.items() if note in there}
        self._done += total
        self._rounds.fresh_parts, self._rounds.due_parts = fresh, due
        return total

    def expire(self) -> int:
        """Let go what may go by the rules of retention, if it is time to look again; answer how many rows."""
        if self._expiry is None or not self._expires.is_due():
            return 0
        rows = sum(one.rows for one in self._expiry.run(self._clock.now_us()))
        self._expired += rows
        return rows

    def expire_indices(self) -> int:
        """Delete the indices of OpenSearch that may go by the rules of retention, if it is time to look again; answer how many."""
        if self._indices is None or not self._expires_indices.is_due():
            return 0
        count = len(self._indices.run(self._clock.now_us()))
        self._expired_indices += count
        return count

    def sweep(self) -> int:
        """Delete what writers that were killed left in the store, if it is time to look again; answer how many files."""
        if not isinstance(self._store, Sweeps) or not self._sweeps.is_due():
            return 0
        return self._store.sweep(self._clock.now_us() / US_PER_S - LEFT_AFTER_S)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.look()

    def look(self) -> None:
        """Expire and go one round; a failure is noted, and the next round is another try. A step that fails keeps none of the others."""
        rounds, began_s = self._rounds, self._clock.monotonic_s()
        self._error = "; ".join(filter(None, (self._tried(step) for step in (self.expire, self.round, self.expire_indices, self.sweep))))
        if self._error:
            rounds.failing_since_s = rounds.failing_since_s if rounds.failures else began_s
            rounds.failures += 1
        else:
            rounds.failures, rounds.count = 0, rounds.count + 1
            rounds.ended_s, rounds.ended_us = self._clock.monotonic_s(), self._clock.now_us()
            rounds.took_s = rounds.ended_s - began_s

    @staticmethod
    def _tried(step: Callable[[], object]) -> str:
        """Take a step; answer what went wrong."""
        try:
            step()
        except Exception as error:
            logging.getLogger(__name__).exception("keeper")
            return str(error) or type(error).__name__
        return ""

    def _views(self) -> Iterator[View]:
        for table in UNITS:
            for partition in existing_partitions(self._store, table, 0, LAST_HOUR_US + US_PER_HOUR):
                yield view(self._store, table, partition)

    def _tend(self, seen: View, *, force: bool) -> tuple[Merged, int]:
        """Merge what is due, or delete what was replaced; answer what was merged, and how many parts that were due were not."""
        now_s, is_settled = self._clock.monotonic_s(), settled_by(self._settings.spool_folder)
        for part in seen.parts:
            self._first_seen.setdefault(self._note(seen, part.key), now_s)
        mergeable = seen.fresh if len(seen.live) > 1 else ()  # one part alone is left as it is
        due = [part for part in mergeable if now_s - self._first_seen[self._note(seen, part.key)] >= self._merge_after_s]
        if force or due or len(seen.fresh) > MANY_FRESH:
            try:
                done = merge(self._store, seen, is_settled, self._probe)
            except (StateError, FileNotFoundError):  # another keeper merged and deleted what was listed: the next round sees what there is
                return Merged(), 0
            finally:
                pa.default_memory_pool().release_unused()  # this thread's heap, which Arrow keeps, is as large as the merge was
            if done.parts:
                return done, max(len(due) - done.parts, 0)
        self._filters += self._tokens.tend(seen, lambda part: now_s - self._first_seen[self._note(seen, part.key)] >= AFTER_S)
        old = [part for part in seen.idle if now_s - self._first_seen[self._note(seen, part.key)] >= self._patience_s(seen, part.name)]
        self._deleted += delete(self._store, seen, old, is_settled, self._probe)
        return Merged(), len(due)

    def _note(self, seen: View, key: str) -> str:
        """Name a part in the notes; it begins a new age when it ceases to count."""
        name = key.rpartition("/")[2]
        return key if seen.state.is_live(name) else f"idle {key}"

    def _patience_s(self, seen: View, name: str) -> float:
        return self._grace_s if name in seen.state.counts else max(ORPHAN_AFTER_S, self._grace_s)
