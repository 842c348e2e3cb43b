"""What SQL of a person may be: one statement that reads, from the tables that there are, with functions of a list.

The whole syntax tree is walked, because a ``WITH`` can hide a ``DELETE``. The same tree is then printed for the engine, so that what was checked is what runs.
"""

from collections.abc import Collection
from typing import Final

from sqlglot import exp, parse
from sqlglot.errors import ParseError, TokenError

from tailrace.errors import RequestError, UnsupportedError, nearest

MAX_SQL_CHARS: Final = 20_000
MAX_DEPTH: Final = 100
MAX_ROWS: Final = 10_000
TABLES: Final = ("logs", "spans", "metrics")

_FORBIDDEN: Final = (
    exp.DDL,
    exp.DML,
    exp.Command,
    exp.Into,
    exp.Pragma,
    exp.Set,
    exp.Use,
    exp.Attach,
    exp.Detach,
    exp.Copy,
    exp.Describe,
    exp.Show,
    exp.Transaction,
)
_STATEMENTS: Final = (exp.Select, exp.SetOperation)


def read_sql(sql: str) -> exp.Query:
    """Parse one statement in Athena's dialect and check it; raises :class:`RequestError` with the place."""
    if len(sql) > MAX_SQL_CHARS:
        raise RequestError(f"longer than {MAX_SQL_CHARS} characters", clause="sql")
    try:
        statements = [one for one in parse(sql, read="athena") if one is not None]
    except (ParseError, TokenError) as error:
        raise RequestError(_place(error), clause="sql") from error
    except RecursionError as error:
        raise RequestError("nested too deep", clause="sql") from error
    if len(statements) != 1:
        raise RequestError(f"expected one statement, found {len(statements)}", clause="sql")
    statement = statements[0]
    if not isinstance(statement, _STATEMENTS):
        raise RequestError(f"only SELECT is taken, found {statement.key.upper()}", clause="sql")
    _check(statement)
    return statement


def _place(error: Exception) -> str:
    found = getattr(error, "errors", None)
    if found:
        first = found[0]
        return f"line {first['line']}, column {first['col']}: {first['description']} near {first['highlight']!r}"
    return str(error).splitlines()[0][:200]


def _check(statement: exp.Query) -> None:
    names = {cte.alias_or_name for cte in statement.find_all(exp.CTE)}
    for node in statement.walk():
        if node.depth > MAX_DEPTH:
            raise RequestError("nested too deep", clause="sql")
        if isinstance(node, _FORBIDDEN) and not isinstance(node, exp.Query):
            raise RequestError(f"only SELECT is taken, found {node.key.upper()}", clause="sql")
        if isinstance(node, exp.Table):
            _check_table(node, names)


def _check_table(table: exp.Table, names: Collection[str]) -> None:
    if not isinstance(table.this, exp.Identifier):
        raise RequestError(f"a table function is not taken: {table.sql('athena')[:60]}", clause="sql")
    if table.args.get("db") or table.args.get("catalog"):
        raise RequestError(f"a table is named without its database: {table.sql('athena')[:60]}", clause="sql")
    if table.name not in names and table.name not in TABLES:
        raise RequestError(f"no such table: {table.name}{nearest(table.name, (*TABLES, *names))}", clause="sql")


def refuse(what: str, known: Collection[str]) -> UnsupportedError:
    """Make the error for a function that is not translated."""
    return UnsupportedError(f"the function {what} is not translated to the local engine{nearest(what, known)}", clause="sql")


def limited(statement: exp.Query, rows: int = MAX_ROWS) -> exp.Query:
    """Answer the statement with a limit: its own, if that is smaller."""
    own = statement.args.get("limit")
    if own is not None:
        value = own.expression if isinstance(own, exp.Limit) else None
        if isinstance(value, exp.Literal) and not value.is_string and int(value.this) <= rows:
            return statement
        return exp.select("*").from_(statement.subquery("limited")).limit(rows)
    return statement.limit(rows)
