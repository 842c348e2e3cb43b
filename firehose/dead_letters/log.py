"""Who replayed or dropped which dead letter: a record that is only ever added to (SQLite, synced).

A replay is written down after the put and before the letter is dropped, a drop before it is done: nothing leaves the dead letters that is not in the record. Killed in between, the same step is done and
written down again. The file itself refuses to change or delete what is in it.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

from tailrace.clock import iso_ms
from tailrace.errors import TransientError
from tailrace.sqlite_file import ask, open_writer, transact

Action = Literal["replay", "drop"]
MAX_TEXT: Final = 2_000

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS steps (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  time_us INTEGER NOT NULL, user TEXT NOT NULL, via TEXT NOT NULL, action TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, "group" TEXT NOT NULL,
  source TEXT NOT NULL, reason TEXT NOT NULL, outcome TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS steps_by_id ON steps (id);
CREATE TRIGGER IF NOT EXISTS steps_are_not_changed BEFORE UPDATE ON steps BEGIN SELECT RAISE(ABORT, 'the record is only added to'); END;
CREATE TRIGGER IF NOT EXISTS steps_are_not_replaced BEFORE INSERT ON steps WHEN EXISTS (SELECT 1 FROM steps WHERE number = NEW.number)
  BEGIN SELECT RAISE(ABORT, 'the record is only added to'); END;
CREATE TRIGGER IF NOT EXISTS steps_are_not_deleted BEFORE DELETE ON steps BEGIN SELECT RAISE(ABORT, 'the record is only added to'); END;
"""
_COLUMNS: Final = 'time_us, user, via, action, id, kind, "group", source, reason, outcome'


@dataclass(frozen=True, slots=True)
class Who:
    """The user, as the operating system or the gateway's client says, and the way: ``command``, or ``gateway`` and the client's address."""

    user: str
    via: str


@dataclass(frozen=True, slots=True)
class Step:
    """One replay or drop of one letter, and what came of it."""

    time_us: int
    user: str
    via: str
    action: str
    id: str
    kind: str
    group: str
    source: str
    reason: str
    outcome: str

    def to_json(self) -> dict[str, Any]:
        """Answer it as ``dead log --json`` prints it."""
        return {"time": iso_ms(self.time_us), **{field.name: getattr(self, field.name) for field in fields(self) if field.name != "time_us"}}


class ReplayLog:
    """The record of a home folder; may be written by several processes and threads at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, step: Step) -> None:
        """Add a step; on disk when this returns. Raises :class:`TransientError` where it cannot be written: then nothing may be done that it stands for."""
        row = tuple(value[:MAX_TEXT].encode("utf-8", "replace").decode() if isinstance(value, str) else value for value in astuple(step))
        try:
            with closing(open_writer(self._path, _SCHEMA)) as connection:
                transact(connection, [(f"INSERT INTO steps ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [row])])  # noqa: S608 - constants
        except sqlite3.Error as error:
            raise TransientError(f"{self._path}: {error}") from error

    def newest(self, limit: int) -> list[Step]:
        """Answer the newest steps, the newest first."""
        return [Step(*row) for row in self._ask(f"SELECT {_COLUMNS} FROM steps ORDER BY number DESC LIMIT ?", [limit])]  # noqa: S608 - constants

    def done(self, place: str) -> set[str]:
        """Answer the ids of a place (``<place>-<number>``) that were dropped, or replayed and put: they have left the dead letters once."""
        found = self._ask("SELECT DISTINCT id FROM steps WHERE id >= ? AND id < ? AND outcome NOT LIKE 'refused%'", [f"{place}-", f"{place}."])
        return {str(identity) for (identity,) in found}

    def sent_again(self, sink: str) -> int:
        """Count the documents that a sink had refused and took when they were sent again: the ledger counts them as dead."""
        found = self._ask(
            "SELECT count(DISTINCT id) FROM steps WHERE action = 'replay' AND outcome = 'replayed' AND kind = 'document' AND id >= ? AND id < ?",
            [f"{sink}-", f"{sink}."],
        )
        return int(found[0][0]) if found else 0

    def _ask(self, sql: str, parameters: Sequence[object]) -> list[Any]:
        return ask(self._path, "a record of replays", sql, parameters)
