"""How many documents Tailrace itself deleted from OpenSearch, which does not say it: by retention a whole index, by erasure some (SQLite).

An index that shall go is noted before it is deleted, under its UUID, and counts as gone only when it is not there any more: killed between the two, or done twice, it is counted once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tailrace.schema import TableName
from tailrace.sqlite_file import ask, open_writer, transact

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS gone (
  what TEXT PRIMARY KEY, index_name TEXT NOT NULL, table_name TEXT NOT NULL, documents INTEGER NOT NULL, revisions INTEGER NOT NULL, at_us INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Gone:
    """What goes: the index and its table, ``what`` (the index's UUID, or a name of the erasure), its documents and the sum of their revisions."""

    what: str
    index: str
    table: TableName
    documents: int
    revisions: int = 0


def note(path: Path, gone: Collection[Gone], now_us: int) -> None:
    """Note what goes; the same ``what`` again takes the place of the earlier note."""
    connection = open_writer(path, _SCHEMA)
    try:
        rows = [(one.what, one.index, one.table, one.documents, one.revisions, now_us) for one in gone]
        transact(connection, [("INSERT OR REPLACE INTO gone VALUES (?, ?, ?, ?, ?, ?)", rows)])
    finally:
        connection.close()


def gone_documents(path: Path, there: Collection[str]) -> dict[str, tuple[int, int]]:
    """Answer, by table, the documents that are gone and the sum of their revisions; ``there`` are the UUIDs of the indices that are there still."""
    sums: dict[str, tuple[int, int]] = {}
    for what, table, documents, revisions in ask(path, "an account of deleted documents", "SELECT what, table_name, documents, revisions FROM gone"):
        if what not in there:
            before = sums.get(table, (0, 0))
            sums[table] = (before[0] + int(documents), before[1] + int(revisions))
    return sums
