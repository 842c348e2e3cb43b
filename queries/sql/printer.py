"""A syntax tree to the text of a dialect. Only DuckDB today; Trino and Athena differ in the functions that ``queries.sql.columns`` calls."""

from typing import Final

from sqlglot import exp

from tailrace.errors import UnsupportedError, nearest

DIALECTS: Final = ("duckdb",)


def print_sql(statement: exp.Expr, dialect: str = "duckdb") -> str:
    """Answer the text of a statement."""
    if dialect not in DIALECTS:
        raise UnsupportedError(f"searches are not written for {dialect}{nearest(dialect, DIALECTS)}: use the lake on this machine, or OpenSearch")
    return statement.sql(dialect=dialect, comments=False)
