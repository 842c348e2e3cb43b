"""Where a service writes its log: JSON lines to a CloudWatch log stream, sent in batches, in order, by a thread of its own.

The limits are those of PutLogEvents (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html): at most 10,000 events and 1 MiB, each
counted with 26 bytes more, in chronological order. What cannot be sent is tried again; past 20,000 lines the oldest are given up and counted.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from tailrace.clock import US_PER_MS, Clock, iso_ms

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import InputLogEventTypeDef

MAX_EVENTS: Final = 10_000
MAX_BYTES: Final = 1_048_576
EVENT_OVERHEAD: Final = 26
MAX_WAITING: Final = 20_000
SEND_EVERY_S: Final = 0.4

Event = tuple[int, str]
"""Milliseconds since 1970, and the line."""


class TakesEvents(Protocol):
    """A log stream."""

    def send(self, events: Sequence[Event]) -> bool:
        """Send events that are in order and within the limits; answer whether they were taken."""
        ...


class LogStream:
    """A log stream of CloudWatch; it is made when it is not there."""

    def __init__(self, client: "CloudWatchLogsClient", group: str, name: str) -> None:
        self._client, self._group, self._name = client, group, name

    def send(self, events: Sequence[Event]) -> bool:
        """Put the events; a stream that is not there is made, and the events are to be sent again."""
        batch: list[InputLogEventTypeDef] = [{"timestamp": time_ms, "message": line} for time_ms, line in events]
        try:
            self._client.put_log_events(logGroupName=self._group, logStreamName=self._name, logEvents=batch)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                with contextlib.suppress(ClientError):
                    self._client.create_log_stream(logGroupName=self._group, logStreamName=self._name)
            return False
        except BotoCoreError:
            return False
        return True


class Journal:
    """A service's log; threads may write at once."""

    def __init__(self, service: str, stream: TakesEvents, clock: Clock) -> None:
        self.service, self._stream, self._clock = service, stream, clock
        self._waiting: deque[Event] = deque(maxlen=MAX_WAITING)
        self._written = threading.Event()
        self._lock = threading.Lock()
        self.given_up = 0

    def write(self, line: str) -> None:
        """Write a line as it is."""
        with self._lock:
            self.given_up += len(self._waiting) == MAX_WAITING
            self._waiting.append((self._clock.now_us() // US_PER_MS, line))
        self._written.set()

    def line(self, level: str, message: str, fields: Mapping[str, Any]) -> str:
        """Print an event of now as JSON."""
        return json_line(self._clock.now_us(), level, self.service, message, fields)

    def start(self) -> None:
        """Begin to send, in a thread that ends with the process."""
        threading.Thread(target=self._send_for_ever, name=f"log of {self.service}", daemon=True).start()

    def send_waiting(self) -> bool:
        """Send one batch of what waits; answer whether anything went out."""
        with self._lock:
            batch = first_batch(list(self._waiting))
        if not batch or not self._stream.send(batch):
            return False
        sent = {id(event) for event in batch}
        with self._lock:
            while self._waiting and id(self._waiting[0]) in sent:
                self._waiting.popleft()
        return True

    def _send_for_ever(self) -> None:
        while True:
            self._written.wait()
            self._written.clear()
            self._clock.sleep(SEND_EVERY_S)
            while self.send_waiting():
                pass
            if self._waiting:
                self._written.set()


def first_batch(events: Sequence[Event]) -> list[Event]:
    """Answer the events at the front that fit into one call, in chronological order (clocks of threads may differ by a little)."""
    size = 0
    for count, (_, line) in enumerate(events):
        size += len(line.encode()) + EVENT_OVERHEAD
        if size > MAX_BYTES or count == MAX_EVENTS:
            return sorted(events[:count], key=lambda event: event[0])
    return sorted(events, key=lambda event: event[0])


def json_line(time_us: int, level: str, service: str, message: str, fields: Mapping[str, Any]) -> str:
    """Print an event as the services of the shop log it."""
    event = {"timestamp": iso_ms(time_us), "level": level, "service": service, "message": message, **fields}
    return orjson.dumps(event).decode()
