"""How far each shard of a stream is read, on disk."""

import sqlite3
from contextlib import closing
from pathlib import Path


class Checkpoints:
    """How far each shard is read: SQLite, written through to the disk."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("CREATE TABLE IF NOT EXISTS checkpoint (stream TEXT, shard TEXT, number TEXT, finished INTEGER, PRIMARY KEY (stream, shard))")

    def position(self, stream: str, shard: str) -> tuple[str | None, bool]:
        """Answer the last number read and whether the shard is read to its end."""
        with closing(self._database.execute("SELECT number, finished FROM checkpoint WHERE stream = ? AND shard = ?", (stream, shard))) as found:
            number, finished = found.fetchone() or (None, 0)
        return number, bool(finished)

    def write(self, stream: str, shard: str, number: str | None, *, finished: bool = False) -> None:
        """Write down how far a shard is read."""
        self._database.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?)", (stream, shard, number, int(finished)))

    def close(self) -> None:
        """Close the file."""
        self._database.close()
