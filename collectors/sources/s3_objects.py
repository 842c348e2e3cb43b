"""Objects of S3, of any size: lines and JSON records, plain or packed, Parquet and ORC, as of files (``collectors.sources.contents``).

The id of a line is a hash of bucket, key, version (the ETag where the bucket keeps none), the line's offset and the line: an object that is read again adds nothing. A key that is
written anew is another object. Account, region and service are guessed from the key (``collectors.sources.s3_keys``) where neither a person nor the line says them.

An object that is damaged gives the lines before the damage, and a dead letter. What cannot be read at all raises, and the caller knows whether it is asked again.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import Final

from collectors.collector import Collector, Summary
from collectors.envelopes.s3_event import S3Object, read_notification
from collectors.lines import Origin
from collectors.sources.contents import Advance
from collectors.sources.files import MAX_SOURCE_CHARS, START, Ingest, LineSource, Place
from collectors.sources.patience import patiently
from collectors.sources.s3_errors import ChangedError
from collectors.sources.s3_keys import hints_of
from collectors.sources.s3_ranges import PART_BYTES, GetsRanges, OpenObject, open_object
from firehose.delivery import DeadLetter
from tailrace.clock import Clock
from tailrace.errors import DecodeError, DeliveryError

STREAM_NAME: Final = "s3"
MAX_REWRITES: Final = 3
"""How often an object that is written anew while it is read is begun again."""

After = Callable[[S3Object], Place]
"""Answers how far an object was read before; it is known with its version and ETag then."""

Reached = Callable[[S3Object, Place], None]
"""Told how far an object is read, after what was read is durable."""


class ObjectSource:
    """Puts the lines of objects through a collector; waits where the delivery stream is full. ``origin`` says what a person knows of the lines.

    Shared by threads, if the port is.
    """

    def __init__(
        self,
        collector: Collector,
        clock: Clock,
        port: GetsRanges,
        *,
        origin: Origin | None = None,
        stop: threading.Event | None = None,
        patience_s: float = math.inf,
    ) -> None:
        self._collector, self._clock, self._port = collector, clock, port
        self._origin = origin or Origin("", STREAM_NAME)
        self._stop, self._patience_s = stop or threading.Event(), patience_s
        self._lines = LineSource(collector, clock, stop=self._stop, patience_s=patience_s)

    def ingest(
        self,
        place: S3Object,
        advance: Advance = lambda _: None,
        after: After = lambda _: START,
        reached: Reached = lambda *_: None,
    ) -> Ingest:
        """Collect the lines of an object; it is counted once as a payload, when it was read to its end or is a dead letter.

        Raises :class:`tailrace.errors.TransientError` where it, or the delivery stream, may be tried again, and :class:`tailrace.errors.PermanentError` where a person must do something.
        """
        for _ in range(MAX_REWRITES - 1):
            try:
                return self._ingest(place, advance, after, reached)
            except ChangedError:
                continue
        return self._ingest(place, advance, after, reached)

    def bury(self, place: S3Object, reason: str, message: bytes) -> Summary:
        """Make a dead letter of an object that cannot be read, with the message that named it."""
        letter = object_letter(place, reason, message, holds="message")
        return self.patiently(partial(self._collector.collect_dead, origin_of(place, self._origin).counted_as, [letter]))

    def replay(self, letter: DeadLetter) -> Summary:
        """Collect again what a dead letter of an object stands for: the bytes that it holds, else the object where it lies.

        Raises :class:`tailrace.errors.DeliveryError` where it still cannot be read.
        """
        said = letter.detail
        if "key" not in said:
            return self._replay_message(letter)
        place = S3Object(said["bucket"], said["key"], said.get("version", ""), said.get("etag", ""), region=said.get("region", ""))
        if said.get("holds") != "object":
            return self.ingest(place).summary
        origin = origin_of(place, self._origin)
        done = self._lines.ingest_stream(BytesIO(letter.body), origin, name_of(place))
        again = [replace(letter, reason=done.problem)] if done.problem else []
        return done.summary + self.patiently(partial(self._collector.collect_dead, origin.counted_as, again))

    def _replay_message(self, letter: DeadLetter) -> Summary:
        try:
            objects = read_notification(letter.body.decode("utf-8", "replace")).objects
        except DecodeError as error:
            again = [replace(letter, reason=str(error))]
            return self.patiently(partial(self._collector.collect_dead, letter.detail.get("source", STREAM_NAME), again))
        return sum((self.ingest(place).summary for place in objects), Summary())

    def _ingest(self, place: S3Object, advance: Advance, after: After, reached: Reached) -> Ingest:
        opened = open_object(self._port, place, self._clock)
        origin = origin_of(place, self._origin)
        done = self._lines.ingest_stream(opened.file, origin, name_of(opened.place), advance, after(opened.place), partial(reached, opened.place))
        if opened.raw.failure:
            raise opened.raw.failure
        if done.stopped:
            return done
        counted = self._counted(opened, origin.counted_as, done.problem)
        return replace(done, summary=done.summary + counted, problem=f"{place.url}: {done.problem}" if done.problem else "")

    def _counted(self, opened: OpenObject, source: str, problem: str) -> Summary:
        if not problem:
            return self.patiently(partial(self._collector.collect_notices, source, 1))
        body = self._whole(opened.place)
        letter = object_letter(opened.place, problem, body, holds="object" if body else "nothing")
        return self.patiently(partial(self._collector.collect_dead, source, [letter]))

    def _whole(self, place: S3Object) -> bytes:
        """Answer the bytes of an object of one part; a longer one stays where it is."""
        if (place.size or 0) > PART_BYTES:
            return b""
        try:
            return self._port.get(place, 0, PART_BYTES, place.etag).data
        except DeliveryError:
            return b""

    def patiently(self, call: Callable[[], Summary]) -> Summary:
        """Make a call of the collector, and wait where the delivery stream is full, as long as reading does."""
        return patiently(call, self._clock, self._stop, self._patience_s)


def name_of(place: S3Object) -> str:
    """Answer what the ids of an object's lines are made of."""
    return "\0".join((STREAM_NAME, place.bucket, place.key, place.version or place.etag))


def origin_of(place: S3Object, known: Origin) -> Origin:
    """Answer where the lines of an object come from: what a person said, else what its key says."""
    hints = hints_of(place.key)
    return replace(
        known,
        source=known.source or place.url[-MAX_SOURCE_CHARS:],
        ledger=known.source or f"{STREAM_NAME}:{place.bucket}"[:MAX_SOURCE_CHARS],
        stream=STREAM_NAME,
        account=known.account or hints.account,
        region=known.region or hints.region or place.region,
        service=known.service or hints.service,
        key=place.key,
    )


def object_letter(place: S3Object, reason: str, body: bytes, *, holds: str) -> DeadLetter:
    """Make the dead letter of an object: its address, and its bytes or the message that named it (``holds`` says which)."""
    named = {"bucket": place.bucket, "key": place.key, "version": place.version, "etag": place.etag, "region": place.region}
    return DeadLetter("payload", reason, body, {"envelope": STREAM_NAME, "holds": holds} | {name: text for name, text in named.items() if text})
