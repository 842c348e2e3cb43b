"""What is known beside the line: names of services, the user's own tables, where addresses are, and what user agents tell.

Nothing that a line says itself is overwritten. All of it works on the different values of a column, not on its rows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, one_array, with_column
from collectors.attributes import json_objects
from collectors.rules.conditions import PREFIX, values_of
from collectors.rules.geoip import ADDRESS, PARTS, GeoIp
from collectors.rules.user_agent import TYPES
from collectors.rules.user_agent import parts as user_agent_parts
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
    geoip: GeoIp | None = None
    geoip_on: tuple[str, ...] = ()
    """Fields of addresses, such as ``client.address``, of which it is looked up."""
    user_agents: bool = False

    def declared(self) -> dict[str, FieldType]:
        """Answer the types of the attributes that are added."""
        names = dict.fromkeys((name for rule in self.look_ups for name in rule.attributes), FieldType.KEYWORD)
        located = {f"{on.removesuffix(ADDRESS)}.{name}": kind for on in self.geoip_on for name, kind in PARTS.items()}
        return names | located | (dict(TYPES) if self.user_agents else {})


def enrich(rows: pa.Table, wanted: Enrichment) -> pa.Table:
    """Answer the rows with what is known beside."""
    if not rows.num_rows:
        return rows
    for rule in wanted.services:
        rows = _named(rows, rule)
    found = {name: values for rule in wanted.look_ups for name, values in _looked_up(rows, rule).items()}
    for on in wanted.geoip_on if wanted.geoip else ():
        addresses = values_of(rows, on)
        if addresses.null_count < len(addresses) and wanted.geoip:
            found |= {f"{on.removesuffix(ADDRESS)}.{name}": values for name, values in wanted.geoip.parts(addresses).items()}
    headers = one_array(rows["user_agent_original"])
    if wanted.user_agents and headers.null_count < len(headers):
        found |= user_agent_parts(headers)
    kinds = wanted.declared()
    added = {
        name: (kinds[name], own)
        for name, values in found.items()
        if values.null_count < len(values) and (own := _unsaid(rows, name, values)).null_count < len(own)
    }
    return with_column(rows, "attributes", json_objects(added, one_array(rows["attributes"]))) if added else rows


def _unsaid(rows: pa.Table, name: str, values: AnyArray) -> AnyArray:
    """Leave out values where the line has an attribute of that name already."""
    attributes = one_array(rows["attributes"])
    there = pc.fill_null(pc.match_substring(attributes, f"{json.dumps(name, ensure_ascii=False)}:"), False)
    if not pc.any(there, min_count=0).as_py():
        return values
    return pc.if_else(pc.is_valid(values_of(rows, f"{PREFIX}{name}")), None, values)


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
