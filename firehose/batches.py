"""A batch: frames of one segment, one after the other, that go to a sink together."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from firehose.cursor import OutcomeRow
from firehose.delivery import DeadLetter, Unit
from firehose.frame import UNITS, Head, Position, Totals, decode_tables
from firehose.routes import Tier
from firehose.spool import Item
from tailrace.clock import US_PER_MINUTE
from tailrace.schema import TableName

UNREADABLE: Final = "(unreadable part of the spool)"
"""The source of rows whose frame cannot be read."""

Key = tuple[str, int, Unit]
"""Source, receipt minute, unit."""


def keys_of(head: Head) -> dict[TableName, Key]:
    """Answer what the rows of a frame are counted under."""
    minute = head.received_us - head.received_us % US_PER_MINUTE
    return {table.name: (head.source, minute, UNITS[table.name]) for table in head.tables}


@dataclass(slots=True)
class Batch:
    """Frames from ``start`` to ``end``; ``passed`` are the rows of the spool before ``end``."""

    start: Position
    end: Position
    passed: Totals
    retried: bool = False
    """Whether some of it may have been delivered before."""
    frames: int = 0
    rows: int = 0
    nbytes: int = 0
    tables: dict[TableName, list[pa.Table]] = field(default_factory=dict)
    keys: dict[TableName, list[Key]] = field(default_factory=dict)
    lost: Counter[Key] = field(default_factory=Counter)
    tier: Tier | None = None
    """The tier of the sink that it is for: rows that are not meant for it are left out."""

    def add(self, item: Item) -> None:
        """Take up the next item of the spool."""
        if item.head is None:
            self.passed = self.passed.plus(item.lost)
            self.lost.update({(UNREADABLE, 0, unit): rows for unit, rows in item.lost.by_unit().items()})
        else:
            self.passed = item.head.before.plus(item.head.totals)
            self._add_rows(item.head, item.body)
        self.end = item.next
        self.frames += 1

    def part(self, low: int, high: int) -> "Batch":
        """Answer its rows from number ``low`` up to ``high``, counted through its tables, as a batch that may have been delivered before; what is lost is no part of it.

        Its place is of the whole's (each row took more than a byte of the spool, so that no two parts have the same), and is passed when the whole is.
        """
        segment, offset = self.start
        found = Batch(Position(segment, offset + low), Position(segment, offset + high), self.passed, retried=True, tier=self.tier)
        at = 0
        for name, tables in self.tables.items():
            for table, key in zip(tables, self.keys[name], strict=True):
                own = table.slice(max(low - at, 0), max(min(high - at, table.num_rows) - max(low - at, 0), 0))
                at += table.num_rows
                if own.num_rows:
                    found.take(name, own, key)
        return found

    def take(self, name: TableName, table: pa.Table, key: Key) -> None:
        """Take up rows that are counted under a key."""
        self.tables.setdefault(name, []).append(table)
        self.keys.setdefault(name, []).append(key)
        self.rows += table.num_rows
        self.nbytes += table.nbytes

    def stem(self, producer: str) -> str:
        """Name what is made of it after its place."""
        return f"{producer}-{self.start.segment:08}-{self.start.offset:012}-{self.end.offset:012}"

    def table(self, name: TableName) -> pa.Table:
        """Answer the rows of a table."""
        return pa.concat_tables(self.tables[name])

    def origin(self, name: TableName) -> npt.NDArray[np.int64]:
        """Answer for each row of a table the number of its frame's key in ``keys[name]``."""
        return np.repeat(np.arange(len(self.tables[name])), [table.num_rows for table in self.tables[name]])

    def outcome(self, duplicate: Mapping[Key, int] = {}, dead: Mapping[Key, int] = {}) -> tuple[OutcomeRow, ...]:
        """Say what became of the batch: all rows are out but those that are named."""
        there: Counter[Key] = Counter()
        for name, keys in self.keys.items():
            for key, table in zip(keys, self.tables[name], strict=True):
                there[key] += table.num_rows
        everything = sorted({*there, *self.lost})
        return tuple(_row(key, there[key], duplicate.get(key, 0), dead.get(key, 0), self.lost[key]) for key in everything)

    def _add_rows(self, head: Head, body: bytes | None) -> None:
        keys = keys_of(head)
        if body is None:
            self.lost.update({keys[table.name]: left for table in head.tables if (left := table.rows - sum(table.withheld.get(self.tier or "", {}).values()))})
            return
        for name, table in decode_tables(head, body, self.tier).items():
            self.take(name, table, keys[name])


def _row(key: Key, there: int, duplicate: int, dead: int, lost: int) -> OutcomeRow:
    return OutcomeRow(*key, out=there - duplicate - dead, duplicate=duplicate, dead=dead, lost=lost)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch is sealed: at any of these."""

    rows: int
    nbytes: int
    after_s: float
    frames: int = 512
    """Also bounds what one outcome needs in the cursor's slot: at most so many sources."""

    def full(self, batch: Batch) -> bool:
        """Whether a batch can take no more."""
        return batch.rows >= self.rows or batch.nbytes >= self.nbytes or batch.frames >= self.frames


class Attempt(Protocol):
    """The delivery of one batch; it may be run again after it raised, and goes on where it was."""

    def run(self) -> tuple[OutcomeRow, ...]:
        """Deliver what is not delivered yet, and answer what became of the batch.

        Raises :class:`tailrace.errors.TransientError`: run it again later; :class:`tailrace.errors.PermanentError`: never, the rows that are the cause go to dead letters.
        """
        ...


@runtime_checkable
class Undoes(Protocol):
    """An attempt that can take back what it has done already, because the batch is about to be delivered in parts, under other names."""

    def undo(self) -> None:
        """Take it back, also what an earlier process did of the same batch; raises :class:`tailrace.errors.TransientError`: call it again later."""
        ...


class Sink(Protocol):
    """A destination."""

    @property
    def name(self) -> str:
        """Its name in the ledger."""
        ...

    @property
    def limits(self) -> Limits:
        """When a batch for it is sealed."""
        ...

    def attempt(self, batch: Batch, stem: str) -> Attempt:
        """Prepare the delivery of a sealed batch; ``stem`` names its objects."""
        ...


@runtime_checkable
class Resends(Protocol):
    """A sink that takes back single documents that it refused."""

    def resend(self, letter: DeadLetter) -> None:
        """Deliver it again; raises :class:`tailrace.errors.DeliveryError`."""
        ...


@runtime_checkable
class Withdraws(Protocol):
    """A sink that can take a row away whose newer revision lies elsewhere: in another hour of the lake, in another day's index."""

    def withdraw(self, name: TableName, rows: pa.Table) -> None:
        """Take rows away, named by event id and event time, that are of this revision or a lower one; rows that are not there are no error.

        Raises :class:`tailrace.errors.DeliveryError`: call it again later.
        """
        ...
