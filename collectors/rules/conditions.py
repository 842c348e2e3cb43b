"""What a rule is about: conditions on fields, over whole columns.

A condition is a mapping of fields (names of the schema, or ``attributes.<name>``) to what they must be: a value, a list of values, or a mapping with ``gte``, ``gt``, ``lt``, ``lte``, ``matches`` (RE2)
or ``exists``. All of them must hold.
"""

import json
import re
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, one_array
from collectors.columns import to_double
from tailrace.errors import nearest
from tailrace.schema import LOGS, FieldType
from tailrace.yaml_file import Document

PREFIX: Final = "attributes."
COMPARISONS: Final = MappingProxyType({"gte": pc.greater_equal, "gt": pc.greater, "lt": pc.less, "lte": pc.less_equal})
OPERATORS: Final = (*COMPARISONS, "matches", "exists")
_NAMES: Final = frozenset(one.name for one in LOGS.fields)
_FIELDS: Final = MappingProxyType({one.name: one for one in LOGS.fields if one.type is not FieldType.TIME})


@dataclass(frozen=True, slots=True)
class Condition:
    """One field, an operator (``in``, or one of :data:`OPERATORS`), and its value."""

    field: str
    operator: str
    value: Any


def read_conditions(document: Document, data: object, *where: str | int) -> tuple[Condition, ...]:
    """Read the conditions of a rule; raises :class:`tailrace.errors.FileError` with the place."""
    if not isinstance(data, dict) or not data:
        raise document.error("conditions are a mapping of fields to what they must be", *where)
    return tuple(one for name, wanted in data.items() for one in _read(document, str(name), wanted, (*where, name)))


def _read(document: Document, name: str, wanted: object, where: tuple[str | int, ...]) -> list[Condition]:
    if name not in _FIELDS and not name.startswith(PREFIX):
        raise document.error(f"no such field: {name}{nearest(name, _FIELDS)}", *where)
    if not isinstance(wanted, dict):
        if wanted is None or (isinstance(wanted, list) and not all(isinstance(one, str | int | float) for one in wanted)):
            raise document.error("a field is compared with a value or a list of values; exists: false finds rows without it", *where)
        return [Condition(name, "in", tuple(wanted) if isinstance(wanted, list) else (wanted,))]
    for operator, value in wanted.items():
        if operator not in OPERATORS:
            raise document.error(f"no such operator: {operator}{nearest(str(operator), OPERATORS)}", *where, operator)
        _check_value(document, operator, value, (*where, operator))
    return [Condition(name, operator, value) for operator, value in wanted.items()]


def _check_value(document: Document, operator: str, value: object, where: tuple[str | int, ...]) -> None:
    if operator in COMPARISONS and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise document.error(f"{operator} needs a number", *where)
    if operator == "exists" and not isinstance(value, bool):
        raise document.error("exists is true or false", *where)
    if operator == "matches":
        check_pattern(document, value, *where)


def check_field(document: Document, name: object, *where: str | int) -> str:
    """Answer the name of a field or an attribute; raises where there is no such field."""
    if not isinstance(name, str) or (name not in _NAMES and not name.startswith(PREFIX)):
        raise document.error(f"no such field: {name}{nearest(str(name), _NAMES)}", *where)
    return name


def check_pattern(document: Document, text: object, *where: str | int) -> str:
    """Answer a pattern; raises where Arrow's RE2 does not take it."""
    if not isinstance(text, str):
        raise document.error("a pattern is a text", *where)
    try:
        pc.match_substring_regex(pa.array([""], pa.string()), text)
    except pa.ArrowInvalid as error:
        raise document.error(f"not a pattern of RE2: {str(error).splitlines()[0]}", *where) from error
    return text


def matching(rows: pa.Table, conditions: tuple[Condition, ...]) -> AnyArray:
    """Answer for each row whether all conditions hold; never null."""
    return reduce(pc.and_, [pc.fill_null(_holds(values_of(rows, one.field), one), one.operator == "exists" and not one.value) for one in conditions])


def values_of(rows: pa.Table, name: str) -> AnyArray:
    """Answer the values of a field, or of an attribute as texts; null where there are none."""
    if not name.startswith(PREFIX):
        return one_array(rows[_FIELDS[name].column])
    key = re.escape(json.dumps(name.removeprefix(PREFIX), ensure_ascii=False))
    found = pc.extract_regex(one_array(rows["attributes"]), rf'[{{,]{key}:(?:"(?P<text>(?:[^"\\]|\\.)*)"|(?P<bare>[^,"{{}}\[\]]+))')
    text, bare = pc.struct_field(found, "text"), pc.struct_field(found, "bare")
    return pc.if_else(pc.or_(pc.equal(bare, ""), pc.equal(bare, "null")), pc.if_else(pc.equal(bare, "null"), None, text), bare)


def _holds(values: AnyArray, one: Condition) -> AnyArray:
    if one.operator == "exists":
        return pc.equal(pc.is_valid(values), one.value)
    if one.operator == "matches":
        return pc.match_substring_regex(values.cast(pa.string()), one.value)
    if one.operator in COMPARISONS:
        numbers, _ = to_double(values)
        return COMPARISONS[one.operator](numbers, float(one.value))
    return pc.is_in(values.cast(pa.string()), pa.array([_as_text(value) for value in one.value], pa.string()))


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
