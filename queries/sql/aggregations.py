"""Aggregations: statements by level, and their rows to the form of the response.

A bucket aggregation is one statement grouped by the keys of the buckets around it and its own; its metrics are columns of the same statement. A bucket
aggregation below it is the next statement, with one more key. So the number of statements is the number of bucket aggregations, never that of buckets.
Gaps are filled and ``min_doc_count`` is applied here, in each bucket around.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

import pyarrow as pa
from sqlglot import exp

from queries.dsl.aggs import MAX_BUCKETS
from queries.dsl.dates import print_date
from queries.dsl.nodes import (
    Aggregation,
    BucketAgg,
    BucketOrder,
    DateHistogram,
    FilterAgg,
    FiltersAgg,
    Histogram,
    Metric,
    MetricAgg,
    Percentiles,
    TermsAgg,
)
from queries.sql import metrics as metric_sql
from queries.sql.columns import among, real, text, whole
from queries.sql.filters import Scope, all_of, condition, negated
from queries.sql.intervals import Steps, bounds_of, steps_of
from queries.sql.ip import ip_text
from queries.sql.metrics import Row
from tailrace.errors import RequestError
from tailrace.schema import FieldType

Path = tuple[Any, ...]
Results = Mapping[Path, dict[str, Any]]
KEY: Final = "key"


@dataclass(frozen=True, slots=True)
class Level:
    """The buckets around: an expression a key, and what rows must be to lie in one of them."""

    keys: tuple[exp.Expr, ...] = ()
    where: tuple[exp.Expr, ...] = ()


@dataclass(slots=True)
class Aggregator:
    """Computes the aggregations of one search: over ``rows`` that match ``where``, by ``ask``."""

    rows: exp.Select
    where: exp.Expr
    scope: Scope
    ask: Callable[[exp.Select], pa.Table]
    buckets: int = field(default=0)

    def run(self, aggs: Sequence[Aggregation]) -> dict[str, Any]:
        """Answer ``aggregations`` of the response."""
        self._check(aggs)
        metrics = _metrics(aggs)
        row = next(self._groups(Level(), metrics)) if metrics else None
        found = {item.name: self._metric(item, number, row) for number, item in enumerate(metrics)}
        for item in aggs:
            if not isinstance(item, Metric | Percentiles):
                found[item.name] = self._bucket_agg(item, Level()).get((), self._empty(item))
        return {item.name: found[item.name] for item in aggs}

    def empty(self, aggs: Sequence[Aggregation]) -> dict[str, Any]:
        """Answer the same over no rows at all, without asking."""
        return {item.name: self._empty(item) for item in aggs}

    def _check(self, aggs: Sequence[Aggregation]) -> None:
        """Refuse what is wrong also where no row would come to it."""
        metric_sql.columns(_metrics(aggs), self.scope)
        for item in aggs:
            if not isinstance(item, Metric | Percentiles):
                self._check_buckets(item)
                self._check(item.aggs)

    def _check_buckets(self, agg: BucketAgg) -> None:
        match agg:
            case TermsAgg():
                metric_sql.value_of(agg.field, agg.missing, agg.clause, self.scope)
            case DateHistogram() | Histogram():
                value, kind = metric_sql.value_of(agg.field, None, agg.clause, self.scope)
                if value is not None:
                    _check_interval_type(agg, kind)
                bounds_of(agg, steps_of(agg), self.scope.now_us)
            case FilterAgg():
                condition(agg.query, self.scope)
            case FiltersAgg():
                for _, query in agg.queries:
                    condition(query, self.scope)
            case _:
                assert_never(agg)

    def _bucket_agg(self, agg: BucketAgg, level: Level) -> dict[Path, dict[str, Any]]:
        match agg:
            case TermsAgg():
                return self._terms(agg, level)
            case DateHistogram() | Histogram():
                return self._intervals(agg, level)
            case FilterAgg():
                return self._filters(agg, level, [("", condition(agg.query, self.scope))])
            case FiltersAgg():
                parts = [(name, condition(query, self.scope)) for name, query in agg.queries]
                rest = [] if agg.other is None else [(agg.other, all_of([negated(part) for _, part in parts]))]
                return self._filters(agg, level, [*parts, *rest])
            case _:
                assert_never(agg)

    def _groups(self, level: Level, metrics: Sequence[MetricAgg], *, grouped: exp.Select | None = None) -> Iterator[Row]:
        table = self.ask(grouped if grouped is not None else self._grouped(level, metrics))
        if table.num_rows > MAX_BUCKETS:
            raise _too_many()
        yield from table.to_pylist()

    def _grouped(self, level: Level, metrics: Sequence[MetricAgg]) -> exp.Select:
        keys = [exp.alias_(key.copy(), f"k{number}", quoted=True) for number, key in enumerate(level.keys)]
        count = exp.alias_(exp.Count(this=exp.Star()), "n", quoted=True)
        statement = exp.select(*keys, count, *metric_sql.columns(metrics, self.scope)).from_(self.rows.subquery("rows", copy=False), copy=False)
        statement = statement.where(all_of([self.where.copy(), *(part.copy() for part in level.where)]), copy=False)
        if keys:
            statement = statement.group_by(*(exp.Literal.number(number + 1) for number in range(len(keys))), copy=False)
        return statement

    def _metric(self, metric: MetricAgg, number: int, row: Row | None) -> dict[str, Any]:
        return metric_sql.result(metric, number, row, metric_sql.value_of(metric.field, metric.missing, metric.clause, self.scope)[1])

    def _terms(self, agg: TermsAgg, level: Level) -> dict[Path, dict[str, Any]]:
        value, kind = metric_sql.value_of(agg.field, agg.missing, agg.clause, self.scope)
        if value is None:
            return {}
        inner = Level((*level.keys, value), (*level.where, _is_there(value)))
        metrics = _metrics(agg.aggs)
        found = list(self._groups(inner, metrics, grouped=self._chosen(agg, inner, metrics)))
        chosen = list({row[f"k{len(level.keys)}"]: None for row in found})
        below = Level(inner.keys, (*inner.where, among(value.copy(), [_literal(key, kind) for key in chosen]))) if chosen else inner
        subs = self._subs(agg.aggs, below if found else None)
        results: dict[Path, dict[str, Any]] = {}
        for row in found:
            path = tuple(row[f"k{number}"] for number in range(len(inner.keys)))
            result = results.setdefault(path[:-1], {"doc_count_error_upper_bound": 0, "sum_other_doc_count": int(row["total"]), "buckets": []})
            result["sum_other_doc_count"] -= row["n"]
            result["buckets"].append(self._bucket(_shown(path[-1], kind), row, agg.aggs, subs, path))
        return results

    def _chosen(self, agg: TermsAgg, level: Level, metrics: Sequence[MetricAgg]) -> exp.Select:
        """Answer the groups that are in the response: so many of each parent, in the order asked for."""
        last = len(level.keys) - 1
        parents = [exp.column(f"k{number}", quoted=True) for number in range(last)]
        key = exp.column(f"k{last}", quoted=True)
        asked = agg.order or (BucketOrder("_count", "desc", agg.clause),)
        order = exp.Order(expressions=[*(self._order(item, agg, key, metrics) for item in asked), _by(key, "asc")])
        rank = exp.Window(this=exp.RowNumber(), partition_by=[key.copy() for key in parents], order=order)
        total = exp.Window(this=exp.Sum(this=exp.column("n", quoted=True)), partition_by=[key.copy() for key in parents])
        groups = self._grouped(level, metrics)
        if agg.min_doc_count > 1:
            groups = groups.having(exp.GTE(this=exp.Count(this=exp.Star()), expression=whole(agg.min_doc_count)), copy=False)
        ranked = exp.select(exp.Star(), exp.alias_(rank, "rank", quoted=True), exp.alias_(total, "total", quoted=True)).from_(
            groups.subquery("groups", copy=False), copy=False
        )
        chosen = exp.LTE(this=exp.column("rank", quoted=True), expression=whole(agg.size))
        return (
            exp.select(exp.Star())
            .from_(ranked.subquery("ranked", copy=False), copy=False)
            .where(chosen, copy=False)
            .order_by(exp.column("rank", quoted=True), copy=False)
            .limit(MAX_BUCKETS + 1, copy=False)
        )

    def _order(self, order: BucketOrder, agg: TermsAgg, key: exp.Expr, metrics: Sequence[MetricAgg]) -> exp.Ordered:
        match order.path:
            case "_count":
                return _by(exp.column("n", quoted=True), order.direction)
            case "_key":
                return _by(key.copy(), order.direction)
            case _:
                return _by(metric_sql.order_value(order, agg.aggs, metrics), order.direction)

    def _intervals(self, agg: DateHistogram | Histogram, level: Level) -> dict[Path, dict[str, Any]]:
        steps = steps_of(agg)
        value, _ = metric_sql.value_of(agg.field, None, agg.clause, self.scope)
        if value is None:
            return {}
        inner = Level((*level.keys, steps.index(value)), (*level.where, _is_there(value)))
        metrics = _metrics(agg.aggs)
        found = list(self._groups(inner, metrics, grouped=self._grouped(inner, metrics).limit(MAX_BUCKETS + 1, copy=False)))
        subs = self._subs(agg.aggs, inner if found else None)
        by_parent: dict[Path, dict[int, Row]] = {}
        for row in found:
            path = tuple(row[f"k{number}"] for number in range(len(inner.keys)))
            by_parent.setdefault(path[:-1], {})[path[-1]] = row
        return {parent: {"buckets": self._filled(agg, steps, rows, subs, parent)} for parent, rows in by_parent.items()}

    def _filled(self, agg: DateHistogram | Histogram, steps: Steps, rows: Mapping[int, Row], subs: "Subs", parent: Path) -> list[dict[str, Any]]:
        found = sorted(index for index, row in rows.items() if row["n"] >= agg.min_doc_count)
        indexes = found if agg.min_doc_count else self._all_indexes(agg, steps, found)
        buckets = [self._bucket(steps.shown(index), rows.get(index), agg.aggs, subs, (*parent, index)) for index in indexes]
        for order in reversed(agg.order):
            buckets.sort(key=lambda bucket, order=order: _rank(bucket, order), reverse=order.direction == "desc")  # type: ignore[misc]
        return buckets

    def _all_indexes(self, agg: DateHistogram | Histogram, steps: Steps, found: Sequence[int]) -> list[int]:
        low, high = bounds_of(agg, steps, self.scope.now_us)
        if not found and (low is None or high is None):
            return []
        first = min(number for number in (low, *found[:1]) if number is not None)
        last = max(number for number in (high, *found[-1:]) if number is not None)
        if last - first >= MAX_BUCKETS:
            raise _too_many()
        return list(range(first, last + 1))

    def _filters(self, agg: FilterAgg | FiltersAgg, level: Level, parts: Sequence[tuple[str, exp.Expr]]) -> dict[Path, dict[str, Any]]:
        metrics = _metrics(agg.aggs)
        found: dict[str, tuple[dict[Path, Row], Subs]] = {}
        for name, part in parts:
            inner = Level(level.keys, (*level.where, part))
            rows = {tuple(row[f"k{number}"] for number in range(len(level.keys))): row for row in self._groups(inner, metrics)}
            found[name] = rows, self._subs(agg.aggs, inner)
        paths = {path for rows, _ in found.values() for path in rows}
        return {path: self._filter_result(agg, found, path) for path in paths}

    def _filter_result(self, agg: FilterAgg | FiltersAgg, found: "Mapping[str, tuple[Mapping[Path, Row], Subs]]", path: Path) -> dict[str, Any]:
        buckets = {name: self._bucket({}, rows.get(path), agg.aggs, subs, path) for name, (rows, subs) in found.items()}
        if isinstance(agg, FilterAgg):
            return buckets[""]
        return {"buckets": buckets if agg.named else list(buckets.values())}

    def _subs(self, aggs: Sequence[Aggregation], level: Level | None) -> "Subs":
        """Compute the bucket aggregations below a level; none where nothing lies in it."""
        inner = [item for item in aggs if not isinstance(item, Metric | Percentiles)]
        return {item.name: self._bucket_agg(item, level) if level else {} for item in inner}

    def _bucket(self, shown: Mapping[str, Any], row: Row | None, aggs: Sequence[Aggregation], subs: "Subs", path: Path) -> dict[str, Any]:
        self.buckets += 1
        if self.buckets > MAX_BUCKETS:
            raise _too_many()
        bucket = {**shown, "doc_count": row["n"] if row else 0}
        metrics = _metrics(aggs)
        for item in aggs:
            if isinstance(item, Metric | Percentiles):
                bucket[item.name] = self._metric(item, metrics.index(item), row)
            else:
                found = subs[item.name].get(path)
                bucket[item.name] = found if found is not None else self._empty(item)
        return bucket

    def _empty(self, agg: Aggregation) -> dict[str, Any]:
        """Answer an aggregation over no rows."""
        match agg:
            case Metric() | Percentiles():
                return self._metric(agg, 0, None)
            case TermsAgg():
                return {"doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": []}
            case DateHistogram() | Histogram():
                return {"buckets": self._filled(agg, steps_of(agg), {}, self._subs(agg.aggs, None), ())}
            case FilterAgg():
                return self._bucket({}, None, agg.aggs, self._subs(agg.aggs, None), ())
            case FiltersAgg():
                names = [*(name for name, _ in agg.queries), *([agg.other] if agg.other is not None else [])]
                buckets = {name: self._bucket({}, None, agg.aggs, self._subs(agg.aggs, None), ()) for name in names}
                return {"buckets": buckets if agg.named else list(buckets.values())}
            case _:
                assert_never(agg)


Subs = Mapping[str, Results]


def _metrics(aggs: Sequence[Aggregation]) -> list[MetricAgg]:
    return [item for item in aggs if isinstance(item, Metric | Percentiles)]


def _is_there(value: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=value.copy(), expression=exp.null()))


def _by(value: exp.Expr, direction: str) -> exp.Ordered:
    return exp.Ordered(this=value, desc=direction == "desc", nulls_first=False)


def _too_many() -> RequestError:
    return RequestError(f"too many buckets: {MAX_BUCKETS:,} are the most; ask for longer intervals, fewer terms or a shorter time", clause="aggs")


def _literal(key: object, kind: FieldType) -> exp.Expr:
    match key:
        case bool():
            return exp.true() if key else exp.false()
        case int():
            return whole(key)
        case float():
            return real(key)
        case _:
            del kind
            return text(str(key))


def _shown(key: Any, kind: FieldType) -> dict[str, Any]:  # noqa: ANN401 - a cell
    match kind:
        case FieldType.BOOLEAN:
            return {"key": int(key), "key_as_string": "true" if key else "false"}
        case FieldType.TIME:
            return {"key": key, "key_as_string": print_date(key, None, 0, "")}
        case FieldType.IP:
            return {"key": ip_text(key)}
        case _:
            return {"key": key}


def _check_interval_type(agg: DateHistogram | Histogram, kind: FieldType) -> None:
    wanted = {FieldType.TIME} if isinstance(agg, DateHistogram) else {FieldType.LONG, FieldType.DOUBLE}
    if kind not in wanted:
        word = "date_histogram" if isinstance(agg, DateHistogram) else "histogram"
        raise RequestError(f"field [{agg.field}] of type [{kind.value}] is not supported for aggregation [{word}]", clause=agg.clause)


def _rank(bucket: Mapping[str, Any], order: BucketOrder) -> Any:  # noqa: ANN401 - numbers
    if order.path == "_count":
        return bucket["doc_count"]
    if order.path == "_key":
        return bucket[KEY]
    name, _, part = order.path.partition(".")
    found = bucket[name]
    value = found.get("values", {}).get(f"{float(part)}") if "values" in found else found.get(part or "value")
    if value is None:
        return float("-inf") if order.direction == "desc" else float("inf")
    return value
