"""Rules of retention: what a user's ``retention.yaml`` says may leave the lake, and when.

::

    keep: {logs: 30d, spans: 14d}
    opensearch: {logs: 7d}
    expire:
      - {name: debug, when: {severity_text: DEBUG}, after: 3d}
      - {name: chatty, table: logs, when: {service.name: [cart, ads]}, after: 7d}
    max_bytes: 200GB

Ages are those of an hour of event time: its rows leave when the whole hour is older. Indices of OpenSearch are of a day, and leave when the whole day is older.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from firehose.frame import UNITS
from firehose.keeper.conditions import Both, Condition, field_is
from tailrace.clock import US_PER_DAY, US_PER_HOUR
from tailrace.errors import UsageError
from tailrace.schema import TableName
from tailrace.yaml_file import Document, read_yaml

_UNITS_US: Final[Mapping[str, int]] = MappingProxyType({"h": US_PER_HOUR, "d": US_PER_DAY, "w": 7 * US_PER_DAY})
_BYTES: Final[Mapping[str, int]] = MappingProxyType(
    {"": 1, **{f"{c}B": 1000**n for n, c in enumerate("KMGT", 1)}, **{f"{c}iB": 1024**n for n, c in enumerate("KMGT", 1)}}
)
_AGE: Final = re.compile(r"(\d{1,6})\s*([hdw])")
_SIZE: Final = re.compile(r"(\d{1,15})\s*([KMGT]i?B|)")


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of a table that meet a condition leave after a time."""

    name: str
    table: TableName
    condition: Condition
    after_us: int


@dataclass(frozen=True, slots=True)
class Retention:
    """All rules; none: everything stays."""

    keep_us: Mapping[TableName, int] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    max_bytes: int | None = None
    opensearch_us: Mapping[TableName, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is any rule."""
        return bool(self.keep_us or self.rules or self.max_bytes is not None or self.opensearch_us)


def read_retention(path: Path, *, required: bool = False) -> Retention:
    """Read the rules of a file; where there is none, there are no rules. Raises :class:`tailrace.errors.FileError` with line and column."""
    return parse_retention(read_yaml(path)) if required or path.exists() else Retention()


def parse_retention(document: Document) -> Retention:
    """Read the rules of a document."""
    document.refuse_unknown(("keep", "expire", "max_bytes", "opensearch"))
    names: dict[str, None] = {}
    rules = tuple(_rule(document, number, names) for number in range(len(_of_type(document, list, "expire"))))
    return Retention(_ages(document, "keep"), rules, _size(document), _ages(document, "opensearch"))


def _ages(document: Document, name: str) -> dict[TableName, int]:
    ages = _of_type(document, dict, name)
    if ages:
        document.refuse_unknown(UNITS, name)
    return {table: _age(document, name, table) for table in UNITS if table in ages}


def _rule(document: Document, number: int, names: dict[str, None]) -> Rule:
    where = ("expire", number)
    if not isinstance(document.at(*where), dict):
        raise document.error("expected a mapping with name, when and after", *where)
    document.refuse_unknown(("name", "table", "when", "after"), *where)
    given = document.at(*where)
    if missing := [name for name in ("name", "when", "after") if name not in given]:
        raise document.error(f"{missing[0]} is missing", *where)
    name, table = str(given["name"]), given.get("table", "logs")
    if name in names:
        raise document.error(f"two rules are called {name}", *where, "name")
    if table not in UNITS:
        raise document.error(f"no such table: {table} (there are {', '.join(UNITS)})", *where, "table")
    names[name] = None
    return Rule(name, table, _when(document, table, *where, "when"), _age(document, *where, "after"))


def _when(document: Document, table: TableName, *where: str | int) -> Condition:
    given = document.at(*where)
    if not isinstance(given, dict) or not given:
        raise document.error("expected a mapping of fields to values", *where)
    made = []
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        if not values or any(isinstance(one, dict | list) or one is None for one in values):
            raise document.error("expected a value or a list of values", *where, name)
        try:
            made.append(field_is(table, name, values))
        except UsageError as error:
            raise document.error(str(error), *where, name) from error
    return Both(made)


def _of_type(document: Document, kind: type, name: str) -> Any:  # noqa: ANN401 - plain data
    found = document.data.get(name)
    if found is not None and not isinstance(found, kind):
        raise document.error(f"expected a {'list of rules' if kind is list else 'mapping of tables to ages'}", name)
    return found or kind()


def _age(document: Document, *where: str | int) -> int:
    value = document.at(*where)
    match = _AGE.fullmatch(str(value))
    if match is None or not int(match[1]):
        raise document.error(f"not an age: {value} (as in 36h, 30d, 8w)", *where)
    return int(match[1]) * _UNITS_US[match[2]]


def _size(document: Document) -> int | None:
    value = document.data.get("max_bytes")
    if value is None:
        return None
    match = _SIZE.fullmatch(str(value))
    if match is None or not int(match[1]):
        raise document.error(f"not a size: {value} (as in 200GB, 500 MiB, or bytes)", "max_bytes")
    return int(match[1]) * _BYTES[match[2]]
