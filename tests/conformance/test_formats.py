"""Real lines of others, where they are at hand: all are read, none is lost, and none is taken for another format."""

import csv
import json
import os
import re
from pathlib import Path

import pytest

from collectors.envelopes.cloudwatch import Decoded, decode
from collectors.lines import Origin
from collectors.parse import parse_lines
from collectors.sources.text_lines import runs
from tailrace.fields import AttributeRegister
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
    "elastic-examples/Machine Learning/**/auth*.log": "host.syslog_rfc3164 host.linux_secure",
    "elastic-examples/Common Data Formats/nginx_json_plus_logs/*_json_logs": "app.json",
    "opensearch-catalog/amazon_rds/data/*.log": "aws.rds_postgresql",
    "opensearch-catalog/haproxy/data/*.json": "app.json",
    "opensearch-catalog/otel-services/data/*.json": "app.json",
    "nezha-trainticket/**/log/*.csv": "app.csv",
    "loghub/Linux/*.log": "host.syslog_rfc3164 host.linux_secure",
    "loghub/OpenSSH/*.log": "host.syslog_rfc3164 host.linux_secure",
    "loghub/Mac/*.log": "host.syslog_rfc3164 host.linux_secure",
    "loghub/Apache/*.log": "web.apache_error",
    "loghub/HDFS/*.log": "app.hadoop",
    "loghub/Hadoop/*.log": "app.log4j",
    "loghub/Zookeeper/*.log": "app.log4j",
    "loghub/Spark/*.log": "app.spark",
}
"""Where lines of one format lie, or of several with blanks between; another folder of this layout may hold others, and more or fewer."""

FORMATS_OF = {pattern.split("/")[1]: expected for pattern, expected in KINDS.items() if pattern.startswith("loghub/")}
FOUND = [pytest.param(path, expected, id=str(path.relative_to(DATA))) for pattern, expected in KINDS.items() for path in sorted(DATA.glob(pattern))]
NOTHING = [pytest.param(Path("none"), "", id="none")]


def lines_in(path: Path) -> list[str]:
    """The lines of a file as the collector reads it: of a list of JSON the objects."""
    if not path.exists():
        pytest.skip(f"no {path} below {DATA}")
    found = runs([path.read_bytes()], Origin("test", "test"), str(path), 0)
    return [str(line) for run in found for line in run.lines.text]


def said_of(path: Path) -> str:
    """The format that a stream has as a whole, by its first line."""
    found = runs([path.read_bytes()], Origin("test", "test"), str(path), 0)
    return next((run.lines.origin.format for run in found), "")


@pytest.mark.parametrize(("path", "expected"), FOUND or NOTHING)
def test_a_file_is_read_in_full(path: Path, expected: str) -> None:
    lines = lines_in(path)
    found = parsed(lines, said_of(path))
    assert set(found.tally) <= set(expected.split())
    assert sum(tally.parsed for tally in found.tally.values()) + found.joined == len(lines) > 0
    assert sum(tally.partial + tally.failed for tally in found.tally.values()) == 0
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
    assert set(found.tally) <= {"text.plain", *FORMATS_OF.get(path.parent.name, "").split()}


TRACE_ID = re.compile(r"(?i)\btraceid: ([0-9a-f]{32})\b")


@pytest.mark.parametrize("path", sorted(DATA.glob("nezha-trainticket/**/log/*.csv")) or [Path("none")], ids=lambda path: "-".join(path.parts[-4:]))
def test_every_line_of_a_service_has_the_trace_that_it_names(path: Path) -> None:
    lines = lines_in(path)
    found = parsed(lines, said_of(path)).logs.to_pylist()
    cells = list(csv.DictReader(lines))
    assert len(found) == len(cells)
    for row, cell in zip(found, cells, strict=True):
        assert (row["trace_id"], row["span_id"]) == (cell["TraceID"] or None, cell["SpanID"] or None)


@pytest.mark.parametrize("path", sorted(DATA.glob("nezha-trainticket/**/log/*.csv")) or [Path("none")], ids=lambda path: "-".join(path.parts[-4:]))
def test_the_line_of_a_service_alone_has_its_trace_too(path: Path) -> None:
    texts = [str(json.loads(cell["Log"])["log"]).rstrip("\n") for cell in csv.DictReader(lines_in(path)) if cell["Log"].startswith("{")]
    found = parsed(texts).logs
    assert found.num_rows == len(texts)
    named = [TRACE_ID.search(text) for text in texts]
    assert found["trace_id"].to_pylist() == [one[1] if one and set(one[1]) != {"0"} else None for one in named]


@pytest.mark.parametrize("path", sorted(DATA.glob("opensearch-catalog/otel-services/data/logs*.json")) or [Path("none")], ids=lambda path: path.stem)
def test_what_opentelemetry_said_of_a_log_is_in_its_row(path: Path) -> None:
    lines = lines_in(path)
    told = [json.loads(line) for line in lines]
    found = parsed(lines).logs.to_pylist()
    assert [row["message"] for row in found] == [one["body"] for one in told]
    assert [row["service_name"] for row in found] == [one["serviceName"] for one in told]
    assert [row["trace_id"] for row in found] == [one["traceId"] or None for one in told]
    assert [row["span_id"] for row in found] == [one["spanId"] or None for one in told]
    assert [row["severity_number"] for row in found] == [(one["severityNumber"] - 1) // 4 * 4 + 1 if one["severityText"] else None for one in told]


@pytest.mark.parametrize("path", sorted(DATA.glob("newrelic/*.json")) or [Path("none")], ids=lambda path: path.stem)
def test_all_events_of_an_entry_of_newrelic_are_read(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"no entries below {DATA}")
    decoded = decode(path.read_bytes(), received_us=1, inflate_max_bytes=1 << 24)
    assert isinstance(decoded, Decoded)
    found = [parse_lines(run, formats(), AttributeRegister()) for run in decoded.runs]
    assert sum(one.logs.num_rows + one.joined for one in found) == sum(map(len, decoded.runs)) > 0
    assert {status for one in found for status in one.logs["parse_status"].to_pylist()} == {"parsed"}


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
