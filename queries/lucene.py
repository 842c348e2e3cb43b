r"""Query strings (``query_string``, the search bar, ``tailrace search``): Lucene's syntax, read by luqum, to the tree of ``queries.dsl.nodes``.

The meaning is that of OpenSearch's ``query_string``: AND, OR, NOT, + and - mark the clauses beside them, as Lucene's classic parser does (``a OR b AND c`` is
``a +b +c``), and clauses with nothing between them are joined by ``default_operator``. Refused: regular expressions, fuzzy and
proximity searches, and boosts (there is no score).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from luqum import tree as lq
from luqum.exceptions import ParseError
from luqum.thread import parse as parse_text

from queries.dsl.nodes import Bool, Exists, Match, MatchAll, MatchNone, MatchPhrase, Operator, Prefix, Query, Range, Wildcard
from tailrace.errors import RequestError, UnsupportedError

MAX_CHARS: Final = 2_048
MAX_DEPTH: Final = 50
MAX_CLAUSES: Final = 256
MAX_WILDCARDS: Final = 10
DEFAULT_FIELDS: Final = ("message",)

Join = Literal["", "and", "or"]
Mark = Literal["", "must", "not"]


@dataclass(frozen=True, slots=True)
class Options:
    """How a query string is read: the fields that bare words search, what joins clauses, where it stands."""

    fields: tuple[str, ...] = ()
    operator: Operator = "or"
    time_zone: str | None = None
    leading_wildcard: bool = True
    clause: str = "query"
    depth: int = 0

    def error(self, message: str) -> RequestError:
        """Make the error that names the place."""
        return RequestError(message, clause=self.clause)

    def unsupported(self, message: str) -> UnsupportedError:
        """Make the error that says that this is not answered here."""
        return UnsupportedError(message, clause=self.clause)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One clause of a flat run of clauses: what joins it to the one before, its own mark, its syntax."""

    join: Join
    mark: Mark
    node: lq.Item


def parse_lucene(text: str, options: Options | None = None) -> Query:
    """Read a query string; raises :class:`tailrace.errors.RequestError` where it is none, and where it is too long or too deep.

    >>> parse_lucene("status:500").field
    'status'
    """
    options = options or Options()
    if len(text) > MAX_CHARS:
        raise options.error(f"the query string has {len(text):,} characters, {MAX_CHARS:,} are the most")
    if _depth(text) > MAX_DEPTH:
        raise options.error(f"the query string has more than {MAX_DEPTH} parentheses within each other")
    if not text.strip():
        return MatchNone()
    try:
        return _query(parse_text(text), options)
    except ParseError as error:
        raise options.error(f"cannot read the query string: {_lower_first(str(error))}") from error
    except RecursionError as error:
        raise options.error("the query string is nested too deep") from error


def _lower_first(text: str) -> str:
    return f"{text[:1].lower()}{text[1:].rstrip('!')}"


def _depth(text: str) -> int:
    deepest = depth = 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        deepest = max(deepest, depth)
    return deepest


def _query(node: lq.Item, options: Options) -> Query:
    pieces = _runs(list(_pieces(node, "")))
    if len(pieces) > MAX_CLAUSES:
        raise options.error(f"the query string has more than {MAX_CLAUSES} clauses side by side")
    if len(pieces) == 1 and not pieces[0].mark:
        return _clause(pieces[0].node, options)
    return _joined(pieces, options)


def _pieces(node: lq.Item, join: Join, mark: Mark = "") -> Iterator[_Piece]:
    """Walk a run of clauses from left to right; parentheses are a clause of their own."""
    match node:
        case lq.AndOperation() | lq.OrOperation():
            word: Join = "and" if isinstance(node, lq.AndOperation) else "or"
            for number, child in enumerate(node.children):
                yield from _pieces(child, word if number else join, "" if number else mark)
        case lq.UnknownOperation():
            yield from _loose(node, join)
        case lq.Not() | lq.Prohibit():
            yield _marked(node, join, "not")
        case lq.Plus():
            yield _marked(node, join, "must")
        case lq.Word() if node.value.startswith("!") and len(node.value) > 1:
            yield _Piece(join, "not", lq.Word(node.value[1:]))
        case _:
            yield _Piece(join, mark, node)


def _runs(pieces: list[_Piece]) -> list[_Piece]:
    """Join words that stand side by side into one text, as Lucene's MultiTerm does: ``level:(ERROR WARN)`` asks for the keyword ``ERROR WARN``.

    A word that AND or OR follows stands alone; on a text the words are looked for one by one all the same.
    """
    joined: list[_Piece] = []
    open_run = False
    for number, piece in enumerate(pieces):
        last = number + 1 == len(pieces) or not pieces[number + 1].join
        plain = not piece.join and not piece.mark and _is_plain(piece.node)
        if open_run and plain and last:
            joined[-1] = _Piece("", "", lq.Word(f"{joined[-1].node.value} {piece.node.value}"))
        else:
            joined.append(piece)
            open_run = plain
    return joined


def _is_plain(node: lq.Item) -> bool:
    return isinstance(node, lq.Word) and not _UNESCAPED_WILDCARD.search(node.value)


def _marked(node: lq.Item, join: Join, mark: Mark) -> _Piece:
    inner = node.children[0]
    if isinstance(inner, lq.Not | lq.Prohibit | lq.Plus):
        raise ParseError("two of NOT, + and - before one clause")
    return _Piece(join, mark, inner)


def _loose(node: lq.Item, join: Join) -> Iterator[_Piece]:
    """Walk clauses with nothing between them; ``&&`` and ``||``, which luqum takes for words, are AND and OR."""
    word: Join = join
    for child in node.children:
        if isinstance(child, lq.Word) and child.value in {"&&", "||"}:
            word = "and" if child.value == "&&" else "or"
            continue
        yield from _pieces(child, word)
        word = ""


def _joined(pieces: list[_Piece], options: Options) -> Query:
    """Lucene's QueryParserBase.addClause: AND also marks the clause before it; with default AND, OR unmarks it."""
    kinds: list[Literal["must", "should", "must_not"]] = []
    for piece in pieces:
        if kinds and kinds[-1] != "must_not":
            if piece.join == "and":
                kinds[-1] = "must"
            elif piece.join == "or" and options.operator == "and":
                kinds[-1] = "should"
        kinds.append(_kind(piece, options.operator))
    queries = [_clause(piece.node, options) for piece in pieces]
    chosen = {kind: tuple(q for q, k in zip(queries, kinds, strict=True) if k == kind) for kind in ("must", "should", "must_not")}
    return Bool(must=chosen["must"], should=chosen["should"], must_not=chosen["must_not"])


def _kind(piece: _Piece, operator: Operator) -> Literal["must", "should", "must_not"]:
    if piece.mark == "not":
        return "must_not"
    if operator == "or":
        return "must" if piece.mark == "must" or piece.join == "and" else "should"
    return "must" if piece.join != "or" else "should"


def _clause(node: lq.Item, options: Options) -> Query:
    match node:
        case lq.Group() | lq.FieldGroup():
            return _query(node.children[0], options)
        case lq.SearchField():
            return _search_field(node, options)
        case lq.Word() | lq.Phrase() | lq.Range() | lq.From() | lq.To():
            return _any_field(node, options)
        case lq.Regex():
            raise options.unsupported("regular expressions are not supported, use wildcards")
        case lq.Fuzzy() | lq.Proximity():
            raise options.unsupported("fuzzy and proximity searches (~) are not supported")
        case lq.Boost():
            raise options.unsupported("there is no score, so no boost (^)")
        case _:
            return _query(node, options)


def _search_field(node: lq.SearchField, options: Options) -> Query:
    name, value = unescape(node.name), node.children[0]
    if isinstance(value, lq.SearchField):
        raise options.error(f"{name}: has a field as its value; write a colon in a value as \\:")
    if name == "*" and isinstance(value, lq.Word) and value.value == "*":
        return MatchAll()
    if "*" in name or "?" in name:
        raise options.unsupported(f"name the field, a pattern of names is not supported: {name}")
    if name == "_exists_" and isinstance(value, lq.Word | lq.Phrase):
        return Exists(unescape(value.value.strip('"')), options.clause)
    if isinstance(value, lq.Prohibit | lq.Plus) and isinstance(value.children[0], lq.Word):
        value = lq.Word(("-" if isinstance(value, lq.Prohibit) else "") + value.children[0].value)
    return _clause(value, replace(options, fields=(name,)))


def _any_field(node: lq.Item, options: Options) -> Query:
    fields = options.fields or DEFAULT_FIELDS
    queries = tuple(_leaf(node, name, options) for name in fields)
    return queries[0] if len(queries) == 1 else Bool(should=queries)


def _leaf(node: lq.Item, name: str, options: Options) -> Query:
    match node:
        case lq.Phrase():
            return MatchPhrase(name, unescape(node.value[1:-1]), options.clause)
        case lq.Range():
            low, high = ("gte" if node.include_low else "gt"), ("lte" if node.include_high else "lt")
            bounds = {low: _bound(node.low, options), high: _bound(node.high, options)}
            return _range(name, bounds, options)
        case lq.From():
            return _range(name, {"gte" if node.include else "gt": _bound(node.a, options)}, options)
        case lq.To():
            return _range(name, {"lte" if node.include else "lt": _bound(node.a, options)}, options)
        case _:
            return _word(node.value, name, options)


def _range(name: str, bounds: dict[str, str | None], options: Options) -> Query:
    if not any(bounds.values()):
        return Exists(name, options.clause)
    return Range(name, options.clause, **bounds, time_zone=options.time_zone)


def _bound(node: lq.Item, options: Options) -> str | None:
    match node:
        case lq.Word():
            return None if node.value == "*" else unescape(node.value)
        case lq.Phrase():
            return unescape(node.value[1:-1])
        case lq.Prohibit() if isinstance(node.children[0], lq.Word):
            return f"-{unescape(node.children[0].value)}"
        case _:
            raise options.error("the bounds of a range are words or phrases")


_UNESCAPED_WILDCARD: Final = re.compile(r"(?<!\\)(?:\\\\)*[*?]")


def _word(value: str, name: str, options: Options) -> Query:
    if value == "*":
        return Exists(name, options.clause)
    wildcards = len(_UNESCAPED_WILDCARD.findall(value))
    if not wildcards:
        return Match(name, unescape(value), options.clause, options.operator)
    if wildcards > MAX_WILDCARDS:
        raise options.error(f"{value[:80]} has more than {MAX_WILDCARDS} wildcards")
    if not options.leading_wildcard and value[0] in "*?":
        raise options.error(f"{value[:80]} begins with a wildcard")
    if wildcards == 1 and value.endswith("*") and name == "_id":
        return Prefix(name, unescape(value[:-1]), options.clause)
    return Wildcard(name, value, options.clause, analyzed=True)


def unescape(text: str) -> str:
    r"""Take the backslashes off that mark a sign as plain.

    >>> unescape("a\\:b\\\\")
    'a:b\\'
    """
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
