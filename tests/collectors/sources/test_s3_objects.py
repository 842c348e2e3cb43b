"""Objects are collected as files are: packed in whatever way, of any size, once however often, and accounted for."""

import bz2
import contextlib
import gzip
import io
import lzma
import resource
import threading
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import orc

from collectors.collector import Collector, Summary
from collectors.envelopes.s3_event import S3Object
from collectors.from_settings import formats_from_settings, work_with
from collectors.lines import Origin
from collectors.sources.files import Place
from collectors.sources.s3_objects import MAX_REWRITES, ObjectSource
from collectors.sources.s3_ranges import PART_BYTES, Part
from firehose.delivery import Delivery, MemoryStream
from tailrace.clock import ManualClock
from tailrace.errors import PermanentError, TransientError
from tailrace.fields import AttributeRegister
from tailrace.settings import Settings
from tests.collectors.sources.s3_fakes import MemoryRanges, balanced, collector, column, payloads, place

LINES = b"".join(b"line %d of some\n" % number for number in range(50_000))
WIDE = b"".join(b"line %d of some that are long" % number + b" and longer" * 90 + b"\n" for number in range(12_000))


def source(port: Any, stream: MemoryStream | None = None, **options: Any) -> tuple[ObjectSource, MemoryStream]:
    memory, clock = stream or MemoryStream(), ManualClock()
    return ObjectSource(collector(memory, clock), clock, port, **options), memory


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.log", data[: len(data) // 2 + 7])
        archive.writestr("b.log", data[len(data) // 2 + 7 :])
    return out.getvalue()


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip of several members": lambda data: gzip.compress(data[:1_000]) + gzip.compress(data[1_000:]),
    "zlib": zlib.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}


@pytest.mark.parametrize("kind", PACKED)
def test_the_same_lines_come_of_every_packing_and_every_byte_is_counted(kind: str) -> None:
    port, read = MemoryRanges({"a": PACKED[kind](LINES)}), list[int]()
    sut, stream = source(port)
    done = sut.ingest(place("a"), read.append)
    assert done.summary == Summary(payloads=1, events=50_000)
    assert (done.problem, done.stopped, sum(read)) == ("", False, len(port.objects["a"]))
    assert column(stream, "message") == LINES.decode().splitlines()
    assert len(set(column(stream, "event_id"))) == 50_000
    assert payloads(stream) == (1, 1, 0, 0)
    assert balanced(stream)


def table(rows: int) -> Any:
    return pa.table({"version": [2] * rows, "bytes": list(range(rows)), "srcaddr": [f"10.0.0.{n % 250}" for n in range(rows)]})


def test_members_of_a_zip_and_rows_of_parquet_and_orc_are_read_by_ranges() -> None:
    parquet, stripes = io.BytesIO(), io.BytesIO()
    pq.write_table(table(30_000), parquet, row_group_size=4_000)
    orc.write_table(table(30_000), stripes)
    port = MemoryRanges({"z": zipped(LINES), "p": parquet.getvalue(), "o": stripes.getvalue()})
    for key, count in (("z", 50_000), ("p", 30_000), ("o", 30_000)):
        sut, stream = source(port)
        assert sut.ingest(place(key)).summary == Summary(payloads=1, events=count + (1 if key == "z" else 0))
        assert len(set(column(stream, "event_id"))) == len(column(stream, "event_id"))


@pytest.mark.parametrize("key", ["z", "p", "o"])
def test_a_connection_that_fails_in_a_zip_parquet_or_orc_is_no_damage(key: str) -> None:
    parquet, stripes = io.BytesIO(), io.BytesIO()
    noise = pa.table({"a": [str(hash((n, "x"))) for n in range(400_000)]})
    pq.write_table(noise, parquet, row_group_size=50_000, compression="none")
    orc.write_table(noise, stripes, compression="UNCOMPRESSED")
    bag = io.BytesIO()
    with zipfile.ZipFile(bag, "w") as archive:
        archive.writestr("a.log", "".join(f"{value}\n" for value in noise["a"].to_pylist()))
    port = MemoryRanges({"z": bag.getvalue(), "p": parquet.getvalue(), "o": stripes.getvalue()})
    port.on_get = lambda number: port.faults.append(PermanentError("access denied")) if number == 4 else None
    small = {name: data for name, data in port.objects.items() if len(data) <= 3 * 1024 * 1024}
    assert not small
    sut, stream = source(Narrow(port))
    with pytest.raises(PermanentError, match="access denied"):
        sut.ingest(place(key))
    assert payloads(stream) == (0, 0, 0, 0)


class Narrow:
    """Answers no more than 1 MiB at a time, so that a small object takes many requests."""

    def __init__(self, port: MemoryRanges) -> None:
        self._port = port

    def get(self, place: S3Object, start: int, length: int, etag: str = "") -> Part:
        return self._port.get(place, start, min(length, 1024 * 1024), etag)


def test_an_object_that_is_read_again_has_the_same_ids_and_another_version_others() -> None:
    port, found = MemoryRanges({"a": b"one\ntwo\n", "b": b"one\ntwo\n"}), list[list[str]]()
    for key, version, data in (("a", "v1", b""), ("a", "v1", b""), ("a", "v2", b""), ("b", "v1", b""), ("a", "", b""), ("a", "", b"one\ntwo\nthree\n")):
        port.objects[key] = data or port.objects[key]
        sut, stream = source(port)
        sut.ingest(place(key, version=version))
        found.append(column(stream, "event_id"))
    assert found[0] == found[1]
    assert len({one for ids in found[1:] for one in ids}) == 2 * 4 + 3


def test_where_lines_are_from_is_said_by_a_person_or_guessed_from_the_key_and_the_ledger_counts_by_bucket() -> None:
    key = "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/11/27/x.log"
    port = MemoryRanges({key: b"one\n"})
    sut, stream = source(port)
    sut.ingest(place(key))
    assert [delivery.source for delivery in stream.deliveries] == ["s3:logs", "s3:logs"]
    assert column(stream, "log_source") == [f"s3://logs/{key}"]
    assert (column(stream, "cloud_account_id"), column(stream, "service_name")) == (["123456789012"], ["elasticloadbalancing"])
    sut, stream = source(port, origin=Origin("mine", "", service="edge"))
    sut.ingest(place(key))
    assert {delivery.source for delivery in stream.deliveries} == {"mine"}
    assert (column(stream, "log_source"), column(stream, "service_name")) == (["mine"], ["edge"])


def test_a_damaged_object_gives_its_lines_before_the_damage_and_a_dead_letter_with_all_of_it() -> None:
    data = gzip.compress(LINES)[:-9]
    sut, stream = source(MemoryRanges({"a": data}))
    done = sut.ingest(place("a"))
    assert done.problem == "s3://logs/a: compressed data is truncated"
    assert done.summary.events > 40_000
    (letter,) = done.summary.dead
    assert (letter.body, letter.detail["holds"], letter.detail["bucket"], letter.detail["key"]) == (data, "object", "logs", "a")
    assert payloads(stream) == (1, 0, 0, 1)
    assert balanced(stream)


def test_a_damaged_object_of_many_parts_stays_where_it_is_and_its_letter_has_the_address() -> None:
    sut, _ = source(MemoryRanges({"a": b"PK\x03\x04" + bytes(PART_BYTES)}))
    (letter,) = sut.ingest(place("a", version="v1")).summary.dead
    assert (letter.body, letter.detail["holds"], letter.detail["version"]) == (b"", "nothing", "v1")


def test_what_cannot_be_read_raises_and_nothing_is_counted() -> None:
    sut, stream = source(MemoryRanges())
    with pytest.raises(PermanentError, match="is not there"):
        sut.ingest(place("a"))
    assert not stream.deliveries


def test_an_object_that_is_written_anew_while_it_is_read_is_begun_again() -> None:
    port = MemoryRanges({"a": WIDE})
    port.on_get = lambda number: port.objects.update(a=b"new\n") if number == 2 else None
    sut, stream = source(port)
    assert sut.ingest(place("a")).summary == Summary(payloads=1, events=1)
    assert column(stream, "message")[-1] == "new"
    assert payloads(stream) == (1, 1, 0, 0)
    port = MemoryRanges({"a": WIDE})
    port.on_get = lambda number: port.objects.update(a=port.objects["a"] + b"more\n")
    with pytest.raises(TransientError, match="written anew"):
        source(port)[0].ingest(place("a"))
    assert len(port.asked) == 2 * MAX_REWRITES


def test_an_object_without_bytes_is_read_to_its_end() -> None:
    sut, stream = source(MemoryRanges({"folder/": b""}))
    assert sut.ingest(place("folder/")).summary == Summary(payloads=1)
    assert payloads(stream) == (1, 1, 0, 0)


class StoppingAt(MemoryStream):
    """Sets an event at the n-th delivery, or raises there as if the process had ended."""

    def __init__(self, at: int, stop: threading.Event | None = None) -> None:
        super().__init__()
        self._left, self._stop = at, stop

    def put(self, delivery: Delivery) -> None:
        self._left -= 1
        if self._left < 0:
            if self._stop is None:
                raise KeyboardInterrupt
            self._stop.set()
        super().put(delivery)


@pytest.mark.parametrize("kind", [*PACKED, "zip"])
def test_reading_goes_on_where_it_ended_and_nothing_is_lost_or_twice(kind: str) -> None:
    data = (PACKED | {"zip": zipped})[kind](WIDE)
    port, marks, taken = MemoryRanges({"a": data}), list[Place]([Place()]), list[str]()
    for at in (1, 2, 0, 100):
        sut, stream = source(port, StoppingAt(at))
        with contextlib.suppress(KeyboardInterrupt):
            sut.ingest(place("a"), after=lambda _: marks[-1], reached=lambda _, mark: marks.append(mark))
        taken += column(stream, "event_id")
    sut, stream = source(port)
    sut.ingest(place("a"))
    assert taken == column(stream, "event_id")
    assert marks == sorted(set(marks))


def test_a_stop_is_said_and_the_object_is_not_counted_as_read() -> None:
    stop = threading.Event()
    stream = StoppingAt(0, stop)
    done = source(MemoryRanges({"a": WIDE}), stream, stop=stop)[0].ingest(place("a"))
    assert done.stopped
    assert payloads(stream) == (0, 0, 0, 0)


def test_a_header_is_known_to_lines_that_are_read_after_a_start_in_the_middle() -> None:
    register = AttributeRegister()
    head = b"version account-id interface-id srcaddr dstaddr bytes\n"
    data = head + b"".join(b"2 123456789012 eni-1 10.0.0.1 10.0.0.2 %d\n" % number for number in range(60_000))
    port, marks, stream, clock = MemoryRanges({"flow": data}), list[Place](), MemoryStream(), ManualClock()
    formats = formats_from_settings(Settings())
    whole = Collector(stream, work_with(formats, register), register, clock)
    ObjectSource(whole, clock, port, origin=Origin("", "", format="aws.vpc_flow")).ingest(place("flow"), reached=lambda _, mark: marks.append(mark))
    assert len(marks) > 1
    again = MemoryStream()
    other = MemoryRanges({"copy": data})
    part = Collector(again, work_with(formats, register), register, clock)
    ObjectSource(part, clock, other, origin=Origin("", "", format="aws.vpc_flow")).ingest(place("copy"), after=lambda _: marks[0])
    assert column(again, "network_bytes") == column(stream, "network_bytes")[-len(column(again, "network_bytes")) :]
    assert set(column(again, "parse_status")) == {"parsed"}


@given(data=st.binary(max_size=300), packed=st.booleans(), cut=st.integers(0, 20), reset=st.sampled_from([0, 1, 2]))
def test_whatever_an_object_holds_lines_and_a_dead_letter_account_for_it(data: bytes, reset: int, cut: int, *, packed: bool) -> None:
    whole = gzip.compress(data) if packed else data
    port = MemoryRanges({"a": whole[: len(whole) - cut]}, faults=[TransientError("reset")] * reset)
    sut, stream = source(port)
    done = sut.ingest(place("a"))
    assert bool(done.problem) == bool(done.summary.dead)
    assert payloads(stream) == (1, 1 - len(done.summary.dead), 0, len(done.summary.dead))
    assert balanced(stream)
    assert len(column(stream, "message")) == done.summary.events


class Generated:
    """An object of many bytes that are made when they are asked for."""

    LINE = b"2026-11-27T10:00:00Z INFO a line of a large object" + b" and some more of it" * 50 + b"\n"

    def __init__(self, size: int) -> None:
        self.size = size // len(self.LINE) * len(self.LINE)
        self._block = self.LINE * (2 * PART_BYTES // len(self.LINE))

    def get(self, place: S3Object, start: int, length: int, etag: str = "") -> Part:
        at = start % len(self.LINE)
        return Part(self._block[at : at + min(length, self.size - start)], self.size, "e")


class Forgetful(MemoryStream):
    """Counts rows and keeps none."""

    rows = 0

    def put(self, delivery: Delivery) -> None:
        self.rows += sum(each.num_rows for each in delivery.tables.values())


def test_300_mb_are_read_in_the_memory_of_a_few_parts() -> None:
    port, stream = Generated(300_000_000), Forgetful()
    clock = ManualClock()
    sut = ObjectSource(collector(stream, clock), clock, Generated(30_000_000))
    sut.ingest(place("warm"))
    before_kib, stream.rows = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    ObjectSource(collector(stream, clock), clock, port).ingest(place("big"))
    assert stream.rows == port.size // len(Generated.LINE)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 60 * 1024
