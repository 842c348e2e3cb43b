"""SQL of a person: one statement that reads, from the tables that there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.athena_dialect import to_duckdb
from queries.guard import MAX_SQL_CHARS, limited, read_sql
from tailrace.errors import RequestError


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT * FROM read_csv('/etc/passwd')", "table function"),
        ("SELECT * FROM '/etc/passwd'", "."),
        ("WITH a AS (DELETE FROM logs RETURNING 1) SELECT * FROM a", "only SELECT"),
        ("SELECT 1; DROP TABLE logs", "expected one statement"),
        ("DROP TABLE logs", "only SELECT"),
        ("INSERT INTO logs SELECT 1", "only SELECT"),
        ("COPY logs TO 'x'", "."),
        ("ATTACH 'x'", "."),
        ("PRAGMA version", "."),
        ("SET threads = 1", "."),
        ("EXPLAIN ANALYZE SELECT 1", "."),
        ("SELECT * FROM lgs", r"did you mean 'logs'"),
        ("SELECT * FROM information_schema.tables", "without its database"),
        ("SELECT * FROM glob('*')", "."),
        ("SELECT (", "line 1"),
        ("", "expected one statement"),
        ("SELECT '", "."),
        ("SELECT " + "(" * 3_000 + "1" + ")" * 3_000, "nested too deep"),
        ("SELECT 1 --" + "x" * MAX_SQL_CHARS, "longer than"),
    ],
)
def test_what_is_no_query_is_refused(sql: str, reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        read_sql(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT * FROM logs l JOIN spans s ON l.trace_id = s.trace_id",
        "WITH q AS (SELECT 1 AS a) SELECT * FROM q",
        "SELECT 1 UNION ALL SELECT 2",
    ],
)
def test_a_query_is_taken(sql: str) -> None:
    assert read_sql(sql).selects


@pytest.mark.parametrize(
    ("sql", "limit"),
    [
        ("SELECT 1", "LIMIT 5"),
        ("SELECT 1 LIMIT 3", "LIMIT 3"),
        ("SELECT 1 LIMIT 100", "LIMIT 5"),
        ("SELECT 1 UNION SELECT 2", "LIMIT 5"),
        ("SELECT 1 FETCH FIRST 9 ROWS ONLY", "LIMIT 5"),
    ],
)
def test_no_query_answers_more_rows_than_allowed(sql: str, limit: str) -> None:
    assert limited(read_sql(sql), 5).sql("duckdb").endswith(limit)


@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            [
                "SELECT",
                "*",
                "FROM",
                "logs",
                "(",
                ")",
                ",",
                "1",
                "'a'",
                "WITH",
                "AS",
                "UNION",
                "WHERE",
                "a",
                "=",
                "--",
                ";",
                "UNNEST",
                "::",
                "[",
                "]",
                "date_trunc",
            ]
        ),
        max_size=14,
    ).map(" ".join)
)
def test_any_text_is_a_query_or_one_clear_error(sql: str) -> None:
    try:
        to_duckdb(limited(read_sql(sql))).sql("duckdb")
    except RequestError as error:
        assert error.clause == "sql"
