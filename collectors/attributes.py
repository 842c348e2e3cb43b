"""The attributes of rows as JSON texts, made from columns by joining texts: no object is made for a row."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray
from tailrace.schema import FieldType

_SPECIAL = r'["\\\x00-\x1f]'


def json_objects(columns: Mapping[str, tuple[FieldType, AnyArray]], objects: AnyArray | None) -> AnyArray:
    """Answer one flat JSON object a row, of the columns that are not null there, and of the members of ``objects``; null where there are none."""
    pieces = [_member(name, kind, values) for name, (kind, values) in columns.items()]
    if objects is not None:
        pieces.append(pc.fill_null(pc.binary_join_element_wise(",", pc.utf8_slice_codeunits(objects, 1, -1), "", null_handling="emit_null"), ""))
    if not pieces:
        raise ValueError("there are no columns to make objects of")
    joined = pc.binary_join_element_wise(*pieces, "")
    bodies = pc.utf8_slice_codeunits(joined, 1)
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), pc.binary_join_element_wise("{", bodies, "}", ""))


def _member(name: str, kind: FieldType, values: AnyArray) -> AnyArray:
    if kind in {FieldType.LONG, FieldType.DOUBLE, FieldType.BOOLEAN}:
        text = pc.binary_join_element_wise(f',"{name}":', values.cast(pa.string()), "", null_handling="emit_null")
    else:
        text = pc.binary_join_element_wise(f',"{name}":"', escaped(values), '"', "", null_handling="emit_null")
    return pc.fill_null(text, "")


def escaped(values: AnyArray) -> AnyArray:
    """Escape texts for JSON; most columns have nothing to escape."""
    special = pc.fill_null(pc.match_substring_regex(values, _SPECIAL), False)
    if not pc.any(special, min_count=0).as_py():
        return values
    escapes = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
    for plain, written in escapes:
        values = pc.replace_substring(values, plain, written)
    for code in (*range(9), 11, 12, *range(14, 32)):
        if pc.any(pc.match_substring(values, chr(code)), min_count=0).as_py():
            values = pc.replace_substring(values, chr(code), f"\\u{code:04x}")
    return values
