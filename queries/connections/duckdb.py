"""The one DuckDB of a process, locked down, over the live parts of the lake.

No access but to the folder of the parts (``allowed_directories``), no settings after the start (``lock_configuration``), bounded memory, threads and time,
times in UTC, and ``/`` on whole numbers as in Athena (``integer_division``). Statements must still be checked before they come here: inside its folder
DuckDB could write.

A call takes a cursor of its own, so threads may call at the same time. Parts are immutable; one that the keeper replaced and deleted between listing and
reading shows as a missing file, and :meth:`LakeConnection.steady` asks again with a new list.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from queries import athena_dialect
from queries.connections.part_cache import PartCache, PartsChangedError
from queries.connections.token_filters import TokenFilters
from queries.sql.ip import MACROS
from tailrace.errors import RequestError, StateError
from tailrace.forms import arrow_schema
from tailrace.lake import live_parts
from tailrace.schema import TABLES, FieldType, TableName
from tailrace.settings import Settings
from tailrace.stores.port import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

FIRST_US: Final = 0
LAST_US: Final = 253_402_300_800_000_000
"""The year 10000."""

MAX_TEMP_BYTES: Final = "4GB"
ATTEMPTS: Final = 4
_NOTHING: Final = pa.table({})

SQL_TYPES: Final[Mapping[FieldType, str]] = {
    FieldType.TIME: "TIMESTAMP",
    FieldType.LONG: "BIGINT",
    FieldType.DOUBLE: "DOUBLE",
    FieldType.BOOLEAN: "BOOLEAN",
}
"""DuckDB's types; those that are not named are ``VARCHAR``."""


@dataclass(frozen=True, slots=True)
class Relation:
    """The rows of a table in a range of time: ``select`` has the columns of the schema, in its order; ``parts`` is how many files it reads."""

    select: exp.Select
    parts: int


class LakeConnection:
    """Runs SQL over the lake; see the module."""

    def __init__(self, settings: Settings, store: ObjectStore) -> None:
        self._settings, self._store = settings, store
        folder = store.local_path("x")
        self._cache = None if folder else PartCache(store, settings.part_cache_folder, settings.part_cache_bytes)
        self._filters = TokenFilters(store)
        root = folder.parent if folder else settings.part_cache_folder
        root.mkdir(parents=True, exist_ok=True)
        self._root = root.resolve()
        self._connection = _open(settings, self._root)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the database; calls that run are ended."""
        with self._lock:
            self._connection.close()

    def relation(self, table: TableName, from_us: int = FIRST_US, to_us: int = LAST_US, *, words: Collection[str] = ()) -> Relation:
        """Answer the live rows of a table, of parts that may hold event times in [from_us, to_us), and rows with all of the words.

        Only whole parts are left out: the statement itself must still ask for the times and the words it wants.
        """
        parts = self._filters.left(live_parts(self._store, table, from_us, to_us), words)
        return relation_of(table, self._cache.paths_of(parts) if self._cache is not None else [self._root / part.key for part in parts])

    def execute(self, sql: str, params: Mapping[str, Any] | Sequence[Any] = (), timeout_s: float | None = None) -> pa.Table:
        """Run one statement and answer its rows.

        Raises :class:`tailrace.errors.RequestError` when it takes longer than ``timeout_s`` (default: the setting ``search_timeout_s``) or when DuckDB
        refuses it, :class:`PartsChangedError` when a part is gone.
        """
        limit_s = timeout_s if timeout_s is not None else self._settings.search_timeout_s
        with self._cursor(limit_s) as cursor, _plain_errors(limit_s):
            found = cursor.sql(sql, params=params or None)
            table: pa.Table = _NOTHING if found is None else found.to_arrow_table()
            return table

    def steady(self, ask: Callable[[], T]) -> T:
        """Call ``ask``, and again when parts were replaced meanwhile; it must take its relations anew."""
        for _ in range(ATTEMPTS - 1):
            try:
                return ask()
            except PartsChangedError:
                continue
        return ask()

    @contextmanager
    def _cursor(self, limit_s: float) -> "Iterator[duckdb.DuckDBPyConnection]":
        with self._lock:
            cursor = self._connection.cursor()
        timer = threading.Timer(limit_s, cursor.interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield cursor
        finally:
            timer.cancel()
            cursor.close()


def _open(settings: Settings, root: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    temporary = settings.home / "duckdb_temp"
    temporary.mkdir(parents=True, exist_ok=True)
    for statement in (*MACROS, *athena_dialect.MACROS, *_settings(settings, root, temporary.resolve())):
        connection.execute(statement)
    return connection


def _settings(settings: Settings, root: Path, temporary: Path) -> list[str]:
    values: dict[str, exp.Expr] = {
        "TimeZone": exp.Literal.string("UTC"),
        "integer_division": exp.true(),
        "memory_limit": exp.Literal.string(settings.duckdb_memory),
        "threads": exp.Literal.number(settings.duckdb_threads),
        "temp_directory": exp.Literal.string(str(temporary)),
        "max_temp_directory_size": exp.Literal.string(MAX_TEMP_BYTES),
        "parquet_metadata_cache": exp.true(),
        "preserve_insertion_order": exp.false(),
        "allowed_directories": exp.Array(expressions=[exp.Literal.string(str(root))]),
        "enable_external_access": exp.false(),
        "lock_configuration": exp.true(),
    }
    return [f"SET GLOBAL {name} = {value.sql('duckdb')}" for name, value in values.items()]


@contextmanager
def _plain_errors(limit_s: float) -> "Iterator[None]":
    try:
        yield
    except duckdb.InterruptException as error:
        raise RequestError(f"took longer than {limit_s:g} s and was ended; ask for a shorter time or fewer rows") from error
    except duckdb.OutOfMemoryException as error:
        raise RequestError("needs more memory than TAILRACE_DUCKDB_MEMORY allows; ask for a shorter time or fewer groups") from error
    except duckdb.IOException as error:
        if "No files found" in str(error) or "No such file" in str(error) or "Cannot open file" in str(error):
            raise PartsChangedError(_first_line(error)) from error
        raise StateError(f"the lake cannot be read: {_first_line(error)}") from error
    except duckdb.Error as error:
        raise RequestError(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0]
    return f"{text[:1].lower()}{text[1:300]}"


def relation_of(table: TableName, paths: Sequence[Path]) -> Relation:
    """Answer the relation over some files; columns that a file of an older schema lacks are null."""
    columns = [_columns(path) for path in paths]
    known = frozenset(name for names in columns for name in names)
    if paths and columns[0] == _SCHEMAS[table] and all(names == columns[0] for names in columns):
        return Relation(exp.select(exp.Star()).from_(_files(paths, []), copy=False), len(paths))
    outputs = [
        exp.alias_(exp.column(field.column, quoted=True) if field.column in known else _null(field.type), field.column, quoted=True)
        for field in TABLES[table].fields
    ]
    select = exp.select(*outputs)
    if not paths:
        return Relation(select.where(exp.false()), 0)
    by_name = [_option("union_by_name", exp.true())] if any(names != columns[0] for names in columns) else []
    return Relation(select.from_(_files(paths, by_name), copy=False), len(paths))


def _files(paths: Sequence[Path], options: Sequence[exp.Expr]) -> exp.Table:
    files = exp.Array(expressions=[exp.Literal.string(str(path)) for path in paths])
    return exp.Table(this=exp.Anonymous(this="read_parquet", expressions=[files, _option("hive_partitioning", exp.false()), *options]))


def _option(name: str, value: exp.Expr) -> exp.Expr:
    return exp.EQ(this=exp.Var(this=name), expression=value)


def _null(kind: FieldType) -> exp.Expr:
    return exp.cast(exp.null(), SQL_TYPES.get(kind, "VARCHAR"), dialect="duckdb")


@lru_cache(maxsize=20_000)
def _columns(path: Path) -> tuple[str, ...]:
    """Answer the columns of a part; parts are immutable, so it is read once."""
    try:
        return tuple(pq.read_schema(path).names)
    except FileNotFoundError as error:
        raise PartsChangedError(f"{path.name} is gone") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise StateError(f"the lake cannot be read: {path}: {str(error).splitlines()[0]}") from error


_SCHEMAS: Final = {table: tuple(arrow_schema(table).names) for table in TABLES}
