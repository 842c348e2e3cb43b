"""Names in searches to what they stand for.

A name is a field of the schema (or one of its other names); ``attributes.<name>`` with the type of the attribute register;
``attributes_other.<name>``, a keyword: what lies beyond the register's names and types; a bare name that the register knows is that attribute.
Anything else is unmapped: it matches nothing, as in OpenSearch, and the response lists it. ``_id`` is ``event_id``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tailrace.schema import TABLES, Field, FieldType, TableName

ATTRIBUTES: Final = "attributes."
OTHER: Final = "attributes_other."


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the schema."""

    field: Field

    @property
    def type(self) -> FieldType:
        """Its type."""
        return self.field.type

    @property
    def name(self) -> str:
        """Its name in OpenSearch."""
        return self.field.name


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute that the register knows; ``key`` is its name in the row's JSON."""

    key: str
    type: FieldType

    @property
    def name(self) -> str:
        """Its name in OpenSearch."""
        return f"{ATTRIBUTES}{self.key}"


@dataclass(frozen=True, slots=True)
class OtherAttribute:
    """An attribute beyond the register's names or types; a keyword. ``typed`` is what the register takes out of the row's JSON under this name."""

    key: str
    typed: FieldType | None

    @property
    def type(self) -> FieldType:
        """Its type."""
        return FieldType.KEYWORD

    @property
    def name(self) -> str:
        """Its name in OpenSearch."""
        return f"{OTHER}{self.key}"


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A name that no row can have."""

    name: str


Resolved = Column | Attribute | OtherAttribute | Unmapped


@dataclass(slots=True)
class FieldResolver:
    """Resolves the names of one request and remembers those that are unmapped."""

    table: TableName
    types: Mapping[str, FieldType]
    unmapped: set[str] = field(default_factory=set)

    def resolve(self, name: str) -> Resolved:
        """Answer what a name stands for."""
        found = self._find(name)
        if isinstance(found, Unmapped):
            self.unmapped.add(name)
        return found

    def _find(self, name: str) -> Resolved:
        known = TABLES[self.table].field("event_id" if name == "_id" else name)
        if known is not None:
            return Column(known)
        if name.startswith(OTHER) and len(name) > len(OTHER):
            key = name.removeprefix(OTHER)
            return OtherAttribute(key, self.types.get(key))
        key = name.removeprefix(ATTRIBUTES)
        kind = self.types.get(key)
        return Unmapped(name) if kind is None else Attribute(key, kind)
