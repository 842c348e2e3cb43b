"""Real files of JSON records of others, where they are at hand: each record is read in full, and what is known of it is in the columns."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.sources import json_records
from tests.collectors.readers.samples import attributes, parsed, rows
from tests.conformance.test_formats import DATA

FILES = {
    "cloudtrail-*/*.json": "aws.cloudtrail",
    "clo/pipeline/**/cloudtrail*.log": "aws.cloudtrail",
    "opensearch-catalog/aws_cloudtrail/data/raw*.json": "aws.cloudtrail",
    "clo/pipeline/**/config-*.log": "aws.config",
}
"""Where files of records of one format lie; another folder of this layout may hold others, and more or fewer."""

FOUND = [pytest.param(path, expected, id=str(path.relative_to(DATA))) for pattern, expected in FILES.items() for path in sorted(DATA.glob(pattern))]
NOTHING = [pytest.param(Path("none"), "", id="none")]

TYPES = {
    "AWS.CloudTrail": "aws.cloudtrail",
    "AWS.WAFWebACL": "aws.waf",
    "AWS.SecurityFindingFormat": "aws.securityhub",
    "AWS.GuardDuty": "aws.guardduty",
    "Amazon.EKS.Audit": "aws.eks_audit",
    "AWS.BedrockModelInvocation": "aws.bedrock_invocation",
}
"""What Panther calls the types of logs that its rules read, and what they are here."""

ADDED = "p_"
"""How the names begin of what Panther adds to a log."""


def records_of(path: Path) -> list[str]:
    if not path.exists():
        pytest.skip(f"no such files below {DATA}")
    data = path.read_bytes()
    if not json_records.is_records(data):
        return [line for line in data.decode().splitlines() if line.strip()]
    return [record.decode() for _, record in json_records.records([data])]


@pytest.mark.parametrize(("path", "expected"), FOUND or NOTHING)
def test_every_record_of_a_file_is_read_in_full(path: Path, expected: str) -> None:
    texts = records_of(path)
    found = parsed(texts)
    tally = found.tally[expected]
    assert set(found.tally) == {expected}
    assert (tally.parsed, tally.partial, tally.failed) == (len(texts), 0, 0)


@pytest.mark.parametrize("path", sorted(DATA.glob("cloudtrail-*/*.json")) or [Path("none")], ids=lambda path: path.stem)
def test_events_of_a_trail_have_what_they_say(path: Path) -> None:
    texts = records_of(path)
    for text, row in zip(texts, rows(texts), strict=True):
        event, own = json.loads(text), attributes(row)
        assert (row["message"], row["cloud.region"], row["cloud.account.id"]) == (event["eventName"], event["awsRegion"], event["recipientAccountId"])
        assert row.get("client.address", own.get("client.host")) == event["sourceIPAddress"]
        assert (row.get("aws.request_id"), own["aws.event.id"]) == (event.get("requestID"), event["eventID"])
        assert (row["severity_text"] == "ERROR") is ("errorCode" in event or "errorMessage" in event)
        assert f"{row['@timestamp'].isoformat()}Z" == event["eventTime"]
        for name, value in flattened(event.get("requestParameters") or {}):
            assert own[f"aws.cloudtrail.requestParameters.{name}"] == value


def flattened(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, member in value.items():
        if isinstance(member, dict) and member:
            yield from flattened(member, f"{prefix}{name}.")
        elif member not in ({}, None):
            yield f"{prefix}{name}", member


def logs_of_rules() -> list[tuple[str, dict[str, Any]]]:
    tests = [json.loads(line) for path in sorted(DATA.glob("detections/*rule_tests.jsonl")) for line in path.read_text("utf-8").splitlines()]
    logs = [(TYPES.get((test["log_types"] or [""])[0], ""), test["log"]) for test in tests if test["log"]]
    return [(kind, {name: value for name, value in log.items() if not name.startswith(ADDED)}) for kind, log in logs if kind]


def test_logs_that_rules_for_others_are_tested_with_are_read_as_what_they_are() -> None:
    """Those of CloudTrail whose names were made lower case, as Athena does, are objects like any other."""
    logs = [(kind, log) for kind, log in logs_of_rules() if kind != "aws.cloudtrail" or "eventSource" in log]
    if not logs:
        pytest.skip(f"no tests of rules below {DATA}")
    found = parsed([json.dumps(log) for _, log in logs]).logs
    assert found["log_format"].to_pylist() == [kind for kind, _ in logs]
    assert set(found["parse_status"].to_pylist()) == {"parsed"}


@pytest.mark.parametrize("path", sorted(DATA.glob("datadog-forwarder/**/*cloudtrail*.json")) or [Path("none")], ids=lambda path: path.stem)
def test_events_of_a_trail_that_came_by_a_log_group(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"no such payloads below {DATA}")
    payload = json.loads(path.read_bytes())
    found = parsed([event["message"] for event in payload["logEvents"]], log_group=payload["logGroup"])
    assert set(found.tally) == {"aws.cloudtrail"}
    assert found.tally["aws.cloudtrail"].parsed == len(payload["logEvents"])
