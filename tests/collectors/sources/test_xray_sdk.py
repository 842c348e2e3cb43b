"""The real aws-xray-sdk, in a process of its own, against the daemon's port."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from collectors.collector import Collector
from collectors.sources.xray_daemon import XRayDaemon
from collectors.steps import Work
from firehose.delivery import MemoryStream
from tailrace.clock import SystemClock
from tailrace.fields import AttributeRegister

NESTED = """
from aws_xray_sdk.core import xray_recorder
xray_recorder.configure(service="checkout", sampling=False)
with xray_recorder.in_segment("checkout") as segment:
    segment.put_annotation("tenant", "t1")
    segment.put_metadata("cart", {"items": [1, 2]})
    with xray_recorder.in_subsegment("dynamodb", namespace="aws"):
        with xray_recorder.in_subsegment("attempt"):
            pass
    try:
        with xray_recorder.in_subsegment("payment", namespace="remote"):
            raise ConnectionError("refused")
    except ConnectionError:
        pass
"""

STREAMED = """
from aws_xray_sdk.core import xray_recorder
xray_recorder.configure(service="batch", sampling=False)
with xray_recorder.in_segment("batch"):
    for n in range(45):
        with xray_recorder.in_subsegment(f"part {n}"):
            pass
"""

SAMPLED = """
import time
from aws_xray_sdk.core import xray_recorder
xray_recorder.configure(service="web")
xray_recorder.begin_segment("first")
xray_recorder.end_segment()
time.sleep(1.5)
for n in range(8):
    xray_recorder.begin_segment(f"request {n}")
    xray_recorder.end_segment()
"""


@pytest.fixture
def stream() -> MemoryStream:
    return MemoryStream()


@pytest.fixture
def daemon(stream: MemoryStream) -> Iterator[XRayDaemon]:
    collector = Collector(stream, Work(lambda lines: None), AttributeRegister(), SystemClock())  # type: ignore[arg-type,return-value]
    with XRayDaemon(collector, "127.0.0.1", 0) as listening:
        yield listening


def run(daemon: XRayDaemon, script: str) -> None:
    environment = dict(os.environ) | {"AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "testtest"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=60)
    daemon.close()


def spans(stream: MemoryStream) -> dict[str, dict[str, Any]]:
    assert not [letter for delivery in stream.deliveries for letter in delivery.dead]
    return {row["name"]: row for delivery in stream.deliveries for row in delivery.tables["spans"].to_pylist()}


def test_a_segment_of_the_sdk_is_read_whole(daemon: XRayDaemon, stream: MemoryStream) -> None:
    run(daemon, NESTED)
    found = spans(stream)
    assert set(found) == {"checkout", "dynamodb", "attempt", "payment"}
    assert [found[name]["kind"] for name in ("dynamodb", "attempt", "payment")] == ["SPAN_KIND_CLIENT", "SPAN_KIND_INTERNAL", "SPAN_KIND_CLIENT"]
    assert found["attempt"]["parent_span_id"] == found["dynamodb"]["span_id"]
    assert (found["payment"]["exception_type"], found["payment"]["exception_message"], found["payment"]["fault"]) == ("ConnectionError", "refused", True)
    assert {row["service_name"] for row in found.values()} == {"checkout"}
    assert '"annotation.tenant":"t1"' in found["checkout"]["attributes"]
    assert all(row["revision"] == 1 and len(row["trace_id"]) == 32 and row["duration_nanos"] >= 0 for row in found.values())


def test_subsegments_that_are_streamed_before_their_segment_are_all_there(daemon: XRayDaemon, stream: MemoryStream) -> None:
    run(daemon, STREAMED)
    found = spans(stream)
    segment = found.pop("batch")
    assert set(found) == {f"part {n}" for n in range(45)}
    assert {row["parent_span_id"] for row in found.values()} == {segment["span_id"]}
    assert {row["trace_id"] for row in found.values()} == {segment["trace_id"]}
    assert {row["service_name"] for row in found.values()} == {None, "batch"}


def test_the_sdk_takes_its_sampling_rules_from_the_port_and_traces_everything(daemon: XRayDaemon, stream: MemoryStream) -> None:
    run(daemon, SAMPLED)
    found = spans(stream)
    assert {f"request {n}" for n in range(8)} <= set(found)
    assert '"aws.xray.sampling_rule_name":"Default"' in found["request 7"]["attributes"]
