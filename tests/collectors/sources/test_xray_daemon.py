"""The X-Ray daemon's port: every datagram is spans or a dead letter, and SDKs get the answers that AWS's daemon gives."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from collectors.collector import Collector
from collectors.sources.xray_daemon import XRayDaemon, document_of
from collectors.sources.xray_http import MAX_BODY_BYTES
from collectors.steps import Work
from firehose.delivery import Delivery, MemoryStream
from tailrace.clock import ManualClock, SystemClock
from tailrace.errors import DecodeError, SettingError, TransientError
from tailrace.fields import AttributeRegister

HEADER = b'{"format":"json","version":1}\n'


def collector(stream: Any) -> Collector:
    return Collector(stream, Work(lambda lines: None), AttributeRegister(), SystemClock())  # type: ignore[arg-type,return-value]


def document(n: int = 1, **changed: Any) -> bytes:
    base = {"trace_id": "1-6b02b777-63f651453a9bbc6c80be111a", "id": f"{n:016x}", "name": "web", "start_time": 1, "end_time": 2}
    return json.dumps(base | changed).encode()


@pytest.fixture
def stream() -> MemoryStream:
    return MemoryStream()


@pytest.fixture
def daemon(stream: MemoryStream) -> Iterator[XRayDaemon]:
    with XRayDaemon(collector(stream), "127.0.0.1", 0) as listening:
        yield listening


def send(daemon: XRayDaemon, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", daemon.port))


def until(condition: Callable[[], bool], timeout_s: float = 8) -> None:
    ends = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def spans(stream: MemoryStream) -> list[dict[str, Any]]:
    return [row for delivery in stream.deliveries if "spans" in delivery.tables for row in delivery.tables["spans"].to_pylist()]


def dead(stream: MemoryStream) -> list[Any]:
    return [letter for delivery in stream.deliveries for letter in delivery.dead]


@pytest.mark.parametrize("header", ['{"format":"json","version":1}', '{"format": "json", "version": 1}', ' {"version":1,"format":"JSON","more":2}\r'])
def test_every_spelling_of_the_header_is_read(header: str) -> None:
    assert document_of(header.encode() + b'\n{"a":\n1}') == b'{"a":\n1}'


@pytest.mark.parametrize(
    ("datagram", "why"),
    [
        (b"", "no header line"),
        (b'{"format":"json","version":1}', "no header line"),
        (HEADER, "no document"),
        (HEADER + b" \n", "no document"),
        (b"\n{}", "header is not JSON"),
        (b"hello\n{}", "header is not JSON"),
        (b"\xff\xfe\n{}", "header is not JSON"),
        (b"[" * 60_000 + b"\n{}", "header is not JSON"),
        (b'{"format":"json","version":2}\n{}', "not format json"),
        (b'{"format":"json","version":true}\n{}', "not format json"),
        (b'{"format":"xml","version":1}\n{}', "not format json"),
        (b'["json", 1]\n{}', "not format json"),
    ],
)
def test_another_header_is_one_clear_error(datagram: bytes, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        document_of(datagram)


@given(datagram=st.binary(max_size=100) | st.binary(max_size=60).map(lambda rest: HEADER + rest))
def test_any_datagram_is_a_document_or_a_decode_error(datagram: bytes) -> None:
    try:
        assert document_of(datagram).strip()
    except DecodeError as error:
        assert str(error)


def test_documents_become_spans_in_few_deliveries(daemon: XRayDaemon, stream: MemoryStream) -> None:
    send(daemon, *(HEADER + document(n) for n in range(1, 121)))
    until(lambda: len(spans(stream)) == 120)
    assert len(stream.deliveries) <= 12
    assert {row["log_source"] for row in spans(stream)} == {"xray:udp"}
    assert daemon.status() == {"received": 120, "spans": 120, "rejected": 0, "unput": 0, "dropped_by_kernel": 0}


def test_a_datagram_that_is_none_is_a_dead_letter_and_hinders_no_other(daemon: XRayDaemon, stream: MemoryStream) -> None:
    bad = [b"hello", HEADER, HEADER + b"{", HEADER + document(9, trace_id=None), HEADER + b"\xff"]
    send(daemon, HEADER + document(1), *bad, HEADER + document(2))
    until(lambda: len(spans(stream)) == 2 and len(dead(stream)) == len(bad))
    assert {letter.body for letter in dead(stream)} == {b"hello", HEADER, b"{", document(9, trace_id=None), b"\xff"}
    assert all(count.balanced for delivery in stream.deliveries for count in delivery.counts)
    assert daemon.status()["rejected"] == len(bad)


def test_the_largest_datagram_and_a_document_of_64_kb_are_read(daemon: XRayDaemon, stream: MemoryStream) -> None:
    for n, size in enumerate((65_507 - len(HEADER), 64_000), 1):
        body = document(n, metadata={"default": {"x": ""}})
        send(daemon, HEADER + body.replace(b'"x": ""', b'"x": "' + b"y" * (size - len(body)) + b'"'))
    until(lambda: len(spans(stream)) == 2)


def test_what_has_arrived_is_put_when_it_stops(stream: MemoryStream) -> None:
    with XRayDaemon(collector(stream), "127.0.0.1", 0) as listening:
        send(listening, *(HEADER + document(n) for n in range(1, 301)))
    assert len(spans(stream)) == 300


def test_a_full_delivery_stream_is_waited_for_and_at_the_end_given_up() -> None:
    class FullStream(MemoryStream):
        open = threading.Event()

        def put(self, delivery: Delivery) -> None:
            if not self.open.is_set():
                raise TransientError("full")
            super().put(delivery)

    full = FullStream()
    with XRayDaemon(collector(full), "127.0.0.1", 0) as listening:
        send(listening, HEADER + document(1))
        until(lambda: listening.status()["received"] == 1)
        full.open.set()
        until(lambda: len(spans(full)) == 1)
        full.open.clear()
        send(listening, HEADER + document(2))
        until(lambda: listening.status()["received"] == 2)
        listening.close(0.3)
        until(lambda: listening.status()["unput"] == 1)


def test_a_port_that_is_taken_is_one_clear_error(daemon: XRayDaemon, stream: MemoryStream) -> None:
    with pytest.raises(SettingError, match=f"xray_port = {daemon.port}: TCP port of 127.0.0.1 cannot be bound"):
        XRayDaemon(collector(stream), "127.0.0.1", daemon.port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        with pytest.raises(SettingError, match="UDP port"):
            XRayDaemon(collector(stream), "127.0.0.1", holder.getsockname()[1])


@pytest.fixture
def client(daemon: XRayDaemon) -> Any:
    session = Session()
    config = Config(signature_version=UNSIGNED, retries={"max_attempts": 0})
    return session.create_client("xray", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{daemon.port}", config=config)


def test_sampling_rules_and_targets_have_awss_shape(client: Any) -> None:
    (record,) = client.get_sampling_rules()["SamplingRuleRecords"]
    rule = record["SamplingRule"]
    assert (rule["RuleName"], rule["FixedRate"], rule["Version"], rule["ResourceARN"], rule["HTTPMethod"]) == ("Default", 1.0, 1, "*", "*")
    statistics = {"ClientID": "A" * 24, "Timestamp": 1_790_000_000, "RequestCount": 5, "SampledCount": 5}
    answer = client.get_sampling_targets(SamplingStatisticsDocuments=[statistics | {"RuleName": "Default"}, statistics | {"RuleName": "gone"}])
    assert [(one["RuleName"], one["FixedRate"], one["ReservoirQuota"], one["Interval"]) for one in answer["SamplingTargetDocuments"]] == [
        ("Default", 1.0, 1, 10)
    ]
    assert [one["RuleName"] for one in answer["UnprocessedStatistics"]] == ["gone"]
    assert answer["LastRuleModification"] == record["ModifiedAt"]


def test_put_trace_segments_answers_for_each_document(client: Any, stream: MemoryStream) -> None:
    good, bad = document(1).decode(), document(2, trace_id="").decode()
    answer = client.put_trace_segments(TraceSegmentDocuments=[good, bad, "{"])
    assert [(one.get("Id"), one["ErrorCode"]) for one in answer["UnprocessedTraceSegments"]] == [(f"{2:016x}", "InvalidTraceId"), ("", "JSONFormatError")]
    assert [row["log_source"] for row in spans(stream)] == ["xray:tcp"]
    assert client.put_telemetry_records(TelemetryRecords=[{"Timestamp": 1}])["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_what_the_port_does_not_answer_is_awss_error(client: Any) -> None:
    with pytest.raises(Exception, match=r"UnknownOperationException.*/TraceSummaries"):
        client.get_trace_summaries(StartTime=1, EndTime=2)


def post(daemon: XRayDaemon, path: str, body: bytes, **headers: str) -> tuple[int, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=5)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.getheader("x-amzn-ErrorType")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"TraceSegmentDocuments": [1]}', b'{"TraceSegmentDocuments": "x"}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_none_is_a_bad_request(daemon: XRayDaemon, body: bytes) -> None:
    assert post(daemon, "/TraceSegments", body) == (400, "InvalidRequestException")
    assert post(daemon, "/SamplingTargets", body) == (400, "InvalidRequestException")
    assert post(daemon, "/GetSamplingRules", body) == (200, None)


def test_a_body_without_a_sane_length_is_refused(daemon: XRayDaemon) -> None:
    for length in (str(MAX_BODY_BYTES + 1), "-1", "x", "9" * 400):
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=5) as connection:
            connection.sendall(f"POST /TraceSegments HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_stream_that_takes_nothing_is_answered_as_throttling() -> None:
    class FullStream:
        def put(self, delivery: Delivery) -> None:
            raise TransientError("full")

    with XRayDaemon(collector(FullStream()), "127.0.0.1", 0) as listening:
        assert post(listening, "/TraceSegments", b'{"TraceSegmentDocuments": ["{}"]}') == (429, "ThrottledException")


def test_a_client_that_goes_away_is_no_error(daemon: XRayDaemon) -> None:
    with socket.create_connection(("127.0.0.1", daemon.port)) as connection:
        connection.sendall(b"POST /TraceSegments HTTP/1.1\r\nContent-Length: 500\r\n\r\n{")
    assert post(daemon, "/GetSamplingRules", b"{}") == (200, None)
    assert ManualClock().now_us() > 0
