"""Saved queries: files with a header, parameters with types, run on the lake."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.saved_query import parse_query, read_query
from queries.workspace import Workspace
from tailrace.clock import ManualClock
from tailrace.errors import FileError, RequestError
from tailrace.settings import Settings

HEAD = "-- title: T\n"
FULL = """\
-- title: A query
-- description: What it says.
-- parameter: start_time timestamp = now-1h
-- parameter: service string = it's
-- parameter: least bigint = -3
-- parameter: share double = 0.5
-- parameter: day date = 2026-11-24
-- parameter: all boolean
-- chart: line x=a y=b colour=c
SELECT :service AS a, :least AS b, :share AS c, :day AS d, :all AS e, :start_time AS f, :service AS g
"""


def test_a_file_is_read_whole() -> None:
    query = parse_query(FULL, "q", "q.sql")
    assert (query.title, query.description, query.chart.kind, query.chart.colour) == ("A query", "What it says.", "line", "c")
    values = query.values({"all": "TRUE"}, 1_790_000_000_000_000)
    assert values == {"start_time": "2026-09-21 13:13:20.000", "service": "it's", "least": -3, "share": 0.5, "day": "2026-11-24", "all": True}
    sql, parameters = query.for_athena(values)
    assert sql.count("?") == 7
    assert parameters == [
        "'it''s'",
        "-3",
        "CAST('0.5' AS DOUBLE)",
        "CAST('2026-11-24' AS DATE)",
        "TRUE",
        "CAST('2026-09-21 13:13:20.000' AS TIMESTAMP)",
        "'it''s'",
    ]
    assert "'it''s' AS a, -3 AS b" in query.bound(values).sql("duckdb")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1", "q.sql:1: the header has no `-- title:`"),
        ("-- titel: T\nSELECT 1", r"q.sql:1: no such key: titel \(did you mean 'title'\?\)"),
        (HEAD + HEAD + "SELECT 1", "q.sql:2: the key title is there twice"),
        (HEAD + "-- parameter: a\nSELECT 1", "q.sql:2: a parameter is written"),
        (HEAD + "-- parameter: a bigit = 1\nSELECT 1", r"q.sql:2: no such type: bigit \(did you mean 'bigint'\?\)"),
        (HEAD + "-- parameter: a bigint = x\nSELECT 1", "q.sql:2: the default is wrong"),
        (HEAD + "-- chart: pie x=a y=b\nSELECT 1", "q.sql:2: no such chart"),
        (HEAD + "-- chart: bar x=a\nSELECT 1", "q.sql:2: a chart is written"),
        (HEAD + "SELECT :a", "no such parameter: :a"),
        (HEAD + "SELECT (", "q.sql:2:"),
        (HEAD + "DELETE FROM logs", "only SELECT"),
    ],
)
def test_a_wrong_file_is_one_error_with_its_line(text: str, message: str) -> None:
    with pytest.raises(FileError, match=message):
        parse_query(text, "q", "q.sql")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "long.sql").write_text("-" * 70_000)
    for name, reason in (("none.sql", "cannot be read"), ("long.sql", "longer than")):
        with pytest.raises(FileError, match=reason):
            read_query(tmp_path / name)


@pytest.mark.parametrize(
    ("given_", "clause"),
    [
        ({"all": "maybe"}, "all"),
        ({}, "all"),
        ({"all": "true", "least": "9" * 30}, "least"),
        ({"all": "true", "share": "nan"}, "share"),
        ({"all": "true", "nme": "x"}, "nme"),
    ],
)
def test_a_wrong_parameter_is_named(given_: dict[str, str], clause: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_query(FULL, "q", "q.sql").values(given_, 0)
    assert caught.value.clause == clause


@given(st.text(max_size=80))
def test_a_text_parameter_is_a_literal_whatever_it_holds(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    query = parse_query(HEAD + "-- parameter: a string\nSELECT :a AS a, 1 AS n", "q", "q.sql")
    try:
        statement = query.bound(query.values({"a": text}, 0))
    except RequestError:
        assert "\0" in text
        return
    import duckdb

    assert duckdb.execute(statement.sql("duckdb")).fetchall() == [(text, 1)] or any("\ud800" <= letter <= "\udfff" for letter in text)


def test_ours_run_on_an_empty_lake_and_a_users_win_over_ours(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "slow_requests.sql").write_text("-- title: Mine\nSELECT 1 AS a")
    space = Workspace(Settings(home=tmp_path, saved_queries=str(own)), ManualClock())
    assert {query.title for query in space.saved.list()} >= {"Mine", "Errors by service"}
    assert space.saved.run("slow_requests", {}).rows() == [[1]]
    assert space.saved.run("errors_by_service", {}).rows() == []
    assert space.saved.sql("SELECT count(*) AS n, sum(1) AS s, 'a' AS t, DATE '2026-01-02' AS d, ARRAY[1] AS l, 1.5 AS x FROM metrics").types == (
        "bigint",
        "bigint",
        "varchar",
        "date",
        "array",
        "decimal",
    )
    with pytest.raises(RequestError, match="did you mean 'slow_requests'"):
        space.saved.get("slow_request")
    space.close()
