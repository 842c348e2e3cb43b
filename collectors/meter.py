"""The meter: what each source with a quota has taken, and what of its lines is within.

Counts of the day outlive the process: they are written beside the ledger, at most once a second, and when the meter is closed; a kill forgets a second at most.
"""

import hashlib
import logging
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow.compute as pc

from collectors.lines import Lines
from collectors.rules.quota import Quota
from collectors.runs import take_lines
from tailrace.clock import US_PER_DAY, Clock
from tailrace.durable import make_folders, replace_file
from tailrace.errors import TransientError

SAVE_EVERY_S: Final = 1.0
MAX_SOURCES: Final = 10_000
"""Sources that are counted; beyond, those that were heard of longest ago are forgotten."""

_RANGE: Final = 2**64
_log = logging.getLogger(__name__)


class _Count(msgspec.Struct):
    """What a source has taken: room for events, as of a time of the monotonic clock; bytes of a day; and how often it was beyond."""

    quota: str
    day: int = 0
    nbytes: int = 0
    room: float = math.inf
    at_s: float = 0.0
    beyond: int = 0
    delayed: int = 0


@dataclass(slots=True)
class Metered:
    """Lines that are within their quota; those that are dropped, by rule; those for dead letters, with the rule; and what gives the quota back when they could not be put."""

    lines: list[Lines]
    dropped: dict[str, int] = field(default_factory=dict)
    dead: list[tuple[str, Lines]] = field(default_factory=list)
    give_back: Callable[[], None] = lambda: None


class Meter:
    """Counts sources against quotas; shared by threads. Without a path the counts of the day are kept in memory alone."""

    def __init__(self, quotas: Sequence[Quota], clock: Clock, path: Path | None = None) -> None:
        self._quotas, self._clock, self._path = tuple(quotas), clock, path
        self._counts: dict[str, _Count] = _load(path) if path is not None and quotas else {}
        self._lock, self._saved_s, self._dirty = threading.Lock(), clock.monotonic_s(), False
        for count in self._counts.values():
            count.room, count.at_s = math.inf, self._saved_s

    def split(self, source: str, runs: Sequence[Lines]) -> Metered:
        """Take lines of a source against its quota.

        Raises :class:`TransientError` where the quota delays and there is no room.
        """
        quota = next((one for one in self._quotas if one.is_about(source)), None)
        if quota is None or not any(map(len, runs)):
            return Metered(list(runs))
        sizes = np.concatenate([np.asarray(pc.binary_length(run.text).to_numpy(zero_copy_only=False), np.int64) for run in runs])
        with self._lock:
            count = self._count_of(source, quota)
            within = self._within(quota, count, sizes)
            if quota.beyond == "delay":
                if not within:
                    count.delayed += 1
                    raise TransientError(f"{source} is beyond its quota {quota.name.removeprefix('quota:')!r}: it is taken later")
                within = len(sizes)
            metered, kept = _cut(quota, runs, within)
            taken = int(sizes[kept].sum())
            self._charge(count, within, taken, len(sizes) - within)
        metered.give_back = lambda: self._undo(source, within, taken, len(sizes) - within)
        return metered

    def status(self) -> list[dict[str, Any]]:
        """Answer for each source with a quota what it took today, and how often it was beyond since the start."""
        with self._lock:
            counts = [(source, one) for source, one in sorted(self._counts.items()) if one.day == self._today()]
        return [
            {"source": source, "quota": one.quota.removeprefix("quota:"), "bytes_today": one.nbytes, "beyond": one.beyond, "delayed": one.delayed}
            for source, one in counts
        ]

    def close(self) -> None:
        """Write the counts of the day."""
        with self._lock:
            self._save()

    def _today(self) -> int:
        return self._clock.now_us() // US_PER_DAY

    def _count_of(self, source: str, quota: Quota) -> _Count:
        count = self._counts.pop(source, None) or _Count(quota.name, at_s=self._clock.monotonic_s())
        self._counts[source] = count
        if len(self._counts) > MAX_SOURCES:
            del self._counts[next(iter(self._counts))]
        now_s, today, most = self._clock.monotonic_s(), self._today(), quota.events_per_s * quota.over_s
        count.quota = quota.name
        count.room = most if math.isinf(most) else min(most, count.room + (now_s - count.at_s) * quota.events_per_s)
        count.at_s = now_s
        if today > count.day:
            count.day, count.nbytes = today, 0
        return count

    @staticmethod
    def _within(quota: Quota, count: _Count, sizes: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> int:
        """Answer how many of the first lines are within."""
        by_events = len(sizes) if math.isinf(count.room) else max(min(math.floor(count.room), len(sizes)), 0)
        left = quota.bytes_per_day - count.nbytes
        by_bytes = len(sizes) if math.isinf(left) else int(np.searchsorted(np.cumsum(sizes), left, side="right"))
        if quota.beyond == "delay":  # a run that is longer than the room is taken whole, and the room is made up for
            by_bytes = len(sizes) if left > 0 else 0
        return min(by_events, by_bytes)

    def _charge(self, count: _Count, events: int, nbytes: int, beyond: int) -> None:
        count.room -= 0 if math.isinf(count.room) else events
        count.nbytes += nbytes
        count.beyond += beyond
        self._dirty = True
        if self._clock.monotonic_s() - self._saved_s >= SAVE_EVERY_S:
            self._save()

    def _undo(self, source: str, events: int, nbytes: int, beyond: int) -> None:
        with self._lock:
            if (count := self._counts.get(source)) is not None:
                self._charge(count, -events, -nbytes, -beyond)

    def _save(self) -> None:
        if self._path is None or not self._dirty:
            return
        try:
            make_folders(self._path.absolute().parent)
            replace_file(self._path, msgspec.json.encode({source: (one.quota, one.day, one.nbytes) for source, one in self._counts.items()}))
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._path, error.strerror or error)
        self._saved_s, self._dirty = self._clock.monotonic_s(), False


def _cut(quota: Quota, runs: Sequence[Lines], within: int) -> "tuple[Metered, np.ndarray[tuple[int], np.dtype[np.bool_]]]":
    """Cut runs at the first line that is beyond; answer also which lines are kept."""
    kept = np.arange(sum(map(len, runs))) < within
    if kept.all():
        return Metered(list(runs)), kept
    metered, start = Metered([]), 0
    for run in runs:
        own = kept[start : start + len(run)]
        if quota.beyond == "sample" and quota.keep and not own.all():
            own |= np.array([_chosen(str(name), quota.keep) for name in run.event_id.to_pylist()], bool)
        beyond = take_lines(run, np.flatnonzero(~own))
        if quota.beyond == "dead" and len(beyond):
            metered.dead.append((quota.name, beyond))
        elif len(beyond):
            metered.dropped[quota.name] = metered.dropped.get(quota.name, 0) + len(beyond)
        metered.lines += [take_lines(run, np.flatnonzero(own))] if own.any() else []
        start += len(run)
    return metered, kept


def _chosen(event_id: str, keep: float) -> bool:
    return int.from_bytes(hashlib.blake2b(event_id.encode(), digest_size=8).digest(), "big") < keep * _RANGE


def _load(path: Path) -> dict[str, _Count]:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, tuple[str, int, int]])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        _log.warning("%s is no count of quotas, and counting begins anew: %s", path, error)
        return {}
    return {source: _Count(quota, day, nbytes) for source, (quota, day, nbytes) in found.items()}
