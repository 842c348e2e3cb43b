"""What a notification of S3 leads to: the objects that it names are read, and the message is done with, or comes again.

A message is done with when everything in it is durable: lines, dead letters, counts. One of whose objects could not be read comes again, and what was read of it already is not
read again. An object that is not there any more is a dead letter at once; one that cannot be read is one after its message was received so many times, or at once where nobody counts and
only a person can help. The letter holds the message whole; ``tailrace dead replay`` reads the object then, once it can be read.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from collectors.collector import Collector, Summary
from collectors.envelopes.s3_event import Message, Notification, S3Object, read_notification
from collectors.sources.patience import StoppedError
from collectors.sources.s3_errors import GoneError
from collectors.sources.s3_objects import STREAM_NAME, ObjectSource
from firehose.delivery import DeadLetter
from tailrace.errors import DecodeError, DeliveryError, TransientError

MAX_REMEMBERED: Final = 10_000
"""Messages of which is known what was read of them, the youngest."""

CRASHES: Final = 4
"""A message that was received so many times its limit, without an error that was told, ends the process that reads it: it is not read again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message; ``later`` is why it must come again, empty where it is done with."""

    summary: Summary
    later: str = ""


class S3Notices:
    """Takes messages; shared by threads. ``max_receives`` is how often a message may come before what cannot be read of it is a dead letter."""

    def __init__(self, collector: Collector, objects: ObjectSource, max_receives: int) -> None:
        self._collector, self._objects, self._max_receives = collector, objects, max_receives
        self._read: OrderedDict[str, set[int]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, message: Message, source: str) -> Outcome:
        """Read what a message names; ``source`` is the way it came, in the ledger. Raises :class:`StoppedError` when it is to stop."""
        try:
            notification = read_notification(message.body)
        except DecodeError as error:
            letter = DeadLetter("payload", str(error), message.body.encode("utf-8", "replace"), {"envelope": STREAM_NAME, "holds": "message"})
            return self._kept(partial(self._objects.patiently, partial(self._collector.collect_dead, source, [letter])))
        outcome = self._all(message, notification)
        if outcome.later:
            return outcome
        counted = self._kept(partial(self._objects.patiently, partial(self._collector.collect_notices, source, 0, notification.dropped)))
        if not counted.later:
            self._forget(message)
        return replace(counted, summary=outcome.summary + counted.summary)

    def _all(self, message: Message, notification: Notification) -> Outcome:
        summary, later = Summary(), ""
        for number, place in enumerate(notification.objects):
            if self._was_read(message, number):
                continue
            outcome = self._one(message, place)
            summary, later = summary + outcome.summary, later or outcome.later
            if not outcome.later:
                self._remember(message, number)
        return Outcome(summary, later)

    def _one(self, message: Message, place: S3Object) -> Outcome:
        if message.receives > CRASHES * self._max_receives:
            return self._buried(message, place, f"{place.url}: its message was received {message.receives} times, and no reading of it came to an end")
        try:
            done = self._objects.ingest(place)
        except DeliveryError as error:
            return self._buried(message, place, str(error)) if self._is_last(message, error) else Outcome(Summary(), str(error))
        if done.stopped:
            raise StoppedError("stopped while an object was read")
        return Outcome(done.summary)

    def _is_last(self, message: Message, error: DeliveryError) -> bool:
        if isinstance(error, GoneError):
            return True
        return message.receives >= self._max_receives if message.receives else not isinstance(error, TransientError)

    def _buried(self, message: Message, place: S3Object, reason: str) -> Outcome:
        times = f" ({message.receives} times)" if message.receives > 1 else ""
        return self._kept(partial(self._objects.bury, place, reason + times, message.body.encode("utf-8", "replace")))

    def _kept(self, call: partial[Summary]) -> Outcome:
        try:
            return Outcome(call())
        except DeliveryError as error:
            return Outcome(Summary(), str(error))

    def _was_read(self, message: Message, number: int) -> bool:
        with self._lock:
            return number in self._read.get(message.id, ())

    def _remember(self, message: Message, number: int) -> None:
        if not message.id:
            return
        with self._lock:
            self._read.setdefault(message.id, set()).add(number)
            while len(self._read) > MAX_REMEMBERED:
                self._read.popitem(last=False)

    def _forget(self, message: Message) -> None:
        with self._lock:
            self._read.pop(message.id, None)
