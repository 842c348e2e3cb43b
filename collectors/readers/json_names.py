"""The usual names of what every application log has: which members of a JSON event are its message, its level, its time, its ids.

The lists are of the libraries that write such lines: AWS Lambda's JSON logging and Powertools, structlog, python-json-logger, pino, bunyan, winston, zap, logrus, log4j 2, logback (logstash encoder), Serilog,
Elastic Common Schema, OpenTelemetry, Datadog.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa

NAMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "message": ("message", "msg", "@message", "Body", "body", "body.stringValue", "event.message", "short_message", "log", "text", "event", "@m", "@mt"),
        "level": (
            "level",
            "severity",
            "log.level",
            "levelname",
            "loglevel",
            "log_level",
            "severity_text",
            "severityText",
            "SeverityText",
            "lvl",
            "@l",
            "levelName",
        ),
        "time": (
            "@timestamp",
            "timestamp",
            "time",
            "ts",
            "datetime",
            "asctime",
            "date",
            "eventTime",
            "@t",
            "Timestamp",
            "timeMillis",
            "timeUnixNano",
            "instant",
            "instant.epochSecond",
        ),
        "service": (
            "service.name",
            "service",
            "serviceName",
            "service_name",
            "app",
            "application",
            "resource.service.name",
            "resource.attributes.service.name",
            "dd.service",
            "logger_service",
        ),
        "trace_id": (
            "trace_id",
            "traceId",
            "trace.id",
            "xray_trace_id",
            "xRayTraceId",
            "AWS-XRAY-TRACE-ID",
            "x-amzn-trace-id",
            "traceid",
            "traceID",
            "otelTraceID",
            "TraceId",
            "trace",
            "dd.trace_id",
        ),
        "span_id": ("span_id", "spanId", "span.id", "spanid", "spanID", "otelSpanID", "SpanId", "segment_id", "dd.span_id"),
        "request_id": (
            "aws.request_id",
            "request_id",
            "requestId",
            "AWSRequestId",
            "awsRequestId",
            "aws_request_id",
            "function_request_id",
            "x-amzn-requestid",
            "faas.invocation_id",
            "record.requestId",
        ),
        "host": ("host.name", "hostname", "host"),
        "method": ("http.request.method", "http.method", "method", "httpMethod", "request.method"),
        "status": ("http.response.status_code", "http.status_code", "status_code", "statusCode", "status", "httpStatus", "response.status"),
        "path": ("url.path", "http.target", "path", "uri", "request.path", "http.path"),
        "url": ("url.full", "http.url", "url"),
        "client": ("client.address", "client_ip", "clientIp", "remote_addr", "remoteAddr", "sourceIp", "client.ip"),
        "duration_s": ("duration_s", "elapsed_s"),
        "duration_ms": ("duration_ms", "durationMs", "elapsed_ms", "latency_ms", "latencyMs", "response_time_ms", "took_ms"),
        "user_agent": ("user_agent.original", "http.user_agent", "user_agent", "userAgent"),
        "exception": ("exception.type", "error.type", "exception_type", "exception_name", "errorType", "error.kind", "exc_type"),
    }
)
"""Column: the names of its members, the first that is there wins; the others stay attributes."""

COLUMN_OF: Final[Mapping[str, tuple[str, int]]] = MappingProxyType({name: (column, rank) for column, names in NAMES.items() for rank, name in enumerate(names)})

COLUMN_KINDS: Final[Mapping[str, pa.DataType]] = MappingProxyType({"status": pa.int64(), "duration_s": pa.float64(), "duration_ms": pa.float64()})
"""Columns that are numbers; the others are texts."""

MAX_DEPTH: Final = 8
"""Objects in objects that are flattened; deeper ones stay values."""


def flat_object(value: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten an object to dotted names; arrays, and what lies deeper than :data:`MAX_DEPTH`, stay values. Of two members of one name the last wins."""
    flat: dict[str, Any] = {}
    stack: list[tuple[str, Any, int]] = [("", value, 1)]
    while stack:
        prefix, current, depth = stack.pop()
        if isinstance(current, dict) and current and depth <= MAX_DEPTH:
            stack.extend((f"{prefix}.{name}" if depth > 1 else name, member, depth + 1) for name, member in reversed(current.items()))
        else:
            flat[prefix] = current
    return flat


def known_values(flat: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part a flat object into the columns that it has, and the rest."""
    best: dict[str, tuple[int, str]] = {}
    for name, value in flat.items():
        column, rank = COLUMN_OF.get(name, ("", 0))
        if column and isinstance(value, str | int | float) and (column not in best or rank < best[column][0]):
            best[column] = (rank, name)
    used = {name for _, name in best.values()}
    return {column: flat[name] for column, (_, name) in best.items()}, {
        name: value for name, value in flat.items() if name not in used and (value is not None or name not in COLUMN_OF)
    }


def as_text(value: object) -> str:
    """Write a scalar as text: a text as itself, all else as JSON has it."""
    return value if isinstance(value, str) else json.dumps(value)
