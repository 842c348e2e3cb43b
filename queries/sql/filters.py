"""A query's tree to a condition in SQL.

A condition may be null for a row that has no value; null is no match, and ``must_not`` turns it into one. Leaves differ by the field's type: ``_TERMS`` and
``_RANGES`` below say how.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, assert_never

from sqlglot import exp

from queries.dsl.dates import time_bounds_ms
from queries.dsl.nodes import (
    Bool,
    Exists,
    Ids,
    Match,
    MatchAll,
    MatchNone,
    MatchPhrase,
    Prefix,
    Query,
    Range,
    Scalar,
    Term,
    Terms,
    Wildcard,
    minimum_should_match,
)
from queries.fields import Attribute, FieldResolver, Unmapped
from queries.sql import words
from queries.sql.columns import Element, Found, among, any_element, call, indexed, moment, raw, real, short, text, whole
from queries.sql.ip import ip_block, ip_key
from queries.values import boolean_value, double_value, keyword_text, long_floor, long_value
from tailrace.clock import US_PER_MS
from tailrace.errors import RequestError, UnsupportedError
from tailrace.schema import FieldType
from tailrace.text import lower, tokens

MAX_INDEXED_CHARS: Final = 8_191


@dataclass(frozen=True, slots=True)
class Scope:
    """What the leaves of a tree need: the names, and what now is."""

    resolver: FieldResolver
    now_us: int


def condition(query: Query, scope: Scope) -> exp.Expr:
    """Answer the condition that holds for the rows that match."""
    match query:
        case MatchAll():
            return exp.true()
        case MatchNone():
            return exp.false()
        case Bool():
            return _bool(query, scope)
        case Ids():
            return among(exp.column("event_id", quoted=True), [text(value) for value in query.values]) if query.values else exp.false()
        case Term() | Terms() | Range() | Exists() | Match() | MatchPhrase() | Prefix() | Wildcard():
            found = scope.resolver.resolve(query.field)
            return exp.false() if isinstance(found, Unmapped) else _leaf(query, found, scope)
        case _:
            assert_never(query)


def _bool(query: Bool, scope: Scope) -> exp.Expr:
    needed = query.needed()
    parts = [condition(inner, scope) for inner in (*query.must, *query.filter)]
    optional = [condition(inner, scope) for inner in query.should]
    parts += [negated(condition(inner, scope)) for inner in query.must_not]
    if needed:
        parts.append(at_least(needed, optional))
    return all_of(parts)


def all_of(parts: Sequence[exp.Expr]) -> exp.Expr:
    """Join conditions that must all hold."""
    return exp.paren(exp.and_(*parts, copy=False), copy=False) if len(parts) > 1 else parts[0] if parts else exp.true()


def negated(part: exp.Expr) -> exp.Expr:
    """Answer the condition that a condition does not hold; null becomes true."""
    return exp.not_(call("coalesce", part, exp.false()), copy=False)


def at_least(needed: int, parts: Sequence[exp.Expr]) -> exp.Expr:
    """Answer the condition that so many of some hold."""
    if needed > len(parts):
        return exp.false()
    if needed == 1:
        return exp.paren(exp.or_(*parts, copy=False), copy=False)
    if needed == len(parts):
        return all_of(parts)
    ones = [exp.case().when(part, exp.Literal.number(1)).else_(exp.Literal.number(0)) for part in parts]
    total: exp.Expr = ones[0]
    for one in ones[1:]:
        total = exp.Add(this=total, expression=one)
    return exp.GTE(this=exp.paren(total), expression=exp.Literal.number(needed))


Leaf = Term | Terms | Range | Exists | Match | MatchPhrase | Prefix | Wildcard


def _leaf(query: Leaf, found: Found, scope: Scope) -> exp.Expr:
    _check_type(query, found)
    if isinstance(found, Attribute):
        return exp.paren(exp.or_(_one(query, found, scope), any_element(found, _one(query, Element(found), scope)), copy=False), copy=False)
    return _one(query, found, scope)


def _one(query: Leaf, found: Found, scope: Scope) -> exp.Expr:
    match query:
        case Term() | Terms() | Match() | MatchPhrase():
            return _value_leaf(query, found, scope)
        case Range():
            return _RANGES[found.type](query, found, scope)
        case Exists():
            return _exists(found)
        case Prefix():
            return _prefix(query, found)
        case Wildcard():
            return _wildcard(query, found)
        case _:
            assert_never(query)


def _value_leaf(query: Term | Terms | Match | MatchPhrase, found: Found, scope: Scope) -> exp.Expr:
    match query:
        case Term():
            return _any_case_term(query, found) if query.case_insensitive else _terms(found, (query.value,), query.clause, scope)
        case Terms():
            return _terms(found, query.values, query.clause, scope)
        case Match():
            return _match(query, found, scope)
        case MatchPhrase():
            return _phrase(query, found, scope)
        case _:
            assert_never(query)


def _check_type(query: Leaf, found: Found) -> None:
    if found.type is FieldType.STORED:
        raise RequestError(f"{found.name} is stored and not searched", clause=query.clause)
    if found.type is FieldType.ATTRIBUTES:
        raise UnsupportedError(f"name an attribute: {found.name}.<name>", clause=query.clause)


def _terms(found: Found, values: Sequence[Scalar], clause: str, scope: Scope) -> exp.Expr:
    if not values:
        return exp.false()
    return _TERMS[found.type](found, values, clause, scope)


def _keyword_terms(found: Found, values: Sequence[Scalar], clause: str, scope: Scope) -> exp.Expr:
    del clause, scope
    known = [text(word) for word in map(keyword_text, values) if len(word) <= MAX_INDEXED_CHARS]
    return among(raw(found), known) if known else exp.false()


def _text_terms(found: Found, values: Sequence[Scalar], clause: str, scope: Scope) -> exp.Expr:
    del clause, scope
    known = [words.has_phrase(raw(found), [word]) for word in map(keyword_text, values) if tokens(word) == [word]]
    return exp.paren(exp.or_(*known)) if known else exp.false()


def _long_terms(found: Found, values: Sequence[Scalar], clause: str, scope: Scope) -> exp.Expr:
    del scope
    known = [whole(number) for number in (long_value(value, clause) for value in values) if number is not None]
    return among(raw(found), known) if known else exp.false()


def _double_terms(found: Found, values: Sequence[Scalar], clause: str, scope: Scope) -> exp.Expr:
    del scope
    return among(raw(found), [real(double_value(value, clause)) for value in values])


def _boolean_terms(found: Found, values: Sequence[Scalar], clause: str, scope: Scope) -> exp.Expr:
    del scope
    return among(raw(found), [exp.true() if boolean_value(value, clause) else exp.false() for value in values])


def _time_terms(found: Found, values: Sequence[Scalar], clause: str, scope: Scope) -> exp.Expr:
    return exp.paren(exp.or_(*(_time_range(Range(found.name, clause, gte=value, lte=value), found, scope) for value in values)))


def _ip_terms(found: Found, values: Sequence[Scalar], clause: str, scope: Scope) -> exp.Expr:
    del scope
    return exp.paren(exp.or_(*(_one_ip(found, str(value), clause) for value in values)))


def _one_ip(found: Found, value: str, clause: str) -> exp.Expr:
    if "/" in value:
        block = ip_block(value)
        if block is None:
            raise RequestError(f"{value[:80]!r} is not a block of IP addresses such as 10.0.0.0/8", clause=clause)
        return exp.Between(this=indexed(found), low=text(block[0]), high=text(block[1]))
    return exp.EQ(this=indexed(found), expression=text(_ip(value, clause)))


def _ip(value: str, clause: str) -> str:
    key = ip_key(value)
    if key is None:
        raise RequestError(f"{value[:80]!r} is not an IP string literal", clause=clause)
    return key


def _any_case_term(query: Term, found: Found) -> exp.Expr:
    if found.type is not FieldType.KEYWORD:
        raise RequestError(f"case_insensitive is for keywords, and {found.name} is a {found.type.value}", clause=query.clause)
    pattern = words.wildcard_regex([keyword_text(query.value)], any_case=True)
    return call("regexp_full_match", indexed(found), text(pattern))


def _compared(value: exp.Expr, query: Range, literal: Callable[[Scalar], exp.Expr]) -> exp.Expr:
    kinds = {"gt": exp.GT, "gte": exp.GTE, "lt": exp.LT, "lte": exp.LTE}
    bounds = {name: getattr(query, name) for name in kinds}
    parts: list[exp.Expr] = [kinds[name](this=value.copy(), expression=literal(bound)) for name, bound in bounds.items() if bound is not None]
    return all_of(parts) if parts else exp.Not(this=exp.Is(this=value, expression=exp.null()))


def _keyword_range(query: Range, found: Found, scope: Scope) -> exp.Expr:
    del scope
    return _compared(indexed(found), query, lambda bound: text(keyword_text(bound)))


def _long_range(query: Range, found: Found, scope: Scope) -> exp.Expr:
    del scope
    low = query.gte if query.gt is None else query.gt
    high = query.lte if query.lt is None else query.lt
    parts: list[exp.Expr] = []
    if low is not None:
        floor, exact = long_floor(low, query.clause)
        parts.append((exp.GTE if exact and query.gt is None else exp.GT)(this=raw(found), expression=whole(floor)))
    if high is not None:
        floor, exact = long_floor(high, query.clause)
        parts.append((exp.LT if exact and query.lt is not None else exp.LTE)(this=raw(found), expression=whole(floor)))
    return all_of(parts) if parts else _exists(found)


def _double_range(query: Range, found: Found, scope: Scope) -> exp.Expr:
    del scope
    return _compared(raw(found), query, lambda bound: real(double_value(bound, query.clause)))


def _boolean_range(query: Range, found: Found, scope: Scope) -> exp.Expr:
    del scope
    return _compared(raw(found), query, lambda bound: exp.true() if boolean_value(bound, query.clause) else exp.false())


def _ip_range(query: Range, found: Found, scope: Scope) -> exp.Expr:
    del scope
    return _compared(indexed(found), query, lambda bound: text(_ip(str(bound), query.clause)))


def _text_range(query: Range, found: Found, scope: Scope) -> exp.Expr:
    del scope
    raise UnsupportedError(f"a range over the words of a text ({found.name}) is not supported", clause=query.clause)


def _time_range(query: Range, found: Found, scope: Scope) -> exp.Expr:
    low_ms, high_ms = time_bounds_ms(query, scope.now_us)
    parts: list[exp.Expr] = []
    if low_ms is not None:
        parts.append(exp.GTE(this=raw(found), expression=moment(low_ms * US_PER_MS)))
    if high_ms is not None:
        parts.append(exp.LT(this=raw(found), expression=moment((high_ms + 1) * US_PER_MS)))
    return all_of(parts) if parts else _exists(found)


def _exists(found: Found) -> exp.Expr:
    if found.type is FieldType.KEYWORD:
        return short(raw(found))
    return exp.Not(this=exp.Is(this=indexed(found) if found.type is FieldType.IP else raw(found), expression=exp.null()))


def _match(query: Match, found: Found, scope: Scope) -> exp.Expr:
    if found.type is not FieldType.TEXT:
        return _terms(found, (query.value,), query.clause, scope)
    parts = [words.has_phrase(raw(found), [word]) for word in tokens(keyword_text(query.value))]
    if not parts:
        return exp.false()
    if query.operator == "and":
        return all_of(parts)
    asked = minimum_should_match(query.minimum, len(parts)) if query.minimum is not None else 1
    return at_least(max(asked, 1), parts)


def _phrase(query: MatchPhrase, found: Found, scope: Scope) -> exp.Expr:
    if found.type is not FieldType.TEXT:
        return _terms(found, (query.value,), query.clause, scope)
    asked = tokens(keyword_text(query.value))
    return words.has_phrase(raw(found), asked) if asked else exp.false()


def _prefix(query: Prefix, found: Found) -> exp.Expr:
    _check_words(found, "prefix", query.clause)
    pieces: list[words.Wild | str] = [*([query.value] if query.value else []), words.Wild("*")]
    if found.type is FieldType.TEXT:
        return words.has_token_like(raw(found), pieces, any_case=query.case_insensitive)
    if query.case_insensitive:
        return call("regexp_full_match", indexed(found), text(words.wildcard_regex(pieces, any_case=True)))
    return all_of([call("starts_with", raw(found), text(query.value)), short(raw(found))])


def _wildcard(query: Wildcard, found: Found) -> exp.Expr:
    _check_words(found, "wildcard", query.clause)
    if found.type is FieldType.TEXT:
        pieces = words.split_wildcards(lower(query.value) if query.analyzed else query.value)
        return words.has_token_like(raw(found), pieces, any_case=query.case_insensitive)
    pattern = words.wildcard_regex(words.split_wildcards(query.value), any_case=query.case_insensitive)
    return call("regexp_full_match", indexed(found), text(pattern))


def _check_words(found: Found, what: str, clause: str) -> None:
    if found.type not in {FieldType.KEYWORD, FieldType.TEXT}:
        raise RequestError(f"can only use {what} queries on keyword and text fields, not on [{found.name}], which is a {found.type.value}", clause=clause)


TermsWriter = Callable[[Found, Sequence[Scalar], str, Scope], exp.Expr]
_TERMS: Final[Mapping[FieldType, TermsWriter]] = MappingProxyType(
    {
        FieldType.KEYWORD: _keyword_terms,
        FieldType.TEXT: _text_terms,
        FieldType.LONG: _long_terms,
        FieldType.DOUBLE: _double_terms,
        FieldType.BOOLEAN: _boolean_terms,
        FieldType.TIME: _time_terms,
        FieldType.IP: _ip_terms,
    }
)
_RANGES: Final[Mapping[FieldType, Callable[[Range, Found, Scope], exp.Expr]]] = MappingProxyType(
    {
        FieldType.KEYWORD: _keyword_range,
        FieldType.TEXT: _text_range,
        FieldType.LONG: _long_range,
        FieldType.DOUBLE: _double_range,
        FieldType.BOOLEAN: _boolean_range,
        FieldType.TIME: _time_range,
        FieldType.IP: _ip_range,
    }
)


def time_range_us(query: Query, scope: Scope) -> tuple[int | None, int | None]:
    """Answer the range of event times, [from, to) in microseconds, outside of which no row matches."""
    match query:
        case Range():
            found = replace(scope.resolver, unmapped=set()).resolve(query.field)
            if found.name != "@timestamp":
                return None, None
            low, high = time_bounds_ms(query, scope.now_us)
            return (None if low is None else low * US_PER_MS), (None if high is None else (high + 1) * US_PER_MS)
        case Bool():
            ranges = [time_range_us(inner, scope) for inner in (*query.must, *query.filter)]
            lows, highs = [low for low, _ in ranges if low is not None], [high for _, high in ranges if high is not None]
            return max(lows, default=None), min(highs, default=None)
        case _:
            return None, None
