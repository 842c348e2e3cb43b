"""Query strings: Lucene's meaning of AND, OR, NOT, + and -; caps; whatever comes in, one clear error or a tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.dsl.nodes import Bool, Exists, Match, MatchAll, MatchNone, MatchPhrase, Prefix, Query, Range, Wildcard
from queries.lucene import MAX_CHARS, Options, parse_lucene, unescape
from tailrace.errors import RequestError, UnsupportedError

AND = Options(operator="and")


def _shape(query: Query) -> str:
    match query:
        case Bool():
            parts = [("+", query.must), ("", query.should), ("-", query.must_not)]
            return "(" + " ".join(f"{mark}{_shape(inner)}" for mark, clauses in parts for inner in clauses) + ")"
        case Match() | MatchPhrase() | Wildcard() | Prefix():
            return str(query.value)
        case _:
            return type(query).__name__


@pytest.mark.parametrize(
    ("text", "either", "both"),
    [
        ("a", "a", "a"),
        ("a OR b AND c", "(+b +c a)", "(+b +c a)"),
        ("a AND b OR c", "(+a +b c)", "(+a b c)"),
        ("a b* AND c", "(+b* +c a)", "(+a +b* +c)"),
        ("a NOT b", "(a -b)", "(+a -b)"),
        ("+a -b c*", "(+a c* -b)", "(+a +c* -b)"),
        ("NOT a", "(-a)", "(-a)"),
        ("(a OR b) AND c", "(+(a b) +c)", "(+(a b) +c)"),
        ("a && b || !c", "(+a +b -c)", "(+a b -c)"),
        ("a OR NOT b AND c", "(+c a -b)", "(+c a -b)"),
    ],
)
def test_operators_mark_the_clauses_beside_them(text: str, either: str, both: str) -> None:
    assert _shape(parse_lucene(text)) == either
    assert _shape(parse_lucene(text, AND)) == both


def test_words_side_by_side_are_one_text_for_a_keyword() -> None:
    assert parse_lucene("level:(ERROR WARN)") == Match("level", "ERROR WARN", "query")
    assert _shape(parse_lucene("a b c AND d")) == "(+c +d a b)"


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", MatchNone()),
        ("*:*", MatchAll()),
        ("*", Exists("message", "query")),
        ("a.b:*", Exists("a.b", "query")),
        ("_exists_:a.b", Exists("a.b", "query")),
        ('a:"x y"', MatchPhrase("a", "x y", "query")),
        ("a:x*", Wildcard("a", "x*", "query", analyzed=True)),
        ("a:x\\*", Match("a", "x*", "query")),
        ("a:\\/x\\:y", Match("a", "/x:y", "query")),
        ("a:-5", Match("a", "-5", "query")),
        ("a:>5", Range("a", "query", gt="5")),
        ("a:<=5", Range("a", "query", lte="5")),
        ("a:[1 TO 5}", Range("a", "query", gte="1", lt="5")),
        ("a:{-5 TO *]", Range("a", "query", gt="-5")),
        ("a:[* TO *]", Exists("a", "query")),
        ('t:["2026-11-24T10:00:00" TO now]', Range("t", "query", gte="2026-11-24T10:00:00", lte="now")),
    ],
)
def test_clauses_become_nodes(text: str, query: Query) -> None:
    assert parse_lucene(text) == query


def test_bare_words_search_the_fields_that_are_given() -> None:
    assert parse_lucene("x", Options(fields=("a", "b"))) == Bool(should=(Match("a", "x", "query"), Match("b", "x", "query")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/x/", "regular expressions are not supported"),
        ("a~", "fuzzy and proximity"),
        ('"a b"~2', "fuzzy and proximity"),
        ("a^2", "no boost"),
        ("a:b:c", "write a colon in a value as"),
        ("a.*:x", "name the field"),
        ("x:" + "a*" * 11, "more than 10 wildcards"),
        ("+-a", "two of NOT"),
        ("NOT NOT a", "two of NOT"),
        ("a AND", "cannot read the query string"),
        ("(a", "cannot read the query string"),
        ("a:[1 TO (x)]", "cannot read the query string"),
        (" OR ".join(["a"] * 300), "more than 256 clauses"),
    ],
)
def test_what_is_not_supported_is_refused(text: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        parse_lucene(text)


def test_leading_wildcards_can_be_refused() -> None:
    assert parse_lucene("*x") == Wildcard("message", "*x", "query", analyzed=True)
    with pytest.raises(RequestError, match="begins with a wildcard"):
        parse_lucene("*x", Options(leading_wildcard=False))


def test_long_and_deep_strings_are_refused_before_they_are_parsed() -> None:
    with pytest.raises(RequestError, match="2,048 are the most"):
        parse_lucene("a" * (MAX_CHARS + 1))
    with pytest.raises(RequestError, match="parentheses within each other"):
        parse_lucene("(" * 1_000 + "a" + ")" * 1_000)
    with pytest.raises(RequestError):
        parse_lucene("NOT " * 500 + "a")
    with pytest.raises(RequestError):
        parse_lucene("a:" * 1_000)


def test_unsupported_is_told_apart_from_wrong() -> None:
    with pytest.raises(UnsupportedError):
        parse_lucene("/x/")


_SIGNS = st.sampled_from([*'()[]{}:"+-!~^*?\\/<>=& |', " AND ", " OR ", " NOT ", " TO ", "a", "field", "2026-11-24T10:00", "日", "\x00", "\n", "😀"])


@given(text=st.lists(_SIGNS, max_size=40).map("".join) | st.text(max_size=200), operator=st.sampled_from([Options(), AND]))
def test_any_text_becomes_a_tree_or_one_error(text: str, operator: Options) -> None:
    try:
        parse_lucene(text, operator)
    except RequestError as error:
        assert error.clause == "query"


def test_backslashes_are_taken_off() -> None:
    assert unescape(r"a\*b\\") == "a*b\\"
