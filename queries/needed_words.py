"""The words that every row which a search finds has in its text: what token filters are asked for.

What is not surely needed is left out: the answer is the same without any of them.
"""

from queries.dsl.nodes import Bool, Match, MatchPhrase, Query, Term
from queries.values import keyword_text
from tailrace.schema import TABLES, TableName
from tailrace.text import tokens
from tailrace.token_filter import text_column


def needed_words(query: Query, table: TableName) -> frozenset[str]:
    """Answer the words, all of ASCII."""
    match query:
        case Bool():
            every = (*query.must, *query.filter, *(query.should if len(query.should) == 1 and query.needed() else ()))
            return frozenset(word for one in every for word in needed_words(one, table))
        case Match() | MatchPhrase() | Term() if _is_text(query.field, table):
            found = _words(query)
            return frozenset(word for word in found if word.isascii())
        case _:
            return frozenset()


def _is_text(name: str, table: TableName) -> bool:
    field = TABLES[table].field(name)
    return field is not None and field.column == text_column(table)


def _words(query: Match | MatchPhrase | Term) -> list[str]:
    found = tokens(keyword_text(query.value))
    match query:
        case Match():
            return found if query.operator == "and" or len(found) == 1 else []
        case Term():
            return found if found == [keyword_text(query.value)] else []
        case _:
            return found
