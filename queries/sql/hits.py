"""The hits of a search in SQL: their order, what comes after given sort values, the page.

Rows without a value sort as in OpenSearch: numbers and times as the greatest or smallest 64-bit number, keywords as null. The order always ends
in ``event_id``, so that it is the same each time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from queries.dsl.dates import DateReader
from queries.dsl.nodes import Scalar, Search, SortKey, SortValue
from queries.fields import Unmapped
from queries.sql.columns import among, call, indexed, moment, raw, real, text, whole
from queries.sql.filters import Scope, all_of
from queries.sql.ip import ip_key
from queries.values import MAX_LONG, MIN_LONG, boolean_value, double_value, keyword_text, long_floor
from tailrace.clock import US_PER_MS
from tailrace.errors import RequestError
from tailrace.schema import TABLES, FieldType, TableName

DEFAULT_SORT: Final = (SortKey("@timestamp", "desc", missing_first=False, clause="sort"), SortKey("event_id", "asc", missing_first=False, clause="sort"))
"""No sort given: the newest first, then by id."""

TIE_BREAK: Final = DEFAULT_SORT[1]
TIME_COLUMN: Final = "event_time"
_TIME_NAMES: Final = frozenset({"@timestamp", "startTime", "minute"})


@dataclass(frozen=True, slots=True)
class Order:
    """One key of the order, resolved: its value in SQL, and its type (``None``: unmapped)."""

    key: SortKey
    value: exp.Expr
    type: FieldType | None

    @property
    def descending(self) -> bool:
        """Whether the greatest comes first."""
        return self.key.direction == "desc"


def full_sort(search: Search) -> tuple[SortKey, ...]:
    """Answer the order of a search, ``event_id`` at its end; not where ``search_after`` has no value for it, as OpenSearch would refuse that."""
    given = search.sort or DEFAULT_SORT
    if any(key.field in {"event_id", "_id"} for key in given):
        return given
    return given if search.search_after is not None and len(search.search_after) == len(given) else (*given, TIE_BREAK)


def orders(keys: Sequence[SortKey], scope: Scope) -> list[Order]:
    """Resolve the keys of an order."""
    return [_order(key, scope) for key in keys]


def _order(key: SortKey, scope: Scope) -> Order:
    found = scope.resolver.resolve(key.field)
    if isinstance(found, Unmapped):
        if not key.unmapped_ok:
            raise RequestError(f"no mapping found for [{key.field}] in order to sort on", clause=key.clause)
        return Order(key, exp.cast(exp.null(), "VARCHAR", dialect="duckdb"), None)
    if found.type in {FieldType.TEXT, FieldType.STORED, FieldType.ATTRIBUTES}:
        raise RequestError(f"{found.name} is a {found.type.value}, which has no order; sort by a keyword, number or time", clause=key.clause)
    value = raw(found) if found.name == "event_id" else indexed(found)  # an event id is short
    return Order(key, _filled(key, value, found.type), found.type)


def _filled(key: SortKey, value: exp.Expr, kind: FieldType) -> exp.Expr:
    greatest = (key.direction == "desc") == key.missing_first
    match kind:
        case FieldType.LONG | FieldType.TIME:
            return call("coalesce", value, whole(MAX_LONG if greatest else MIN_LONG))
        case FieldType.BOOLEAN:
            return call("coalesce", exp.cast(value, "BIGINT", dialect="duckdb"), whole(2**31 - 1 if greatest else -(2**31)))
        case FieldType.DOUBLE:
            return call("coalesce", value, real(float("inf") if greatest else float("-inf")))
        case _:
            return value


def newest(rows: exp.Select, search: Search, where: exp.Expr, scope: Scope) -> exp.Select | None:
    """Answer the statement for the times of the rows that the page can hold, where the order begins with the time; ``None`` in another order.

    It reads the time and what the query asks for, so the page itself can then be read from the few row groups that hold those times.
    """
    keys = orders(full_sort(search), scope)
    if keys[0].key.field not in _TIME_NAMES or keys[0].type is not FieldType.TIME:
        return None
    time = exp.column(TIME_COLUMN, quoted=True)
    conditions = [where.copy(), *([after(keys, search.search_after, scope)] if search.search_after is not None else [])]
    statement = exp.select(exp.alias_(call("epoch_us", time), "us", quoted=True)).from_(rows.subquery("rows", copy=False), copy=False)
    ordered = exp.Ordered(this=time.copy(), desc=keys[0].descending, nulls_first=keys[0].key.missing_first)
    return statement.where(all_of(conditions), copy=False).order_by(ordered, copy=False).limit(search.start + search.size, copy=False)


def within(last_us: int, search: Search) -> exp.Expr:
    """Answer the condition that a row does not come after the millisecond of the page's last time; others of that millisecond may come before it by id."""
    time = exp.column(TIME_COLUMN, quoted=True)
    first_of_ms = last_us // US_PER_MS * US_PER_MS
    if (search.sort or DEFAULT_SORT)[0].direction == "desc":
        return exp.GTE(this=time, expression=moment(first_of_ms))
    return exp.LT(this=time, expression=moment(first_of_ms + US_PER_MS))


def at_times(times_us: Sequence[int]) -> exp.Expr:
    """Answer the condition that a row is of one of these times."""
    return among(exp.column(TIME_COLUMN, quoted=True), [moment(time) for time in times_us])


def page(rows: exp.Select, search: Search, where: exp.Expr, scope: Scope, table: TableName) -> exp.Select:
    """Answer the statement for one page of hits: ``_id``, sort values ``_sort0``..., and the columns of the document."""
    keys = orders(full_sort(search), scope)
    outputs = [exp.alias_(exp.column("event_id", quoted=True), "_id", quoted=True)]
    outputs += [exp.alias_(order.value.copy(), f"_sort{number}", quoted=True) for number, order in enumerate(keys)]
    outputs.append(exp.alias_(exp.column("event_time", quoted=True), "_time", quoted=True))
    if search.source.enabled:
        outputs += [exp.column(field.column, quoted=True) for field in TABLES[table].fields]
    conditions = [where.copy(), *([after(keys, search.search_after, scope)] if search.search_after is not None else [])]
    statement = exp.select(*outputs).from_(rows.subquery("rows", copy=False), copy=False).where(all_of(conditions), copy=False)
    statement = statement.order_by(*(_ordered(order) for order in keys), *_hidden_tie(keys), copy=False)
    return statement.limit(search.size, copy=False).offset(search.start, copy=False)


def _ordered(order: Order) -> exp.Ordered:
    return exp.Ordered(this=order.value.copy(), desc=order.descending, nulls_first=order.key.missing_first)


def _hidden_tie(keys: Sequence[Order]) -> list[exp.Ordered]:
    if any(order.key.field in {"event_id", "_id"} for order in keys):
        return []
    return [exp.Ordered(this=exp.column("event_id", quoted=True), desc=False, nulls_first=False)]


def after(keys: Sequence[Order], values: Sequence[SortValue], scope: Scope) -> exp.Expr:
    """Answer the condition that a row comes after the given sort values."""
    if len(values) != len(keys):
        raise RequestError(f"has {len(values)} values, the order of the hits has {len(keys)} keys", clause="search_after")
    literals = [_literal(order, value, scope) for order, value in zip(keys, values, strict=True)]
    ways: list[exp.Expr] = []
    for number, order in enumerate(keys):
        same = [_same(before, literal) for before, literal in zip(keys[:number], literals[:number], strict=True)]
        ways.append(exp.paren(all_of([*same, _beyond(order, literals[number])])))
    return exp.paren(exp.or_(*ways, copy=False), copy=False)


def _literal(order: Order, value: SortValue, scope: Scope) -> exp.Expr | None:
    if value is None:
        return None
    read = _SORT_VALUES.get(order.type) if order.type else None
    return text(keyword_text(value)) if read is None else read(value, scope)


def _time_value(value: Scalar, scope: Scope) -> exp.Expr:
    if isinstance(value, int) and not isinstance(value, bool):
        return whole(value)
    return whole(DateReader(scope.now_us, AFTER).read_ms(value, round_up=False))


def _long_value(value: Scalar, scope: Scope) -> exp.Expr:
    del scope
    return whole(long_floor(value, AFTER)[0])


def _boolean_value(value: Scalar, scope: Scope) -> exp.Expr:
    is_word = isinstance(value, bool) or value in ("true", "false")
    return whole(int(boolean_value(value, AFTER))) if is_word else _long_value(value, scope)


def _double_value(value: Scalar, scope: Scope) -> exp.Expr:
    del scope
    return real(float(value) if value in ("Infinity", "-Infinity") else double_value(value, AFTER))


def _ip_value(value: Scalar, scope: Scope) -> exp.Expr:
    del scope
    key = ip_key(str(value))
    if key is None:
        raise RequestError(f"{str(value)[:80]!r} is not an IP address", clause=AFTER)
    return text(key)


AFTER: Final = "search_after"
_SORT_VALUES: Final[Mapping[FieldType, Callable[[Scalar, Scope], exp.Expr]]] = MappingProxyType(
    {
        FieldType.TIME: _time_value,
        FieldType.LONG: _long_value,
        FieldType.BOOLEAN: _boolean_value,
        FieldType.DOUBLE: _double_value,
        FieldType.IP: _ip_value,
    }
)


def _same(order: Order, literal: exp.Expr | None) -> exp.Expr:
    if literal is None:
        return exp.Is(this=order.value.copy(), expression=exp.null())
    return exp.EQ(this=order.value.copy(), expression=literal.copy())


def _beyond(order: Order, literal: exp.Expr | None) -> exp.Expr:
    value, nulls_last = order.value.copy(), not order.key.missing_first
    if literal is None:
        return exp.false() if nulls_last else exp.Not(this=exp.Is(this=value, expression=exp.null()))
    compared = (exp.LT if order.descending else exp.GT)(this=value, expression=literal.copy())
    return exp.paren(exp.or_(compared, exp.Is(this=value.copy(), expression=exp.null()))) if nulls_last else compared


def counted(rows: exp.Select, where: exp.Expr, limit: int | None) -> exp.Select:
    """Answer the statement that counts the hits, up to one more than the limit."""
    if limit is None:
        return exp.select(exp.alias_(exp.Count(this=exp.Star()), "n")).from_(rows.subquery("rows", copy=False), copy=False).where(where.copy(), copy=False)
    some = (
        exp.select(exp.alias_(exp.Literal.number(1), "one"))
        .from_(rows.subquery("rows", copy=False), copy=False)
        .where(where.copy(), copy=False)
        .limit(limit + 1, copy=False)
    )
    return exp.select(exp.alias_(exp.Count(this=exp.Star()), "n")).from_(some.subquery("some", copy=False), copy=False)
