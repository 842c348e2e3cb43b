"""What a ``_search`` body becomes, and how a wrong one is refused: with its place and the nearest right name."""

from typing import Any

import pytest

from queries.dsl.nodes import (
    Bool,
    DateHistogram,
    FiltersAgg,
    Match,
    MatchAll,
    Metric,
    Percentiles,
    Range,
    SortKey,
    SourceFilter,
    Term,
    TermsAgg,
    Wildcard,
    minimum_should_match,
)
from queries.dsl.parse import parse_search
from tailrace.errors import RequestError, UnsupportedError


def _query(clause: dict[str, Any]) -> Any:
    return parse_search({"query": clause}).query


def test_an_empty_body_asks_for_the_ten_newest_rows() -> None:
    search = parse_search({})
    assert (search.query, search.size, search.start, search.sort, search.track_total) == (MatchAll(), 10, 0, (), 10_000)


def test_short_and_long_forms_are_the_same_node() -> None:
    assert _query({"term": {"status": 500}}) == _query({"term": {"status": {"value": 500}}}) == Term("status", 500, "query.term")
    assert _query({"match": {"message": "a"}}) == _query({"match": {"message": {"query": "a"}}}) == Match("message", "a", "query.match")
    assert _query({"wildcard": {"a": {"wildcard": "x*"}}}) == _query({"wildcard": {"a": "x*"}}) == Wildcard("a", "x*", "query.wildcard")


def test_one_clause_needs_no_list() -> None:
    one = _query({"bool": {"must": {"match_all": {}}, "should": [{"match_all": {}}]}})
    assert one == Bool(must=(MatchAll(),), should=(MatchAll(),))


def test_sorts_have_three_forms() -> None:
    forms = ["@timestamp", {"@timestamp": "asc"}, {"@timestamp": {"order": "asc", "missing": "_last"}}]
    keys = [parse_search({"sort": form}).sort[0] for form in forms]
    assert {(key.field, key.direction, key.missing_first) for key in keys} == {("@timestamp", "asc", False)}
    assert parse_search({"sort": ["_doc", {"a": {"unmapped_type": "long"}}]}).sort == (SortKey("a", "asc", False, "sort[1].a", unmapped_ok=True),)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (False, SourceFilter(enabled=False)),
        ("a", SourceFilter(includes=("a",))),
        (["a", "b.*"], SourceFilter(includes=("a", "b.*"))),
        ({"includes": ["a"], "excludes": "b"}, SourceFilter(includes=("a",), excludes=("b",))),
    ],
)
def test_source_filters_are_read(given: Any, read: SourceFilter) -> None:
    assert parse_search({"_source": given}).source == read


@pytest.mark.parametrize(("given", "limit"), [(True, None), (False, 0), ("true", None), (7, 7)])
def test_how_far_hits_are_counted_is_asked_for(given: Any, limit: int | None) -> None:
    assert parse_search({"track_total_hits": given}).track_total == limit


def test_aggregations_are_read_with_those_below_them() -> None:
    body = {
        "aggs": {
            "t": {"terms": {"field": "a", "order": [{"p.99": "desc"}, {"s.max": "asc"}, {"m": "asc"}]}, "aggs": {"m": {"avg": {"field": "b"}}, "s": {"stats": {"field": "b"}}, "p": {"percentiles": {"field": "b"}}}},
            "d": {"date_histogram": {"field": "@timestamp", "calendar_interval": "1M", "offset": "-6h", "extended_bounds": {"min": "now-1d"}}},
            "f": {"filters": {"filters": [{"match_all": {}}], "other_bucket_key": "rest"}},
            "h": {"histogram": {"field": "b", "interval": 5}},
            "one": {"filter": {"match_all": {}}},
        }
    }  # fmt: skip
    terms, dates, filters, _, _ = parse_search(body).aggs
    assert isinstance(terms, TermsAgg)
    assert [type(sub) for sub in terms.aggs] == [Metric, Metric, Percentiles]
    assert isinstance(dates, DateHistogram)
    assert (dates.calendar, dates.offset_ms, dates.bounds.low) == ("month", -21_600_000, "now-1d")
    assert isinstance(filters, FiltersAgg)
    assert (filters.named, filters.other) == (False, "rest")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"querry": {}}, "querry: is not supported (did you mean 'query'?)"),
    ({"query": {"trem": {}}}, "query.trem: no such query (did you mean 'term'?)"),
    ({"query": {"fuzzy": {"a": "b"}}}, "query.fuzzy: is not supported, use match or wildcard"),
    ({"query": {"bool": {"must": [{"term": {"a": {"value": 1, "boost": 2}}}]}}}, "query.bool.must[0].term.a.boost: there is no score, so no boost"),
    ({"query": {"bool": {"minimum_should_match": "many"}}}, "query.bool.minimum_should_match: is 'many', a number"),
    ({"query": {"bool": {"adjust_pure_negative": False}}}, "only true is supported"),
    ({"query": {"term": {"a": None}}}, "query.term.a: is null, a text, a number, true or false is needed"),
    ({"query": {"term": {"a": 1, "b": 2}}}, "query.term: has 2 keys, one field is needed"),
    ({"query": {"term": []}}, "query.term: is a list, an object is needed"),
    ({"query": {"terms": {"a": "x"}}}, "query.terms.a: is the text 'x', a list is needed"),
    ({"query": {"range": {"a": {"from": 1}}}}, "query.range.a.from: is not supported, use gt, gte, lt and lte"),
    ({"query": {"range": {"a": {"gt": 1, "gte": 2}}}}, "query.range.a: has both gt and gte"),
    ({"query": {"match_phrase": {"message": {"query": "a b", "slop": 2}}}}, "query.match_phrase.message.slop: only 0 is supported"),
    ({"query": {"match": {"a": {"query": "x", "operator": "xor"}}}}, "is 'xor', one of and, or is needed"),
    ({"query": {"match": {"a": {"query": "x", "zero_terms_query": "all"}}}}, "only none is supported"),
    ({"query": {"match": {"a": {"query": "x", "lenient": True}}}}, "only false is supported"),
    ({"query": {"wildcard": {"a": "*" * 11}}}, "query.wildcard: has more than 10 wildcards"),
    ({"query": {"wildcard": {"a": "x" * 1_025}}}, "more than 1,024 characters"),
    ({"query": {"prefix": {"a": 5}}}, "query.prefix: needs a text, not 5"),
    ({"query": {"exists": {}}}, "query.exists: field is missing"),
    ({"query": {"query_string": {"query": "a", "fields": ["a^2"]}}}, "there is no score, so no boost"),
    ({"query": {"query_string": {"query": "a", "fields": ["a.*"]}}}, "a pattern of names is not supported"),
    ({"query": {"query_string": {"query": "a", "fields": ["a"], "default_field": "b"}}}, "has both fields and default_field"),
    ({"query": {"query_string": {"query": "a", "lenient": True}}}, "only false is supported"),
    ({"query": {"ids": {"values": [5]}}}, "query.ids.values[0]: is the number 5, a text is needed"),
    ({"from": 9_999, "size": 2}, "from + size is 10,001, 10,000 is the most"),
    ({"size": -1}, "size: is -1, 0 to"),
    ({"size": 1.5}, "size: is the number 1.5, a whole number is needed"),
    ({"sort": [{"_score": "desc"}]}, "there is no score to sort by"),
    ({"sort": [{"a": {"mode": "min"}}]}, "sort[0].a.mode: is not supported"),
    ({"sort": ["a"] * 11}, "has more than 10 keys"),
    ({"sort": ["a"], "search_after": [1, 2, 3]}, "has 3 values, the order of the hits has 1 keys"),
    ({"search_after": [1, "x"], "from": 5}, "goes without from"),
    ({"explain": True}, "only false is supported"),
    ({"track_total_hits": 0}, "track_total_hits: is 0"),
    ({"_source": {"include": []}}, "_source.include: is not supported (did you mean 'includes'?)"),
    ({"timeout": "soon"}, "timeout: is 'soon', a number and one of"),
    ({"aggs": {}, "aggregations": {"a": {}}}, "aggregations: goes without aggs"),
    ({"aggs": {"a": {"termz": {"field": "b"}}}}, "aggs.a.termz: no such aggregation (did you mean 'terms'?)"),
    ({"aggs": {"a": {"terms": {"field": "b"}, "avg": {"field": "b"}}}}, "aggs.a: has 2 kinds, one is needed"),
    ({"aggs": {"a": {"terms": {}}}}, "aggs.a.terms: field is missing"),
    ({"aggs": {"a": {"terms": {"field": "b", "min_doc_count": 0}}}}, "a term that is in no row is not known"),
    ({"aggs": {"a": {"terms": {"field": "b", "order": {"nope": "asc"}}}}}, "no metric of the name 'nope' is below it"),
    ({"aggs": {"a": {"terms": {"field": "b", "order": {"s": "asc"}}, "aggs": {"s": {"stats": {"field": "c"}}}}}}, "name a number of the stats"),
    ({"aggs": {"a": {"terms": {"field": "b", "order": {"p": "asc"}}, "aggs": {"p": {"percentiles": {"field": "c"}}}}}}, "name a percentile that is asked for"),
    ({"aggs": {"a": {"terms": {"field": "b", "order": {"m.x": "asc"}}, "aggs": {"m": {"min": {"field": "c"}}}}}}, "m has one value: name it m"),
    ({"aggs": {"a": {"avg": {"field": "b"}, "aggs": {"c": {"avg": {"field": "b"}}}}}}, "avg takes no aggregations below it"),
    ({"aggs": {"a": {"date_histogram": {"field": "t"}}}}, "one of fixed_interval and calendar_interval is needed"),
    ({"aggs": {"a": {"date_histogram": {"field": "t", "interval": "1h"}}}}, "use fixed_interval or calendar_interval"),
    ({"aggs": {"a": {"date_histogram": {"field": "t", "fixed_interval": "1M"}}}}, "is '1M', a number and one of ms, s, m, h, d"),
    ({"aggs": {"a": {"date_histogram": {"field": "t", "fixed_interval": "0s"}}}}, "is shorter than a millisecond"),
    ({"aggs": {"a": {"histogram": {"field": "t", "interval": 0}}}}, "an interval above 0 is needed"),
    ({"aggs": {"a": {"percentiles": {"field": "t", "percents": [101]}}}}, "needs numbers from 0 to 100"),
    ({"aggs": {"a": {"filters": {}}}}, "filters is missing"),
    ({"aggs": {"a": {"filters": {"filters": {}}}}}, "has 0 filters"),
    ({"aggs": {"a>b": {"avg": {"field": "x"}}}}, "the name of an aggregation"),
    ({"aggs": {"a": {"avg": {"field": "x"}, "meta": {}}}}, "aggs.a.meta: is not supported"),
    ({"aggs": {str(number): {"avg": {"field": "x"}} for number in range(51)}}, "has more than 50 aggregations"),
]


@pytest.mark.parametrize(("body", "message"), REFUSED, ids=[message[:50] for _, message in REFUSED])
def test_a_wrong_body_is_refused_with_its_place(body: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_search(body)
    assert message in str(caught.value)


def test_what_is_right_elsewhere_and_not_answered_here_is_told_apart() -> None:
    with pytest.raises(UnsupportedError):
        parse_search({"highlight": {}})
    with pytest.raises(UnsupportedError):
        parse_search({"query": {"nested": {}}})


def test_deep_bodies_are_refused_and_never_break_the_stack() -> None:
    body: dict[str, Any] = {"match_all": {}}
    for _ in range(20_000):
        body = {"bool": {"must": [body]}}
    with pytest.raises(RequestError, match="24 queries deep"):
        parse_search({"query": body})
    aggs: dict[str, Any] = {}
    for _ in range(200):
        aggs = {"a": {"filter": {"match_all": {}}, "aggs": aggs}}
    with pytest.raises(RequestError, match="4 aggregations deep"):
        parse_search({"aggs": aggs})


@pytest.mark.parametrize(
    ("spec", "clauses", "needed"),
    [("2", 5, 2), ("-1", 5, 4), ("-9", 5, 0), ("75%", 4, 3), ("75%", 3, 2), ("-25%", 4, 3), ("-25%", 3, 3), ("-10%", 5, 5), ("2<75%", 2, 2), ("2<75%", 4, 3), ("1<-1 3<50%", 3, 2), ("1<-1 3<50%", 8, 4), ("3<90%", 3, 3)],
)  # fmt: skip
def test_minimum_should_match_counts_as_opensearch_does(spec: str, clauses: int, needed: int) -> None:
    assert minimum_should_match(spec, clauses) == needed


def test_a_range_keeps_its_format_and_zone() -> None:
    found = _query({"range": {"@timestamp": {"gte": "2026", "lt": "2027", "format": "yyyy", "time_zone": "+01:00"}}})
    assert found == Range("@timestamp", "query.range.@timestamp", gte="2026", lt="2027", format="yyyy", time_zone="+01:00")
