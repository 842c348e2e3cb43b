"""Every line of a file is collected, with an id that is the same when the file is ingested again."""

import gzip
import io
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.collector import Collector, Summary
from collectors.lines import Lines, Origin
from collectors.sources import text_lines
from collectors.sources.files import LineSource, find_files
from collectors.sources.patience import StoppedError
from collectors.sources.stdin import ingest_stdin
from collectors.sources.text_lines import Run, runs
from collectors.steps import Work
from firehose.delivery import Delivery, MemoryStream
from tailrace.clock import ManualClock
from tailrace.errors import TransientError, UsageError
from tailrace.fields import AttributeRegister
from tailrace.forms import arrow_schema

ORIGIN = Origin("file:x", "file")


class Rows:
    """A row a line, with nothing but id, time, message and source."""

    def __init__(self, lines: Lines) -> None:
        columns: dict[str, Any] = {
            "event_id": lines.event_id,
            "event_time": pa.array([lines.received_us] * len(lines), pa.timestamp("us")),
            "message": lines.text,
            "log_source": pa.array([lines.origin.source] * len(lines)),
        }
        schema = arrow_schema("logs")
        self.logs = pa.table([columns[f.name] if f.name in columns else pa.nulls(len(lines), f.type) for f in schema], schema=schema)
        self.metrics = arrow_schema("metrics").empty_table()
        self.joined = 0


def source(stream: Any = None, **options: Any) -> tuple[LineSource, MemoryStream]:
    memory, clock = stream or MemoryStream(), ManualClock()
    return LineSource(Collector(memory, Work(Rows), AttributeRegister(), clock), clock, **options), memory


def messages(stream: MemoryStream) -> list[Any]:
    return [text for delivery in stream.deliveries for text in delivery.tables["logs"]["message"].to_pylist()]


def ids(stream: MemoryStream) -> list[Any]:
    return [text for delivery in stream.deliveries for text in (delivery.tables["logs"]["event_id"].to_pylist() if "logs" in delivery.tables else [])]


def read(blocks: Sequence[bytes]) -> list[Run]:
    return list(runs(blocks, ORIGIN, "name", 7))


def texts(found: Sequence[Run]) -> list[Any]:
    return [text for run in found for text in run.lines.text.to_pylist()]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", []),
        (b"a", ["a"]),
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\nb", ["a", "b"]),
        (b"\r\n\n a \n\nb\r", [" a ", "b"]),
        (b"a\rb\n", ["a\rb"]),
        ("é\n\u2028\n".encode(), ["é", "\u2028"]),
        (b"a\0b\x1b[31m\n", ["a\0b\x1b[31m"]),
    ],
)
def test_a_line_ends_with_a_line_feed_and_a_carriage_return_before_it_is_part_of_the_end(data: bytes, lines: list[str]) -> None:
    assert texts(read([data])) == lines


@given(data=st.lists(st.sampled_from([b"a", b"bb", b"\n", b"\r\n", b"\xff", "é".encode(), b""]), max_size=40), cut=st.integers(1, 9))
def test_lines_are_those_of_python_however_the_blocks_are_cut(data: list[bytes], cut: int) -> None:
    whole = b"".join(data)
    pieces = [piece.removesuffix(b"\r") for piece in whole.split(b"\n")]
    pieces = pieces[:-1] if pieces[-1] == b"" and not whole.endswith(b"\r") else pieces
    kept = [piece.decode("utf-8", "replace") for piece in pieces if piece]
    found = read([whole[at : at + cut] for at in range(0, len(whole), cut)])
    assert texts(found) == kept
    assert sum(run.empty for run in found) == len(pieces) - len(kept)
    assert sum(run.replaced for run in found) == sum("\ufffd" in text for text in kept)


def test_long_streams_come_in_several_runs_with_ids_of_their_own() -> None:
    found = read([b"x" * 99 + b"\n"] * 60_000)
    assert len(found) > 1
    assert sum(len(run.lines) for run in found) == 60_000
    assert len({name for run in found for name in run.lines.event_id.to_pylist()}) == 60_000


def test_a_line_without_end_is_cut_and_nothing_of_it_is_lost() -> None:
    size = text_lines.MAX_LINE_BYTES + 1_000_000
    found = read([b"y" * 1_000_000] * (size // 1_000_000) + [b"y" * (size % 1_000_000)])
    assert len(texts(found)) == 2
    assert sum(map(len, texts(found))) == size


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_collected_and_accounted_for(tmp_path: Path, *, packed: bool) -> None:
    data = b"one\r\n\ntwo\nth\xffree"
    path = tmp_path / "app.log"
    path.write_bytes(gzip.compress(data[:7]) + gzip.compress(data[7:]) if packed else data)
    sut, stream = source()
    read_bytes: list[int] = []
    done = sut.ingest_file(path, read_bytes.append)
    assert done.summary == Summary(events=3, dropped=1)
    assert (done.replaced, done.problem, sum(read_bytes)) == (1, "", path.stat().st_size)
    assert messages(stream) == ["one", "two", "th\ufffdree"]
    assert stream.deliveries[0].source == f"file:{path}"
    assert stream.deliveries[0].counts[0].dropped == {"empty-line": 1}
    assert stream.deliveries[0].counts[0].balanced


def test_ids_are_the_same_again_while_the_file_grows_and_by_whatever_path(tmp_path: Path) -> None:
    path, link = tmp_path / "app.log", tmp_path / "link.log"
    path.write_bytes(b"same\nsame\nlast")
    link.symlink_to(path)
    sut, stream = source()
    sut.ingest_file(path)
    first = ids(stream)
    assert len(set(first)) == 3
    path.write_bytes(b"same\nsame\nlast\nnew\n")
    sut, stream = source()
    sut.ingest_file(link)
    assert ids(stream)[:3] == first


def test_a_line_that_took_anothers_place_is_another_event(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    sut, stream = source()
    for text in (b"aaa\nbbb\n", b"aaa\nccc\n"):
        path.write_bytes(text)
        sut.ingest_file(path)
    assert len(set(ids(stream))) == 3
    other = tmp_path / "other.log"
    other.write_bytes(b"aaa\n")
    sut.ingest_file(other)
    assert len(set(ids(stream))) == 4


def test_a_damaged_file_gives_its_lines_before_the_damage_and_a_dead_letter_with_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "app.log.gz"
    whole = gzip.compress(os.urandom(3_000).hex().encode().replace(b"0", b"\n"))
    path.write_bytes(whole[:-300])
    sut, stream = source()
    done = sut.ingest_file(path)
    assert "truncated" in done.problem
    assert done.summary.events > 100
    letter = stream.deliveries[-1].dead[0]
    assert (letter.body, letter.detail["path"]) == (whole[:-300], str(path))
    assert done.summary.dead == (letter,)
    known = ids(stream)
    again = sut.replay(letter)
    assert (again.events, [one.reason for one in again.dead], ids(stream)) == (done.summary.events, [letter.reason], known * 2)
    mended = replace(letter, body=whole)
    assert sut.replay(mended).dead == ()
    assert ids(stream)[2 * len(known) :][: len(known) - 1] == known[:-1]


@pytest.mark.parametrize(
    ("head", "name"), [(b"BZh9", "bzip2"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"PK\x03\x04", "zip"), (b"PAR1", "Parquet"), (b"\xff\xd8\xff\xe0", "JPEG")]
)
def test_a_file_of_another_kind_is_not_taken_for_text(tmp_path: Path, head: bytes, name: str) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(head + b"rest")
    sut, stream = source()
    assert name in sut.ingest_file(path).problem
    assert stream.deliveries[0].dead[0].body == head + b"rest"


def test_a_file_that_cannot_be_read_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    assert "cannot be read" in source()[0].ingest_file(tmp_path / "none").problem


def test_folders_are_walked_in_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b/2.log", "a.log", "b/1.log", ".hidden", ".git/x", "b/.tmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    found = find_files([tmp_path, tmp_path / "a.log"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a.log", "b/1.log", "b/2.log"]
    assert find_files([tmp_path / ".hidden"]) == [tmp_path / ".hidden"]
    with pytest.raises(UsageError, match="no such file or folder"):
        find_files([tmp_path / "none"])


def test_the_same_lines_piped_twice_are_different_events() -> None:
    sut, stream = source()
    for run_id in ("1", "2"):
        assert ingest_stdin(sut, io.BytesIO(b"a\nb\n"), run_id, Origin("", "", format="x")).summary == Summary(events=2)
    assert len(set(ids(stream))) == 4
    assert stream.deliveries[0].source == "stdin"


class FullStream(MemoryStream):
    """Takes nothing the first times."""

    def __init__(self, refusals: int) -> None:
        super().__init__()
        self.refusals = refusals

    def put(self, delivery: Delivery) -> None:
        self.refusals -= 1
        if self.refusals >= 0:
            raise TransientError("the spool is full")
        super().put(delivery)


def test_a_full_stream_is_waited_for_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"a\n")
    sut, stream = source(FullStream(4))
    assert sut.ingest_file(path).summary == Summary(events=1)
    assert messages(stream) == ["a"]
    with pytest.raises(TransientError):
        source(FullStream(1_000), patience_s=60)[0].ingest_file(path)


def test_a_stop_ends_the_run_after_the_lines_at_hand(tmp_path: Path) -> None:
    path, stop = tmp_path / "app.log", threading.Event()
    path.write_bytes(b"x" * 99 + b"\n" + b"y" * 4_000_000 + b"\n" + b"z\n")
    stop.set()
    sut, stream = source(stop=stop)
    assert sut.ingest_file(path).summary.events < 3
    with pytest.raises(StoppedError):
        source(FullStream(3), stop=stop)[0].ingest_file(path)
    assert stream.deliveries


@given(data=st.binary(max_size=400), packed=st.booleans(), cut=st.integers(0, 30))
def test_whatever_a_file_holds_lines_and_a_dead_letter_account_for_it(tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int, *, packed: bool) -> None:
    path = tmp_path_factory.mktemp("f") / "app.log"
    whole = gzip.compress(data) if packed else data
    path.write_bytes(whole[: len(whole) - cut])
    sut, stream = source()
    done = sut.ingest_file(path)
    assert bool(done.problem) == bool(done.summary.dead)
    assert all(count.balanced for delivery in stream.deliveries for count in delivery.counts)
    assert len(messages_or_none(stream)) == done.summary.events


def messages_or_none(stream: MemoryStream) -> list[Any]:
    return [text for delivery in stream.deliveries if "logs" in delivery.tables for text in delivery.tables["logs"]["message"].to_pylist()]
