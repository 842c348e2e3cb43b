"""Real payloads, events and documents of others are read: every event is a line, every document a span."""

import base64
import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from collectors.envelopes.cloudwatch import Decoded, decode
from collectors.envelopes.lambda_event import payloads
from collectors.envelopes.xray import SpansRead, segments_to_spans
from collectors.sources.xray_sampling import Sampling, read_rules
from firehose.delivery import DeadLetter
from tailrace.clock import ManualClock
from tailrace.errors import DecodeError

DATA = Path(os.environ.get("TAILRACE_DATA", Path(__file__).parents[3] / "shared" / "data"))
ROOM = 1 << 24


def file(*parts: str) -> Path:
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no samples at {path}: set TAILRACE_DATA")
    return path


def load(*parts: str) -> Any:
    return json.loads(file(*parts).read_text())


def read(payload: bytes | str) -> Decoded:
    decoded = decode(payload, received_us=1, inflate_max_bytes=ROOM)
    assert isinstance(decoded, Decoded), decoded
    return decoded


@pytest.mark.parametrize("name", ["cloudWatchLogEvent.json", "cloudWatchLogEventWithPolicyLevel.json"])
def test_subscription_events_of_powertools_are_read_gzip_or_zlib(name: str) -> None:
    (payload,) = payloads(load("powertools-events", name))
    (lines,) = read(payload.data).runs
    assert lines.text.to_pylist() == ["[ERROR] First test message", "[ERROR] Second test message"]
    assert lines.event_id.to_pylist() == ["eventId1", "eventId2"]


def test_the_kinesis_event_of_powertools_holds_payloads_of_cloudwatch() -> None:
    found = payloads(load("powertools-events", "kinesisStreamCloudWatchLogsEvent.json"))
    runs = [run for payload in found for run in read(payload.data).runs]
    assert len(runs) == len(found) == 2
    assert all(str(run.text[0]).startswith("START RequestId: ") and run.event_time.null_count == 0 for run in runs)


def test_every_other_event_of_powertools_is_a_clear_error_or_dead_letters() -> None:
    names = sorted(path.name for path in file("powertools-events").glob("*.json") if "LogEvent" not in path.name and "CloudWatchLogs" not in path.name)
    for name in names:
        try:
            found = payloads(load("powertools-events", name))
        except DecodeError as error:
            assert "unknown shape" in str(error)
            continue
        decoded = [decode(payload.data, received_us=1, inflate_max_bytes=ROOM) for payload in found]
        assert all(isinstance(one, DeadLetter) for one in decoded), name


def test_entries_of_newrelic_are_read_event_by_event() -> None:
    for path in sorted(file("newrelic").glob("*.json")):
        events = json.loads(path.read_text())["logEvents"]
        (lines,) = read(path.read_bytes()).runs
        assert len(lines) == len(events), path.name
        given = [event["message"] for event in events if isinstance(event["message"], str)]
        assert set(map(str.rstrip, given)) <= {str(text).rstrip() for text in lines.text}
        assert lines.event_time.null_count == 0


def test_the_real_control_message_is_no_error() -> None:
    lines = file("regression-lines.jsonl").read_text().splitlines()
    message = next(one["line"] for one in map(json.loads, lines) if one["name"] == "cwl control message")
    assert read(base64.b64encode(message.encode()).decode()) == Decoded((), 1)


def documents_of(value: Any) -> Iterator[dict[str, Any]]:
    """Walk the segment documents in whatever a sample wraps them in."""
    match value:
        case [*items]:
            for item in items:
                yield from documents_of(item)
        case {"Document": str(text)}:
            yield json.loads(text)
        case {"Document": dict(document)}:
            yield document
        case {"Traces": inner} | {"Segments": inner}:
            yield from documents_of(inner)
        case {"id": str(), "start_time": float() | int()}:
            yield value


def samples() -> dict[str, list[dict[str, Any]]]:
    found = {path.name: list(documents_of(json.loads(path.read_text()))) for path in sorted(file("xray").glob("*.json"))}
    return {name: documents for name, documents in found.items() if documents}


def spans_of(documents: Sequence[dict[str, Any]]) -> SpansRead:
    return segments_to_spans([json.dumps(document).encode() for document in documents], source="test", received_us=1)


def count(document: dict[str, Any]) -> int:
    return 1 + sum(count(child) for child in document.get("subsegments", []))


def test_all_documents_of_the_samples_are_spans() -> None:
    found = samples()
    assert len(found) >= 18
    for name, documents in found.items():
        whole = [document for document in documents if "trace_id" in document]
        read_spans = spans_of(documents)
        assert [letter.detail["error_code"] for letter in read_spans.dead] == ["InvalidTraceId"] * (len(documents) - len(whole)), name
        assert read_spans.spans.num_rows == sum(map(count, whole)), name


def test_flags_status_and_times_of_the_samples_are_kept() -> None:
    for name, documents in samples().items():
        rows = {row["span_id"]: row for row in spans_of(documents).spans.to_pylist()}
        for document in (one for one in documents if "trace_id" in one):
            row = rows[document["id"]]
            assert [row[flag] for flag in ("fault", "error", "throttle")] == [document.get(flag, False) for flag in ("fault", "error", "throttle")], name
            assert row["http_response_status_code"] == document.get("http", {}).get("response", {}).get("status"), name
            assert row["in_progress"] == ("end_time" not in document), name


@pytest.mark.parametrize("order", ["as sent", "reversed", "shuffled", "twice"])
def test_45_streamed_subsegments_are_the_same_spans_in_whatever_order(order: str) -> None:
    documents = list(documents_of(load("xray", "captured_py_streamed_45subsegments.json")))
    sent = {"as sent": documents, "reversed": documents[::-1], "shuffled": random.Random(7).sample(documents, len(documents)), "twice": documents * 2}[order]
    rows = spans_of(sent).spans.to_pylist()
    ids = Counter((row["event_id"], row["revision"]) for row in rows)
    assert len(ids) == 46
    assert set(ids.values()) == ({2} if order == "twice" else {1})
    assert Counter(row["aws_xray_document"] for row in rows)["segment"] == (2 if order == "twice" else 1)
    (parent,) = {row["parent_span_id"] for row in rows if row["aws_xray_document"] == "subsegment"}
    assert parent in {row["span_id"] for row in rows if row["aws_xray_document"] == "segment"}


def test_the_sampling_rules_and_targets_of_the_documentation_are_read() -> None:
    rules = read_rules(file("xray", "aws_docs_getsamplingrules.json"))
    assert [rule.rule_name for rule in rules] == ["Default", "base-scorekeep", "polling-scorekeep"]
    sampling = Sampling(ManualClock(), rules)
    answer = sampling.targets_answer(json.dumps({"SamplingStatisticsDocuments": load("xray", "aws_docs_getsamplingtargets_in.json")}).encode())
    expected = load("xray", "aws_docs_getsamplingtargets_out.json")["SamplingTargetDocuments"]
    given = {(one["RuleName"], one["FixedRate"], one["Interval"]) for one in answer["SamplingTargetDocuments"]}
    assert {(one["RuleName"], one["FixedRate"], one.get("Interval", 10)) for one in expected} <= given
