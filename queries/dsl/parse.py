"""A ``_search`` body to a :class:`queries.dsl.nodes.Search`, or an error that names the place.

>>> parse_search({"query": {"term": {"service.name": "web"}}, "size": 5}).size
5
>>> parse_search({"querry": {}})
Traceback (most recent call last):
    ...
tailrace.errors.UnsupportedError: querry: is not supported (did you mean 'query'?)
"""

from collections.abc import Mapping
from typing import Any, Final

from queries.dsl.aggs import parse_aggs
from queries.dsl.dates import read_duration_ms
from queries.dsl.nodes import MatchAll, Search, SortKey, SortValue, SourceFilter
from queries.dsl.query import parse_query
from queries.dsl.shape import Place
from tailrace.errors import UnsupportedError
from tailrace.schema import TableName

MAX_WINDOW: Final = 10_000
"""``from`` + ``size`` at most (OpenSearch: index.max_result_window); further on with ``search_after``."""

MAX_SORT_KEYS: Final = 10

_KEYS: Final = ("query", "sort", "from", "size", "search_after", "_source", "track_total_hits", "aggs", "aggregations", "timeout", "version", "explain")


def parse_search(body: Mapping[str, Any], table: TableName = "logs") -> Search:
    """Read a search; raises :class:`tailrace.errors.RequestError` or :class:`tailrace.errors.UnsupportedError`.

    ``table`` is the one that is asked; a search has the same form for all of them.
    """
    del table
    place = Place(body, "")
    try:
        return _parse_search(place)
    except RecursionError as error:
        raise UnsupportedError("the request is nested too deep") from error


def _parse_search(place: Place) -> Search:
    place.only(*_KEYS)
    for name in ("version", "explain"):
        if (option := place.get(name)) and option.flag():
            raise option.unsupported("only false is supported")
    start, size = _window(place)
    after = place.get("search_after")
    sort = _sort(place)
    timeout = place.get("timeout")
    query = place.get("query")
    return Search(
        query=parse_query(query) if query else MatchAll(),
        sort=sort,
        start=start,
        size=size,
        search_after=_search_after(after, sort, start) if after else None,
        source=_source(place),
        track_total=_track_total(place),
        aggs=parse_aggs(place),
        timeout_s=read_duration_ms(timeout) / 1_000 if timeout else None,
    )


def _window(place: Place) -> tuple[int, int]:
    start = found.whole(0, 2**31) if (found := place.get("from")) else 0
    size = found.whole(0, 2**31) if (found := place.get("size")) else 10
    if start + size > MAX_WINDOW:
        raise place.error(f"from + size is {start + size:,}, {MAX_WINDOW:,} is the most: go on with search_after")
    return start, size


def _sort(place: Place) -> tuple[SortKey, ...]:
    given = place.get("sort")
    if given is None:
        return ()
    keys = [_sort_key(item) for item in given.items()]
    if len(keys) > MAX_SORT_KEYS:
        raise given.error(f"has more than {MAX_SORT_KEYS} keys")
    return tuple(key for key in keys if key.field != "_doc")


def _sort_key(place: Place) -> SortKey:
    if isinstance(place.value, str):
        name, options = place.text(), Place({}, place.path)
    else:
        name, options = place.single("field")
    if name == "_score":
        raise options.unsupported("there is no score to sort by")
    if isinstance(options.value, str):
        options = Place({"order": options.value}, options.path)
    options.only("order", "missing", "unmapped_type", "format", "mode", "numeric_type")
    for refused in ("format", "mode", "numeric_type"):
        if option := options.get(refused):
            raise option.unsupported("is not supported")
    order = found.choice(("asc", "desc")) if (found := options.get("order")) else "asc"
    missing = found.choice(("_first", "_last")) if (found := options.get("missing")) else "_last"
    return SortKey(name, "asc" if order == "asc" else "desc", missing == "_first", options.path, unmapped_ok="unmapped_type" in options.mapping())


def _search_after(place: Place, sort: tuple[SortKey, ...], start: int) -> tuple[SortValue, ...]:
    if start:
        raise place.error("goes without from")
    values = tuple(None if item.value is None else item.scalar() for item in place.sequence(MAX_SORT_KEYS + 1))
    keys = len(sort) or 2
    if len(values) not in {keys, keys + 1}:
        raise place.error(f"has {len(values)} values, the order of the hits has {keys} keys")
    return values


def _source(place: Place) -> SourceFilter:
    given = place.get("_source")
    if given is None:
        return SourceFilter()
    if isinstance(given.value, bool):
        return SourceFilter(enabled=given.value)
    if not isinstance(given.value, Mapping):
        return SourceFilter(includes=_patterns(given))
    given.only("includes", "excludes")
    includes, excludes = given.get("includes"), given.get("excludes")
    return SourceFilter(includes=_patterns(includes) if includes else (), excludes=_patterns(excludes) if excludes else ())


def _patterns(place: Place) -> tuple[str, ...]:
    items = place.items()
    if len(items) > 500:
        raise place.error("has more than 500 patterns")
    return tuple(item.text(256) for item in items)


def _track_total(place: Place) -> int | None:
    given = place.get("track_total_hits")
    if given is None:
        return MAX_WINDOW
    if isinstance(given.value, bool) or given.value in ("true", "false"):
        return None if given.flag() else 0
    return given.whole(1, 2**31 - 1)
