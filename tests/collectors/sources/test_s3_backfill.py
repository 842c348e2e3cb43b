"""A bucket is read once, however often a run ends, and what is not of the time is left alone."""

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from collectors.envelopes.s3_event import S3Object
from collectors.sources.checkpoints import Checkpoints
from collectors.sources.s3_backfill import MAX_FAILED, S3Backfill, Size
from collectors.sources.s3_clients import Clients
from collectors.sources.s3_listing import Boto3Listing, Found, listed
from collectors.sources.s3_objects import ObjectSource
from firehose.delivery import Delivery, MemoryStream
from tailrace import aws
from tailrace.clock import ManualClock, from_datetime
from tailrace.errors import PermanentError, TransientError, UsageError
from tailrace.settings import Settings
from tests.collectors.sources.s3_fakes import MemoryRanges, collector, column

NOVEMBER = from_datetime(datetime(2026, 11, 1, tzinfo=UTC))
DECEMBER = from_datetime(datetime(2026, 12, 1, tzinfo=UTC))
WIDE = b"".join(b"%d" % number + b" word" * 2_000 + b"\n" for number in range(600))

RUN_LINES = 300
"""More lines of ``WIDE`` than one run of them has."""


@dataclass
class MemoryBucket(MemoryRanges):
    """A bucket that can be listed, two objects a page."""

    modified_us: dict[str, int] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)

    def page(self, bucket: str, prefix: str, token: str = "") -> tuple[Sequence[Found], str]:
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > token)
        return [self._found(bucket, key) for key in keys[:2]], keys[1] if len(keys) > 2 else ""

    def _found(self, bucket: str, key: str) -> Found:
        etag = hashlib.md5(self.objects[key], usedforsecurity=False).hexdigest()
        return Found(S3Object(bucket, key, etag=etag, size=len(self.objects[key])), self.modified_us.get(key, DECEMBER))

    def get(self, place: S3Object, start: int, length: int, etag: str = "") -> Any:
        if place.key in self.denied:
            raise PermanentError(f"{place.url}: access denied")
        return super().get(place, start, length, etag)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Iterator[Checkpoints]:
    opened = Checkpoints(tmp_path / "backfill.sqlite")
    yield opened
    opened.close()


def backfill(bucket: MemoryBucket, checkpoints: Checkpoints, stream: MemoryStream, url: str = "s3://logs/", **more: Any) -> S3Backfill:
    clock, stop = ManualClock(), more.pop("stop", None)
    objects = ObjectSource(collector(stream, clock), clock, bucket, stop=stop, patience_s=0)
    return S3Backfill(bucket, objects, checkpoints, url, **more)


def of(*keys: str) -> MemoryBucket:
    return MemoryBucket({key: f"line of {key}\n".encode() for key in keys})


def test_objects_are_read_in_the_order_of_their_keys_and_once(checkpoints: Checkpoints) -> None:
    stream, bucket = MemoryStream(), of("b", "a", "d", "c", "e")
    done = backfill(bucket, checkpoints, stream).run()
    assert column(stream, "message") == [f"line of {key}" for key in "abcde"]
    assert (done.objects, done.before, done.skipped, done.summary.events, done.problems, done.stopped) == (5, 0, 0, 5, [], False)
    bucket.objects |= {"aa": b"new\n", "c": b"another\n"}
    done = backfill(bucket, checkpoints, stream).run()
    assert (done.objects, done.before) == (2, 4)
    assert column(stream, "message")[5:] == ["new", "another"]
    sut = backfill(bucket, checkpoints, stream, "s3://logs/a")
    sut.forget()
    assert sut.run().objects == 1


def test_a_prefix_is_what_keys_begin_with_and_a_whole_key_is_one_object() -> None:
    bucket = of("x/a", "x/ab", "x/b", "y")
    for url, keys in (("s3://logs", ["x/a", "x/ab", "x/b", "y"]), ("s3://logs/x/", ["x/a", "x/ab", "x/b"]), ("s3://logs/x/a", ["x/a"]), ("s3://logs/z", [])):
        assert [found.place.key for found, _ in listed(bucket, url)] == keys
    for url in ("logs", "s3://", "s3:///x"):
        with pytest.raises(UsageError, match="no bucket is named"):
            next(listed(bucket, url))


def test_what_can_hold_nothing_of_the_time_is_left_alone_and_counted(checkpoints: Checkpoints) -> None:
    bucket, stream = of("2026/10/31/a", "2026/11/01/a", "2026/11/30/a", "2026/12/02/a", "undated", "old"), MemoryStream()
    bucket.modified_us["old"] = NOVEMBER - 1
    sut = backfill(bucket, checkpoints, stream, from_us=NOVEMBER, to_us=DECEMBER)
    assert sut.size() == Size(4, sum(len(bucket.objects[key]) for key in ("2026/10/31/a", "2026/11/01/a", "2026/11/30/a", "undated")))
    done = sut.run()
    assert (done.objects, done.skipped) == (4, 2)
    assert sut.size() == Size(0, 0)


def test_an_object_that_cannot_be_read_is_told_and_tried_by_the_next_run(checkpoints: Checkpoints) -> None:
    bucket, stream = of("a", "b", "c"), MemoryStream()
    bucket.denied = {"b"}
    done = backfill(bucket, checkpoints, stream).run()
    assert (done.objects, done.problems) == (2, ["s3://logs/b: access denied"])
    bucket.denied = set()
    done = backfill(bucket, checkpoints, stream).run()
    assert (done.objects, done.before, done.problems) == (1, 2, [])
    assert sorted(column(stream, "message")) == ["line of a", "line of b", "line of c"]


def test_a_damaged_object_is_a_dead_letter_and_is_not_read_again(checkpoints: Checkpoints) -> None:
    bucket, stream = MemoryBucket({"a": b"\x1f\x8b\x08damage"}), MemoryStream()
    done = backfill(bucket, checkpoints, stream).run()
    assert len(done.summary.dead) == len(done.problems) == 1
    assert backfill(bucket, checkpoints, stream).run().before == 1


def test_a_run_in_which_nothing_can_be_read_ends(checkpoints: Checkpoints) -> None:
    bucket = of(*(f"{number:03}" for number in range(100)))
    bucket.denied = set(bucket.objects)
    done = backfill(bucket, checkpoints, MemoryStream()).run()
    assert len(done.problems) == MAX_FAILED + 1
    assert "the run ends here" in done.problems[-1]


class Dying(MemoryStream):
    """Ends the process at the n-th delivery, before or after it is taken."""

    def __init__(self, at: int, *, after: bool) -> None:
        super().__init__()
        self._left, self._after = at, after

    def put(self, delivery: Delivery) -> None:
        self._left -= 1
        if self._left < 0 and not self._after:
            raise KeyboardInterrupt
        super().put(delivery)
        if self._left < 0:
            raise KeyboardInterrupt


@example(ends=[(0, True), (1, False), (2, True)])
@hypothesis_settings(max_examples=15)
@given(ends=st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=5))
def test_wherever_a_run_is_killed_the_next_goes_on_and_only_what_was_at_hand_can_come_twice(
    tmp_path_factory: pytest.TempPathFactory, ends: list[tuple[int, bool]]
) -> None:
    bucket, ids = MemoryBucket({"a": WIDE, "b": b"one\n", "c": WIDE[::-1]}), list[list[str]]()
    kept = Checkpoints(tmp_path_factory.mktemp("b") / "backfill.sqlite")
    for at, after in ends:
        stream = Dying(at, after=after)
        with contextlib.suppress(KeyboardInterrupt):
            backfill(bucket, kept, stream).run()
        ids.append(column(stream, "event_id"))
    last = MemoryStream()
    backfill(bucket, kept, last).run()
    ids.append(column(last, "event_id"))
    kept.close()
    every = [one for run in ids for one in run]
    fresh = MemoryStream()
    whole = Checkpoints(tmp_path_factory.mktemp("w") / "backfill.sqlite")
    backfill(bucket, whole, fresh).run()
    whole.close()
    assert set(every) == set(column(fresh, "event_id"))
    assert len(every) - len(set(every)) <= RUN_LINES * sum(after for _, after in ends)


def test_a_stop_is_said_and_the_next_run_goes_on(checkpoints: Checkpoints) -> None:
    bucket, stop, stream = MemoryBucket({"a": WIDE, "b": b"one\n"}), threading.Event(), MemoryStream()
    stop.set()
    done = backfill(bucket, checkpoints, stream, stop=stop).run()
    assert (done.stopped, done.objects) == (True, 0)
    assert backfill(bucket, checkpoints, stream).run().objects == 2
    assert len(column(stream, "message")) == len(set(column(stream, "event_id"))) == 601


class Full(MemoryStream):
    """Takes nothing."""

    def put(self, delivery: Delivery) -> None:
        raise TransientError("the spool is full")


def test_a_full_spool_is_a_problem_and_nothing_is_marked_as_read(checkpoints: Checkpoints) -> None:
    bucket = of("a")
    assert backfill(bucket, checkpoints, Full()).run().problems == ["the spool is full"]
    stop = threading.Event()
    stop.set()
    assert backfill(bucket, checkpoints, Full(), stop=stop).run().stopped
    assert backfill(bucket, checkpoints, MemoryStream()).run().objects == 1


def test_through_boto3_all_pages_are_listed_and_refusals_are_sentences(moto: Settings) -> None:
    s3 = aws.client("s3", moto)
    s3.create_bucket(Bucket="logs")
    for number in range(12):
        s3.put_object(Bucket="logs", Key=f"x/{number:05} é+", Body=b"x")
    port = Boto3Listing(Clients(lambda _: s3, "us-east-1"), 5)
    found = [one for one, _ in listed(port, "s3://logs/x/")]
    assert [one.place.key for one in found] == [f"x/{number:05} é+" for number in range(12)]
    assert {(one.place.size, len(one.place.etag)) for one in found} == {(1, 32)}
    with pytest.raises(PermanentError, match="is its name right"):
        next(listed(port, "s3://none/"))
