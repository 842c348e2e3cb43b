"""The lake's engine: an OpenSearch ``_search`` body over Parquet by DuckDB, answered in OpenSearch's form.

Parts outside the time that the query asks for are never opened, nor merged ones whose token filters say that they have not the words that it needs. Hits, total and aggregations of one search read the same list of parts.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlglot import exp

from queries.connections.duckdb import FIRST_US, LAST_US, LakeConnection
from queries.dsl.nodes import Search
from queries.dsl.parse import parse_search
from queries.engine import Body, Response
from queries.engines.documents import documents
from queries.fields import FieldResolver
from queries.needed_words import needed_words
from queries.sql import hits
from queries.sql.aggregations import Aggregator
from queries.sql.filters import Scope, all_of, condition, time_range_us
from queries.sql.ip import ip_text
from queries.sql.printer import print_sql
from tailrace.clock import Clock, from_datetime
from tailrace.errors import UnsupportedError
from tailrace.fields import AttributeRegister
from tailrace.forms import index_name
from tailrace.lake import partition_of
from tailrace.schema import FieldType, TableName
from tailrace.times import clamped

FEW_PARTS = 8
"""Of no more parts than these a page of hits is read at once."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One search, bound: its rows, its condition, its names."""

    table: TableName
    search: Search
    scope: Scope
    rows: exp.Select
    where: exp.Expr
    parts: int


class LakeEngine:
    """Answers searches from the lake; see ``queries.engine.SearchEngine``."""

    def __init__(self, connection: LakeConnection, register: AttributeRegister, clock: Clock) -> None:
        self._connection, self._register, self._clock = connection, register, clock

    def search(self, table: TableName, body: Body) -> Response:
        """Answer a search."""
        started = self._clock.monotonic_s()
        search = parse_search(body, table)
        response = self._connection.steady(lambda: self._answer(self._bind(table, search)))
        response["took"] = round((self._clock.monotonic_s() - started) * 1_000)
        return response

    def count(self, table: TableName, body: Body) -> int:
        """Answer how many rows match."""
        for key in body:
            if key != "query":
                raise UnsupportedError("is not supported by a count: only query is", clause=key)
        search = parse_search(body, table)
        return self._connection.steady(lambda: self._count(self._bind(table, search), None))

    def _bind(self, table: TableName, search: Search) -> _Asked:
        scope = Scope(FieldResolver(table, self._register.types()), self._clock.now_us())
        where = condition(search.query, scope)
        low, high = time_range_us(search.query, scope)
        words = needed_words(search.query, table)
        within = FIRST_US if low is None else max(low, FIRST_US), LAST_US if high is None else min(high, LAST_US)
        relation = self._connection.relation(table, *within, words=words)
        return _Asked(table, search, scope, relation.select, where, relation.parts)

    def _answer(self, asked: _Asked) -> Response:
        found = self._hits(asked)
        total = self._total(asked, len(found))
        response: Response = {"took": 0, "timed_out": False, "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0}}
        response["hits"] = {**({"total": total} if total else {}), "max_score": None, "hits": found}
        if asked.search.aggs:
            run = Aggregator(asked.rows, asked.where, asked.scope, lambda statement: self._ask(asked, statement))
            response["aggregations"] = run.run(asked.search.aggs)
        response["_tailrace"] = {"unmapped": sorted(asked.scope.resolver.unmapped)}
        return response

    def _ask(self, asked: _Asked, statement: exp.Select) -> pa.Table:
        return self._connection.execute(print_sql(statement), timeout_s=asked.search.timeout_s)

    def _hits(self, asked: _Asked) -> list[dict[str, Any]]:
        where = self._narrowed(asked)
        statement = hits.page(asked.rows, asked.search, where, asked.scope, asked.table)
        if asked.search.size == 0:
            return []
        rows = self._ask(asked, statement)
        orders = hits.orders(hits.full_sort(asked.search), asked.scope)
        sorts = [_sort_values(rows.column(f"_sort{number}").to_pylist(), order.type) for number, order in enumerate(orders)]
        shown = documents(asked.table, rows, asked.scope.resolver.types, asked.search.source) if asked.search.source.enabled else None
        found = []
        days = [_day(time) for time in clamped(rows.column("_time")).to_pylist()]
        for number, (event_id, day) in enumerate(zip(rows.column("_id").to_pylist(), days, strict=True)):
            hit = {"_index": index_name(asked.table, day), "_id": event_id, "_score": None}
            if shown is not None:
                hit["_source"] = next(shown)
            found.append({**hit, "sort": [values[number] for values in sorts]})
        return found

    def _narrowed(self, asked: _Asked) -> exp.Expr:
        """Find the times of the page first where there are many parts, so that whole rows are read from few of them."""
        first = hits.newest(asked.rows, asked.search, asked.where, asked.scope) if asked.parts > FEW_PARTS and asked.search.size else None
        if first is None:
            return asked.where
        times = [time for time in self._ask(asked, first).column("us").to_pylist() if time is not None]
        if not times:
            return exp.false()
        if len(times) < asked.search.start + asked.search.size:
            return all_of([asked.where.copy(), hits.at_times(sorted(set(times)))])
        return all_of([asked.where.copy(), hits.within(times[-1], asked.search)])

    def _total(self, asked: _Asked, shown: int) -> dict[str, Any] | None:
        search = asked.search
        if search.track_total == 0:
            return None
        all_shown = shown < search.size and search.search_after is None and (shown > 0 or search.start == 0)
        count = search.start + shown if all_shown else self._count(asked, search.track_total)
        if search.track_total is not None and count > search.track_total:
            return {"value": search.track_total, "relation": "gte"}
        return {"value": count, "relation": "eq"}

    def _count(self, asked: _Asked, limit: int | None) -> int:
        return int(self._ask(asked, hits.counted(asked.rows, asked.where, limit)).column("n")[0].as_py())


def _day(time: datetime | None) -> str:
    return partition_of(from_datetime(time) if time else 0).day


def _sort_values(values: list[Any], kind: FieldType | None) -> list[Any]:
    match kind:
        case FieldType.IP:
            return [None if value is None else ip_text(value) for value in values]
        case FieldType.DOUBLE:
            return [str(value).replace("inf", "Infinity") if value in (float("inf"), float("-inf")) else value for value in values]
        case _:
            return values
