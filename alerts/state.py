"""What the engine remembers, in SQLite with ``synchronous = FULL``: how far each rule has read, its windows, the ids it has seen, silences, alerts and the outbox.

One run of a rule is one transaction: a process that is killed has done all of it or nothing, and the next run sees the same windows.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from alerts.rule import Hit
from alerts.rules.frequency import Window
from tailrace.errors import StateError

VERSION: Final = 1

_TABLES: Final = """
CREATE TABLE rules (name TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, read_to_us INTEGER NOT NULL, ran_us INTEGER NOT NULL, error TEXT NOT NULL DEFAULT '') STRICT;
CREATE TABLE windows (rule TEXT, key TEXT, times BLOB NOT NULL, newest BLOB NOT NULL, PRIMARY KEY (rule, key)) STRICT, WITHOUT ROWID;
CREATE TABLE seen (rule TEXT, event_id TEXT, time_us INTEGER NOT NULL, PRIMARY KEY (rule, event_id)) STRICT, WITHOUT ROWID;
CREATE TABLE silences (rule TEXT, key TEXT, until_us INTEGER NOT NULL, by TEXT NOT NULL, PRIMARY KEY (rule, key, by)) STRICT, WITHOUT ROWID;
CREATE TABLE alerts (
  id TEXT PRIMARY KEY, rule TEXT NOT NULL, key TEXT NOT NULL, state TEXT NOT NULL, since_us INTEGER NOT NULL, last_us INTEGER NOT NULL, seen_us INTEGER NOT NULL,
  resolved_us INTEGER, matches INTEGER NOT NULL, suppressed INTEGER NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL, document BLOB NOT NULL
) STRICT;
CREATE INDEX alerts_open ON alerts (rule, key) WHERE state = 'firing';
CREATE TABLE outbox (
  id TEXT PRIMARY KEY, alert TEXT NOT NULL, rule TEXT NOT NULL, channel TEXT NOT NULL, options BLOB NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL,
  document BLOB NOT NULL, made_us INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, next_us INTEGER NOT NULL, sent_us INTEGER, error TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox (next_us) WHERE state = 'waiting';
"""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: firing since its first match until its rule has been quiet for ``resolve_after``."""

    id: str
    rule: str
    key: str
    state: str
    since_us: int
    last_us: int
    seen_us: int
    resolved_us: int | None
    matches: int
    suppressed: int
    subject: str
    body: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one channel; ``state`` is waiting, sent or failed."""

    id: str
    alert: str
    rule: str
    channel: str
    options: Mapping[str, Any]
    kind: str
    subject: str
    body: str
    document: Mapping[str, Any]
    made_us: int
    state: str
    attempts: int
    next_us: int
    sent_us: int | None
    error: str


class AlertState:
    """The state of all rules; one engine writes, any number of readers look on."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            self._prepare(path)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise StateError(f"{path}: not the state of alert rules: {error}") from error

    def _prepare(self, path: Path) -> None:
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise StateError(f"{path}: made by another version of Tailrace ({version}, this is {VERSION})")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written within is written together, or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def read_to(self, rule: str, fingerprint: str) -> int | None:
        """Answer how far a rule has read; ``None`` where it never ran. A rule that was changed forgets its windows."""
        row = self._db.execute("SELECT fingerprint, read_to_us FROM rules WHERE name = ?", (rule,)).fetchone()
        if row is None:
            return None
        if row[0] != fingerprint:
            self._db.execute("DELETE FROM windows WHERE rule = ?", (rule,))
        return int(row[1])

    def ran(self, rule: str, fingerprint: str, read_to_us: int, now_us: int) -> None:
        """Write down how far a rule has read."""
        self._db.execute(
            "INSERT INTO rules VALUES (?, ?, ?, ?, '') ON CONFLICT (name) DO UPDATE SET"
            " fingerprint = excluded.fingerprint, read_to_us = excluded.read_to_us, ran_us = excluded.ran_us, error = ''",
            (rule, fingerprint, read_to_us, now_us),
        )

    def failed(self, rule: str, fingerprint: str, error: str, now_us: int) -> None:
        """Write down that a run failed, and why; how far it has read stays."""
        self._db.execute(
            "INSERT INTO rules VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET ran_us = excluded.ran_us, error = excluded.error",
            (rule, fingerprint, now_us, now_us, error[:1000]),
        )

    def rule_runs(self) -> dict[str, tuple[int, str]]:
        """Answer when each rule ran last, and its error (empty: none)."""
        return {name: (ran, error) for name, ran, error in self._db.execute("SELECT name, ran_us, error FROM rules")}

    def unseen(self, rule: str, hits: Iterable[Hit]) -> list[Hit]:
        """Answer the hits that the rule has not taken before, and write them down."""
        insert = "INSERT OR IGNORE INTO seen VALUES (?, ?, ?)"
        return [hit for hit in hits if self._db.execute(insert, (rule, hit.event_id, hit.time_us)).rowcount]

    def forget_seen(self, rule: str, before_us: int) -> None:
        """Forget ids that no query will bring again."""
        self._db.execute("DELETE FROM seen WHERE rule = ? AND time_us < ?", (rule, before_us))

    def window(self, rule: str, key: str) -> Window:
        """Answer the window of a key; an empty one where there is none."""
        row = self._db.execute("SELECT times, newest FROM windows WHERE rule = ? AND key = ?", (rule, key)).fetchone()
        if row is None:
            return Window()
        newest = orjson.loads(row[1])
        return Window(orjson.loads(row[0]), Hit(newest["id"], newest["time_us"], newest["document"]))

    def keep_window(self, rule: str, key: str, window: Window) -> None:
        """Write a window down; an empty one is forgotten."""
        if window.newest is None:
            self.drop_window(rule, key)
            return
        hit = window.newest
        newest = orjson.dumps({"id": hit.event_id, "time_us": hit.time_us, "document": dict(hit.document)}, default=str)
        self._db.execute("INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?)", (rule, key, orjson.dumps(window.times), newest))

    def drop_window(self, rule: str, key: str) -> None:
        """Forget a window."""
        self._db.execute("DELETE FROM windows WHERE rule = ? AND key = ?", (rule, key))

    def window_keys(self, rule: str) -> list[str]:
        """Answer the keys that have a window."""
        return [key for (key,) in self._db.execute("SELECT key FROM windows WHERE rule = ?", (rule,))]

    def silence(self, rule: str, key: str, until_us: int, by: str) -> None:
        """Silence a rule for a key (empty, by a person: for all keys); ``by`` is ``realert`` or a person's name."""
        self._db.execute("INSERT OR REPLACE INTO silences VALUES (?, ?, ?, ?)", (rule, key, until_us, by))

    def is_silenced(self, rule: str, key: str, now_us: int) -> bool:
        """Whether matches of a key send nothing now."""
        query = "SELECT 1 FROM silences WHERE rule = ? AND until_us > ? AND (key = ? OR (key = '' AND by <> 'realert')) LIMIT 1"
        return self._db.execute(query, (rule, now_us, key)).fetchone() is not None

    def silences(self, now_us: int) -> list[tuple[str, str, int, str]]:
        """List the silences that hold: rule, key, until, by whom."""
        return list(self._db.execute("SELECT rule, key, until_us, by FROM silences WHERE until_us > ? ORDER BY rule, key", (now_us,)))

    def firing(self, rule: str, key: str) -> Alert | None:
        """Answer the alert of a key that is firing."""
        return next(iter(self._alerts("WHERE rule = ? AND key = ? AND state = 'firing'", (rule, key))), None)

    def alerts(self, *, state: str | None = None, limit: int = 200) -> list[Alert]:
        """List alerts, the newest first."""
        where, values = ("WHERE state = ? ", (state,)) if state else ("", ())
        return self._alerts(f"{where}ORDER BY last_us DESC, id LIMIT ?", (*values, limit))

    def keep_alert(self, alert: Alert) -> None:
        """Write an alert down."""
        row = _columns(alert)
        self._db.execute(f"INSERT OR REPLACE INTO alerts VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - question marks

    def _alerts(self, rest: str, values: tuple[object, ...]) -> list[Alert]:
        rows = self._db.execute(f"SELECT * FROM alerts {rest}", values)  # noqa: S608 - `rest` is text of this module
        return [Alert(**_values(Alert.__slots__, row)) for row in rows]

    def put_notice(self, notice: Notice) -> None:
        """Put a message into the outbox; the same one again is no second one."""
        row = _columns(notice)
        self._db.execute(f"INSERT OR IGNORE INTO outbox VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - question marks

    def due(self, now_us: int, limit: int = 50) -> list[Notice]:
        """List the messages that are to be tried now, the oldest first."""
        return self._notices("WHERE state = 'waiting' AND next_us <= ? ORDER BY made_us, id LIMIT ?", (now_us, limit))

    def notices(self, *, alert: str | None = None, limit: int = 200) -> list[Notice]:
        """List messages, the newest first."""
        where, values = ("WHERE alert = ? ", (alert,)) if alert else ("", ())
        return self._notices(f"{where}ORDER BY made_us DESC, id LIMIT ?", (*values, limit))

    def _notices(self, rest: str, values: tuple[object, ...]) -> list[Notice]:
        rows = self._db.execute(f"SELECT * FROM outbox {rest}", values)  # noqa: S608 - `rest` is text of this module
        return [Notice(**_values(Notice.__slots__, row)) for row in rows]

    def sent(self, notice_id: str, now_us: int) -> None:
        """Write down that a message was delivered."""
        self._db.execute("UPDATE outbox SET state = 'sent', attempts = attempts + 1, sent_us = ?, error = '' WHERE id = ?", (now_us, notice_id))

    def not_sent(self, notice_id: str, error: str, next_us: int | None) -> None:
        """Write down that a message was not delivered; ``next_us`` is when to try again, ``None``: never."""
        state = "waiting" if next_us is not None else "failed"
        self._db.execute(
            "UPDATE outbox SET state = ?, attempts = attempts + 1, next_us = ?, error = ? WHERE id = ?",
            (state, next_us or 0, error[:1000], notice_id),
        )

    def again(self, notice_id: str, now_us: int) -> None:
        """Put a message back into the queue, with a fresh count of attempts."""
        self._db.execute("UPDATE outbox SET state = 'waiting', attempts = 0, next_us = ?, error = '' WHERE id = ?", (now_us, notice_id))


def _columns(row: Alert | Notice) -> list[Any]:
    values = (getattr(row, name) for name in row.__slots__)
    return [orjson.dumps(dict(value), default=str) if isinstance(value, Mapping) else value for value in values]


def _values(names: Iterable[str], row: Iterable[Any]) -> dict[str, Any]:
    """Blobs are JSON; no other column is one."""
    return {name: orjson.loads(value) if isinstance(value, bytes) else value for name, value in zip(names, row, strict=True)}
