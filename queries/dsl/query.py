"""Query clauses: JSON to nodes.

One function a clause, named in :data:`CLAUSES`. The meaning is that of https://docs.opensearch.org/latest/query-dsl/; a parameter that would change the
meaning and is not supported is refused, never skipped.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from queries import lucene
from queries.dsl.nodes import (
    Bool,
    Exists,
    Ids,
    Match,
    MatchAll,
    MatchNone,
    MatchPhrase,
    Operator,
    Prefix,
    Query,
    Range,
    Scalar,
    Term,
    Terms,
    Wildcard,
)
from queries.dsl.shape import Place
from tailrace.errors import nearest

MAX_DEPTH: Final = 24
"""Queries within queries."""

MAX_CLAUSES: Final = 1_024
"""Clauses of one ``bool`` (OpenSearch: indices.query.bool.max_clause_count)."""

MAX_VALUES: Final = 10_000
"""Values of one ``terms`` or ``ids``."""

MAX_WILDCARDS: Final = 10
"""Signs ``*`` and ``?`` in one pattern."""

_MINIMUM: Final = re.compile(r"-?\d{1,6}%?|(\d{1,6}<-?\d{1,6}%?)(\s+\d{1,6}<-?\d{1,6}%?)*")

_KNOWN_ELSEWHERE: Final = MappingProxyType(
    {
        "fuzzy": "match or wildcard",
        "regexp": "wildcard",
        "match_phrase_prefix": "match_phrase or prefix",
        "match_bool_prefix": "match and prefix",
        "multi_match": "bool with several match",
        "simple_query_string": "query_string",
        "constant_score": "bool with filter: there is no score",
        "dis_max": "bool with should: there is no score",
        "nested": "a flat attribute: there are no nested fields",
        "script": "a query without a script",
    }
)


def parse_query(place: Place, depth: int = 0) -> Query:
    """Read one query clause."""
    if depth > MAX_DEPTH:
        raise place.error(f"is more than {MAX_DEPTH} queries deep")
    kind, clause = place.single("kind of query")
    if kind in CLAUSES:
        return CLAUSES[kind](clause, depth)
    if kind in _KNOWN_ELSEWHERE:
        raise clause.unsupported(f"is not supported, use {_KNOWN_ELSEWHERE[kind]}")
    raise clause.unsupported(f"no such query{nearest(kind, CLAUSES)}")


def _match_all(clause: Place, depth: int) -> Query:
    del depth
    clause.only()
    return MatchAll()


def _match_none(clause: Place, depth: int) -> Query:
    del depth
    clause.only()
    return MatchNone()


def _bool(clause: Place, depth: int) -> Query:
    clause.only("must", "filter", "should", "must_not", "minimum_should_match", "adjust_pure_negative")
    if (adjust := clause.get("adjust_pure_negative")) and not adjust.flag():
        raise adjust.unsupported("only true is supported")
    parts = [_clauses(clause, name, depth) for name in ("must", "filter", "should", "must_not")]
    if sum(map(len, parts)) > MAX_CLAUSES:
        raise clause.error(f"has more than {MAX_CLAUSES:,} clauses")
    minimum = clause.get("minimum_should_match")
    return Bool(parts[0], parts[1], parts[2], parts[3], read_minimum(minimum) if minimum else None)


def _clauses(clause: Place, name: str, depth: int) -> tuple[Query, ...]:
    given = clause.get(name)
    return tuple(parse_query(item, depth + 1) for item in given.items()) if given else ()


def read_minimum(place: Place) -> str:
    """Read ``minimum_should_match``: a number, a percentage, or conditions such as ``2<75%``."""
    spec = str(place.value) if isinstance(place.value, int) and not isinstance(place.value, bool) else place.text(200)
    spec = re.sub(r"\s*<\s*", "<", spec.strip())
    if not _MINIMUM.fullmatch(spec):
        raise place.error(f"is {spec!r}, a number such as 2 or -1, a percentage such as 75%, or conditions such as 2<75% are possible")
    return spec


def _term(clause: Place, depth: int) -> Query:
    del depth
    name, value, options = _field_value(clause, "value", "case_insensitive")
    return Term(name, value, clause.path, case_insensitive=_flag(options, "case_insensitive"))


def _terms(clause: Place, depth: int) -> Query:
    del depth
    name, values = clause.single("field")
    return Terms(name, tuple(item.scalar() for item in values.sequence(MAX_VALUES)), values.path)


def _range(clause: Place, depth: int) -> Query:
    del depth
    name, options = clause.single("field")
    options.only("gt", "gte", "lt", "lte", "from", "to", "include_lower", "include_upper", "format", "time_zone")
    for old in ("from", "to", "include_lower", "include_upper"):
        if old in options.mapping():
            raise options.at(old).unsupported("is not supported, use gt, gte, lt and lte")
    bounds = {bound: place.scalar() if (place := options.get(bound)) else None for bound in ("gt", "gte", "lt", "lte")}
    for one, other in (("gt", "gte"), ("lt", "lte")):
        if bounds[one] is not None and bounds[other] is not None:
            raise options.error(f"has both {one} and {other}")
    form, zone = (place.text(200) if (place := options.get(key)) else None for key in ("format", "time_zone"))
    return Range(name, options.path, bounds["gt"], bounds["gte"], bounds["lt"], bounds["lte"], form, zone)


def _exists(clause: Place, depth: int) -> Query:
    del depth
    clause.only("field")
    return Exists(_required(clause, "field").text(), clause.path)


def _match(clause: Place, depth: int) -> Query:
    del depth
    name, value, options = _field_value(clause, "query", "operator", "minimum_should_match", "zero_terms_query", "lenient")
    if (zero := options.get("zero_terms_query")) and zero.choice(("none", "all")) == "all":
        raise zero.unsupported("only none is supported")
    if (lenient := options.get("lenient")) and lenient.flag():
        raise lenient.unsupported("only false is supported")
    minimum = options.get("minimum_should_match")
    return Match(name, value, clause.path, _operator(options, "operator"), read_minimum(minimum) if minimum else None)


def _match_phrase(clause: Place, depth: int) -> Query:
    del depth
    name, value, options = _field_value(clause, "query", "slop")
    if (slop := options.get("slop")) and slop.whole(0, 1_000):
        raise slop.unsupported("only 0 is supported: the words one after the other")
    return MatchPhrase(name, value, clause.path)


def _prefix(clause: Place, depth: int) -> Query:
    del depth
    name, value, options = _field_value(clause, "value", "case_insensitive")
    return Prefix(name, _as_text(value, clause), clause.path, case_insensitive=_flag(options, "case_insensitive"))


def _wildcard(clause: Place, depth: int) -> Query:
    del depth
    given = clause.single("field")[1]
    key = "wildcard" if isinstance(given.value, Mapping) and "value" not in given.value else "value"
    name, value, options = _field_value(clause, key, "case_insensitive")
    pattern = check_pattern(_as_text(value, clause), clause)
    return Wildcard(name, pattern, clause.path, case_insensitive=_flag(options, "case_insensitive"))


def check_pattern(pattern: str, place: Place) -> str:
    """Refuse a pattern with too many wildcards."""
    if pattern.count("*") + pattern.count("?") > MAX_WILDCARDS:
        raise place.error(f"has more than {MAX_WILDCARDS} wildcards")
    if len(pattern) > 1_024:
        raise place.error("is a pattern of more than 1,024 characters")
    return pattern


def _ids(clause: Place, depth: int) -> Query:
    del depth
    clause.only("values")
    values = _required(clause, "values")
    given = values.sequence(MAX_VALUES) if isinstance(values.value, list) else [values]
    return Ids(tuple(item.text() for item in given), clause.path)


def _query_string(clause: Place, depth: int) -> Query:
    clause.only("query", "default_field", "fields", "default_operator", "analyze_wildcard", "allow_leading_wildcard", "time_zone", "lenient")
    if (lenient := clause.get("lenient")) and lenient.flag():
        raise lenient.unsupported("only false is supported")
    for name in ("analyze_wildcard", "allow_leading_wildcard"):
        if option := clause.get(name):
            option.flag()
    text = _required(clause, "query")
    options = lucene.Options(
        fields=_query_fields(clause),
        operator=_operator(clause, "default_operator"),
        time_zone=zone.text(64) if (zone := clause.get("time_zone")) else None,
        leading_wildcard=leading.flag() if (leading := clause.get("allow_leading_wildcard")) else True,
        clause=text.path,
        depth=depth,
    )
    return lucene.parse_lucene(text.text(), options)


def _query_fields(clause: Place) -> tuple[str, ...]:
    given, default = clause.get("fields"), clause.get("default_field")
    if given and default:
        raise clause.error("has both fields and default_field")
    places = given.sequence(20) if given else [default] if default else []
    for place in places:
        name = place.text(256)
        if "^" in name:
            raise place.unsupported("there is no score, so no boost")
        if "*" in name:
            raise place.unsupported("name the fields, a pattern of names is not supported")
    return tuple(str(place.value) for place in places)


def _field_value(clause: Place, key: str, *options: str) -> tuple[str, Scalar, Place]:
    """Read ``{field: value}`` or ``{field: {key: value, ...options}}``."""
    name, inner = clause.single("field")
    if not isinstance(inner.value, Mapping):
        return name, inner.scalar(), Place({}, inner.path)
    if "boost" in inner.value:
        raise inner.at("boost").unsupported("there is no score, so no boost")
    inner.only(key, *options)
    return name, _required(inner, key).scalar(), inner


def _required(place: Place, key: str) -> Place:
    found = place.get(key)
    if found is None:
        raise place.error(f"{key} is missing")
    return found


def _as_text(value: Scalar, clause: Place) -> str:
    if not isinstance(value, str):
        raise clause.error(f"needs a text, not {value!r}")
    return value


def _flag(options: Place, key: str) -> bool:
    found = options.get(key)
    return found.flag() if found else False


def _operator(options: Place, key: str) -> Operator:
    found = options.get(key)
    if found is None:
        return "or"
    return "and" if Place(found.text().lower(), found.path).choice(("and", "or")) == "and" else "or"


CLAUSES: Final[Mapping[str, Callable[[Place, int], Query]]] = MappingProxyType(
    {
        "match_all": _match_all,
        "match_none": _match_none,
        "bool": _bool,
        "term": _term,
        "terms": _terms,
        "range": _range,
        "exists": _exists,
        "match": _match,
        "match_phrase": _match_phrase,
        "prefix": _prefix,
        "wildcard": _wildcard,
        "ids": _ids,
        "query_string": _query_string,
    }
)
"""Every query that is supported."""
