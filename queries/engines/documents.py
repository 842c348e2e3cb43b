"""Rows of the lake as documents, in the form that the ``_bulk`` sink writes to OpenSearch.

Flat dotted names, nulls left out, times in ISO 8601 with microseconds, ``attributes`` (typed by the register) and ``attributes_other`` (the rest) as
objects of flat dotted names.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
import orjson
import pyarrow as pa

from queries.dsl.nodes import SourceFilter
from tailrace.schema import TABLES, Field, FieldType, TableName
from tailrace.times import clamped

Document = dict[str, Any]
_LONG: Final = range(-(2**63), 2**63)


def documents(table: TableName, rows: pa.Table, types: Mapping[str, FieldType], source: SourceFilter) -> Iterator[Document]:
    """Answer the documents of rows, filtered as asked."""
    keep = _keeper(source)
    fields = [field for field in TABLES[table].fields if field.type is FieldType.ATTRIBUTES or keep(field.name)]
    columns = [_values(field, rows.column(field.column)) for field in fields]
    for number in range(rows.num_rows):
        document: Document = {}
        for field, column in zip(fields, columns, strict=True):
            if column[number] is not None:
                _add(document, field, column[number], types, keep)
        yield document


def _values(field: Field, column: "pa.ChunkedArray[Any]") -> list[Any]:
    return list((clamped(column) if field.type is FieldType.TIME else column).to_pylist())


def _add(document: Document, field: Field, value: Any, types: Mapping[str, FieldType], keep: Callable[[str], bool]) -> None:  # noqa: ANN401 - a cell
    match field.type:
        case FieldType.TIME:
            document[field.name] = iso_us(value)
        case FieldType.ATTRIBUTES:
            for name, inner in split_attributes(value, types).items():
                kept = {key: item for key, item in inner.items() if keep(f"{name}.{key}")}
                if kept or keep(name):
                    document[name] = kept
        case _:
            document[field.name] = value


def iso_us(moment: datetime) -> str:
    """Print a time as documents have it.

    >>> iso_us(datetime(2026, 11, 24, 10, 0, 0, 123456))
    '2026-11-24T10:00:00.123456Z'
    """
    return f"{moment.isoformat(timespec='microseconds')}Z"


def split_attributes(text: str, types: Mapping[str, FieldType]) -> dict[str, dict[str, Any]]:
    """Split a row's JSON into what the register types and the rest."""
    try:
        return _split(orjson.loads(text), text, types)
    except (orjson.JSONDecodeError, RecursionError):
        return {"attributes_other": {"_unreadable": text}}


def _split(values: Any, text: str, types: Mapping[str, FieldType]) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - JSON of any shape
    found: dict[str, dict[str, Any]] = {"attributes": {}, "attributes_other": {}}
    for key, value in values.items() if isinstance(values, dict) else ():
        kind = types.get(key)
        if kind is not None and _fits(value, kind):
            found["attributes"][key] = value
        else:
            found["attributes_other"][key] = value if isinstance(value, str) else _text(value, key, text)
    return {name: inner for name, inner in found.items() if inner or (name == "attributes" and not found["attributes_other"])}


def _text(value: object, key: str, text: str) -> str:
    """Write a member as JSON; one that is nested deeper than orjson writes (254), though it reads it, as the row has it."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return bytes(msgspec.json.decode(text, type=dict[str, msgspec.Raw])[key]).decode()


def _fits(value: object, kind: FieldType) -> bool:
    """Whether a JSON value, or each of a list, has the register's type."""
    if value is None:
        return True
    if isinstance(value, list):
        return all(_fits(item, kind) and item is not None and not isinstance(item, list) for item in value)
    match kind:
        case FieldType.LONG:
            return isinstance(value, int) and not isinstance(value, bool) and value in _LONG
        case FieldType.DOUBLE:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case FieldType.BOOLEAN:
            return isinstance(value, bool)
        case _:
            return isinstance(value, str)


def _keeper(source: SourceFilter) -> Callable[[str], bool]:
    includes, excludes = _matcher(source.includes), _matcher(source.excludes)
    return lambda name: (not source.includes or includes(name)) and not (source.excludes and excludes(name))


@lru_cache(maxsize=256)
def _matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """A pattern names a field, or an object above it: ``service`` and ``serv*`` keep ``service.name``."""
    one = "|".join(".*".join(re.escape(part) for part in re.sub(r"\*+", "*", pattern).split("*")) for pattern in patterns)
    expression = re.compile(rf"(?:{one})(?:\..*)?", re.DOTALL)
    return lambda name: expression.fullmatch(name) is not None
