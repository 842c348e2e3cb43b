"""Patterns with named groups (RE2, over the whole column): the first of the format's patterns that a line matches reads it.

``options.patterns`` is a list; the names of the groups are the source columns. An optional group that took no part is none. With ``options.ids`` the trace, span and request ids are looked for in the
whole line where no pattern has found one, as in plain text. Lines of the forms in ``options.usual`` are cut at their blanks (``collectors.readers.usual``), which gives the same and takes a fifth to a half of the time.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, Numbers, in_order
from collectors.format import Format
from collectors.readers.fields import Fields
from collectors.readers.plain import ids_in
from collectors.readers.stopped import reasons
from collectors.readers.usual import usual_of

_LEFT: Final = ""
"""Where the lines that no pattern matches stand among the columns; no group has this name."""


def read(format_: Format, lines: AnyArray, source: str) -> Fields:
    """Answer a column for every named group of the patterns."""
    del source
    patterns = format_.options["patterns"]
    columns, left = _with_usual(format_.options["usual"], patterns, lines) if "usual" in format_.options else _by_patterns(patterns, lines)
    if format_.options.get("ids"):
        for name, values in ids_in(lines).items():
            columns[name] = pc.coalesce(columns[name], values) if name in columns else values
    return Fields(columns, _reasons(patterns, left))


def _by_patterns(patterns: Sequence[str], lines: AnyArray) -> tuple[dict[str, AnyArray], AnyArray]:
    """Answer the columns, and the lines that no pattern matches; null where one does."""
    columns: dict[str, AnyArray] = {}
    left = lines
    for pattern in patterns:
        found = pc.extract_regex(left, pattern)
        matched = pc.is_valid(found)
        for name in (field.name for field in found.type):
            values = pc.struct_field(found, name)
            values = pc.if_else(pc.equal(values, ""), None, values)
            columns[name] = pc.coalesce(columns[name], values) if name in columns else values
        left = pc.if_else(matched, None, left)
    return columns, left


def _with_usual(forms: Sequence[str], patterns: Sequence[str], lines: AnyArray) -> tuple[dict[str, AnyArray], AnyArray]:
    """Answer the same, form by form, and what is left by the patterns."""
    pieces: list[tuple[Numbers, dict[str, AnyArray]]] = []
    numbers, others = np.arange(len(lines)), lines
    for form in forms:
        columns, own = usual_of(form).read(others, patterns)
        if len(own):
            pieces.append((numbers[own], columns))
            numbers = np.delete(numbers, own)
            others = lines.take(pa.array(numbers))
    if len(numbers) or not pieces:
        columns, left = _by_patterns(patterns, others)
        pieces.append((numbers, {**columns, _LEFT: left}))
    columns = _put_together(pieces)
    return columns, columns.pop(_LEFT, pa.nulls(len(lines), pa.string()))


def _put_together(pieces: Sequence[tuple[Numbers, dict[str, AnyArray]]]) -> dict[str, AnyArray]:
    if len(pieces) == 1:
        return pieces[0][1]
    put = in_order(*(numbers for numbers, _ in pieces))
    names = dict.fromkeys(name for _, columns in pieces for name in columns)
    return {name: put(*(columns.get(name, pa.nulls(len(numbers), pa.string())) for numbers, columns in pieces)) for name in names}


def _reasons(patterns: Sequence[str], left: AnyArray) -> AnyArray:
    missed = pc.is_valid(left)
    none: AnyArray = pa.nulls(len(left), pa.string())
    if left.null_count == len(left):
        return none
    return pc.replace_with_mask(none, missed, reasons(patterns, left.drop_null()))
