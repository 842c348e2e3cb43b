"""Lines of one origin become rows of ``logs``: each group of lines of one format by its reader, put back in order.

A line that its format cannot read is a row all the same: ``parse_status`` failed, the line as its message, the reason in ``parse_error``. A line of which a column cannot be read is partial, and
the error names the column.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.detect import detector_of
from collectors.format import Format, FormatSet
from collectors.inner import MAX_INNER, with_inner
from collectors.lines import Lines
from collectors.metrics import metrics_of
from collectors.rows import Rows, rows_of
from collectors.runs import take_lines
from tailrace.fields import AttributeRegister, Holder
from tailrace.forms import arrow_schema

EMPTY: Final = arrow_schema("logs").empty_table()
STATUSES: Final = ("parsed", "partial", "failed")


@dataclass(frozen=True, slots=True)
class Tally:
    """How many lines of a format could be read in full, in part, and not at all."""

    parsed: int = 0
    partial: int = 0
    failed: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Answer the counts of both."""
        return Tally(self.parsed + other.parsed, self.partial + other.partial, self.failed + other.failed)


@dataclass(frozen=True, slots=True)
class ParsedLines:
    """Rows of ``logs`` in the order of the lines, metrics that the lines told, and lines that became part of others (headers)."""

    logs: pa.Table
    metrics: pa.Table
    joined: int
    tally: Mapping[str, Tally]
    seen: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    """Names of the attributes that lines have, by format."""


def parse_lines(lines: Lines, formats: FormatSet, register: AttributeRegister, *, depth: int = 0) -> ParsedLines:
    """Read lines; never raises for what a line holds. ``depth``: how many lines these lie within."""
    groups = detector_of(formats).groups(lines.origin, lines.text)
    read = partial(_inner_rows, formats=formats, register=register, depth=depth)
    made = [(group.format, group.numbers, _rows(group.format, lines, group.numbers, register, read)) for group in groups]
    tally: dict[str, Tally] = {}
    for one, _, rows in made:
        if rows.table.num_rows:
            tally[one.name] = tally.get(one.name, Tally()) + _tally(rows.table)
    tables = [rows.table for _, _, rows in made]
    joined = sum(rows.joined for _, _, rows in made)
    logs = tables[0] if len(tables) == 1 else _in_order(tables, [numbers[rows.kept] if rows.kept is not None else numbers for _, numbers, rows in made])
    metrics = [table for one, _, rows in made if (table := metrics_of(one, rows.table)) is not None]
    return ParsedLines(
        logs,
        pa.concat_tables(metrics) if metrics else arrow_schema("metrics").empty_table(),
        joined,
        tally,
        {one.name: rows.names for one, _, rows in made if rows.names},
    )


def _rows(
    one: Format, lines: Lines, numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]", register: AttributeRegister, read: Callable[[Lines], pa.Table]
) -> Rows:
    own = lines if len(numbers) == len(lines) else take_lines(lines, numbers)
    rows = rows_of(one, own)
    register.learn(rows.types, Holder(one.name, lines.origin.source))
    return replace(rows, table=with_inner(rows.table, own, read)) if one.inner else rows


def _inner_rows(lines: Lines, formats: FormatSet, register: AttributeRegister, depth: int) -> pa.Table:
    return parse_lines(lines, formats, register, depth=depth + 1).logs if depth < MAX_INNER else EMPTY


def _in_order(tables: list[pa.Table], numbers: "list[np.ndarray[tuple[int], np.dtype[np.int64]]]") -> pa.Table:
    if not tables:
        return EMPTY
    order = np.argsort(np.concatenate(numbers), kind="stable")
    return pa.concat_tables(tables).combine_chunks().take(pa.array(order))


def _tally(table: pa.Table) -> Tally:
    counts = {str(one["values"]): one["counts"].as_py() for one in pc.value_counts(table["parse_status"])}
    return Tally(*(counts.get(status, 0) for status in STATUSES))
