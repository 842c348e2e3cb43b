"""OTLP logs: an ``ExportLogsServiceRequest`` becomes lines, and what was said beside them.

https://opentelemetry.io/docs/specs/otel/logs/data-model/. The body is the line: where it is a text, its format is found and read like that of any other line; a body that is a map or a list is a line
of JSON; a record without a body has its event name for a line. What the record says counts before what the text says: severity, trace and span id, attributes; then those of the scope, then
those of the resource.

* **time**: ``timeUnixNano``, else that in the text, else ``observedTimeUnixNano``, else that of the receipt.
* **severity**: the number's range, else the text; a number that is not the first of its range, and a text that is no severity, stay attributes.
* **event id**: a hash of the payload and the record's place in it. So a payload that is sent again is there once. A payload in which a record has no time at all could be another of the same bytes: its ids
  hold a number of the receiver too.
"""

import base64
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import pyarrow as pa
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ScopeLogs

from collectors.columns import to_severity
from collectors.envelopes.flatten import learnable_types
from collectors.envelopes.opened import Opened, Sent
from collectors.envelopes.otlp.encoding import check_items
from collectors.envelopes.otlp.promote import promoted
from collectors.envelopes.otlp.values import SPAN_ID_BYTES, TRACE_ID_BYTES, hex_id, json_text, members, merged_text, odd_id, plain, time_us
from collectors.envelopes.tolerant_json import as_text
from collectors.known import known_table
from collectors.lines import Lines, Origin
from tailrace.forms import arrow_schema
from tailrace.ids import Places
from tailrace.schema import SEVERITIES, FieldType

STREAM_NAME: Final = "otlp"
NAMES: Final = tuple(SEVERITIES)
RANGE: Final = 4
"""Numbers of one severity (https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber)."""

_GROUPS: Final = ("aws.log.group.names", "aws.log.group.name")


@dataclass(slots=True)
class _Run:
    """Records of one log group, column by column."""

    log_group: str
    texts: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    times: list[int | None] = field(default_factory=list)
    known: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all records of a scope have: columns, the other members, and those as a JSON text."""

    columns: dict[str, Any]
    members: dict[str, Any]
    text: str | None


def open_logs(request: ExportLogsServiceRequest, sent: Sent) -> Opened:
    """Answer the lines of a request."""
    check_items(sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs))
    runs: dict[str, _Run] = {}
    types: dict[str, FieldType] = {}
    places = Places(STREAM_NAME, sent.identity, 0 if _has_times(request) else sent.sequence)
    for at, resource in enumerate(request.resource_logs):
        told = dict(sent.attributes) | members(resource.resource.attributes)
        run = runs.setdefault(group := _log_group(told), _Run(group))
        for number, scope in enumerate(resource.scope_logs):
            shared = _shared(told, scope)
            types |= learnable_types(shared.members)
            for position, record in enumerate(scope.log_records):
                run.texts.append(_text(record))
                run.ids.append(places.id(at, number, position))
                run.times.append(time_us(record.time_unix_nano))
                run.known.append(_known(record, shared, types))
    return Opened(tuple(_lines(run, sent) for run in runs.values() if run.ids), types=types)


def _has_times(request: ExportLogsServiceRequest) -> bool:
    """Whether every record has a time: then no other payload has the same bytes."""
    return all(
        record.time_unix_nano or record.observed_time_unix_nano
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    )


def _shared(resource: dict[str, Any], scope: ScopeLogs) -> _Shared:
    told = {"otel.scope.name": scope.scope.name, "otel.scope.version": scope.scope.version}
    found = resource | {name: value for name, value in told.items() if value} | members(scope.scope.attributes)
    columns = promoted(found, "logs")
    return _Shared(columns, found, json_text(found))


def _log_group(resource: dict[str, Any]) -> str:
    for name in _GROUPS:
        value = resource.get(name)
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(value, str) and value:
            return value
    return ""


def _known(record: LogRecord, shared: _Shared, types: dict[str, FieldType]) -> dict[str, Any]:
    own = members(record.attributes)
    known = shared.columns | promoted(own, "logs")
    known["severity_text"], known["severity_number"], rest = _severity(record)
    odd = {"trace_id": odd_id(record.trace_id, TRACE_ID_BYTES), "span_id": odd_id(record.span_id, SPAN_ID_BYTES), "event.name": record.event_name or None}
    own |= rest | {name: value for name, value in odd.items() if value}
    if record.dropped_attributes_count:
        own["otel.dropped_attributes_count"] = record.dropped_attributes_count
    if not own.keys() <= types.keys():
        types |= learnable_types(own)
    known["event_time"] = time_us(record.observed_time_unix_nano)
    known["trace_id"], known["span_id"] = hex_id(record.trace_id, TRACE_ID_BYTES), hex_id(record.span_id, SPAN_ID_BYTES)
    known["attributes"] = merged_text(shared.members, shared.text, own)
    return known


def _severity(record: LogRecord) -> tuple[str | None, int | None, dict[str, Any]]:
    number, text = record.severity_number, record.severity_text
    if 0 < number <= RANGE * len(NAMES):
        word = NAMES[(number - 1) // RANGE]
        return word, SEVERITIES[word], {} if number == SEVERITIES[word] else {"otel.severity_number": int(number)}
    if not text:
        return None, None, {}
    words, numbers = to_severity(pa.array([text], pa.string()))
    word = words[0].as_py()
    return word, numbers[0].as_py(), {} if word else {"otel.severity_text": text}


def _text(record: LogRecord) -> str:
    body: AnyValue = record.body
    match body.WhichOneof("value"):
        case "string_value":
            return body.string_value.rstrip("\r\n")
        case "bytes_value":
            return base64.b64encode(body.bytes_value).decode("ascii")
        case None:
            return record.event_name
        case _:
            return _json(plain(body))


def _json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except (orjson.JSONEncodeError, RecursionError):
        return as_text(value)


def _lines(run: _Run, sent: Sent) -> Lines:
    origin = Origin(sent.source, STREAM_NAME, account=sent.account, region=sent.region, log_group=run.log_group, format=sent.format)
    schema = arrow_schema("logs")
    names = dict.fromkeys(name for one in run.known for name in one)
    columns = {name: pa.array([one.get(name) for one in run.known], _kind(schema, name)) for name in names}
    ids: pa.StringArray = pa.array(run.ids, pa.string())
    times: pa.TimestampArray = pa.array(run.times, pa.timestamp("us"))
    return Lines(origin, sent.received_us, pa.array(run.texts, pa.string()), ids, times, known_table({"event_id": ids, **columns}), whole=True)


def _kind(schema: pa.Schema, name: str) -> pa.DataType:
    kind: pa.DataType = schema.field(name).type
    return kind
