"""Who had what erased, and when: an account that outlives the rows (SQLite). Values are there as hashes only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from firehose.keeper.erase import Erased, Order
from tailrace.clock import iso_ms
from tailrace.sqlite_file import ask, open_writer, transact

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS erasures (
  id INTEGER PRIMARY KEY, who TEXT NOT NULL, begun_us INTEGER NOT NULL, ended_us INTEGER, what TEXT NOT NULL, reason TEXT NOT NULL,
  from_us INTEGER NOT NULL, to_us INTEGER NOT NULL, row_count INTEGER, parts INTEGER, deleted INTEGER
);
"""
_COLUMNS: Final = ("id", "who", "begun", "ended", "what", "reason", "rows", "parts", "deleted")


def begin(path: Path, order: Order, who: str, now_us: int) -> int:
    """Note, before anything is done, that somebody has something erased; answer the number of the note."""
    connection = open_writer(path, _SCHEMA)
    try:
        sql = "INSERT INTO erasures (who, begun_us, what, reason, from_us, to_us) VALUES (?, ?, ?, ?, ?, ?)"
        transact(connection, [(sql, [(who, now_us, ", ".join(order.told), order.reason, order.from_us, order.to_us)])])
        return int(connection.execute("SELECT max(id) FROM erasures").fetchone()[0])
    finally:
        connection.close()


def end(path: Path, number: int, done: Erased, now_us: int) -> None:
    """Note what came of it. Where this is missing the process was killed; the rows are counted in the lake, under the reason, all the same."""
    connection = open_writer(path, _SCHEMA)
    try:
        sql = "UPDATE erasures SET ended_us = ?, row_count = ?, parts = ?, deleted = ? WHERE id = ?"
        transact(connection, [(sql, [(now_us, done.rows, done.parts, done.deleted, number)])])
    finally:
        connection.close()


def erasures(path: Path) -> list[Mapping[str, Any]]:
    """List what was erased, the oldest first."""
    found = ask(path, "an account of erasures", "SELECT id, who, begun_us, ended_us, what, reason, row_count, parts, deleted FROM erasures ORDER BY id")
    return [dict(zip(_COLUMNS, (*row[:2], iso_ms(row[2]), None if row[3] is None else iso_ms(row[3]), *row[4:]), strict=True)) for row in found]
