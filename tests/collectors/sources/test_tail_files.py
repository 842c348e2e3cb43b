"""A file that grows is taken line by line, once, whatever happens to its name, and whole events are put."""

import gzip
import os
import shutil
from pathlib import Path

import pytest

from collectors.collector import Collector
from collectors.sources.tail_files import EVENT_WAIT_S, IDLE_S, LEFT_S, LINE_WAIT_S, SCAN_EVERY_S, SETTLE_S, TailFiles
from collectors.sources.tail_positions import Positions
from collectors.steps import Work
from firehose.delivery import Delivery, MemoryStream
from tailrace.clock import ManualClock
from tailrace.errors import StateError, TransientError
from tailrace.fields import AttributeRegister
from tests.collectors.sources.test_files import Rows


class Place:
    """A folder, a follower of ``app.log*`` in it, and what was put; ids that were there before are left out, as a spool does."""

    def __init__(self, folder: Path, pattern: str = "app.log*") -> None:
        self.folder, self.pattern = folder / "logs", pattern
        self.folder.mkdir()
        self.state = folder / "home" / "tail.json"
        self.log = self.folder / "app.log"
        self.stream, self.clock = MemoryStream(), ManualClock()
        self.start()

    def start(self) -> None:
        """Begin anew, as after a kill: nothing is closed or written."""
        collector = Collector(self.stream, Work(Rows), AttributeRegister(), self.clock)
        self.sut = TailFiles(collector, [str(self.folder / self.pattern)], Positions(self.state), self.clock)

    def add(self, text: str | bytes, path: Path | None = None) -> None:
        with (path or self.log).open("ab") as file:
            file.write(text.encode() if isinstance(text, str) else text)

    def pass_s(self, seconds: float) -> None:
        """Let time pass as the thread would see it."""
        for _ in range(int(seconds / SCAN_EVERY_S) + 1):
            while self.sut.poll():
                pass
            self.clock.sleep(SCAN_EVERY_S)
        while self.sut.poll():
            pass

    @property
    def put(self) -> list[tuple[str, str]]:
        """Ids and messages of all rows."""
        tables = [delivery.tables["logs"] for delivery in self.stream.deliveries if "logs" in delivery.tables]
        return [(str(row["event_id"]), str(row["message"])) for table in tables for row in table.select(["event_id", "message"]).to_pylist()]

    @property
    def messages(self) -> list[str]:
        """What was put, each event once."""
        return list(dict(reversed(self.put)).values())[::-1]

    @property
    def sources(self) -> set[str]:
        return {delivery.source.rpartition("/")[2] for delivery in self.stream.deliveries}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def lines(first: int, count: int) -> str:
    return "".join(f"line {number}\n" for number in range(first, first + count))


def numbers(first: int, count: int) -> list[str]:
    return [f"line {number}" for number in range(first, first + count)]


def test_lines_are_put_as_they_are_written_and_the_last_one_after_a_moment(place: Place) -> None:
    place.add(lines(0, 3))
    place.sut.poll()
    assert place.messages == numbers(0, 2)
    place.sut.poll()
    place.clock.sleep(EVENT_WAIT_S)
    place.sut.poll()
    assert place.messages == numbers(0, 3)
    place.add(lines(3, 2))
    place.pass_s(EVENT_WAIT_S)
    assert [message for _, message in place.put] == numbers(0, 5)
    assert place.sources == {"app.log"}


def test_a_line_without_its_end_waits_for_it_up_to_a_limit(place: Place) -> None:
    place.add("begun")
    place.pass_s(2)
    assert place.messages == []
    place.add(" and ended\nnext")
    place.pass_s(2)
    assert place.messages == ["begun and ended"]
    place.pass_s(LINE_WAIT_S)
    assert place.messages == ["begun and ended", "next"]


def test_an_event_of_several_lines_is_put_whole_however_it_is_written(place: Place) -> None:
    place.add("ERROR it broke\nTraceback (most recent call last):\n")
    place.sut.poll()
    place.add('  File "x.py", line 1\n')
    place.sut.poll()
    assert place.messages == []
    place.add("ValueError: boom\nINFO on we go\n")
    place.sut.poll()
    assert place.messages == ['ERROR it broke\nTraceback (most recent call last):\n  File "x.py", line 1\nValueError: boom']
    place.add("  at last\n")
    place.pass_s(EVENT_WAIT_S)
    assert place.messages[1:] == ["INFO on we go\n  at last"]


def test_a_renamed_file_is_read_to_its_end_also_where_no_pattern_leads_to_it(tmp_path: Path) -> None:
    place = Place(tmp_path, "app.log")
    place.add(lines(0, 3))
    place.pass_s(1)
    old = place.folder / "app.log.1"
    with place.log.open("ab") as writer:
        place.log.rename(old)
        place.add(lines(10, 2))
        place.pass_s(1)
        writer.write(lines(3, 2).encode())
    place.pass_s(3)
    assert sorted(place.messages) == sorted([*numbers(0, 5), *numbers(10, 2)])
    assert len(place.put) == 7


def test_a_file_that_was_rotated_while_nobody_looked_is_read_on(tmp_path: Path) -> None:
    place = Place(tmp_path, "app.log")
    place.add(lines(0, 3))
    place.pass_s(1)
    place.add(lines(3, 2))
    place.log.rename(place.folder / "app-2026.old")
    place.add(lines(10, 2))
    place.start()
    place.pass_s(3)
    assert sorted(place.messages) == sorted([*numbers(0, 5), *numbers(10, 2)])
    assert len(place.put) == 7


def test_a_file_that_is_copied_and_truncated_is_read_on_in_the_copy_and_anew(place: Place) -> None:
    place.add(lines(0, 3))
    place.pass_s(1)
    place.add(lines(3, 2))
    shutil.copy(place.log, place.folder / "app.log.1")
    os.truncate(place.log, 0)
    place.add("line 0\nother\n")
    place.pass_s(SETTLE_S + 2)
    assert sorted(place.messages) == sorted([*numbers(0, 5), "line 0", "other"])
    assert len(place.put) == 7


def test_a_copy_that_is_seen_before_the_file_is_truncated_waits(place: Place) -> None:
    place.add(lines(0, 3))
    place.pass_s(1)
    shutil.copy(place.log, place.folder / "app.log.1")
    place.pass_s(2)
    os.truncate(place.log, 0)
    place.add(lines(20, 1))
    place.pass_s(SETTLE_S + 2)
    assert [message for _, message in place.put] == [*numbers(0, 3), *numbers(20, 1)]


def test_a_file_that_is_truncated_or_written_anew_is_read_from_its_start(place: Place) -> None:
    place.add(lines(0, 3))
    place.pass_s(1)
    place.log.write_text(lines(0, 2))
    place.pass_s(2)
    place.log.write_text(lines(50, 30))
    place.pass_s(2)
    assert place.messages == [*numbers(0, 3), *numbers(0, 2), *numbers(50, 30)]


def test_what_is_written_to_a_deleted_file_is_read(place: Place) -> None:
    place.add(lines(0, 2))
    place.pass_s(1)
    with place.log.open("ab") as writer:
        place.log.unlink()
        writer.write(b"line 2\nlast")
    place.pass_s(LEFT_S)
    place.add(lines(0, 1))
    place.pass_s(2)
    assert place.messages == [*numbers(0, 3), "last", "line 0"]


def test_archives_are_taken_once_and_only_what_was_not_read_before(place: Place) -> None:
    place.add(lines(0, 3))
    place.pass_s(1)
    place.add(lines(3, 400))
    (place.folder / "app.log.1.gz").write_bytes(gzip.compress(place.log.read_bytes()))
    (place.folder / "app.log.2.gz").write_bytes(gzip.compress(b"older\nstill"))
    place.log.unlink()
    place.start()
    place.pass_s(SETTLE_S + 3)
    place.start()
    place.pass_s(SETTLE_S + 3)
    assert sorted(message for _, message in place.put) == sorted([*numbers(0, 403), "older", "still"])
    (place.folder / "app.log.2.gz").rename(place.folder / "app.log.3.gz")
    place.pass_s(SETTLE_S + 3)
    assert len(place.put) == 405


def test_a_damaged_archive_gives_its_lines_before_the_damage_and_one_dead_letter(place: Place) -> None:
    whole = gzip.compress(os.urandom(3_000).hex().encode().replace(b"0", b"\n"))
    (place.folder / "app.log.1.gz").write_bytes(whole[:-300])
    place.pass_s(SETTLE_S + 3)
    place.start()
    place.pass_s(SETTLE_S + 3)
    (letter,) = [letter for delivery in place.stream.deliveries for letter in delivery.dead]
    assert ("truncated" in letter.reason, letter.body) == (True, whole[:-300])
    assert len(place.put) > 100


def test_lists_of_records_and_what_is_no_log_are_taken_whole(place: Place) -> None:
    (place.folder / "app.log.json").write_bytes(b'{"Records":[{"a":1},{"a":2}]}')
    (place.folder / "app.log.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    place.pass_s(SETTLE_S + 2)
    place.start()
    place.pass_s(SETTLE_S + 2)
    assert place.messages == ['{"a":1}', '{"a":2}']
    assert [letter.reason[:6] for delivery in place.stream.deliveries for letter in delivery.dead] == ["is PNG"]


def test_equal_files_are_different_files(place: Place) -> None:
    for name in ("app.log", "app.log.other", "app.log2"):
        place.add("started\nready\n", place.folder / name)
    place.pass_s(SETTLE_S + 3)
    assert sorted(message for _, message in place.put) == ["ready"] * 3 + ["started"] * 3
    assert len({identity for identity, _ in place.put}) == 6


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_an_idle_file_is_closed_and_read_on_when_it_grows(place: Place) -> None:
    place.add(lines(0, 2))
    place.pass_s(IDLE_S + 3)
    opened = open_files()
    place.pass_s(3)
    assert open_files() == opened
    place.add(lines(2, 1))
    place.pass_s(3)
    assert [message for _, message in place.put] == numbers(0, 3)


class Stopping(MemoryStream):
    """Takes so many deliveries, and then nothing more; what it took last is not acknowledged."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    def put(self, delivery: Delivery) -> None:
        if self.left <= 0:
            raise KeyboardInterrupt
        self.left -= 1
        super().put(delivery)
        if not self.left:
            raise KeyboardInterrupt


def write_and_follow(place: Place, times: int) -> None:
    for number in range(times):
        place.pass_s(2)
        place.add(f"  at {number}\n" if number % 2 else lines(number, 2))


@pytest.mark.parametrize("left", range(1, 6))
def test_what_was_put_and_not_acknowledged_is_put_again_as_the_same_events(tmp_path: Path, left: int) -> None:
    place = Place(tmp_path)
    stream = place.stream = Stopping(left)
    place.start()
    place.add("ERROR it broke\n")
    with pytest.raises(KeyboardInterrupt):
        write_and_follow(place, 8)
    before = dict(place.put)
    stream.left = 1_000
    place.add("  at the end\nINFO done\n")
    place.start()
    place.pass_s(3)
    assert {identity: message for identity, message in place.put if identity in before} == before
    assert "\n".join(place.messages).splitlines() == place.log.read_text().splitlines()


def test_a_line_of_any_length_and_bytes_of_any_kind_pass(place: Place) -> None:
    place.add(b"x" * 5_000_000 + b"\n\xff\x00odd\r\n\n\nend\n")
    place.pass_s(2)
    assert place.messages == ["x" * 5_000_000, "\ufffd\x00odd", "end"]
    assert sum(count.dropped.get("empty-line", 0) for delivery in place.stream.deliveries for count in delivery.counts) == 2


def test_a_stream_that_is_full_for_a_while_loses_nothing(place: Place) -> None:
    class Full(MemoryStream):
        refusals = 5

        def put(self, delivery: Delivery) -> None:
            self.refusals -= 1
            if self.refusals >= 0:
                raise TransientError("the spool is full")
            super().put(delivery)

    place.stream = Full()
    place.start()
    place.add(lines(0, 3))
    place.pass_s(2)
    assert place.messages == numbers(0, 3)


def test_positions_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    path = tmp_path / "tail.json"
    path.write_text("{")
    with pytest.raises(StateError, match="not the positions"):
        Positions(path)


def test_hidden_files_and_folders_are_not_followed(place: Place) -> None:
    place.pattern = "**/*"
    place.start()
    for name in (".hidden", ".git/log", "sub/deep/x.log"):
        (place.folder / name).parent.mkdir(parents=True, exist_ok=True)
        place.add(f"{name}\n", place.folder / name)
    place.pass_s(2)
    assert place.messages == ["sub/deep/x.log"]
