"""Conditions over the rows of a part: which rows a rule of retention or an erasure is about.

A condition names the columns that it looks at, so that no others are read; a part is asked row group by row group. A column that a part of an older schema does not have
is null there, and null meets no condition.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from firehose.columns import compute, ints, one_array
from firehose.keeper.merge import source
from firehose.parts import event_times
from tailrace.errors import UsageError, nearest
from tailrace.forms import arrow_schema
from tailrace.lake import Part
from tailrace.schema import TABLES, FieldType, TableName
from tailrace.stores.port import ObjectStore

Mask = npt.NDArray[np.bool_]
ATTRIBUTES: Final = "attributes"
_PREFIX: Final = "attributes."
_TEXTS: Final = frozenset({FieldType.KEYWORD, FieldType.TEXT, FieldType.IP, FieldType.ATTRIBUTES, FieldType.STORED})
_BOOLEANS: Final[Mapping[str, bool]] = MappingProxyType({"true": True, "false": False})


class Condition(Protocol):
    """Chooses rows."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns that it looks at."""
        ...

    def mask(self, rows: pa.Table) -> Mask:
        """Answer which rows it chooses; the columns are there."""
        ...


@dataclass(frozen=True, slots=True)
class Equals:
    """A column has one of some values."""

    column: str
    values: Any

    @property
    def columns(self) -> Sequence[str]:
        """The columns that it looks at."""
        return (self.column,)

    def mask(self, rows: pa.Table) -> Mask:
        """Answer which rows it chooses."""
        return _mask(compute.is_in(one_array(rows, self.column), value_set=self.values))


@dataclass(frozen=True, slots=True)
class HasAttribute:
    """An attribute has one of some values; numbers and texts that are written alike are equal, and of a list one is enough."""

    name: str
    values: frozenset[str]
    columns: Sequence[str] = (ATTRIBUTES,)

    def mask(self, rows: pa.Table) -> Mask:
        """Answer which rows it chooses: the JSON of those alone is read in which the name occurs."""
        texts = one_array(rows, ATTRIBUTES)
        found = _mask(compute.match_substring(texts, pattern=json.dumps(self.name, ensure_ascii=False)))
        for row in np.flatnonzero(found):
            found[row] = self._met(texts[int(row)].as_py())
        return found

    def _met(self, text: str) -> bool:
        try:
            value = msgspec.json.decode(text, type=dict[str, Any]).get(self.name)
        except msgspec.MsgspecError:
            return False
        return any(written(one) in self.values for one in (value if isinstance(value, list) else [value]) if one is not None)


@dataclass(frozen=True, slots=True)
class Holds:
    """Some column of text holds a text, as it is or as JSON writes it."""

    text: str
    columns: Sequence[str]

    def mask(self, rows: pa.Table) -> Mask:
        """Answer which rows it chooses."""
        found = np.zeros(rows.num_rows, np.bool_)
        for column in self.columns:
            texts = one_array(rows, column)
            for form in forms_of(self.text):
                found |= _mask(compute.match_substring(texts, pattern=form))
        return found


@dataclass(frozen=True, slots=True)
class SeenBefore:
    """A row was received before a time."""

    before_us: int
    columns: Sequence[str] = ("observed_time",)

    def mask(self, rows: pa.Table) -> Mask:
        """Answer which rows it chooses."""
        return np.asarray(ints(rows, "observed_time") < self.before_us, np.bool_)


@dataclass(frozen=True, slots=True)
class Between:
    """An event time lies in [from_us, to_us)."""

    from_us: int
    to_us: int
    columns: Sequence[str] = ("event_time", "observed_time")

    def mask(self, rows: pa.Table) -> Mask:
        """Answer which rows it chooses."""
        times = event_times(rows)
        return np.asarray((times >= self.from_us) & (times < self.to_us), np.bool_)


@dataclass(frozen=True, slots=True)
class Both:
    """All of some conditions hold."""

    parts: Sequence[Condition]

    @property
    def columns(self) -> Sequence[str]:
        """The columns that it looks at."""
        return [column for part in self.parts for column in part.columns]

    def mask(self, rows: pa.Table) -> Mask:
        """Answer which rows it chooses."""
        return np.logical_and.reduce([part.mask(rows) for part in self.parts])


@dataclass(frozen=True, slots=True)
class Either:
    """One of some conditions holds."""

    parts: Sequence[Condition]

    @property
    def columns(self) -> Sequence[str]:
        """The columns that it looks at."""
        return [column for part in self.parts for column in part.columns]

    def mask(self, rows: pa.Table) -> Mask:
        """Answer which rows it chooses."""
        return np.logical_or.reduce([part.mask(rows) for part in self.parts])


def field_is(table: TableName, name: str, values: Sequence[object]) -> Condition:
    """Make the condition that a field of searches, or ``attributes.<name>``, has one of some values; raises :class:`UsageError` where there is no such field."""
    if name.startswith(_PREFIX):
        return HasAttribute(name.removeprefix(_PREFIX), frozenset(map(written, values)))
    field = TABLES[table].field(name)
    if field is None:
        raise UsageError(f"no such field of {table}: {name}{nearest(name, [one.name for one in TABLES[table].fields])}")
    kind = arrow_schema(table).field(field.column).type
    try:
        return Equals(field.column, pa.array([_typed(value, kind) for value in values], kind))
    except (KeyError, ValueError, pa.ArrowException) as error:
        raise UsageError(f"{name} = {', '.join(map(str, values))}: {name} is of type {field.type.value}") from error


def text_is_in(table: TableName, text: str) -> Condition:
    """Make the condition that any column of text holds a text."""
    return Holds(text, [field.column for field in TABLES[table].fields if field.type in _TEXTS])


def forms_of(text: str) -> list[str]:
    r"""Answer how a text may be written: as it is, and inside a text of JSON.

    >>> forms_of('ü"')
    ['ü"', 'ü\\"', '\\u00fc\\"']
    """
    return list(dict.fromkeys((text, json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1])))


def written(value: object) -> str:
    """Write a value as text: whole numbers alike, whatever type they have."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def chosen(store: ObjectStore, part: Part, condition: Condition) -> Mask:
    """Answer which rows of a part a condition chooses; raises what reading raises."""
    file = pq.ParquetFile(source(store, part))
    return np.concatenate([np.zeros(0, np.bool_), *(condition.mask(rows) for rows in _groups(file, part, condition))])


def _groups(file: pq.ParquetFile, part: Part, condition: Condition) -> Iterator[pa.Table]:
    schema = arrow_schema(part.table)
    wanted = [name for name in dict.fromkeys(condition.columns) if name in schema.names]
    there = [name for name in wanted if name in file.schema_arrow.names]
    for group in range(file.num_row_groups):
        rows, count = file.read_row_group(group, columns=there), file.metadata.row_group(group).num_rows
        columns = [rows.column(name) if name in there else pa.nulls(count, schema.field(name).type) for name in wanted]
        yield pa.table(columns, names=wanted)


def _typed(value: object, kind: pa.DataType) -> object:
    if pa.types.is_boolean(kind):
        return value if isinstance(value, bool) else _BOOLEANS[str(value)]
    if pa.types.is_integer(kind):
        return int(str(value))
    return float(str(value)) if pa.types.is_floating(kind) else written(value)


def _mask(found: Any) -> Mask:  # noqa: ANN401 - an Arrow array of booleans
    return np.array(compute.fill_null(found, False).to_numpy(zero_copy_only=False), np.bool_)
