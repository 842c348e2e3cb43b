"""Athena's SQL on DuckDB means what it means on Trino: the same expressions on both, compared."""

import decimal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import trino

from queries.athena_dialect import MACROS, to_duckdb
from queries.guard import read_sql
from tailrace.errors import UnsupportedError

GOLDEN = Path(__file__).parents[1] / "golden" / "athena"
EXPRESSIONS = [line for line in (GOLDEN / "expressions.sql").read_text("utf-8").splitlines() if line and not line.startswith("--")]
ROWS = "FROM (VALUES (1,'a',10.5e0,TRUE),(2,'b',20.0e0,FALSE),(3,'a',NULL,TRUE),(4,NULL,1.0e0,NULL)) AS t(n,s,x,f)"
STATEMENTS = [
    *(
        f"SELECT {what} {ROWS}"
        for what in (
            "count(*)",
            "count(s)",
            "count(DISTINCT s)",
            "sum(n)",
            "avg(n)",
            "avg(x)",
            "min(s)",
            "max(x)",
            "count_if(n > 2)",
            "count(*) FILTER (WHERE f)",
            "approx_distinct(s)",
            "max_by(s, n)",
            "min_by(s, n)",
            "bool_or(f)",
            "bool_and(f)",
            "array_agg(n ORDER BY n)",
            "stddev(n)",
            "variance(n)",
            "sum(n) / 2",
            "sum(CASE WHEN f THEN 1 ELSE 0 END)",
        )
    ),
    f"SELECT s, n, row_number() OVER (PARTITION BY s ORDER BY n), lag(n) OVER (ORDER BY n) {ROWS} ORDER BY n",
    f"SELECT s, count(*) {ROWS} GROUP BY 1 ORDER BY 2 DESC, 1",
    f"WITH q AS (SELECT * {ROWS}) SELECT n FROM q ORDER BY x DESC",
    f"SELECT n FROM (SELECT n {ROWS}) ORDER BY n LIMIT 2",
    f"SELECT s {ROWS} ORDER BY s",
    f"SELECT s {ROWS} ORDER BY s DESC",
    "SELECT u FROM UNNEST(sequence(1, 3)) AS t(u) ORDER BY u",
]
Ask = Callable[[str], list[list[Any]]]


@pytest.fixture(scope="module")
def on_trino(trino_url: str) -> Iterator[Ask]:
    host, _, port = trino_url.removeprefix("http://").partition(":")
    connection = trino.dbapi.connect(host=host, port=int(port), user="test", catalog="memory", schema="default")  # type: ignore[no-untyped-call]

    def ask(sql: str) -> list[list[Any]]:
        cursor = connection.cursor()
        cursor.execute(sql)
        return [[_plain(cell) for cell in row] for row in cursor.fetchall()]

    yield ask
    connection.close()


@pytest.fixture(scope="module")
def here() -> Ask:
    connection = duckdb.connect()
    for statement in ("SET integer_division = true", "SET TimeZone = 'UTC'", *MACROS):
        connection.execute(statement)

    def ask(sql: str) -> list[list[Any]]:
        return [[_plain(cell) for cell in row] for row in connection.execute(to_duckdb(read_sql(sql)).sql("duckdb")).fetchall()]

    return ask


def _plain(cell: Any) -> Any:
    return float(cell) if isinstance(cell, decimal.Decimal) else cell


@pytest.mark.trino
@pytest.mark.timeout(1200)
def test_expressions_mean_the_same(on_trino: Ask, here: Ask) -> None:
    """One test for all: a statement on Trino costs most of what it takes."""
    together = on_trino("SELECT " + ", ".join(EXPRESSIONS))[0]
    different = [
        (what, theirs, ours)
        for what, theirs in zip(EXPRESSIONS, together, strict=True)
        if (ours := here(f"SELECT {what}")[0][0]) != theirs or type(ours) is not type(theirs)
    ]
    assert different == []


@pytest.mark.trino
@pytest.mark.timeout(1200)
def test_statements_mean_the_same(on_trino: Ask, here: Ask) -> None:
    different = [(sql, theirs, ours) for sql in STATEMENTS if (theirs := on_trino(sql)) != (ours := here(sql))]
    assert different == []


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7 / 2", 3),
        ("regexp_extract('none', 'x')", None),
        ("regexp_replace('john smith', '(\\w+) (\\w+)', '$2 $1')", "smith john"),
        ("split_part('a,b', ',', 5)", None),
        ("json_extract_scalar('{\"a\": {\"b\": 1}}', '$.a')", None),
        ("json_extract_scalar('no json', '$.a')", None),
        ("date_diff('minute', TIMESTAMP '2026-11-24 10:00:59', TIMESTAMP '2026-11-24 10:02:01')", 1),
    ],
)
def test_what_duckdb_would_silently_answer_otherwise_is_rewritten(here: Ask, expression: str, value: object) -> None:
    assert here(f"SELECT {expression}")[0][0] == value


@pytest.mark.parametrize(
    "expression",
    [
        "format('%s', 1)",
        "url_extract_host('http://x')",
        "getenv('HOME')",
        "histogram(1)",
        "reduce(ARRAY[1], 0, (s, x) -> s + x, s -> s)",
        "regexp_replace('a', 'b', concat('c', 'd'))",
        "json_extract_scalar('{}', concat('$', '.a'))",
    ],
)
def test_what_cannot_be_translated_faithfully_is_refused(here: Ask, expression: str) -> None:
    with pytest.raises(UnsupportedError, match="is not translated"):
        here(f"SELECT {expression}")
