"""Rows as records of a destination that takes them by the call: lines of JSON, packed as tight as its limits let them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from firehose.columns import Ints, compute, ints, take
from firehose.json_text import json_lines
from tailrace.clock import US_PER_HOUR
from tailrace.schema import TableName
from tailrace.text_hashes import text_bytes


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What a destination takes: bytes of a record, records of a call, bytes of a call (of their data and ``overhead`` bytes each). ``one_hour``: a record holds rows of one event hour."""

    record_bytes: int
    call_records: int
    call_bytes: int
    overhead: int = 0
    one_hour: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """Lines of JSON, and the numbers of their rows in the table."""

    data: bytes
    rows: Ints


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record of a call, by its place, that was not taken; ``forever``: it never will be."""

    index: int
    reason: str
    forever: bool = False


class TakesRecords(Protocol):
    """A destination."""

    @property
    def limits(self) -> CallLimits:
        """What it takes."""
        ...

    def put_records(self, table: TableName, records: Sequence[bytes]) -> Sequence[Refusal]:
        """Send one call; answer what of it was refused.

        Raises :class:`TransientError` where nothing is known of any record.
        """
        ...


def pack(name: TableName, rows: pa.Table, limits: CallLimits) -> tuple[list[Record], list[Record]]:
    """Answer records of whole rows, and those rows, a record each, that are too long for one."""
    records, oversized = list[Record](), list[Record]()
    for numbers in _groups(rows, limits):
        texts = json_lines(name, rows if len(numbers) == rows.num_rows else take(rows, numbers))
        lengths = np.asarray(compute.binary_length(texts).to_numpy(), np.int64)
        offsets, data = text_bytes(texts)
        for start, end in _cuts(lengths, limits.record_bytes):
            record = Record(data[offsets[start] : offsets[end]].tobytes(), numbers[start:end])
            (oversized if len(record.data) > limits.record_bytes else records).append(record)
    return records, oversized


def too_long(length: int, limits: CallLimits) -> str:
    """Say that a row is too long."""
    return f"a row of {length:,} bytes is more than a record may hold ({limits.record_bytes:,})"


def calls(sizes: Iterable[int], limits: CallLimits) -> Iterator[tuple[int, int]]:
    """Cut records into calls, by their sizes: where each begins and ends. A call has one record at least."""
    start = end = size = 0
    for record in sizes:
        more = record + limits.overhead
        if end > start and (end - start == limits.call_records or size + more > limits.call_bytes):
            yield start, end
            start, size = end, 0
        end, size = end + 1, size + more
    if end > start:
        yield start, end


def _groups(rows: pa.Table, limits: CallLimits) -> Iterator[Ints]:
    """Part the numbers of rows as records may hold them."""
    everything = np.arange(rows.num_rows)
    if not limits.one_hour or not rows.num_rows:
        yield from [everything] if rows.num_rows else []
        return
    hours = ints(rows, "event_time") // US_PER_HOUR
    distinct, first = np.unique(hours, return_index=True)
    yield from (everything[hours == hour] for hour in distinct[np.argsort(first)])


def _cuts(lengths: Ints, most: int) -> Iterator[tuple[int, int]]:
    """Cut lines into records; a line that is too long stands alone."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        before = int(ends[start - 1]) if start else 0
        end = max(int(np.searchsorted(ends, before + most, side="right")), start + 1)
        yield start, end
        start = end
