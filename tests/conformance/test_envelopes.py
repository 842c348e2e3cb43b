"""Real payloads, events and documents of others are read: every event is a line, every document a span."""

import base64
import json
import os
import random
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
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
GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


def file(*parts: str) -> Path:
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no samples at {path}: set TAILRACE_DATA")
    return path


def read(payload: bytes | str) -> Decoded:
    decoded = decode(payload, received_us=1, inflate_max_bytes=ROOM)
    assert isinstance(decoded, Decoded), decoded
    return decoded


def inside(data: str) -> dict[str, Any] | None:
    """What CloudWatch sent, if that is what a text holds, opened by other means than ours; ``None`` for anything else."""
    try:
        value = json.loads(zlib.decompress(base64.b64decode(data), GZIP_OR_ZLIB))
    except (ValueError, zlib.error):
        return None
    return value if isinstance(value, dict) and "logEvents" in value else None


def texts_of(event: Any) -> list[str]:
    """The payloads of an event of Lambda, where it is of a shape that holds some."""
    if isinstance(event, dict) and "awslogs" in event:
        return [event["awslogs"]["data"]]
    records = event.get("Records", []) if isinstance(event, dict) else []
    return [record["kinesis"]["data"] for record in records if "kinesis" in record]


def events() -> list[Path]:
    return sorted(DATA.glob("powertools-events/*.json")) or [DATA / "powertools-events" / "none.json"]


@pytest.mark.parametrize("path", events(), ids=lambda path: path.stem)
def test_of_an_event_of_powertools_every_log_event_is_a_line_or_the_event_is_refused(path: Path) -> None:
    event = json.loads(file("powertools-events", path.name).read_text())
    held = [inside(text) for text in texts_of(event)]
    if not held:
        with pytest.raises(DecodeError, match="unknown shape"):
            payloads(event)
        return
    found = payloads(event)
    assert len(found) == len(held)
    for payload, known in zip(found, held, strict=True):
        decoded = decode(payload.data, received_us=1, inflate_max_bytes=ROOM)
        if known is None:
            assert isinstance(decoded, DeadLetter)
            continue
        assert isinstance(decoded, Decoded)
        (lines,) = decoded.runs
        assert lines.text.to_pylist() == [one["message"].rstrip("\r\n") for one in known["logEvents"]]
        assert lines.event_id.to_pylist() == [one["id"] for one in known["logEvents"]]
        assert lines.event_time.cast(pa.int64()).to_pylist() == [one["timestamp"] * 1000 for one in known["logEvents"]]
        assert (lines.origin.log_group, lines.origin.log_stream, lines.origin.account) == (known["logGroup"], known["logStream"], known["owner"])


def test_there_are_events_that_hold_payloads_of_cloudwatch_packed_in_either_way() -> None:
    file("powertools-events")
    found = [base64.b64decode(text) for path in events() for text in texts_of(json.loads(path.read_text())) if inside(text)]
    assert found or pytest.skip("the events hold none")
    assert all(text[:2] in {b"\x1f\x8b", b"\x78\xda", b"\x78\x9c"} for text in found)


def test_entries_of_newrelic_are_read_event_by_event() -> None:
    for path in sorted(file("newrelic").glob("*.json")):
        events = json.loads(path.read_text())["logEvents"]
        (lines,) = read(path.read_bytes()).runs
        assert len(lines) == len(events), path.name
        given = [event["message"] for event in events if isinstance(event["message"], str)]
        assert set(map(str.rstrip, given)) <= {str(text).rstrip() for text in lines.text}
        assert lines.event_time.null_count == 0


def test_real_control_messages_are_no_errors() -> None:
    lines = [json.loads(line)["line"] for line in file("regression-lines.jsonl").read_text().splitlines()]
    messages = [line for line in lines if line.startswith("{") and json.loads(line).get("messageType") == "CONTROL_MESSAGE"]
    assert messages or pytest.skip("there is none among the lines")
    for message in messages:
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
    assert found or pytest.skip("no file holds a document")
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


def streamed() -> dict[str, list[dict[str, Any]]]:
    """Samples in which subsegments were sent by themselves, with the segment that they belong to."""
    return {
        name: documents
        for name, documents in samples().items()
        if any(one.get("type") == "subsegment" and one.get("trace_id") for one in documents) and any(one.get("type") != "subsegment" for one in documents)
    }


@pytest.mark.parametrize("order", ["as sent", "reversed", "shuffled", "twice"])
def test_streamed_subsegments_are_the_same_spans_in_whatever_order(order: str) -> None:
    found = streamed()
    assert found or pytest.skip("no sample holds subsegments that were sent by themselves")
    for name, documents in found.items():
        sent = {"as sent": documents, "reversed": documents[::-1], "shuffled": random.Random(7).sample(documents, len(documents)), "twice": documents * 2}[
            order
        ]
        rows = spans_of(sent).spans.to_pylist()
        ids = Counter((row["event_id"], row["revision"]) for row in rows)
        times = 2 if order == "twice" else 1
        assert len(ids) == sum(map(count, documents)), name
        assert set(ids.values()) == {times}, name
        segments = [one["id"] for one in documents if one.get("type") != "subsegment"]
        assert Counter(row["span_id"] for row in rows if row["aws_xray_document"] == "segment") == dict.fromkeys(segments, times), name
        parents = {row["parent_span_id"] for row in rows if row["aws_xray_document"] == "subsegment"}
        assert parents <= {row["span_id"] for row in rows}, name
        assert {one["parent_id"] for one in documents if one.get("type") == "subsegment"} <= parents, name


@pytest.mark.parametrize("path", sorted(DATA.glob("xray/*getsamplingrules*.json")) or [DATA / "xray" / "none.json"], ids=lambda path: path.stem)
def test_the_sampling_rules_and_targets_of_the_documentation_are_read(path: Path) -> None:
    told = [record["SamplingRule"] for record in json.loads(file("xray", path.name).read_text())["SamplingRuleRecords"]]
    rules = read_rules(path)
    assert {rule.rule_name: (rule.fixed_rate, rule.reservoir_size, rule.priority, rule.url_path) for rule in rules} == {
        one["RuleName"]: (one["FixedRate"], one["ReservoirSize"], one["Priority"], one["URLPath"]) for one in told
    }
    asked = path.with_name(path.name.replace("rules", "targets_in"))
    answered = path.with_name(path.name.replace("rules", "targets_out"))
    if not (asked.exists() and answered.exists()):
        pytest.skip("there is no question for targets of these rules, and its answer")
    answer = Sampling(ManualClock(), rules).targets_answer(json.dumps({"SamplingStatisticsDocuments": json.loads(asked.read_text())}).encode())
    given = {(one["RuleName"], one["FixedRate"], one["Interval"]) for one in answer["SamplingTargetDocuments"]}
    expected = json.loads(answered.read_text())["SamplingTargetDocuments"]
    assert {(one["RuleName"], one["FixedRate"], one.get("Interval", 10)) for one in expected} <= given
