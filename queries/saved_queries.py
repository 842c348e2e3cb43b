"""The saved queries, ours and the user's, and SQL of a person, run on the lake by DuckDB."""

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from sqlglot import exp, parse_one

from queries.athena_dialect import to_duckdb
from queries.connections.duckdb import FIRST_US, LAST_US, LakeConnection
from queries.guard import TABLES, limited, read_sql
from queries.saved_query import SavedQuery, Value, read_query
from tailrace.clock import US_PER_S, Clock, from_datetime
from tailrace.errors import RequestError, nearest
from tailrace.schema import TableName

OURS: Final = Path(__file__).parent / "saved"


@dataclass(frozen=True, slots=True)
class Result:
    """Rows of a query: column names, their types in Athena's words, and the values."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    table: pa.Table

    def rows(self) -> list[list[Any]]:
        """Answer the values, row by row."""
        values = [column.to_pylist() for column in self.table.columns]
        return [list(row) for row in zip(*values, strict=True)]


@dataclass(frozen=True, slots=True)
class SavedQueries:
    """Finds and runs saved queries; ``folder`` is the user's own (empty: none), whose names win over ours."""

    lake: LakeConnection
    folder: str
    clock: Clock

    def list(self) -> builtins.list[SavedQuery]:
        """Answer all, by title; raises :class:`tailrace.errors.FileError` for a file that is wrong."""
        folders = [OURS, *([Path(self.folder)] if self.folder else [])]
        found = {path.stem: path for folder in folders for path in sorted(folder.glob("*.sql"))}
        return sorted((read_query(path) for path in found.values()), key=lambda query: query.title)

    def get(self, name: str) -> SavedQuery:
        """Answer one by its name; raises :class:`RequestError` with the nearest."""
        queries = {query.name: query for query in self.list()}
        if name not in queries:
            raise RequestError(f"no such saved query: {name}{nearest(name, queries)}")
        return queries[name]

    def run(self, name: str, given: Mapping[str, str]) -> Result:
        """Run a saved query with parameters as texts."""
        query = self.get(name)
        values = query.values(given, self.clock.now_us())
        return self._run(query.bound(values), *_range(query, values))

    def sql(self, text: str, from_us: int = FIRST_US, to_us: int = LAST_US) -> Result:
        """Run one SELECT in Athena's dialect; only parts of the lake in the range are read."""
        return self._run(limited(read_sql(text)), from_us, to_us)

    def _run(self, statement: exp.Query, from_us: int, to_us: int) -> Result:
        translated = to_duckdb(statement)

        def ask() -> pa.Table:
            return self.lake.execute(_over_the_lake(translated, self.lake, from_us, to_us).sql("duckdb"))

        return _result(self.lake.steady(ask))


def _over_the_lake(statement: exp.Query, lake: LakeConnection, from_us: int, to_us: int) -> exp.Query:
    """Put the live parts in the place of the tables; a name of a WITH hides a table."""
    hidden = {cte.alias_or_name for cte in statement.find_all(exp.CTE)}

    def put(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.Table) or node.name in hidden or node.name not in TABLES:
            return node
        return _relation(lake, node.name, from_us, to_us).subquery(node.alias_or_name)

    replaced = statement.copy().transform(put)
    assert isinstance(replaced, exp.Query)
    return replaced


def _relation(lake: LakeConnection, name: str, from_us: int, to_us: int) -> exp.Select:
    table: TableName = next(table for table in ("logs", "spans", "metrics") if table == name)
    rows = lake.relation(table, from_us, to_us).select
    partition = [parse_one(f"strftime(event_time, '{form}') AS {column}", read="duckdb") for column, form in (("day", "%Y-%m-%d"), ("hour", "%H"))]
    return exp.select("*", *partition).from_(rows.subquery("parts"))


def _range(query: SavedQuery, values: Mapping[str, Value]) -> tuple[int, int]:
    from datetime import datetime

    stamps = {parameter.name: str(values[parameter.name]) for parameter in query.parameters if parameter.type == "timestamp"}
    if not {"start_time", "end_time"} <= set(stamps):
        return FIRST_US, LAST_US
    first, last = (from_datetime(datetime.fromisoformat(stamps[name])) for name in ("start_time", "end_time"))
    return first, max(last, first) + US_PER_S


def _result(table: pa.Table) -> Result:
    names = tuple(table.column_names)
    return Result(names, tuple(_athena_type(field.type) for field in table.schema), _plain(table))


def _plain(table: pa.Table) -> pa.Table:
    """DuckDB adds whole numbers up in 128 bits; Athena's are of 64."""
    columns = [column.cast(pa.int64()) if pa.types.is_decimal(column.type) and column.type.scale == 0 else column for column in table.columns]
    return pa.Table.from_arrays(columns, names=table.column_names)


_TYPES: Final[Sequence[tuple[Any, str]]] = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_integer, "bigint"),
    (pa.types.is_floating, "double"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_date, "date"),
    (pa.types.is_list, "array"),
)


def _athena_type(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return "bigint" if kind.scale == 0 else "decimal"
    return next((word for is_kind, word in _TYPES if is_kind(kind)), "varchar")
