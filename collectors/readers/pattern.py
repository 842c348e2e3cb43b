"""Patterns with named groups (RE2, over the whole column): the first of the format's patterns that a line matches reads it.

``options.patterns`` is a list; the names of the groups are the source columns. An optional group that took no part is none. With ``options.ids`` the trace, span and request ids are looked for in the
whole line where no pattern has found one, as in plain text.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray
from collectors.format import Format
from collectors.readers.fields import Fields
from collectors.readers.plain import ids_in
from collectors.readers.stopped import reasons


def read(format_: Format, lines: AnyArray, source: str) -> Fields:
    """Answer a column for every named group of the patterns."""
    del source
    columns: dict[str, AnyArray] = {}
    left = lines
    for pattern in format_.options["patterns"]:
        found = pc.extract_regex(left, pattern)
        matched = pc.is_valid(found)
        for name in (field.name for field in found.type):
            values = pc.struct_field(found, name)
            values = pc.if_else(pc.equal(values, ""), None, values)
            columns[name] = pc.coalesce(columns[name], values) if name in columns else values
        left = pc.if_else(matched, None, left)
    if format_.options.get("ids"):
        for name, values in ids_in(lines).items():
            columns[name] = pc.coalesce(columns[name], values) if name in columns else values
    return Fields(columns, _reasons(format_.options["patterns"], left))


def _reasons(patterns: Sequence[str], left: AnyArray) -> AnyArray:
    missed = pc.is_valid(left)
    none: AnyArray = pa.nulls(len(left), pa.string())
    if left.null_count == len(left):
        return none
    return pc.replace_with_mask(none, missed, reasons(patterns, left.drop_null()))
