"""The syntax tree of a search: closed unions of frozen nodes.

Names and values are as the request has them; fields are resolved and values read when an engine binds the tree (``queries.fields``,
``queries.values``). ``clause`` is the place in the body, for errors. An engine matches on the union and ends in ``assert_never``, so that a
new node makes mypy name every engine that does not know it.
"""

import dataclasses
from dataclasses import dataclass
from typing import Literal

Scalar = str | int | float | bool
SortValue = str | int | float | bool | None
Operator = Literal["and", "or"]
Direction = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True)
class MatchAll:
    """Every row."""


@dataclass(frozen=True, slots=True)
class MatchNone:
    """No row."""


@dataclass(frozen=True, slots=True)
class Bool:
    """Clauses together; without ``minimum`` one of ``should`` is needed where there is no ``must`` and no ``filter``."""

    must: "tuple[Query, ...]" = ()
    filter: "tuple[Query, ...]" = ()
    should: "tuple[Query, ...]" = ()
    must_not: "tuple[Query, ...]" = ()
    minimum: str | None = None

    def needed(self) -> int:
        """How many of ``should`` a row must match."""
        if self.minimum is None:
            return 1 if self.should and not self.must and not self.filter else 0
        if not (self.must or self.filter or self.should):
            return 0  # nothing, or must_not alone: OpenSearch forgets the minimum
        asked = minimum_should_match(self.minimum, len(self.should))
        alone = bool(self.should) and not self.must and not self.filter
        return max(asked, 1) if alone else asked


@dataclass(frozen=True, slots=True)
class Term:
    """The value exactly; on text, one token exactly."""

    field: str
    value: Scalar
    clause: str
    case_insensitive: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """One of the values exactly."""

    field: str
    values: tuple[Scalar, ...]
    clause: str


@dataclass(frozen=True, slots=True)
class Range:
    """Between bounds; a missing bound is open. Dates may be date math in ``format``, in the zone of ``time_zone``."""

    field: str
    clause: str
    gt: Scalar | None = None
    gte: Scalar | None = None
    lt: Scalar | None = None
    lte: Scalar | None = None
    format: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has an indexed value."""

    field: str
    clause: str


@dataclass(frozen=True, slots=True)
class Match:
    """The tokens of the text, any or all or so many of them; on other fields, the value."""

    field: str
    value: Scalar
    clause: str
    operator: Operator = "or"
    minimum: str | None = None


@dataclass(frozen=True, slots=True)
class MatchPhrase:
    """The tokens of the text, one after the other."""

    field: str
    value: Scalar
    clause: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """The value begins so; on text, a token does."""

    field: str
    value: str
    clause: str
    case_insensitive: bool = False


@dataclass(frozen=True, slots=True)
class Wildcard:
    """The whole value is so, with ``*`` and ``?``; on text, a token is. From a query string the pattern is ``analyzed``: on text it is lower-cased."""

    field: str
    value: str
    clause: str
    case_insensitive: bool = False
    analyzed: bool = False


@dataclass(frozen=True, slots=True)
class Ids:
    """Rows with these event ids."""

    values: tuple[str, ...]
    clause: str


Query = MatchAll | MatchNone | Bool | Term | Terms | Range | Exists | Match | MatchPhrase | Prefix | Wildcard | Ids


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of the order of hits; rows without a value come first or last."""

    field: str
    direction: Direction
    missing_first: bool
    clause: str
    unmapped_ok: bool = False


@dataclass(frozen=True, slots=True)
class SourceFilter:
    """Which fields of the document a hit shows; patterns with ``*``."""

    enabled: bool = True
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BucketOrder:
    """The order of buckets: ``_count``, ``_key`` or the path of a metric below, such as ``p.99``."""

    path: str
    direction: Direction
    clause: str


@dataclass(frozen=True, slots=True)
class Metric:
    """One or more numbers over the rows of a bucket."""

    name: str
    kind: Literal["min", "max", "avg", "sum", "value_count", "cardinality", "stats"]
    field: str
    clause: str
    missing: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of a number."""

    name: str
    field: str
    clause: str
    percents: tuple[float, ...] = (1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0)
    keyed: bool = True
    missing: Scalar | None = None


@dataclass(frozen=True, slots=True)
class TermsAgg:
    """A bucket a value, the biggest ones."""

    name: str
    field: str
    clause: str
    size: int = 10
    order: tuple[BucketOrder, ...] = ()
    min_doc_count: int = 1
    missing: Scalar | None = None
    aggs: "tuple[Aggregation, ...]" = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """Buckets are made from ``low`` to ``high`` at least."""

    low: Scalar | None = None
    high: Scalar | None = None


@dataclass(frozen=True, slots=True)
class DateHistogram:
    """A bucket an interval of time: ``fixed_ms`` long, or a ``calendar`` unit."""

    name: str
    field: str
    clause: str
    fixed_ms: int | None = None
    calendar: Literal["minute", "hour", "day", "week", "month", "quarter", "year"] | None = None
    time_zone: str | None = None
    offset_ms: int = 0
    min_doc_count: int = 0
    bounds: Bounds = dataclasses.field(default_factory=Bounds)
    format: str | None = None
    order: tuple[BucketOrder, ...] = ()
    aggs: "tuple[Aggregation, ...]" = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """A bucket an interval of numbers."""

    name: str
    field: str
    clause: str
    interval: float
    offset: float = 0.0
    min_doc_count: int = 0
    bounds: Bounds = dataclasses.field(default_factory=Bounds)
    order: tuple[BucketOrder, ...] = ()
    aggs: "tuple[Aggregation, ...]" = ()


@dataclass(frozen=True, slots=True)
class FilterAgg:
    """One bucket: the rows that match."""

    name: str
    query: Query
    clause: str
    aggs: "tuple[Aggregation, ...]" = ()


@dataclass(frozen=True, slots=True)
class FiltersAgg:
    """A bucket a query, named or in order; ``other`` is the name of the bucket for the rest."""

    name: str
    queries: tuple[tuple[str, Query], ...]
    named: bool
    clause: str
    other: str | None = None
    aggs: "tuple[Aggregation, ...]" = ()


BucketAgg = TermsAgg | DateHistogram | Histogram | FilterAgg | FiltersAgg
MetricAgg = Metric | Percentiles
Aggregation = BucketAgg | MetricAgg


@dataclass(frozen=True, slots=True)
class Search:
    """A whole search. ``track_total`` is how far hits are counted: ``None`` is to the end, 0 not at all."""

    query: Query = dataclasses.field(default_factory=MatchAll)
    sort: tuple[SortKey, ...] = ()
    start: int = 0
    size: int = 10
    search_after: tuple[SortValue, ...] | None = None
    source: SourceFilter = dataclasses.field(default_factory=SourceFilter)
    track_total: int | None = 10_000
    aggs: tuple[Aggregation, ...] = ()
    timeout_s: float | None = None


def minimum_should_match(spec: str, clauses: int) -> int:
    """Answer how many of so many clauses a ``minimum_should_match`` asks for; the form is checked when it is parsed.

    >>> [minimum_should_match(spec, 5) for spec in ("2", "-1", "50%", "-25%", "3<60%", "7<60%")]
    [2, 4, 2, 4, 3, 5]
    """
    if "<" in spec:
        needed = clauses
        for part in spec.split():
            above, _, then = part.partition("<")
            if clauses <= int(above):
                return needed
            needed = minimum_should_match(then, clauses)
        return needed
    if spec.endswith("%"):
        share = clauses * int(spec[:-1]) / 100
        return max(clauses + int(share) if share < 0 else int(share), 0)
    count = int(spec)
    return max(count if count >= 0 else clauses + count, 0)
