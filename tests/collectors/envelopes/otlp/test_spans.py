"""OTLP spans: rows as X-Ray's segments are, with the whole span beside; what is no span is told and kept."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collectors.envelopes.xray import segments_to_spans
from queries.traces.assemble import assemble
from queries.traces.read import span_of_row
from tests.collectors.envelopes.otlp.requests import NS, SPAN, TRACE, assert_balanced, collected, letters, pairs, rows_of, trace_request


def span(**more: Any) -> Span:
    return Span(
        **{"trace_id": TRACE, "span_id": SPAN, "name": "GET /cart", "kind": 2, "start_time_unix_nano": NS, "end_time_unix_nano": NS + 1_500_000_123, **more}
    )


def rows(*spans: Span, **more: Any) -> list[dict[str, Any]]:
    _, stream = collected("otlp_traces", trace_request(*spans, **more).SerializeToString())
    assert_balanced(stream)
    return rows_of(stream, "spans")


def test_a_span_is_a_row_and_whole_beside_it() -> None:
    attributes = {"http.request.method": "GET", "http.response.status_code": 503, "url.full": "https://shop/cart", "client.address": "192.0.2.1", "order": 7}
    event = {"name": "exception", "time_unix_nano": NS, "attributes": pairs({"exception.type": "StockError", "exception.message": "none left"})}
    link = {"trace_id": TRACE[::-1], "span_id": SPAN[::-1]}
    (row,) = rows(span(attributes=pairs(attributes), events=[event], links=[link], status={"code": 2, "message": "failed"}, trace_state="a=b"))
    raw = json.loads(row.pop("raw"))
    assert (raw["traceId"], raw["spanId"], raw["kind"], raw["traceState"]) == (TRACE.hex(), SPAN.hex(), 2, "a=b")
    assert raw["links"] == [{"traceId": TRACE[::-1].hex(), "spanId": SPAN[::-1].hex()}]
    assert raw["events"][0]["name"] == "exception"
    assert json.loads(row.pop("attributes")) == {"k8s.pod.name": "web-7", "host.name": "web-1", "otel.scope.name": "tracer", "order": 7}
    assert row.pop("startTime", row.pop("@timestamp")).isoformat() == "2026-11-24T10:00:00.123456"
    assert row.pop("endTime").isoformat() == "2026-11-24T10:00:01.623456"
    row.pop("observed_timestamp")
    assert row == {
        "event_id": f"{TRACE.hex()}-{SPAN.hex()}",
        "revision": 1,
        "durationInNanos": 1_500_000_123,
        "traceId": TRACE.hex(),
        "spanId": SPAN.hex(),
        "name": "GET /cart",
        "kind": "SPAN_KIND_SERVER",
        "serviceName": "shop",
        "status.code": 2,
        "cloud.account.id": "123456789012",
        "cloud.region": "eu-west-1",
        "aws.xray.document": "segment",
        "fault": True,
        "error": False,
        "throttle": False,
        "in_progress": False,
        "http.request.method": "GET",
        "http.response.status_code": 503,
        "url.full": "https://shop/cart",
        "client.address": "192.0.2.1",
        "exception.type": "StockError",
        "exception.message": "none left",
        "log.source": "test",
    }


@pytest.mark.parametrize(
    ("status", "code", "flags"),
    [
        (200, 0, (False, False, False)),
        (404, 2, (False, True, False)),
        (429, 0, (False, True, True)),
        (500, 0, (True, False, False)),
        (None, 2, (True, False, False)),
    ],
)
def test_faults_errors_and_throttling_are_x_rays(status: int | None, code: int, flags: tuple[bool, bool, bool]) -> None:
    (row,) = rows(span(attributes=pairs({"http.response.status_code": status} if status else {}), status={"code": code}))
    assert (row["fault"], row["error"], row["throttle"]) == flags


@pytest.mark.parametrize(("kind", "word"), [(0, "INTERNAL"), (1, "INTERNAL"), (3, "CLIENT"), (4, "PRODUCER"), (5, "CONSUMER"), (77, "INTERNAL")])
def test_every_kind_has_its_name(kind: int, word: str) -> None:
    (row,) = rows(span(kind=kind, parent_span_id=SPAN[::-1]))
    assert row["kind"] == f"SPAN_KIND_{word}"
    assert row["aws.xray.document"] == ("segment" if word == "CONSUMER" else "subsegment")
    assert row["parentSpanId"] == SPAN[::-1].hex()


def test_a_span_that_has_not_ended_is_replaced_by_the_one_that_has() -> None:
    early, late = rows(span(end_time_unix_nano=0), span())
    assert (early["event_id"], early["revision"], early["in_progress"], "endTime" in early) == (late["event_id"], 0, True, False)
    assert late["revision"] == 1


@pytest.mark.parametrize(
    ("wrong", "why"),
    [({"trace_id": b""}, "trace id"), ({"trace_id": bytes(16)}, "trace id"), ({"span_id": b"abc"}, "span id"), ({"start_time_unix_nano": 0}, "no start")],
)
def test_what_is_no_span_is_dead_alone_and_holds_it(wrong: dict[str, Any], why: str) -> None:
    summary, stream = collected("otlp_traces", trace_request(span(), span(**wrong)).SerializeToString())
    assert (summary.spans, len(summary.dead)) == (1, 1)
    assert_balanced(stream)
    (letter,) = letters(stream)
    assert why in letter.reason
    assert len(collected(letter.detail["envelope"], letter.body)[0].dead) == 1


def test_spans_of_opentelemetry_and_segments_of_x_ray_make_one_trace() -> None:
    root = span(name="web")
    _, stream = collected("otlp_traces", trace_request(root).SerializeToString())
    segment = {
        "trace_id": f"1-{TRACE.hex()[:8]}-{TRACE.hex()[8:]}",
        "id": "1" * 16,
        "parent_id": SPAN.hex(),
        "name": "pay",
        "start_time": NS / 1e9,
        "end_time": NS / 1e9 + 1,
    }
    mine = stream.deliveries[0].tables["spans"].to_pylist() + segments_to_spans([json.dumps(segment).encode()], source="x", received_us=1).spans.to_pylist()
    trace = assemble([span_of_row(row) for row in mine])
    assert trace is not None
    assert [(one.service, one.name) for one in trace.spans] == [("shop", "web"), ("pay", "pay")]
    assert not trace.is_partial


def test_the_json_form_is_read_with_ids_in_digits() -> None:
    form = {
        "resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": TRACE.hex(), "spanId": SPAN.hex(), "name": "n", "startTimeUnixNano": str(NS), "kind": 3}]}]}]
    }
    _, stream = collected("otlp_traces_json", json.dumps(form).encode())
    (row,) = rows_of(stream, "spans")
    assert (row["traceId"], row["kind"]) == (TRACE.hex(), "SPAN_KIND_CLIENT")


@given(st.integers(0, 500), st.integers(0, 255))
def test_a_request_with_a_damaged_byte_is_accounted_for(at: int, byte: int) -> None:
    data = bytearray(trace_request(span(attributes=pairs({"a": {"b": [1]}}), links=[{"trace_id": TRACE}]), span(span_id=SPAN[::-1])).SerializeToString())
    data[at % len(data)] = byte
    _, stream = collected("otlp_traces", bytes(data))
    assert_balanced(stream)
