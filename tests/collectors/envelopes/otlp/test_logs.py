"""OTLP log records: every kind of body, what the record says beside it, and ids that a repetition makes again."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from collectors.envelopes.opened import KINDS, sent_of
from collectors.envelopes.openers import OPENERS
from tests.collectors.envelopes.otlp.requests import NS, RESOURCE, SPAN, TRACE, assert_balanced, collected, letters, logs_request, pairs, rows_of, value


def record(body: Any = "hello", **more: Any) -> LogRecord:
    return LogRecord(**{"time_unix_nano": NS, "body": value(body), **more})


def rows(*records: LogRecord, **more: Any) -> list[dict[str, Any]]:
    _, stream = collected("otlp_logs", logs_request(*records, **more).SerializeToString())
    assert_balanced(stream)
    return rows_of(stream, "logs")


def test_a_record_is_a_row_with_all_that_was_said() -> None:
    own = {"http.request.method": "POST", "http.status_code": 502, "order": {"id": 7, "items": ["a", "b"]}, "rate": 0.5, "paid": False}
    (row,) = rows(
        record("card refused", severity_number=17, severity_text="ERROR", trace_id=TRACE, span_id=SPAN, attributes=pairs(own), event_name="order.failed")
    )
    assert json.loads(row.pop("attributes")) == {
        "k8s.pod.name": "web-7",
        "otel.scope.name": "app",
        "order.id": 7,
        "order.items": ["a", "b"],
        "rate": 0.5,
        "paid": False,
        "event.name": "order.failed",
    }
    assert row.pop("@timestamp").isoformat() == "2026-11-24T10:00:00.123456"
    for name in ("event_id", "observed_timestamp", "revision"):
        row.pop(name)
    assert row == {
        "severity_text": "ERROR",
        "severity_number": 17,
        "message": "card refused",
        "service.name": "shop",
        "host.name": "web-1",
        "cloud.account.id": "123456789012",
        "cloud.region": "eu-west-1",
        "log.format": "text.plain",
        "log.source": "test",
        "stream.name": "otlp",
        "trace_id": TRACE.hex(),
        "span_id": SPAN.hex(),
        "http.request.method": "POST",
        "http.response.status_code": 502,
        "parse_status": "parsed",
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("text\r\n", "text"),
        ({"message": "told", "n": 1}, "told"),
        ([1, "two", None], '[1,"two",null]'),
        (b"\x00\xff", "AP8="),
        (True, "true"),
        (12, "12"),
        (float("nan"), '"nan"'),
        (None, "order.failed"),
        ("", ""),
    ],
)
def test_a_body_of_any_kind_is_a_line(body: Any, message: str) -> None:
    (row,) = rows(record(body, event_name="order.failed"))
    assert row["message"] == message


def test_the_text_is_read_like_any_other_line() -> None:
    line = '192.0.2.1 - - [24/Nov/2026:10:00:00 +0000] "GET /cart HTTP/1.1" 500 12 "-" "curl/8"'
    (row,) = rows(record(line, time_unix_nano=0, observed_time_unix_nano=5_000))
    assert (row["http.response.status_code"], row["url.path"], row["service.name"]) == (500, "/cart", "shop")
    assert row["@timestamp"].isoformat() == "2026-11-24T10:00:00"


def test_without_a_time_in_record_and_text_that_of_the_observation_counts() -> None:
    (row,) = rows(record(time_unix_nano=0, observed_time_unix_nano=NS))
    assert row["@timestamp"].isoformat() == "2026-11-24T10:00:00.123456"
    (row,) = rows(record(time_unix_nano=0))
    assert row["@timestamp"] == row["observed_timestamp"]


@pytest.mark.parametrize(
    ("number", "text", "word", "rest"),
    [
        (1, "", "TRACE", {}),
        (8, "", "DEBUG", {"otel.severity_number": 8}),
        (9, "Information", "INFO", {}),
        (24, "", "FATAL", {"otel.severity_number": 24}),
        (0, "warning", "WARN", {}),
        (0, "audit", None, {"otel.severity_text": "audit"}),
        (0, "", None, {}),
        (99, "error", "ERROR", {}),
    ],
)
def test_severities_are_brought_to_six(number: int, text: str, word: str | None, rest: dict[str, Any]) -> None:
    (row,) = rows(record(severity_number=number, severity_text=text), resource={}, scope="")
    assert row.get("severity_text") == word
    assert json.loads(row.get("attributes", "{}")) == rest


def test_an_id_that_is_none_is_kept_as_an_attribute() -> None:
    (row,) = rows(record(trace_id=b"abc", span_id=bytes(8)), resource={}, scope="")
    assert "trace_id" not in row
    assert json.loads(row["attributes"]) == {"trace_id": "616263"}


def test_equal_records_are_different_events_and_a_payload_sent_again_is_the_same() -> None:
    data = logs_request(record(), record(), record("other")).SerializeToString()
    first, again, other = (rows_of(collected("otlp_logs", data, identity=name)[1], "logs") for name in ("a", "a", "b"))
    assert [row["event_id"] for row in first] == [row["event_id"] for row in again]
    assert len({row["event_id"] for row in first + other}) == 6


def test_a_payload_without_times_is_another_one_each_time() -> None:
    data = logs_request(record(time_unix_nano=0), record()).SerializeToString()
    _, stream = collected("otlp_logs", data, data)
    assert len({row["event_id"] for row in rows_of(stream, "logs")}) == 4


def test_a_log_group_of_the_resource_is_that_of_the_rows() -> None:
    (row,) = rows(record(), resource={"aws.log.group.names": ["/aws/lambda/pay"]})
    assert row["aws.log.group.name"] == "/aws/lambda/pay"


def test_attributes_of_a_wrong_type_stay_attributes() -> None:
    (row,) = rows(record(attributes=pairs({"client.address": "a host", "client.port": "no", "url.full": 7})), resource={}, scope="")
    assert json.loads(row["attributes"]) == {"client.address": "a host", "client.port": "no", "url.full": 7}


@pytest.mark.parametrize("data", [b"\x0a", b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x0f", logs_request(record()).SerializeToString()[:-5], b"hello"])
def test_what_is_no_request_is_a_dead_letter_that_holds_it(data: bytes) -> None:
    summary, stream = collected("otlp_logs", data)
    assert (summary.events, [letter.body for letter in letters(stream)]) == (0, [data])
    assert_balanced(stream)


@pytest.mark.parametrize("depth", [20, 60, 200, 5_000])
def test_deep_bodies_are_rows_or_dead_and_never_raise(depth: int) -> None:
    text = '{"kvlistValue":{"values":[{"key":"k","value":' * depth + '{"intValue":"1"}' + "}]}}" * depth
    data = ('{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":' + text + "}]}]}]}").encode()
    summary, stream = collected("otlp_logs_json", data)
    assert summary.events + len(summary.dead) == 1
    assert_balanced(stream)


@given(st.binary(max_size=200))
def test_any_bytes_are_accounted_for(data: bytes) -> None:
    for kind in ("otlp_logs", "otlp_logs_json"):
        _, stream = collected(kind, data)
        assert_balanced(stream)


@given(st.integers(0, 300), st.integers(0, 255))
def test_a_request_with_a_damaged_byte_is_accounted_for(at: int, byte: int) -> None:
    data = bytearray(logs_request(record({"a": [1, {"b": "c"}]}, trace_id=TRACE, attributes=pairs(RESOURCE)), record("x")).SerializeToString())
    data[at % len(data)] = byte
    summary, stream = collected("otlp_logs", bytes(data))
    assert_balanced(stream)
    assert summary.payloads == 1


def test_the_json_form_is_the_same_with_ids_in_digits() -> None:
    form = {
        "resourceLogs": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
                "scopeLogs": [
                    {
                        "scope": {"name": "app"},
                        "logRecords": [
                            {
                                "timeUnixNano": str(NS),
                                "severityNumber": 13,
                                "body": {"stringValue": "slow"},
                                "traceId": TRACE.hex().upper(),
                                "spanId": SPAN.hex(),
                                "attributes": [{"key": "traceId", "value": {"stringValue": "not looked into"}}, {"key": "n", "value": {"intValue": "7"}}],
                                "notKnown": 1,
                            }
                        ],
                    }
                ],
            }
        ]
    }
    _, stream = collected("otlp_logs_json", json.dumps(form).encode())
    (row,) = rows_of(stream, "logs")
    assert (row["trace_id"], row["span_id"], row["severity_text"], row["service.name"]) == (TRACE.hex(), SPAN.hex(), "WARN", "shop")
    assert json.loads(row["attributes"]) == {"otel.scope.name": "app", "traceId": "not looked into", "n": 7}


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{", b'{"resourceLogs":{}}', b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[7]}]}]}', b'{"resourceLogs":[[["traceId"]]]}', b"[" * 9_000],
)
def test_json_of_another_shape_is_a_dead_letter(data: bytes) -> None:
    summary, stream = collected("otlp_logs_json", data)
    assert (summary.events, [letter.body for letter in letters(stream)]) == (0, [data])


def test_a_dead_payload_can_be_replayed_with_what_was_known_of_it() -> None:
    _, stream = collected("otlp_logs", b"\xff", account="1", region="r", attributes={"a": "b"}, format="app.json")
    (letter,) = letters(stream)
    sent = sent_of(letter.body, letter.detail, "else")
    assert (sent.data, sent.source, sent.identity, sent.account, sent.region, sent.format, sent.attributes) == (
        b"\xff",
        "test",
        "payload-1",
        "1",
        "r",
        "app.json",
        {"a": "b"},
    )


def test_every_kind_has_its_opener_and_the_lambda_function_does_not_import_them() -> None:
    assert set(KINDS) == set(OPENERS)
    found = subprocess.run(
        [sys.executable, "-c", "import sys, collectors.handler; print('google.protobuf' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"


def length(number: int) -> bytes:
    out = b""
    while number >> 7:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


@pytest.mark.parametrize("many", [b"\x12\x00", b"\x12\x02\x32\x00"])
def test_a_few_bytes_that_would_take_much_memory_are_refused_before_they_do(many: bytes) -> None:
    scope = many * 400_000
    scopes = b"\x12" + length(len(scope)) + scope
    data = b"\x0a" + length(len(scopes)) + scopes
    for bomb in (data, b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b"{}," * 400_000 + b"{}]}]}]}"):
        summary, stream = collected("otlp_logs_json" if bomb[:1] == b"{" else "otlp_logs", bomb)
        assert (summary.events, len(summary.dead)) == (0, 1)
        assert "200000" in letters(stream)[0].reason


def test_too_long_a_request_is_refused() -> None:
    summary, stream = collected("otlp_logs", b"\x0a" * (20 * 1024 * 1024 + 1))
    assert (summary.events, "in several requests" in letters(stream)[0].reason) == (0, True)
