"""Live tail of log groups: what CloudWatch Logs takes in now, while somebody looks.

A session is of up to ten groups, gives an update a second with up to 500 events (of more a sample, which the update says), and ends after three hours; then the next one is begun, and what came in
the second between them is not in either (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html). So it shows, and it may store what it shows; what must
not be missed is for a subscription.

Events have no ids here. Theirs is a hash of the session, the update and the place in it: equal lines are different events, and a subscription to the same group has others.
"""

import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError

from collectors.collector import Collector, Summary
from collectors.envelopes.cloudwatch import LAMBDA_PREFIX, MAX_MS, MAX_SOURCE_CHARS
from collectors.envelopes.tolerant_json import as_text
from collectors.lines import Lines, Origin
from collectors.sources.logs_errors import translated
from collectors.sources.patience import StoppedError, patiently
from tailrace.clock import US_PER_MS, Clock
from tailrace.errors import TransientError, UsageError
from tailrace.ids import position_event_id

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

STREAM_NAME: Final = "live-tail"
MAX_GROUPS: Final = 10
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0
ACTION: Final = "logs:StartLiveTail"
_TIMED_OUT: Final = "SessionTimeoutException"
_ARN_PARTS: Final = 7

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One event: its group (name and account, empty where that is not said), stream, time in milliseconds since 1970 (0: none that could be), and message."""

    group: str
    account: str
    stream: str
    time_ms: int
    message: str


@dataclass(frozen=True, slots=True)
class Update:
    """The events of a second: which session's, the how-manyth, and whether they are a sample of more."""

    session: str
    number: int
    events: Sequence[LiveEvent]
    sampled: bool = False


@dataclass(frozen=True, slots=True)
class Tailed:
    """What is looked at: ARNs of log groups, and a pattern that events match (empty: all)."""

    arns: tuple[str, ...]
    pattern: str = ""


class TailsGroups(Protocol):
    """The calls of CloudWatch Logs; they raise :class:`TransientError` when they may succeed later, else :class:`tailrace.errors.PermanentError`."""

    def arns(self, pattern: str) -> Sequence[str]:
        """List the ARNs of the log groups of a name, which may hold ``*``."""
        ...

    def session(self, tailed: Tailed) -> Iterator[Update]:
        """Begin a session, and answer its updates until it ends; closing the iterator ends it."""
        ...


@dataclass(frozen=True, slots=True)
class Boto3LiveTail:
    """The calls through boto3."""

    client: "CloudWatchLogsClient"

    def arns(self, pattern: str) -> Sequence[str]:
        """List groups page by page."""
        pages = self.client.get_paginator("describe_log_groups")
        prefix = pattern.partition("*")[0]
        try:
            found = [group for page in pages.paginate(**({"logGroupNamePrefix": prefix} if prefix else {})) for group in page["logGroups"]]  # type: ignore[arg-type]
        except (ClientError, BotoCoreError) as error:
            raise translated(error, pattern, "logs:DescribeLogGroups") from error
        return [(group.get("logGroupArn") or group["arn"]).removesuffix(":*") for group in found if fnmatchcase(group["logGroupName"], pattern)]

    def session(self, tailed: Tailed) -> Iterator[Update]:
        """Begin a session. Its time-out is its end; an error in it may pass."""
        what = ", ".join(group_of(arn)[1] for arn in tailed.arns)
        more: dict[str, Any] = {"logEventFilterPattern": tailed.pattern} if tailed.pattern else {}
        try:
            answer = self.client.start_live_tail(logGroupIdentifiers=list(tailed.arns), **more)
            with closing(answer["responseStream"]) as parts:
                yield from _updates(parts)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == _TIMED_OUT:
                return
            if error.response.get("Error", {}).get("Code") == "SessionStreamingException":
                raise TransientError(f"log group {what}: the session failed: {error}") from error
            raise translated(error, what, ACTION) from error
        except BotoCoreError as error:
            raise translated(error, what, ACTION) from error


def _updates(parts: Iterable[Any]) -> Iterator[Update]:
    session, number = "", 0
    for part in parts:
        if started := part.get("sessionStart"):
            session = started.get("sessionId", "")
        if (update := part.get("sessionUpdate")) is not None:
            number += 1
            sampled = bool(update.get("sessionMetadata", {}).get("sampled"))
            yield Update(session, number, [_event(one) for one in update.get("sessionResults", [])], sampled)


def _event(one: Mapping[str, Any]) -> LiveEvent:
    account, group = group_of(one.get("logGroupIdentifier", ""))
    time_ms = one.get("timestamp", 0)
    return LiveEvent(group, account, one.get("logStreamName", ""), time_ms if 0 < time_ms < MAX_MS else 0, as_text(one.get("message", "")))


def group_of(identifier: str) -> tuple[str, str]:
    """Answer account and name of a group, which CloudWatch names in three ways.

    >>> group_of("arn:aws:logs:eu-west-1:123456789012:log-group:/shop/web:*"), group_of("123456789012:/shop/web"), group_of("/shop/web")
    (('123456789012', '/shop/web'), ('123456789012', '/shop/web'), ('', '/shop/web'))
    """
    parts = identifier.split(":")
    if parts[0] == "arn" and len(parts) >= _ARN_PARTS:
        return parts[4], parts[6]
    account, _, name = identifier.rpartition(":")
    return account, name


def resolved(port: TailsGroups, groups: Sequence[str]) -> tuple[str, ...]:
    """Answer the ARNs of groups that are given by name, by pattern or by ARN; raises :class:`UsageError` where there is none, and for more than ten."""
    found: dict[str, None] = {}
    for group in groups:
        arns = [group.removesuffix(":*")] if group.startswith("arn:") else port.arns(group)
        if not arns:
            raise UsageError(f"no such log group: {group}")
        found |= dict.fromkeys(arns)
    if len(found) > MAX_GROUPS:
        raise UsageError(f"{len(found)} log groups: live tail takes {MAX_GROUPS} at most")
    return tuple(found)


Take = Callable[[Update], object]


@dataclass(frozen=True, slots=True)
class LiveTail:
    """Looks at log groups until it is told to stop, or until a time of the monotonic clock, session after session."""

    port: TailsGroups
    clock: Clock
    stop: threading.Event = field(default_factory=threading.Event)
    until_s: float = math.inf

    def run(self, tailed: Tailed, take: Take) -> None:
        """Hand each update to ``take``. Raises :class:`tailrace.errors.PermanentError` where the groups cannot be looked at; errors that may pass are waited out."""
        wait_s = FIRST_WAIT_S
        while not self._is_over():
            try:
                began_s = self.clock.monotonic_s()
                self._session(tailed, take)
                if self.clock.monotonic_s() - began_s < FIRST_WAIT_S:  # a session that ends at once is not begun again at once
                    self.clock.sleep(FIRST_WAIT_S)
                wait_s = FIRST_WAIT_S
            except StoppedError:
                return
            except TransientError as error:
                logger.warning("trying again in %.0f s: %s", wait_s, error)
                self.clock.sleep(wait_s)
                wait_s = min(LONGEST_WAIT_S, 2 * wait_s)

    def _session(self, tailed: Tailed, take: Take) -> None:
        updates = self.port.session(tailed)
        try:
            for update in updates:
                take(update)
                if self._is_over():
                    return
        finally:
            close = getattr(updates, "close", None)
            if close is not None:
                close()

    def _is_over(self) -> bool:
        return self.stop.is_set() or self.clock.monotonic_s() >= self.until_s


@dataclass(frozen=True, slots=True)
class LiveStore:
    """Puts the events of updates through a collector."""

    collector: Collector
    clock: Clock
    region: str
    stop: threading.Event = field(default_factory=threading.Event)

    def put(self, update: Update) -> Summary:
        """Put the events of an update, those of one stream together; waits where the delivery stream is full."""
        by_stream: dict[tuple[str, str, str], list[tuple[int, LiveEvent]]] = {}
        for at, event in enumerate(update.events):
            by_stream.setdefault((event.account, event.group, event.stream), []).append((at, event))
        summary = Summary()
        for (account, group, stream), found in by_stream.items():
            lines = self._lines(Origin(**self._origin(account, group, stream)), update, found)
            summary += patiently(partial(self.collector.collect_lines, lines), self.clock, self.stop)
        return summary

    def _origin(self, account: str, group: str, stream: str) -> dict[str, str]:
        named = {"source": f"{STREAM_NAME}:{group}"[:MAX_SOURCE_CHARS], "stream": STREAM_NAME, "account": account, "region": self.region}
        return named | {"log_group": group, "log_stream": stream, "service": group.removeprefix(LAMBDA_PREFIX) if group.startswith(LAMBDA_PREFIX) else ""}

    def _lines(self, origin: Origin, update: Update, found: Sequence[tuple[int, LiveEvent]]) -> Lines:
        ids = [position_event_id(STREAM_NAME, update.session, update.number, at) for at, _ in found]
        times = [event.time_ms * US_PER_MS or None for _, event in found]
        texts = [event.message.rstrip("\r\n") for _, event in found]
        event_time: pa.TimestampArray = pa.array(times, pa.timestamp("us"))
        return Lines(origin, self.clock.now_us(), pa.array(texts, pa.string()), pa.array(ids, pa.string()), event_time)
