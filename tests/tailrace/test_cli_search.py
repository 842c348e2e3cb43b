"""``tailrace search``: what it prints, what it exits with, and that log text cannot drive the terminal."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from tailrace.cli.search import command, search_body
from tailrace.errors import FileError, RequestError, SettingError, UsageError
from tailrace.lake import fresh_name, part_key, partition_of
from tests.queries.differential.both_engines import table_of
from tests.queries.differential.generated_documents import BASE, NOW_US


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lake" / part_key("logs", partition_of(NOW_US), fresh_name("a", 1, 0, 0))
    path.parent.mkdir(parents=True)
    rows = [
        {"event_id": str(number), "event_time": BASE, "message": f"order {number} \x1b[31mred", "severity_text": "INFO", "duration_s": float(number)}
        for number in range(5)
    ]
    pq.write_table(table_of(rows), path)
    monkeypatch.setenv("TAILRACE_HOME", str(tmp_path))
    return tmp_path


def _run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(command, arguments, input=given)


def test_hits_are_a_table_and_control_characters_are_shown(home: Path) -> None:
    found = _run("order 3")
    assert found.exit_code == 0
    assert "order 3 \\x1b[31mred" in found.stdout
    assert "\x1b" not in found.stdout
    assert "1 of 1 in" in found.stderr


def test_json_is_the_response_of_opensearch(home: Path) -> None:
    response = json.loads(_run("order", "--size", "2", "--json").stdout)
    assert response["hits"]["total"] == {"value": 5, "relation": "eq"}
    assert [hit["_id"] for hit in response["hits"]["hits"]] == ["0", "1"]


def test_words_must_all_occur_and_times_bound_the_search(home: Path) -> None:
    assert json.loads(_run("order 3", "--json").stdout)["hits"]["total"]["value"] == 1
    assert json.loads(_run("--from", "2026-11-24T11:00", "--json").stdout)["hits"]["total"]["value"] == 0
    assert json.loads(_run("--to", "2026-11-24||+1d", "--json").stdout)["hits"]["total"]["value"] == 5


def test_a_body_comes_from_a_file_or_from_standard_input(home: Path) -> None:
    body: dict[str, Any] = {
        "size": 0,
        "aggs": {"levels": {"terms": {"field": "severity_text"}, "aggs": {"s": {"max": {"field": "duration_s"}}}}, "top": {"max": {"field": "duration_s"}}},
    }
    shown = _run("--body", "-", given=json.dumps(body)).stdout
    assert "INFO" in shown
    assert '{"value":4.0}' in shown
    (home / "body.json").write_text(json.dumps(body))
    assert json.loads(_run("--body", str(home / "body.json"), "--json").stdout)["aggregations"]["top"] == {"value": 4.0}


def test_named_buckets_and_rows_without_a_document_are_shown(home: Path) -> None:
    body = {"_source": False, "size": 1, "aggs": {"f": {"filters": {"filters": {"all": {"match_all": {}}}}}}}
    shown = _run("--body", "-", given=json.dumps(body)).stdout
    assert "_id" in shown
    assert "all" in shown


def test_names_that_no_row_can_have_are_told(home: Path) -> None:
    assert "no row can have: nope" in _run("nope:x").stderr


@pytest.mark.parametrize(
    ("arguments", "given", "error", "message"),
    [
        (["a AND"], None, RequestError, "cannot read the query string"),
        (["--from", "yesterday"], None, RequestError, "--from: failed to parse date"),
        (["x", "--body", "-"], "{}", UsageError, "--body goes without a query"),
        (["--body", "-"], "{", FileError, "is not JSON"),
        (["--body", "-"], "[]", FileError, "is not a JSON object"),
        (["--body", "-"], " " * (1024 * 1024 + 1), FileError, "longer than 1 MiB"),
        (["--body", "-"], '{"querry": {}}', RequestError, "did you mean 'query'?"),
        (["x", "--engine", "opensearch"], None, SettingError, "opensearch_url is empty"),
    ],
)
def test_what_is_wrong_is_one_error(home: Path, arguments: list[str], given: str | None, error: type[Exception], message: str) -> None:
    found = _run(*arguments, given=given)
    assert isinstance(found.exception, error)
    assert message in str(found.exception)


def test_bare_words_search_names_in_other_tables() -> None:
    body = search_body("checkout", None, None, 5, "spans")
    assert body["query"]["bool"]["filter"][0]["query_string"]["fields"] == ["name", "serviceName"]
