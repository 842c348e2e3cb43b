"""Backfill from a log group: its events of a time, page by page, as the payloads that a subscription would have sent. Their ids are CloudWatch's, so a subscription beside it makes no doubles.

Which times were read is written down after what was read is durable; a later run reads the gaps. Events come in the order of their times, so within a gap the time of the last one is how far it
is: that millisecond is read again, for others may have it too. The last minutes before now are not written down as read, for events may still come.

CloudWatch Logs lets FilterLogEvents be called five times a second in an account and region (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html); where it says
that this is too often (others may call too) it is waited for, longer and longer.
"""

import json
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import orjson

from collectors.collector import Collector, Summary
from collectors.sources.checkpoints import Checkpoints
from collectors.sources.log_group_pages import Asked, Event, FiltersEvents, Page, StaleTokenError, name_of
from collectors.sources.patience import StoppedError, patiently
from collectors.sources.token_bucket import TokenBucket
from tailrace.clock import US_PER_MS, Clock
from tailrace.errors import TransientError

CALLS_PER_S: Final = 5.0
TRIES: Final = 10
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
SETTLED_MS: Final = 5 * 60_000
"""After so long events of a time are there: agents hold them back for seconds, CloudWatch for less."""

Span = tuple[int, int]
"""A time, [from, to) in milliseconds since 1970."""


def gaps(covered: Sequence[Span], wanted: Span) -> list[Span]:
    """Answer what of a time is not covered, in order.

    >>> gaps([(2, 4), (6, 9)], (0, 8))
    [(0, 2), (4, 6)]
    """
    found, at = list[Span](), wanted[0]
    for start, end in sorted(covered):
        if at < min(start, wanted[1]):
            found.append((at, min(start, wanted[1])))
        at = max(at, end)
    return [*found, (at, wanted[1])] if at < wanted[1] else found


def united(covered: Sequence[Span], more: Span) -> list[Span]:
    """Add a time to those that are covered.

    >>> united([(0, 2), (5, 6)], (2, 4))
    [(0, 4), (5, 6)]
    """
    found = list[Span]()
    for start, end in sorted([*covered, more] if more[0] < more[1] else covered):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


@dataclass(slots=True)
class Backfilled:
    """What became of a run: pages and events of CloudWatch, sums, whether it was stopped."""

    pages: int = 0
    events: int = 0
    summary: Summary = field(default_factory=Summary)
    stopped: bool = False


Tick = Callable[[int], None]
"""Told up to which time, in milliseconds since 1970, it is read."""


@dataclass(slots=True)
class LogGroupBackfill:
    """Reads the events of a log group of [from, to); ``calls`` is shared by all that call in the region, ``done`` is what became of it so far."""

    port: FiltersEvents
    collector: Collector
    checkpoints: Checkpoints
    clock: Clock
    wanted: Asked
    calls: TokenBucket
    region: str = ""
    stop: threading.Event = field(default_factory=threading.Event)
    patience_s: float = math.inf
    done: Backfilled = field(default_factory=Backfilled)
    _owner: str = ""

    def forget(self) -> None:
        """Let everything be read again."""
        self.checkpoints.write(*self._key(), None)

    def run(self, tick: Tick = lambda _: None) -> Backfilled:
        """Read what no earlier run has read.

        Raises :class:`TransientError` where CloudWatch Logs or the delivery stream took nothing for long, and :class:`tailrace.errors.PermanentError` where the group cannot be read.
        """
        self._owner = self.port.account(self.wanted.group)
        for gap in gaps(self._covered(), (self.wanted.start_ms, self.wanted.end_ms)):
            try:
                self._read(gap, tick)
            except StoppedError:
                self.done.stopped = True
            if self.done.stopped:
                break
        return self.done

    def _read(self, gap: Span, tick: Tick) -> None:
        done = self.done
        last_ms, in_order = gap[0], True
        for page in self._pages(gap):
            done.pages += 1
            done.events += len(page.events)
            if page.events:
                done.summary += self._put(page.events)
                times = [event.time_ms for event in page.events]
                in_order = in_order and [last_ms, *times] == sorted([last_ms, *times])
                last_ms = times[-1]
                if in_order:  # else what was read is known at the end of the gap alone
                    self._cover((gap[0], last_ms))
                tick(last_ms)
            if self.stop.is_set():
                done.stopped = True
                return
        self._cover(gap)
        tick(gap[1])

    def _pages(self, gap: Span) -> Iterator[Page]:
        """Ask for page after page until one has no token; a token belongs to what was asked first. One that is not taken any more is replaced by the time of the last event."""
        asked, token, last_ms = replace(self.wanted, start_ms=gap[0], end_ms=gap[1]), "", gap[0]
        while True:
            try:
                page = self._asked(asked, token)
            except StaleTokenError:
                asked, token = replace(asked, start_ms=last_ms), ""
                continue
            yield page
            if not page.token:
                return
            token = page.token
            last_ms = page.events[-1].time_ms if page.events else last_ms

    def _asked(self, asked: Asked, token: str) -> Page:
        wait_s = FIRST_WAIT_S
        for _ in range(TRIES - 1):
            self.calls.take()
            try:
                return self.port.page(asked, token)
            except TransientError:
                if self.stop.is_set():
                    raise StoppedError("stopped while CloudWatch Logs took no requests") from None
                self.clock.sleep(wait_s)
                wait_s = min(LONGEST_WAIT_S, 2 * wait_s)
        self.calls.take()
        return self.port.page(asked, token)

    def _put(self, events: Sequence[Event]) -> Summary:
        """Put events as payloads of a subscription, one a stream."""
        by_stream: dict[str, list[Event]] = {}
        for event in events:
            by_stream.setdefault(event.stream, []).append(event)
        payloads = [self._payload(stream, found) for stream, found in by_stream.items()]
        return patiently(partial(self.collector.collect_payloads, payloads), self.clock, self.stop, self.patience_s)

    def _payload(self, stream: str, events: Sequence[Event]) -> bytes:
        listed = [{"id": event.id, "timestamp": event.time_ms, "message": event.message} for event in events]
        named = {"owner": self._owner, "logGroup": name_of(self.wanted.group), "logStream": stream}
        payload = {"messageType": "DATA_MESSAGE", **named, "logEvents": listed}
        try:
            return orjson.dumps(payload)
        except TypeError:  # a lone surrogate, which orjson does not write
            return json.dumps(payload).encode()

    def _key(self) -> tuple[str, str]:
        return f"logs:{self.region}", f"{self.wanted.group}\n{self.wanted.pattern}"

    def _covered(self) -> list[Span]:
        number, _ = self.checkpoints.position(*self._key())
        pairs = (pair.split("-") for pair in (number or "").split(",") if pair)
        return [(int(start), int(end)) for start, end in pairs]

    def _cover(self, span: Span) -> None:
        settled = self.clock.now_us() // US_PER_MS - SETTLED_MS
        covered = united(self._covered(), (span[0], min(span[1], settled)))
        self.checkpoints.write(*self._key(), ",".join(f"{start}-{end}" for start, end in covered))
