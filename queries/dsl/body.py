"""The tree back to a ``_search`` body, for OpenSearch: only what was read and understood is sent on.

Names become those of the mapping, query strings have become clauses, dates are resolved to milliseconds here (one clock, no zones), and the order always ends
in ``event_id``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, assert_never

from queries.dsl.dates import DEFAULT_FORMAT, DateReader, time_bounds_ms, zone_offset_ms
from queries.dsl.nodes import (
    Aggregation,
    Bool,
    Bounds,
    BucketAgg,
    BucketOrder,
    DateHistogram,
    Exists,
    FilterAgg,
    FiltersAgg,
    Histogram,
    Ids,
    Match,
    MatchAll,
    MatchNone,
    MatchPhrase,
    Metric,
    Percentiles,
    Prefix,
    Query,
    Range,
    Scalar,
    Search,
    SortKey,
    SourceFilter,
    Term,
    Terms,
    TermsAgg,
    Wildcard,
)
from queries.fields import FieldResolver, Unmapped
from tailrace.clock import iso_ms
from tailrace.schema import FieldType
from tailrace.text import lower

Json = dict[str, Any]

_UNMAPPED_TYPES: Final[Mapping[FieldType, str]] = MappingProxyType(
    {FieldType.LONG: "long", FieldType.DOUBLE: "double", FieldType.BOOLEAN: "boolean", FieldType.TIME: "date", FieldType.IP: "ip"}
)
"""How an index that is older than an attribute sorts it; others are keywords."""


@dataclass(frozen=True, slots=True)
class BodyWriter:
    """Writes bodies: names through the resolver, dates by what now is."""

    resolver: FieldResolver
    now_us: int

    def body(self, search: Search, sort: Sequence[SortKey]) -> Json:
        """Answer the body of a search, in the order given."""
        body: Json = {
            "query": self.query(search.query),
            "sort": [self._sort(key) for key in sort],
            "from": search.start,
            "size": search.size,
            "track_total_hits": True if search.track_total is None else search.track_total or False,
            "_source": _source(search.source),
        }
        if search.search_after is not None:
            body["search_after"] = list(search.search_after)
        if search.aggs:
            body["aggs"] = self.aggs(search.aggs)
        if search.timeout_s is not None:
            body["timeout"] = f"{round(search.timeout_s * 1_000)}ms"
        return body

    def query(self, query: Query) -> Json:
        """Answer a query clause."""
        match query:
            case MatchAll():
                return {"match_all": {}}
            case MatchNone():
                return {"match_none": {}}
            case Bool():
                return self._bool(query)
            case Ids():
                return {"ids": {"values": list(query.values)}}
            case Range():
                return self._range(query)
            case Term() | Terms() | Exists() | Match() | MatchPhrase() | Prefix() | Wildcard():
                return self._leaf(query)
            case _:
                assert_never(query)

    def _bool(self, query: Bool) -> Json:
        parts = {"must": query.must, "filter": query.filter, "should": query.should, "must_not": query.must_not}
        body: Json = {name: [self.query(inner) for inner in clauses] for name, clauses in parts.items() if clauses}
        if query.minimum is not None:
            body["minimum_should_match"] = query.minimum
        return {"bool": body}

    def _leaf(self, query: Term | Terms | Exists | Match | MatchPhrase | Prefix | Wildcard) -> Json:
        name = self._name(query.field)
        match query:
            case Terms():
                return {"terms": {name: [self._value(query.field, value, query.clause) for value in query.values]}}
            case Exists():
                return {"exists": {"field": name}}
            case Prefix():
                return {"prefix": {name: {"value": query.value, **_any_case(any_case=query.case_insensitive)}}}
            case Wildcard():
                lowered = query.analyzed and self._type(query.field) is FieldType.TEXT
                pattern = lower(query.value) if lowered else query.value
                return {"wildcard": {name: {"value": pattern, **_any_case(any_case=query.case_insensitive)}}}
            case Term() | Match() | MatchPhrase():
                return self._one_value(name, query)
            case _:
                assert_never(query)

    def _one_value(self, name: str, query: Term | Match | MatchPhrase) -> Json:
        value = self._value(query.field, query.value, query.clause)
        match query:
            case Term():
                return {"term": {name: {"value": value, **_any_case(any_case=query.case_insensitive)}}}
            case Match():
                return {"match": {name: {"query": value, "operator": query.operator, **_given(minimum_should_match=query.minimum)}}}
            case MatchPhrase():
                return {"match_phrase": {name: {"query": value}}}
            case _:
                assert_never(query)

    def _range(self, query: Range) -> Json:
        name = self._name(query.field)
        if self._type(query.field) is FieldType.TIME:
            low, high = time_bounds_ms(query, self.now_us)
            bounds = {key: value for key, value in (("gte", low), ("lte", high)) if value is not None}
            return {"range": {name: {**bounds, "format": "epoch_millis"}}}
        return {"range": {name: {key: value for key in ("gt", "gte", "lt", "lte") if (value := getattr(query, key)) is not None}}}

    def _value(self, field: str, value: Scalar, clause: str) -> Scalar:
        """Put our clock's now into date math."""
        if self._type(field) is not FieldType.TIME or not str(value).startswith("now"):
            return value
        DateReader(self.now_us, clause).read_ms(value, round_up=False)
        return f"{iso_ms(self.now_us)}||{str(value)[3:]}"

    def _sort(self, key: SortKey) -> Json:
        kind = self._type(key.field)
        optional = key.unmapped_ok or key.field.startswith("attributes.") or self._name(key.field) != key.field
        unmapped = {"unmapped_type": "keyword" if kind is None else _UNMAPPED_TYPES.get(kind, "keyword")} if optional else {}
        return {self._name(key.field): {"order": key.direction, "missing": "_first" if key.missing_first else "_last", **unmapped}}

    def aggs(self, aggs: Sequence[Aggregation]) -> Json:
        """Answer aggregations by their names."""
        return {agg.name: self._agg(agg) for agg in aggs}

    def _agg(self, agg: Aggregation) -> Json:
        match agg:
            case Metric():
                return {agg.kind: {"field": self._name(agg.field), **_given(missing=agg.missing)}}
            case Percentiles():
                return {"percentiles": {"field": self._name(agg.field), "percents": list(agg.percents), "keyed": agg.keyed, **_given(missing=agg.missing)}}
            case TermsAgg() | DateHistogram() | Histogram() | FilterAgg() | FiltersAgg():
                return {**self._bucket_agg(agg), **({"aggs": self.aggs(agg.aggs)} if agg.aggs else {})}
            case _:
                assert_never(agg)

    def _bucket_agg(self, agg: BucketAgg) -> Json:
        match agg:
            case TermsAgg():
                inner: Json = {"size": agg.size, "min_doc_count": agg.min_doc_count, **_given(missing=agg.missing), **_order(agg.order)}
                return {"terms": {"field": self._name(agg.field), **inner}}
            case DateHistogram():
                return {"date_histogram": self._date_histogram(agg)}
            case Histogram():
                inner = {"interval": agg.interval, "offset": agg.offset, "min_doc_count": agg.min_doc_count, **_bounds(agg.bounds), **_order(agg.order)}
                return {"histogram": {"field": self._name(agg.field), **inner}}
            case FilterAgg():
                return {"filter": self.query(agg.query)}
            case FiltersAgg():
                named = {name: self.query(query) for name, query in agg.queries}
                return {"filters": {"filters": named if agg.named else list(named.values()), **_given(other_bucket_key=agg.other)}}
            case _:
                assert_never(agg)

    def _date_histogram(self, agg: DateHistogram) -> Json:
        interval: Json = {"fixed_interval": f"{agg.fixed_ms}ms"} if agg.fixed_ms else {"calendar_interval": agg.calendar}
        zone_ms = zone_offset_ms(agg.time_zone, agg.clause)
        reader = DateReader(self.now_us, agg.clause, agg.format or DEFAULT_FORMAT, zone_ms)
        bounds = Bounds(*(_bound_ms(bound, reader) for bound in (agg.bounds.low, agg.bounds.high)))
        more = {"min_doc_count": agg.min_doc_count, "offset": agg.offset_ms, **_given(time_zone=agg.time_zone, format=agg.format), **_bounds(bounds)}
        return {"field": self._name(agg.field), **interval, **more, **_order(agg.order)}

    def _name(self, field: str) -> str:
        return self.resolver.resolve(field).name

    def _type(self, field: str) -> FieldType | None:
        found = self.resolver.resolve(field)
        return None if isinstance(found, Unmapped) else found.type


def _bound_ms(bound: Scalar | None, reader: DateReader) -> int | None:
    if bound is None or (isinstance(bound, int) and not isinstance(bound, bool)):
        return bound
    return reader.read_ms(bound, round_up=False)


def _source(source: SourceFilter) -> Json | bool:
    if not source.enabled:
        return False
    return {name: list(found) for name, found in (("includes", source.includes), ("excludes", source.excludes)) if found} or True


def _any_case(*, any_case: bool) -> Json:
    return {"case_insensitive": True} if any_case else {}


def _given(**values: object) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def _bounds(bounds: Bounds) -> Json:
    found = _given(min=bounds.low, max=bounds.high)
    return {"extended_bounds": found} if found else {}


def _order(orders: Sequence[BucketOrder]) -> Json:
    return {"order": [{order.path: order.direction} for order in orders]} if orders else {}
