"""What is known beside the line: names of services, and the user's own tables.

Nothing that a line says itself is overwritten. All of it works on the different values of a column, not on its rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, one_array, with_column
from collectors.attributes import json_objects
from collectors.rules.conditions import values_of
from tailrace.schema import FieldType


@dataclass(frozen=True, slots=True)
class ServiceName:
    """Rows without a service get the group ``service`` of a pattern on another field."""

    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class LookUp:
    """A table of the user's: values of a field, and the attributes that rows with such a value get."""

    field: str
    attributes: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Enrichment:
    """All that a user wants to know beside the line."""

    services: tuple[ServiceName, ...] = ()
    look_ups: tuple[LookUp, ...] = ()


def enrich(rows: pa.Table, wanted: Enrichment) -> pa.Table:
    """Answer the rows with what is known beside."""
    if not rows.num_rows:
        return rows
    for rule in wanted.services:
        rows = _named(rows, rule)
    found = {name: values for rule in wanted.look_ups for name, values in _looked_up(rows, rule).items()}
    added = {name: (FieldType.KEYWORD, values) for name, values in found.items() if values.null_count < len(values)}
    return with_column(rows, "attributes", json_objects(added, one_array(rows["attributes"]))) if added else rows


def _named(rows: pa.Table, rule: ServiceName) -> pa.Table:
    known = one_array(rows["service_name"])
    if not known.null_count:
        return rows
    found = pc.struct_field(pc.extract_regex(values_of(rows, rule.field).cast(pa.string()), rule.pattern), "service")
    return with_column(rows, "service_name", pc.coalesce(known, pc.if_else(pc.equal(found, ""), None, found)))


def _looked_up(rows: pa.Table, rule: LookUp) -> Mapping[str, AnyArray]:
    coded = values_of(rows, rule.field).cast(pa.string()).dictionary_encode()
    nothing: tuple[str | None, ...] = (None,) * len(rule.attributes)
    found: Sequence[Sequence[str | None]] = [rule.values.get(str(value), nothing) for value in coded.dictionary.to_pylist()]
    return {name: pa.array([values[number] or None for values in found], pa.string()).take(coded.indices) for number, name in enumerate(rule.attributes)}
