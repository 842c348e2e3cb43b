"""The spool on a disk that loses power and fills up: every acknowledged frame comes back, once and in order, and nothing else does."""

import random
from contextlib import suppress
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firehose.cursor import Cursor, SinkState
from firehose.disk import Machine
from firehose.frame import NO_ROWS, START, Encoded, Head, Position, TableHead, Totals
from firehose.spool import Spool, Ticket
from tailrace.errors import TransientError
from tests.firehose.memory_disk import MemoryDisk

FOLDER = Path("/spool")
CURSOR = FOLDER / "cursor-x.bin"


def frame(number: int, size: int) -> Encoded:
    """A frame of ``1 + number % 3`` events; its body is not read here."""
    rows = 1 + number % 3
    body = random.Random(number).randbytes(size)
    head = Head(f"s{number}", number, (), (TableHead("logs", rows, 0, size),), 0)
    return Encoded(head, np.arange(rows, dtype=np.uint64).tobytes(), body)


class SpoolOnABadDisk(RuleBasedStateMachine):
    """Frames are numbered; ``acked`` are promised, ``tried`` may be there."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.chance, self.disk = random.Random(seed), MemoryDisk()
        self.number, self.acked, self.tried = 0, set[int](), set[int]()
        self.delivered: list[int] = []
        self.lost = NO_ROWS
        self.start()

    def start(self) -> None:
        state = SinkState(START)
        self.spool = Spool(
            FOLDER,
            Machine(disk=self.disk, segment_bytes=4_000),
            max_bytes=1 << 40,
            new_identity=lambda: "0123456789abcdef",
            floor=self.floor(),
            passed=self.passed(),
        )
        self.cursor = Cursor(CURSOR, self.disk, SinkState(*self.spool.start()) if not self.has_cursor() else state)

    def has_cursor(self) -> bool:
        from firehose.cursor import load

        return load(CURSOR, self.disk) is not None

    def floor(self) -> Position:
        from firehose.cursor import load

        found = load(CURSOR, self.disk)
        return found[1].position if found else START

    def passed(self) -> Totals:
        from firehose.cursor import load

        found = load(CURSOR, self.disk)
        return found[1].passed if found else NO_ROWS

    def enqueue(self, size: int) -> tuple[int, Ticket]:
        self.number += 1
        self.tried.add(self.number)
        with self.spool.lock:
            return self.number, self.spool.enqueue(frame(self.number, size), lambda: None)

    @rule(sizes=st.lists(st.integers(0, 3_000), min_size=1, max_size=4))
    def put_a_group(self, sizes: list[int]) -> None:
        waiting = [self.enqueue(size) for size in sizes]
        for number, ticket in waiting:
            try:
                self.spool.commit(ticket)
            except TransientError:
                self.tried.discard(number)
            else:
                self.acked.add(number)

    @rule(
        sizes=st.lists(st.integers(0, 3_000), min_size=1, max_size=4),
        at=st.sampled_from(["spool.written", "spool.segment_created", "spool.folder_synced", "spool.synced"]),
    )
    def lose_power_in_a_put(self, sizes: list[int], at: str) -> None:
        def stop(point: str) -> None:
            if point == at:
                raise KeyboardInterrupt

        self.spool._probe = stop
        waiting = [self.enqueue(size) for size in sizes]
        with suppress(KeyboardInterrupt, TransientError):
            self.spool.commit(waiting[0][1])
            self.acked |= {number for number, _ in waiting}
        self.lose_power()

    @rule()
    def lose_power(self) -> None:
        self.disk.lose_power(self.chance)
        self.disk.room = 1 << 40
        self.start()

    @rule()
    def restart(self) -> None:
        self.spool.close()
        self.start()

    @rule(room=st.integers(0, 3_000))
    def fill_the_disk(self, room: int) -> None:
        self.disk.room = room

    @rule()
    def free_the_disk(self) -> None:
        self.disk.room = 1 << 40

    @rule(frames=st.integers(1, 5))
    def deliver(self, frames: int) -> None:
        """A sink takes some frames, also while the disk is full."""
        state = self.cursor.state
        position, passed = state.position, state.passed
        for item in self.spool.read(position, passed):
            self.lost = self.lost.plus(item.lost)
            if item.head is not None and item.body is not None:
                self.delivered.append(item.head.received_us)
                passed = item.head.before.plus(item.head.totals)
            position, frames = item.next, frames - 1
            if not frames:
                break
        self.cursor.write(state.done(position, passed, (), state.number))
        self.spool.remove_before(position)

    @invariant()
    def nothing_acknowledged_is_missing(self) -> None:
        if not hasattr(self, "spool"):
            return
        state = self.cursor.state
        waiting = [item.head.received_us for item in self.spool.read(state.position, state.passed) if item.head is not None and item.body is not None]
        there = [*self.delivered, *waiting]
        assert sorted(there) == there, "out of order"
        assert len(set(there)) == len(there), "doubled"
        assert self.acked <= set(there), "lost"
        assert set(there) <= self.tried, "never put, or refused"
        assert self.lost == NO_ROWS
        assert self.spool.counts.holes == 0

    @precondition(lambda self: hasattr(self, "spool") and self.spool.counts.torn_bytes)
    @rule()
    def what_was_torn_is_cut_for_good(self) -> None:
        self.restart()
        assert self.spool.counts.torn_bytes == 0


TestSpoolOnABadDisk = SpoolOnABadDisk.TestCase
TestSpoolOnABadDisk.settings = settings(stateful_step_count=25)
