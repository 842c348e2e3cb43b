"""Backfill from a bucket: what lies below a prefix is read in the order of the keys, and how far is written down, so that a run that ended can be gone on with.

Written down are the objects that were read to their end, by bucket, key and ETag, and of one that was not the place in it. A later run, also of another prefix or time, leaves out what was
read: nothing is lost, nothing is twice. An object that cannot be read is told and left for the next run; after many in a row the run ends.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from collectors.collector import Summary
from collectors.envelopes.s3_event import S3Object
from collectors.sources.checkpoints import Checkpoints
from collectors.sources.contents import Advance
from collectors.sources.files import START, Ingest, Place
from collectors.sources.patience import StoppedError
from collectors.sources.s3_listing import ListsObjects, listed
from collectors.sources.s3_objects import ObjectSource
from tailrace.errors import DeliveryError

MAX_FAILED: Final = 20
"""Objects in a row that cannot be read, after which the fault is not theirs."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is to read: objects, and their bytes."""

    objects: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Backfilled:
    """What became of a run: objects that were read, that were read by an earlier run, and that can hold nothing of the time asked for; sums; what could not be read; whether it was stopped."""

    objects: int = 0
    before: int = 0
    skipped: int = 0
    summary: Summary = field(default_factory=Summary)
    replaced: int = 0
    problems: list[str] = field(default_factory=list)
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class S3Backfill:
    """Reads what lies below an address, of [from, to) in microseconds since 1970."""

    listing: ListsObjects
    objects: ObjectSource
    checkpoints: Checkpoints
    url: str
    from_us: int = 0
    to_us: int = 1 << 62

    def size(self) -> Size:
        """List what a run would read. Raises :class:`DeliveryError`."""
        sizes = [found.place.size or 0 for found, holds in listed(self.listing, self.url, self.from_us, self.to_us) if holds and not self._is_read(found.place)]
        return Size(len(sizes), sum(sizes))

    def run(self, advance: Advance = lambda _: None) -> Backfilled:
        """Read it. Raises :class:`DeliveryError` where the bucket cannot be listed."""
        done, failed = Backfilled(), 0
        for found, holds in listed(self.listing, self.url, self.from_us, self.to_us):
            if not holds:
                done.skipped += 1
                continue
            if self._is_read(found.place):
                done.before += 1
                continue
            problem = self._one(found.place, done, advance)
            if problem:
                done.problems.append(problem)
            failed = failed + 1 if problem else 0
            if failed == MAX_FAILED:
                done.problems.append(f"{self.url}: {MAX_FAILED} objects in a row could not be read: the run ends here")
                break
            if done.stopped:
                break
        return done

    def forget(self) -> None:
        """Let everything that begins as the address does be read again."""
        for found, _ in listed(self.listing, self.url):
            self.checkpoints.write(_stream(found.place), _name(found.place), None)

    def _one(self, place: S3Object, done: Backfilled, advance: Advance) -> str:
        try:
            took = self.objects.ingest(replace(place, region=""), advance, self._place_in, self._reached)
        except DeliveryError as error:
            return str(error)
        except StoppedError:
            done.stopped = True
            return ""
        done.summary += took.summary
        done.replaced += took.replaced
        if took.stopped:
            done.stopped = True
            return ""
        return self._finished(place, done, took)

    def _finished(self, place: S3Object, done: Backfilled, took: Ingest) -> str:
        self.checkpoints.write(_stream(place), _name(place), None, finished=True)
        done.objects += 1
        return took.problem

    def _is_read(self, place: S3Object) -> bool:
        return self.checkpoints.position(_stream(place), _name(place))[1]

    def _place_in(self, place: S3Object) -> Place:
        number, _ = self.checkpoints.position(_stream(place), _name(place))
        content, _, offset = (number or "").partition(":")
        return Place(int(content), int(offset)) if content.isdigit() and offset.isdigit() else START

    def _reached(self, place: S3Object, at: Place) -> None:
        self.checkpoints.write(_stream(place), _name(place), f"{at.content}:{at.offset}")


def _stream(place: S3Object) -> str:
    return f"s3://{place.bucket}"


def _name(place: S3Object) -> str:
    return f"{place.key}\n{place.etag}"
