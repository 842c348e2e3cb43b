"""Events that payloads cut are whole again, wherever they were cut; what is held is never lost, and never waited for long."""

import gzip
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.collector import Collector
from collectors.format_file import load_formats
from collectors.from_settings import work_with
from collectors.sources.checkpoints import Checkpoints
from collectors.sources.kinesis import KinesisConsumer
from collectors.sources.open_events import HOLD_S, OpenEvents
from firehose.delivery import Delivery
from tailrace.clock import ManualClock
from tailrace.errors import TransientError
from tailrace.fields import AttributeRegister
from tests.collectors.sources.test_kinesis import MemoryShards

TRACE = [
    "ERROR cart failed",
    "Traceback (most recent call last):",
    '  File "cart.py", line 7, in add',
    "    stock.take(one)",
    "ValueError: none left",
    "INFO cart is well again",
    "java.lang.IllegalStateException: no",
    "\tat shop.Cart.add(Cart.java:7)",
    "Caused by: java.io.IOException: gone",
    '{"level":"INFO","message":"whole"}',
]
FORMATS = load_formats()


class Memory:
    """A delivery stream in memory, which may be full."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.counts: dict[tuple[str, str], list[int]] = {}
        self.full = 0

    def put(self, delivery: Delivery) -> None:
        if self.full:
            self.full -= 1
            raise TransientError("full")
        self.rows += delivery.tables["logs"].to_pylist() if "logs" in delivery.tables else []
        for one in delivery.counts:
            assert one.balanced
            sums = self.counts.setdefault((one.hop, one.unit), [0, 0, 0])
            sums[:] = [sums[0] + one.came_in, sums[1] + one.went_out, sums[2] + one.joined]

    def events(self) -> dict[str, str]:
        return {row["event_id"]: row["raw"] or row["message"] for row in self.rows}


def collector(memory: Memory, clock: ManualClock) -> Collector:
    register = AttributeRegister(declared=FORMATS.declared())
    return Collector(memory, work_with(FORMATS, register), register, clock)


def payload(lines: Sequence[tuple[int, str]], stream: str = "s") -> bytes:
    events = [{"id": f"{stream}-{number:03}", "timestamp": 1_790_000_000_000 + number, "message": text} for number, text in lines]
    return gzip.compress(json.dumps({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "/g", "logStream": stream, "logEvents": events}).encode())


def pieces(lines: Sequence[str], cuts: Sequence[int], stream: str = "s") -> list[bytes]:
    numbered = list(enumerate(lines))
    ends = sorted({0, len(lines), *(cut % (len(lines) + 1) for cut in cuts)})
    return [payload(numbered[start:end], stream) for start, end in itertools.pairwise(ends)]


def consume(port: MemoryShards, memory: Memory, path: Path, clock: ManualClock | None = None) -> tuple[KinesisConsumer, Checkpoints]:
    clock = clock or ManualClock()
    opened = Checkpoints(path / "k.sqlite")
    return KinesisConsumer(port, "logs", OpenEvents(collector(memory, clock), clock), opened, clock), opened


def drain(sut: KinesisConsumer) -> None:
    while sut.poll():
        pass


def whole(lines: Sequence[str], stream: str = "s") -> dict[str, str]:
    memory = Memory()
    collector(memory, ManualClock()).collect_payload(payload(list(enumerate(lines)), stream))
    return memory.events()


@given(cuts=st.lists(st.integers(0, 20), max_size=12), other=st.lists(st.integers(0, 20), max_size=4))
def test_wherever_payloads_are_cut_the_events_are_those_of_one_payload(tmp_path_factory: pytest.TempPathFactory, cuts: list[int], other: list[int]) -> None:
    mine, theirs = pieces(TRACE, cuts), pieces(TRACE, other, "t")
    mixed = [one for number in range(max(len(mine), len(theirs))) for one in (*mine[number : number + 1], *theirs[number : number + 1])]
    port, memory = MemoryShards(a=mixed), Memory()
    port.closed = {"a"}
    sut, opened = consume(port, memory, tmp_path_factory.mktemp("k"))
    drain(sut)
    assert memory.events() == {**whole(TRACE), **whole(TRACE, "t")}
    assert len(memory.rows) == len(memory.events())
    came_in, went_out, joined = memory.counts["collect", "events"]
    assert (came_in, went_out + joined) == (2 * len(TRACE), 2 * len(TRACE))
    assert memory.counts["decode", "payloads"][:2] == [len(mixed), len(mixed)]
    opened.close()


@given(cuts=st.lists(st.integers(0, 20), max_size=12), kills=st.lists(st.integers(1, 3), max_size=6), full=st.integers(0, 3))
def test_killed_at_any_point_no_line_is_left_out(tmp_path_factory: pytest.TempPathFactory, cuts: list[int], kills: list[int], full: int) -> None:
    port, memory, path = MemoryShards(a=pieces(TRACE, cuts)), Memory(), tmp_path_factory.mktemp("k")
    memory.full = full
    for polls in kills:
        sut, opened = consume(port, memory, path)
        for _ in range(polls):
            sut.poll()
        opened.close()  # and nothing else: what was held is gone with the process
    port.closed = {"a"}
    sut, opened = consume(port, memory, path)
    drain(sut)
    opened.close()
    found = memory.events()
    assert whole(TRACE).keys() <= found.keys()
    assert {line for text in found.values() for line in text.split("\n")} == set(TRACE)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_what_is_held_waits_a_second_and_the_checkpoint_waits_with_it(tmp_path: Path, clock: ManualClock) -> None:
    port, memory = MemoryShards(a=[payload([(0, "one"), (1, "two")])]), Memory()
    sut, opened = consume(port, memory, tmp_path, clock)
    assert sut.poll() == 1
    assert list(memory.events().values()) == ["one"]
    assert opened.position("logs@2026-11-24", "a") == (None, False)
    clock.sleep(HOLD_S)
    sut.poll()
    assert list(memory.events().values()) == ["one", "two"]
    assert opened.position("logs@2026-11-24", "a") == ("1", False)
    opened.close()


def test_an_object_is_whole_and_waits_for_nothing(tmp_path: Path) -> None:
    port, memory = MemoryShards(a=[payload([(0, '{"message":"one"}')])]), Memory()
    sut, opened = consume(port, memory, tmp_path)
    sut.poll()
    assert list(memory.events()) == ["s-000"]
    assert opened.position("logs@2026-11-24", "a") == ("1", False)
    opened.close()


def test_a_stop_puts_what_is_held(tmp_path: Path) -> None:
    port, memory = MemoryShards(a=[payload([(0, "one")])]), Memory()
    sut, opened = consume(port, memory, tmp_path)
    sut.poll()
    assert not memory.rows
    sut.stop()
    sut.run()
    assert list(memory.events()) == ["s-000"]
    assert opened.position("logs@2026-11-24", "a") == ("1", False)
    opened.close()


def test_bytes_that_are_no_payload_go_to_dead_letters_and_hold_nothing_up(tmp_path: Path) -> None:
    port, memory = MemoryShards(a=[b"hello", payload([(0, '{"message":"one"}')])]), Memory()
    sut, opened = consume(port, memory, tmp_path)
    drain(sut)
    assert list(memory.events()) == ["s-000"]
    assert opened.position("logs@2026-11-24", "a") == ("2", False)
    opened.close()
