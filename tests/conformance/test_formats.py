"""Real lines of others, where they are at hand: all are read, none is lost, and none is taken for another format."""

import json
import os
from pathlib import Path

import pytest

from tests.collectors.readers.samples import formats, lines_of, parsed, rows

DATA = Path(os.environ.get("TAILRACE_DATA") or Path(__file__).parents[3] / "shared" / "data")
KINDS = {
    "elastic-examples/Common Data Formats/apache_logs/*_logs": "web.apache_access",
    "opensearch-catalog/apache/data/*.log": "web.apache_access",
    "opensearch-catalog/nginx/data/*.log": "web.apache_access",
    "opensearch-catalog/amazon_elb/data/*.log": "aws.alb",
    "clo/pipeline/**/elb*.log": "aws.alb",
    "clo/pipeline/**/vpcflow*.log": "aws.vpc_flow",
    "opensearch-catalog/amazon_s3/data/*.log": "aws.s3_access",
    "clo/pipeline/**/s3*.log": "aws.s3_access",
    "opensearch-catalog/amazon_cloudfront/data/*.log": "aws.cloudfront",
    "clo/pipeline/**/cloudfront*.log": "aws.cloudfront",
    "opensearch-catalog/aws_waf/data/*.log": "aws.waf",
    "clo/pipeline/**/waf*.log": "aws.waf",
    "elastic-examples/Machine Learning/**/auth*.log": "host.syslog_rfc3164",
    "elastic-examples/Common Data Formats/nginx_json_plus_logs/*_json_logs": "app.json",
    "loghub/Linux/*.log": "host.syslog_rfc3164",
    "loghub/OpenSSH/*.log": "host.syslog_rfc3164",
    "loghub/Mac/*.log": "host.syslog_rfc3164",
}
"""Where lines of one format lie; another folder of this layout may hold others, and more or fewer."""

FOUND = [pytest.param(path, expected, id=str(path.relative_to(DATA))) for pattern, expected in KINDS.items() for path in sorted(DATA.glob(pattern))]
NOTHING = [pytest.param(Path("none"), "", id="none")]


def lines_in(path: Path) -> list[str]:
    if not path.exists():
        pytest.skip(f"no {path} below {DATA}")
    return [line.rstrip("\r") for line in path.read_text("utf-8", "replace").split("\n") if line.strip()]


@pytest.mark.parametrize(("path", "expected"), FOUND or NOTHING)
def test_a_file_is_read_in_full(path: Path, expected: str) -> None:
    lines = lines_in(path)
    found = parsed(lines)
    tally = found.tally[expected]
    assert set(found.tally) == {expected}
    assert (tally.parsed + found.joined, tally.partial, tally.failed) == (len(lines), 0, 0)
    assert found.logs["event_time"].null_count == 0


@pytest.mark.parametrize("path", sorted(DATA.glob("**/apache_logs/*_logs")) or [Path("none")], ids=lambda path: path.name)
def test_apache_lines_have_what_they_say(path: Path) -> None:
    lines = lines_in(path)
    found = parsed(lines).logs
    assert found.num_rows == len(lines)
    assert found["client_address"].null_count == found["http_response_status_code"].null_count == found["url_path"].null_count == 0
    years = [line.split("[", 1)[1].split(":", 1)[0].rsplit("/", 1)[1] for line in lines]
    assert [str(time.year) for time in found["event_time"].to_pylist() if time is not None] == years


@pytest.mark.parametrize("path", sorted(DATA.glob("loghub/*/*_2k.log")) or [Path("none")], ids=lambda path: path.stem)
def test_logs_of_other_systems_are_text_or_what_they_are_and_not_taken_for_something_else(path: Path) -> None:
    lines = lines_in(path)
    found = parsed(lines)
    assert found.logs.num_rows == len(lines)
    assert sum(tally.failed + tally.partial for tally in found.tally.values()) == 0
    assert set(found.tally) <= {"text.plain", "host.syslog_rfc3164", "app.spark"}


def regression_lines() -> list[dict[str, str]]:
    path = DATA / "regression-lines.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else [{"name": "none", "type": "none", "line": ""}]


@pytest.mark.parametrize("case", regression_lines(), ids=lambda case: case["name"])
def test_a_line_that_broke_other_products_is_read(case: dict[str, str]) -> None:
    name = case["type"].replace("_", ".", 1)
    if name in formats().formats:
        (row,) = rows([case["line"]])
        assert (row["log.format"], row["parse_status"]) == (name, "parsed")
        assert row["client.address"]
        assert "http.response.status_code" in row or '"- - - "' in case["line"]
    elif case["type"] == "trace_id":
        (row,) = rows([json.dumps({"message": "m", "trace_id": case["line"]})])
        assert row["trace_id"] == case["same_as"]
    else:
        pytest.skip(f"no format for {case['type']} yet")


@pytest.mark.parametrize("path", sorted(DATA.glob("newrelic/entry_lambda*.json")) or [Path("none")], ids=lambda path: path.stem)
def test_lines_of_functions_that_others_collected(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"no Lambda lines below {DATA}")
    payload = json.loads(path.read_bytes())
    texts = [event["message"] if isinstance(event["message"], str) else json.dumps(event["message"]) for event in payload["logEvents"]]
    texts = [text.rstrip("\r\n") for text in texts if text.startswith(("REPORT", "START", "END", "RequestId", "2"))]
    if not texts:
        pytest.skip("it holds no platform lines")
    found = parsed(texts, log_group=payload["logGroup"])
    assert set(found.logs["log_format"].to_pylist()) == {"aws.lambda"}
    assert set(found.logs["parse_status"].to_pylist()) == {"parsed"}
    assert found.metrics.num_rows >= 4 * sum(text.startswith("REPORT") for text in texts)
    assert len(lines_of(texts)) == len(texts)
    assert "aws.lambda" in formats().formats
