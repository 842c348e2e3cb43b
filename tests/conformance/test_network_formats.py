"""Real logs of AWS's network and edge services, where they are at hand, in whatever they are packed: all are known by their content, and none is lost."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.lines import Lines, Origin
from collectors.parse import Tally, parse_lines
from collectors.sources.contents import contents
from collectors.sources.text_lines import runs
from tailrace.fields import AttributeRegister
from tests.collectors.readers.samples import RECEIVED_US, formats, parsed, rows

DATA = Path(os.environ.get("TAILRACE_DATA") or Path(__file__).parents[3] / "shared" / "data")
KINDS = {
    "opensearch-catalog/amazon_networkfirewall/**/*.json": "aws.network_firewall",
    "opensearch-catalog/amazon_cloudfront/**/*.log": "aws.cloudfront",
    "opensearch-catalog/amazon_elb/**/*.log": "aws.alb",
    "opensearch-catalog/amazon_s3/**/*.log": "aws.s3_access",
    "clo/**/elb*": "aws.alb",
    "clo/**/alb*": "aws.alb",
    "clo/**/vpcflow*": "aws.vpc_flow",
    "clo/**/cloudfront*": "aws.cloudfront",
    "clo/**/s3.log*": "aws.s3_access",
}
"""Where files of one format lie; another folder of this layout may hold others, and more or fewer."""

FOUND = [pytest.param(path, name, id=str(path.relative_to(DATA))) for pattern, name in KINDS.items() for path in sorted(DATA.glob(pattern)) if path.is_file()]
NOTHING = [pytest.param(Path("none"), "", id="none")]


def read(path: Path) -> Iterator[Lines]:
    if not path.exists():
        pytest.skip(f"no such samples below {DATA}: set TAILRACE_DATA")
    with path.open("rb") as file:
        for content in contents(file):
            yield from (run.lines for run in runs(content.blocks, Origin(f"file:{path}", "file"), str(path), RECEIVED_US))


def documents(pattern: str) -> list[dict[str, Any]]:
    """Answer the objects of JSON files, one a line or in a list."""
    paths = sorted(DATA.glob(pattern))
    if not paths:
        pytest.skip(f"no {pattern} below {DATA}: set TAILRACE_DATA")
    return [json.loads(str(text)) for path in paths for lines in read(path) for text in lines.text]


@pytest.mark.parametrize(("path", "name"), FOUND or NOTHING)
def test_every_line_of_a_file_is_of_its_format(path: Path, name: str) -> None:
    lines = 0
    for run in read(path):
        lines += len(run)
        found = parse_lines(run, formats(), AttributeRegister())
        assert set(found.tally) == {name}
        assert found.tally[name].failed == 0
        assert found.logs.num_rows + found.joined == len(run)
        assert found.logs["event_time"].null_count == 0
    assert lines


def test_flows_within_documents_are_read_from_their_text() -> None:
    bodies = [document["body"] for document in documents("opensearch-catalog/amazon_vpc_flow/**/*.json") if document.get("body")]
    found = parsed(bodies)
    assert found.tally == {"aws.vpc_flow": Tally(parsed=len(bodies))}


def test_flows_in_a_subscription_s_payload_are_known_within_and_without_their_log_group() -> None:
    for payload in documents("newrelic/entry_vpc*.json"):
        texts = [event["message"] for event in payload["logEvents"]]
        for log_group in (payload["logGroup"], ""):
            assert parsed(texts, log_group=log_group).tally == {"aws.vpc_flow": Tally(parsed=len(texts))}


def test_queries_that_others_wrote_rules_for_are_queries() -> None:
    logs = [case["log"] for case in documents("detections/*.jsonl") if "AWS.VPCDns" in (case["log_types"] or ())]
    queries = [log for log in logs if "query_name" in log and "query_timestamp" in log]
    found = rows([json.dumps(log) for log in queries])
    assert [(row["log.format"], row["parse_status"]) for row in found] == [("aws.route53_resolver", "parsed")] * len(queries)
    assert [row.get("client.address") for row in found] == [log.get("srcaddr") for log in queries]
