"""OTLP traces: an ``ExportTraceServiceRequest`` becomes rows of ``spans``.

https://opentelemetry.io/docs/specs/otel/trace/api/#span. Names are those of Data Prepper's ``otel-v1-apm-span``, as for X-Ray's segments (``collectors.envelopes.xray``):

* ``event_id`` is ``<trace id>-<span id>``; ``revision`` is 1 for a span that has ended and 0 for one that has not.
* ``fault``, ``error`` and ``throttle`` are X-Ray's: an HTTP status of 5xx is a fault, of 4xx an error, 429 throttling too; another span whose status is error is a fault.
* ``exception.type`` and ``exception.message`` are those of the first event named ``exception``; without one, a status of error has its message there.
* a span without a parent, and one of kind SERVER or CONSUMER, is what X-Ray calls a segment; the others are subsegments.
* ``attributes`` are those of the span, its scope and its resource; ``raw`` is the span in OTLP's JSON form, with events, links and trace state.

A span without a valid trace id, span id or start is dead, and the sender is told how many were.
"""

from typing import Any, Final

import orjson
import pyarrow as pa
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from collectors.envelopes.flatten import learnable_types
from collectors.envelopes.opened import Opened, Sent, check_dead
from collectors.envelopes.otlp.encoding import check_items
from collectors.envelopes.otlp.promote import promoted
from collectors.envelopes.otlp.values import SPAN_ID_BYTES, TRACE_ID_BYTES, hex_id, json_text, members, time_us
from collectors.envelopes.tolerant_json import as_text
from firehose.delivery import DeadLetter
from tailrace.forms import arrow_schema
from tailrace.schema import FieldType

ENVELOPE: Final = "otlp_traces"
_MAX_LONG: Final = 2**63 - 1
_ERROR: Final = Status.StatusCode.STATUS_CODE_ERROR
_SEGMENTS: Final = frozenset({Span.SpanKind.SPAN_KIND_SERVER, Span.SpanKind.SPAN_KIND_CONSUMER})
Row = dict[str, Any]


def open_spans(request: ExportTraceServiceRequest, sent: Sent) -> Opened:
    """Answer the rows of a request."""
    check_items(sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans))
    rows: list[Row] = []
    dead: list[DeadLetter] = []
    types: dict[str, FieldType] = {}
    for resource in request.resource_spans:
        told = dict(sent.attributes) | members(resource.resource.attributes)
        for scope in resource.scope_spans:
            shared = told | {name: value for name, value in (("otel.scope.name", scope.scope.name), ("otel.scope.version", scope.scope.version)) if value}
            shared |= members(scope.scope.attributes)
            for span in scope.spans:
                problem = _problem(span)
                if problem:
                    dead.append(_letter(problem, resource, scope, span, sent))
                    continue
                row = _row(span, shared, sent)
                types |= learnable_types(row["attributes"])
                rows.append(row | {"attributes": json_text(row["attributes"])})
    check_dead(len(dead))
    return Opened(tables={"spans": pa.Table.from_pylist(rows, arrow_schema("spans"))}, dead=tuple(dead), types=types)


def _problem(span: Span) -> str:
    if hex_id(span.trace_id, TRACE_ID_BYTES) is None:
        return "the trace id is missing, nought or not of 16 bytes"
    if hex_id(span.span_id, SPAN_ID_BYTES) is None:
        return "the span id is missing, nought or not of 8 bytes"
    return "" if span.start_time_unix_nano else "the span has no start"


def _letter(problem: str, resource: ResourceSpans, scope: ScopeSpans, span: Span, sent: Sent) -> DeadLetter:
    """Keep a span as a request of its own."""
    request = ExportTraceServiceRequest()
    kept = request.resource_spans.add(resource=resource.resource).scope_spans.add(scope=scope.scope)
    kept.spans.add().CopyFrom(span)
    return DeadLetter("document", f"{problem}: {span.name[:200]!r}", request.SerializeToString(), {"envelope": ENVELOPE, "source": sent.source})


def _row(span: Span, shared: Row, sent: Sent) -> Row:
    trace_id, span_id = span.trace_id.hex(), span.span_id.hex()
    ended = span.end_time_unix_nano >= span.start_time_unix_nano
    attributes = shared | members(span.attributes)
    columns = promoted(attributes, "spans")
    row: Row = {
        "event_id": f"{trace_id}-{span_id}",
        "revision": int(ended),
        "event_time": time_us(span.start_time_unix_nano),
        "observed_time": sent.received_us,
        "end_time": time_us(span.end_time_unix_nano) if ended else None,
        "duration_nanos": min(span.end_time_unix_nano - span.start_time_unix_nano, _MAX_LONG) if ended else None,
        "trace_id": trace_id,
        "span_id": span_id,
        "parent_span_id": hex_id(span.parent_span_id, SPAN_ID_BYTES),
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind) if 0 < span.kind <= Span.SpanKind.SPAN_KIND_CONSUMER else "SPAN_KIND_INTERNAL",
        "status_code": int(span.status.code),
        "aws_xray_document": "segment" if not span.parent_span_id or span.kind in _SEGMENTS else "subsegment",
        "cloud_account_id": sent.account or None,
        "cloud_region": sent.region or None,
        "in_progress": not ended,
        "log_source": sent.source,
        "raw": _raw(span),
    }
    return row | columns | _flags(span, columns.get("http_response_status_code")) | _exception(span, columns) | {"attributes": attributes}


def _flags(span: Span, status: int | None) -> Row:
    failed = span.status.code == _ERROR
    client_error = status is not None and 400 <= status < 500
    return {"fault": (failed and not client_error) or (status is not None and status >= 500), "error": client_error, "throttle": status == 429}


def _exception(span: Span, columns: Row) -> Row:
    found = next((members(event.attributes) for event in span.events if event.name == "exception"), {})
    kind, message = found.get("exception.type"), found.get("exception.message") or (span.status.message if span.status.code == _ERROR else None)
    return {
        "exception_type": columns.get("exception_type") or (str(kind) if kind else None),
        "exception_message": columns.get("exception_message") or (str(message) if message else None),
    }


def _raw(span: Span) -> str:
    """Write a span in OTLP's JSON form, which is protobuf's but for the ids: they are hexadecimal (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding)."""
    told = MessageToDict(span, use_integers_for_enums=True)
    told |= {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex()} | ({"parentSpanId": span.parent_span_id.hex()} if span.parent_span_id else {})
    for link, kept in zip(span.links, told.get("links", ()), strict=False):
        kept |= {"traceId": link.trace_id.hex(), "spanId": link.span_id.hex()}
    try:
        return orjson.dumps(told).decode()
    except (orjson.JSONEncodeError, RecursionError):
        return as_text(told)
