"""A small SQLite file with one writer and many readers: what a writer adds is one transaction, synced; a reader makes no file and finds nothing where there is none."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tailrace.errors import StateError

TIMEOUT_S = 5.0
"""How long another's transaction is waited for."""


def open_writer(path: Path, schema: str) -> sqlite3.Connection:
    """Open a file for its one writer, who uses it by one thread at a time; make it where it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(schema)
    return connection


def transact(connection: sqlite3.Connection, steps: Iterable[tuple[str, Sequence[Sequence[object]]]]) -> None:
    """Do statements, each with its rows, in one transaction: all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for sql, rows in steps:
            connection.executemany(sql, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def ask(path: Path, what: str, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
    """Answer rows; none where the file or the table is not there. Raises :class:`StateError` where the file is not ``what`` it should be."""
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(path, timeout=TIMEOUT_S)) as connection:
            connection.execute("PRAGMA query_only = ON")
            return connection.execute(sql, parameters).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise StateError(f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StateError(f"{path}: not {what}: {error}") from error
