"""What the check sends: an event with a mark that is nowhere else, and a trace of two services, both with the same trace id."""

import secrets
from dataclasses import dataclass
from typing import Final

import orjson
from aws_xray_sdk.core import AWSXRayRecorder
from aws_xray_sdk.core.models.traceid import TraceId

from sandbox.resources import CHECK_GROUP
from tailrace.aws import client
from tailrace.clock import US_PER_MS, iso_ms
from tailrace.settings import Settings

CALLER: Final = "check-web"
CALLED: Final = "check-payment"
PATH: Final = "/check"
SPANS: Final = 3
"""A segment each, and the call between them."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A word that no other event has, and the trace id in X-Ray's form."""

    word: str
    xray_trace_id: str

    @property
    def trace_id(self) -> str:
        """Answer the trace id as it is stored: 32 hex digits."""
        return self.xray_trace_id.removeprefix("1-").replace("-", "")

    @property
    def message(self) -> str:
        """Answer the message of the event."""
        return f"marked event {self.word}"


def new_mark() -> Mark:
    """Make a mark."""
    return Mark(f"mark{secrets.token_hex(8)}", TraceId().to_id())


def put_event(settings: Settings, mark: Mark, now_us: int) -> None:
    """Put the event into the log group of the check."""
    logs = client("logs", settings)
    line = orjson.dumps(
        {
            "timestamp": iso_ms(now_us),
            "level": "ERROR",
            "service": CALLER,
            "message": mark.message,
            "trace_id": mark.xray_trace_id,
            "check": {"word": mark.word},
        }
    ).decode()
    logs.create_log_stream(logGroupName=CHECK_GROUP, logStreamName=mark.word)
    logs.put_log_events(logGroupName=CHECK_GROUP, logStreamName=mark.word, logEvents=[{"timestamp": now_us // US_PER_MS, "message": line}])


def send_trace(address: str, mark: Mark) -> None:
    """Send the trace as two services would: the called one first, each with a recorder of its own."""
    caller, called = _recorder(CALLER, address), _recorder(CALLED, address)
    caller.begin_segment(CALLER, traceid=mark.xray_trace_id, sampling=True).put_annotation("mark", mark.word)
    below = caller.begin_subsegment("127.0.0.1", namespace="remote")
    assert below is not None
    below.put_http_meta("url", f"http://127.0.0.1{PATH}")
    below.put_http_meta("method", "GET")
    below.put_http_meta("status", 200)
    segment = called.begin_segment(CALLED, traceid=mark.xray_trace_id, parent_id=below.id, sampling=True)
    segment.put_http_meta("status", 200)
    called.end_segment()
    caller.end_subsegment()
    caller.end_segment()


def _recorder(service: str, address: str) -> AWSXRayRecorder:
    recorder = AWSXRayRecorder()
    recorder.configure(service=service, sampling=False, daemon_address=address, context_missing="IGNORE_ERROR")
    return recorder
