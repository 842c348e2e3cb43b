"""What an index name means here: in a URL of the gateway, in the `index` of an alert rule.

``tailrace-logs*``, ``logs*``, ``_all``, ``*`` and no name at all are the table logs; ``tailrace-spans*``, ``tailrace-metrics*`` and ``tailrace-ledger*`` the other
tables. Any other name is that of a stream, which a ``_bulk`` client wrote to, and a pattern with ``*`` those of several: rows of the table logs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tailrace.errors import RequestError
from tailrace.schema import TABLE_NAMES, TableName

_ALL: Final = frozenset({"", "_all", "*", "logs*", "logs"})
MAX_NAMES: Final = 50


@dataclass(frozen=True, slots=True)
class Target:
    """A table, and the streams (names or patterns with ``*``) of it that are asked for; none: all."""

    table: TableName
    streams: tuple[str, ...] = ()

    def narrowed(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the search body with the streams as a filter beside its query."""
        if not self.streams:
            return dict(body)
        asked = [_stream_clause(name) for name in self.streams]
        query = {"bool": {"must": [body.get("query", {"match_all": {}})], "filter": [{"bool": {"should": asked}}]}}
        return {**body, "query": query}


def resolve(expression: str) -> Target:
    """Read the index part of a URL, names with commas between; raises :class:`RequestError` for tables that are mixed."""
    names = [name for name in expression.split(",") if name] or [""]
    if len(names) > MAX_NAMES:
        raise RequestError(f"more than {MAX_NAMES} index names")
    tables = {_table(name) for name in names}
    if len(tables) > 1:
        raise RequestError(f"one search reads one table: {expression!r} names {len(tables)}")
    whole = any(name in _ALL or _own(name) for name in names)
    return Target(tables.pop(), () if whole else tuple(dict.fromkeys(names)))


def missing(target: Target, exists: Callable[[str], bool]) -> str | None:
    """Answer the first stream that is named, not a pattern, and does not exist."""
    return next((name for name in target.streams if "*" not in name and not exists(name)), None)


def _table(name: str) -> TableName:
    return _own(name) or "logs"


def _own(name: str) -> TableName | None:
    return next((table for table in TABLE_NAMES if name.startswith(f"tailrace-{table}")), None)


def _stream_clause(name: str) -> dict[str, Any]:
    return {"wildcard": {"stream.name": {"value": name}}} if "*" in name else {"term": {"stream.name": {"value": name}}}
