"""OTLP over HTTP: ``POST /v1/logs``, ``/v1/metrics`` and ``/v1/traces`` (https://opentelemetry.io/docs/specs/otlp/#otlphttp).

Requests are protobuf or JSON, as their content type says, plain or gzip; the answer, also one of an error (``google.rpc.Status``), has the same encoding. It comes after what was sent is synced. Spans and
points that could not be read are kept as dead letters, and the answer tells how many (``partialSuccess``). A request that cannot be read at all is kept too, and answered with 400, upon which
exporters do not send it again. 503 asks them to.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from collectors.collector import Summary
from collectors.envelopes.opened import Sent
from gateway.answers import RETRY_AFTER_S
from gateway.parts import Parts
from gateway.requests import read_body
from tailrace.errors import TailraceError, TransientError, UsageError

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
INVALID_ARGUMENT, INTERNAL, UNAVAILABLE = 3, 13, 14
"""https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto"""

VARINT_BITS: Final = 7


@dataclass(frozen=True, slots=True)
class _Signal:
    """One of the three: its name, the message that answers it, and the member that counts what was refused."""

    name: str
    answer: type[Message]
    rejected: str


LOGS: Final = _Signal("logs", ExportLogsServiceResponse, "rejected_log_records")
METRICS: Final = _Signal("metrics", ExportMetricsServiceResponse, "rejected_data_points")
TRACES: Final = _Signal("traces", ExportTraceServiceResponse, "rejected_spans")


async def logs(request: Request) -> Response:
    """Answer ``POST /v1/logs``."""
    return await _take(request, LOGS)


async def metrics(request: Request) -> Response:
    """Answer ``POST /v1/metrics``."""
    return await _take(request, METRICS)


async def traces(request: Request) -> Response:
    """Answer ``POST /v1/traces``."""
    return await _take(request, TRACES)


async def _take(request: Request, signal: _Signal) -> Response:
    encoding = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if encoding not in {PROTOBUF, JSON}:
        return _status(415, INVALID_ARGUMENT, f"content type {encoding[:80]!r} is not taken: {PROTOBUF} and {JSON} are", JSON)
    try:
        body = await read_body(request)
        kind = f"otlp_{signal.name}" + ("_json" if encoding == JSON else "")
        sent = Sent(body, f"otlp:{signal.name}", hashlib.blake2b(body, digest_size=16).hexdigest())
        summary = await run_in_threadpool(Parts.of(request).collector.collect_sent, [(kind, sent)])
    except TransientError as error:
        return _status(503, UNAVAILABLE, str(error), encoding)
    except UsageError as error:
        return _status(400, INVALID_ARGUMENT, str(error), encoding)
    except TailraceError as error:
        return _status(500, INTERNAL, str(error), encoding)
    unread = next((letter for letter in summary.dead if letter.kind == "payload"), None)
    return _status(400, INVALID_ARGUMENT, unread.reason, encoding) if unread else _answer(summary, signal, encoding)


def _answer(summary: Summary, signal: _Signal, encoding: str) -> Response:
    rejected = [letter for letter in summary.dead if letter.detail.get("envelope", "").startswith("otlp_")]
    partial = {signal.rejected: len(rejected), "error_message": f"kept as dead letters: {rejected[0].reason}"} if rejected else {}
    message = signal.answer(**({"partial_success": partial} if partial else {}))
    body = orjson.dumps(MessageToDict(message)) if encoding == JSON else message.SerializeToString()
    return Response(body, media_type=encoding)


def _status(status: int, code: int, reason: str, encoding: str) -> Response:
    headers = {"Retry-After": RETRY_AFTER_S} if status == 503 else None
    body = orjson.dumps({"code": code, "message": reason}) if encoding == JSON else _rpc_status(code, reason.encode())
    return Response(body, status, headers, encoding)


def _rpc_status(code: int, message: bytes) -> bytes:
    """Write ``google.rpc.Status`` (https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto): field 1 is the code, field 2 the message.

    >>> _rpc_status(3, b"no").hex(" ")
    '08 03 12 02 6e 6f'
    """
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(message)) + message


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >> VARINT_BITS:
        out.append((number & 0x7F) | 0x80)
        number >>= VARINT_BITS
    return bytes([*out, number])
