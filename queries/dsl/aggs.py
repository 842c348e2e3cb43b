"""Aggregations: JSON to nodes, one function a kind, named in :data:`KINDS`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal

from queries.dsl.dates import CALENDAR_UNITS, read_duration_ms
from queries.dsl.nodes import (
    Aggregation,
    Bounds,
    BucketOrder,
    DateHistogram,
    FilterAgg,
    FiltersAgg,
    Histogram,
    Metric,
    Percentiles,
    Query,
    Scalar,
    TermsAgg,
)
from queries.dsl.query import parse_query
from queries.dsl.shape import Place
from tailrace.errors import nearest

MAX_AGGS: Final = 50
MAX_DEPTH: Final = 4
MAX_FILTERS: Final = 100
MAX_BUCKETS: Final = 65_535
"""Buckets of one response (OpenSearch: search.max_buckets)."""

Subs = tuple[Aggregation, ...]


def parse_aggs(place: Place, depth: int = 0) -> Subs:
    """Read ``aggs`` (or ``aggregations``) of a search or of a bucket aggregation."""
    given = [found for key in ("aggs", "aggregations") if (found := place.get(key))]
    if not given:
        return ()
    if len(given) > 1:
        raise given[1].error("goes without aggs")
    names = given[0].mapping()
    if len(names) > MAX_AGGS:
        raise given[0].error(f"has more than {MAX_AGGS} aggregations")
    if depth >= MAX_DEPTH and names:
        raise given[0].error(f"is more than {MAX_DEPTH} aggregations deep")
    return tuple(_aggregation(name, given[0].at(name), depth) for name in names)


def _aggregation(name: str, place: Place, depth: int) -> Aggregation:
    if not name or any(sign in name for sign in "[]>"):
        raise place.error("the name of an aggregation is not empty and has none of [ ] >")
    kinds = [key for key in place.mapping() if key not in {"aggs", "aggregations", "meta"}]
    if "meta" in place.mapping():
        raise place.at("meta").unsupported("is not supported")
    if len(kinds) != 1:
        raise place.error(f"has {len(kinds)} kinds, one is needed")
    kind = place.at(kinds[0])
    if kinds[0] not in KINDS:
        raise kind.unsupported(f"no such aggregation{nearest(kinds[0], KINDS)}")
    subs = parse_aggs(place, depth + 1)
    if subs and kinds[0] in METRICS:
        raise place.error(f"{kinds[0]} takes no aggregations below it")
    return KINDS[kinds[0]](name, kind, subs)


def _metric(kind: Literal["min", "max", "avg", "sum", "value_count", "cardinality", "stats"]) -> Callable[[str, Place, Subs], Aggregation]:
    def read(name: str, place: Place, subs: Subs) -> Aggregation:
        del subs
        known = ("field", "missing", "precision_threshold") if kind == "cardinality" else ("field", "missing")
        place.only(*known)
        if precision := place.get("precision_threshold"):
            precision.whole(0, 2**31)
        return Metric(name, kind, _field(place), place.path, _missing(place))

    return read


def _percentiles(name: str, place: Place, subs: Subs) -> Aggregation:
    del subs
    place.only("field", "percents", "keyed", "missing", "tdigest")
    percents = Percentiles("", "", "").percents
    if given := place.get("percents"):
        percents = tuple(item.number() for item in given.sequence(50))
        if not percents or not all(0 <= percent <= 100 for percent in percents):
            raise given.error("needs numbers from 0 to 100")
    keyed = place.get("keyed")
    return Percentiles(name, _field(place), place.path, tuple(sorted(set(percents))), keyed.flag() if keyed else True, _missing(place))


def _terms(name: str, place: Place, subs: Subs) -> Aggregation:
    place.only("field", "size", "order", "min_doc_count", "missing", "shard_size")
    if shard_size := place.get("shard_size"):
        shard_size.whole(1, MAX_BUCKETS)
    return TermsAgg(
        name,
        _field(place),
        place.path,
        size=found.whole(1, 10_000) if (found := place.get("size")) else 10,
        order=_orders(place, subs),
        min_doc_count=_min_doc_count(place, 1, "a term that is in no row is not known"),
        missing=_missing(place),
        aggs=subs,
    )


def _date_histogram(name: str, place: Place, subs: Subs) -> Aggregation:
    place.only("field", "fixed_interval", "calendar_interval", "time_zone", "offset", "min_doc_count", "extended_bounds", "format", "order", "interval")
    if "interval" in place.mapping():
        raise place.at("interval").unsupported("is not supported, use fixed_interval or calendar_interval")
    fixed, calendar = place.get("fixed_interval"), place.get("calendar_interval")
    if (fixed is None) == (calendar is None):
        raise place.error("one of fixed_interval and calendar_interval is needed")
    return DateHistogram(
        name,
        _field(place),
        place.path,
        fixed_ms=_interval(fixed) if fixed else None,
        calendar=CALENDAR_UNITS[calendar.choice(CALENDAR_UNITS)] if calendar else None,
        time_zone=zone.text(64) if (zone := place.get("time_zone")) else None,
        offset_ms=read_duration_ms(offset, signed=True) if (offset := place.get("offset")) else 0,
        min_doc_count=_min_doc_count(place, 0),
        bounds=_bounds(place),
        format=form.text(200) if (form := place.get("format")) else None,
        order=_orders(place, subs),
        aggs=subs,
    )


def _interval(place: Place) -> int:
    interval_ms = read_duration_ms(place)
    if interval_ms < 1:
        raise place.error("is shorter than a millisecond")
    return interval_ms


def _histogram(name: str, place: Place, subs: Subs) -> Aggregation:
    place.only("field", "interval", "offset", "min_doc_count", "extended_bounds", "order")
    interval = place.get("interval")
    if interval is None or interval.number() <= 0:
        raise place.error("an interval above 0 is needed")
    return Histogram(
        name,
        _field(place),
        place.path,
        interval=interval.number(),
        offset=offset.number() if (offset := place.get("offset")) else 0.0,
        min_doc_count=_min_doc_count(place, 0),
        bounds=_bounds(place),
        order=_orders(place, subs),
        aggs=subs,
    )


def _filter(name: str, place: Place, subs: Subs) -> Aggregation:
    return FilterAgg(name, parse_query(place), place.path, subs)


def _filters(name: str, place: Place, subs: Subs) -> Aggregation:
    place.only("filters", "other_bucket", "other_bucket_key")
    given = place.get("filters")
    if given is None:
        raise place.error("filters is missing")
    named = not isinstance(given.value, list)
    queries = _named_queries(given) if named else tuple((str(at), parse_query(item)) for at, item in enumerate(given.sequence(MAX_FILTERS)))
    if not queries or len(queries) > MAX_FILTERS:
        raise given.error(f"has {len(queries)} filters, 1 to {MAX_FILTERS} are possible")
    return FiltersAgg(name, queries, named, place.path, _other(place), subs)


def _named_queries(given: Place) -> tuple[tuple[str, Query], ...]:
    return tuple((key, parse_query(given.at(key))) for key in sorted(given.mapping()))


def _other(place: Place) -> str | None:
    key, wanted = place.get("other_bucket_key"), place.get("other_bucket")
    if wanted is not None and not wanted.flag():
        return None
    if key is not None:
        return key.text(256)
    return "_other_" if wanted is not None else None


def _field(place: Place) -> str:
    found = place.get("field")
    if found is None:
        raise place.error("field is missing")
    return found.text(512)


def _missing(place: Place) -> Scalar | None:
    found = place.get("missing")
    return found.scalar() if found else None


def _min_doc_count(place: Place, least: int, why: str = "") -> int:
    found = place.get("min_doc_count")
    if found is None:
        return least
    count = found.whole(0, 2**62)
    if count < least:
        raise found.unsupported(f"less than {least} is not supported: {why}")
    return count


def _bounds(place: Place) -> Bounds:
    found = place.get("extended_bounds")
    if found is None:
        return Bounds()
    found.only("min", "max")
    low, high = found.get("min"), found.get("max")
    return Bounds(low.scalar() if low else None, high.scalar() if high else None)


def _orders(place: Place, subs: Subs) -> tuple[BucketOrder, ...]:
    given = place.get("order")
    if given is None:
        return ()
    return tuple(_order(item, subs) for item in given.items()[:20])


def _order(place: Place, subs: Subs) -> BucketOrder:
    path, direction = place.single("key of the order")
    direction = Place(direction.text().lower(), direction.path)
    asc = direction.choice(("asc", "desc")) == "asc"
    if path not in {"_count", "_key"}:
        _check_metric(path, subs, place)
    return BucketOrder(path, "asc" if asc else "desc", place.path)


def _check_metric(path: str, subs: Subs, place: Place) -> None:
    sub, part = metric_of(path, subs)
    names = ["_count", "_key", *(item.name for item in subs)]
    match sub:
        case Metric(kind="stats"):
            if part not in STATS_PARTS:
                raise place.error(f"name a number of the stats: {', '.join(f'{sub.name}.{word}' for word in STATS_PARTS)}")
        case Metric():
            if part not in {"", "value"}:
                raise place.error(f"{sub.name} has one value: name it {sub.name}")
        case Percentiles():
            if part not in {_percent(value) for value in sub.percents}:
                raise place.error(f"name a percentile that is asked for, such as {sub.name}.{_percent(sub.percents[0])}")
        case _:
            raise place.error(f"no metric of the name {path!r} is below it{nearest(path, names)}")


def metric_of(path: str, subs: Subs) -> tuple[Aggregation | None, str]:
    """Answer the aggregation that an order's path names, and the part of it, such as ``99`` in ``p.99``."""
    for sub in subs:
        if path == sub.name:
            return sub, ""
        if path.startswith(f"{sub.name}."):
            return sub, path.removeprefix(f"{sub.name}.").removesuffix(".0")
    return None, ""


def _percent(value: float) -> str:
    return f"{value!r}".removesuffix(".0")


STATS_PARTS: Final = ("count", "min", "max", "avg", "sum")
METRICS: Final = MappingProxyType(
    {
        "min": _metric("min"),
        "max": _metric("max"),
        "avg": _metric("avg"),
        "sum": _metric("sum"),
        "value_count": _metric("value_count"),
        "cardinality": _metric("cardinality"),
        "stats": _metric("stats"),
        "percentiles": _percentiles,
    }
)
KINDS: Final[Mapping[str, Callable[[str, Place, Subs], Aggregation]]] = MappingProxyType(
    {
        **METRICS,
        "terms": _terms,
        "date_histogram": _date_histogram,
        "histogram": _histogram,
        "filter": _filter,
        "filters": _filters,
    }
)
"""Every aggregation that is supported."""
