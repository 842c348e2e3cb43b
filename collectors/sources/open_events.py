"""Payloads of a stream whose log streams come in order: the last event of each is held back until it is known whether the next payload goes on with it.

CloudWatch puts the lines of one log stream into one shard, in their order, but cuts them into payloads anywhere, also within a stack trace. What is held waits at most :data:`HOLD_S`; an object of JSON is whole and never waits.
What is held is not durable, so the position that may be written down is that before its payload: after a crash that payload is taken once more, its other events with the ids that they had.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Final

import pyarrow.compute as pc

from collectors.collector import Collector
from collectors.container_lines import may_be_wrapped
from collectors.join import MAX_LINES, last_first
from collectors.lines import Lines, Origin
from collectors.runs import slice_lines, together
from tailrace.clock import Clock

HOLD_S: Final = 1.0
MAX_HELD: Final = 10_000
"""Log streams of a shard of which an event is held; those beyond are not waited for."""


@dataclass(frozen=True, slots=True)
class _Held:
    """The lines of an event that may go on; ``at``: the count of its payload in its shard, ``before``: the number of the record before that."""

    lines: Lines
    at: int
    before: str | None
    since_s: float


@dataclass(slots=True)
class _Shard:
    taken: int = 0
    last: str | None = None
    held: dict[Origin, _Held] = field(default_factory=dict)


class OpenEvents:
    """Takes the records of shards in their order; one thread."""

    def __init__(self, collector: Collector, clock: Clock) -> None:
        self._collector, self._clock = collector, clock
        self._shards: dict[str, _Shard] = {}

    def take(self, shard: str, number: str, data: bytes) -> None:
        """Collect a payload but for the event that may go on. Where it raises, nothing was changed and it may be taken again."""
        state = self._shards.setdefault(shard, _Shard())
        held = dict(state.held)
        self._collector.collect_payload_but(data, partial(self._hold, state, held))
        state.held, state.last, state.taken = held, number, state.taken + 1

    def durable(self, shard: str, *, end: bool = False) -> str | None:
        """Put what was held long enough, at the ``end`` all of it; answer the number of the last record before which nothing is held, ``None`` where there is none."""
        state = self._shards.setdefault(shard, _Shard())
        now_s = self._clock.monotonic_s()
        for origin, one in list(state.held.items()):
            if end or now_s - one.since_s >= HOLD_S:
                self._collector.collect_lines(one.lines)
                del state.held[origin]
        oldest = min(state.held.values(), key=lambda one: one.at, default=None)
        return oldest.before if oldest else state.last

    def _hold(self, state: _Shard, held: dict[Origin, _Held], run: Lines) -> Lines:
        """Answer the lines of a run, behind those that were held, that are to be put now."""
        if run.whole or not len(run):
            return run
        before = held.pop(run.origin, None)
        lines = together([before.lines, run]) if before else run
        first = last_first(lines.text)
        if len(lines) - first >= MAX_LINES or len(held) >= MAX_HELD or not _may_go_on(lines):
            return lines
        if before and first < len(before.lines):
            held[run.origin] = _Held(slice_lines(lines, first, len(lines)), before.at, before.before, before.since_s)
        else:
            held[run.origin] = _Held(slice_lines(lines, first, len(lines)), state.taken, state.last, self._clock.monotonic_s())
        return slice_lines(lines, 0, first)


def _may_go_on(lines: Lines) -> bool:
    """Whether the last line may be followed by others of its event: an object of JSON is not, unless a container's line is in it."""
    last = lines.text.slice(len(lines) - 1)
    is_object = pc.match_substring_regex(last, r"^\s*\{(?s:.*)\}\s*$")[0].as_py()
    return not is_object or bool(may_be_wrapped(last)[0])
