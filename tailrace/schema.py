"""The schema, stated once: every field of the four tables.

A field has a name in searches (OpenTelemetry semantic conventions 1.38 and the OpenTelemetry log data model; for spans, Data Prepper's
``otel-v1-apm-span``), a column in the lake (no dots), and one :class:`FieldType` from which all other types follow. ``tailrace.forms``
makes the Arrow schemas, OpenSearch templates, Athena DDL, the resolver of search fields and ``docs/schema.md`` from these tables.

Every table has ``event_id``, ``revision``, ``@timestamp`` and ``observed_timestamp``. A higher revision of the same ``event_id``
replaces the lower one in every sink; duplicates are judged on (``event_id``, ``revision``).
"""

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal, get_args

KEYWORD_MAX_CHARS: Final = 8_191
"""A longer keyword is stored and not indexed, in every engine alike: 32,766 bytes (Lucene's longest term) over 4 bytes a character."""


class FieldType(Enum):
    """The types there are; the value is the word for it in files that people write."""

    TIME = "time"
    KEYWORD = "keyword"
    TEXT = "text"
    LONG = "long"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    IP = "ip"
    ATTRIBUTES = "attributes"
    STORED = "stored"
    """Text that is kept and shown, and not searched."""


type_words: Final = MappingProxyType({kind.value: kind for kind in FieldType})

TableName = Literal["logs", "spans", "metrics", "ledger"]
TABLE_NAMES: Final[tuple[TableName, ...]] = get_args(TableName)


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name in searches, its column in the lake, its type, what it means, and its other names in searches."""

    name: str
    column: str
    type: FieldType
    meaning: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its fields in the order of the columns."""

    name: TableName
    meaning: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field | None:
        """Answer the field with that name or alias in searches; a column's name is none."""
        return next((field for field in self.fields if name in {field.name, *field.aliases}), None)


def _field(name: str, kind: FieldType, meaning: str, *, column: str = "", aliases: tuple[str, ...] = ()) -> Field:
    return Field(name, column or name.replace(".", "_"), kind, meaning, aliases)


TIME, KEYWORD, TEXT, LONG = FieldType.TIME, FieldType.KEYWORD, FieldType.TEXT, FieldType.LONG
DOUBLE, IP, ATTRIBUTES, STORED = FieldType.DOUBLE, FieldType.IP, FieldType.ATTRIBUTES, FieldType.STORED


def _identity(time_aliases: tuple[str, ...] = ()) -> tuple[Field, ...]:
    return (
        _field("event_id", KEYWORD, "replay-safe: CloudWatch's event id, or a hash of source and position"),
        _field("revision", LONG, "0 unless re-parsed or completed later; the highest counts"),
        _field("@timestamp", TIME, "when it happened (UTC)", column="event_time", aliases=time_aliases),
        _field("observed_timestamp", TIME, "when it was received (UTC)", column="observed_time"),
    )


_ORIGIN: Final = (
    _field("cloud.account.id", KEYWORD, "the AWS account it came from"),
    _field("cloud.region", KEYWORD, "the AWS region it came from"),
)

LOGS: Final = Table(
    "logs",
    "one row per log event",
    (
        *_identity(),
        _field("severity_text", KEYWORD, "TRACE, DEBUG, INFO, WARN, ERROR or FATAL; empty where the line names none"),
        _field("severity_number", LONG, "OpenTelemetry's number of the severity: 1, 5, 9, 13, 17, 21"),
        _field("message", TEXT, "what the event says; where a line has no message of its own, the line"),
        _field("service.name", KEYWORD, "the service that wrote it"),
        _field("log.format", KEYWORD, "the format that read it, such as aws.alb"),
        _field("log.source", KEYWORD, "the way it came in, such as cloudwatch:/aws/lambda/checkout or file:/var/log/syslog"),
        _field("stream.name", KEYWORD, "the index name that a _bulk client wrote to; else the name of the source's kind"),
        *_ORIGIN,
        _field("aws.log.group.name", KEYWORD, "CloudWatch log group"),
        _field("aws.log.stream.name", KEYWORD, "CloudWatch log stream"),
        _field("trace_id", KEYWORD, "trace id, 32 hex digits (X-Ray's 1-8-24 ids are normalised)", aliases=("traceId",)),
        _field("span_id", KEYWORD, "span or segment id, 16 hex digits", aliases=("spanId",)),
        _field("aws.request_id", KEYWORD, "the request id of Lambda, API Gateway or an SDK call", aliases=("request_id",)),
        _field("host.name", KEYWORD, "the machine that wrote it"),
        _field("http.request.method", KEYWORD, "GET, POST, ..."),
        _field("http.response.status_code", LONG, "HTTP status code", aliases=("status",)),
        _field("http.response.body.size", LONG, "bytes sent to the client"),
        _field("http.request.body.size", LONG, "bytes received from the client"),
        _field("url.full", KEYWORD, "the URL as the line has it"),
        _field("url.path", KEYWORD, "path of the URL"),
        _field("url.query", KEYWORD, "query of the URL, without the question mark"),
        _field("url.domain", KEYWORD, "host of the URL"),
        _field("user_agent.original", KEYWORD, "the client's User-Agent header"),
        _field("client.address", IP, "IP address of the client"),
        _field("client.port", LONG, "port of the client"),
        _field("source.address", IP, "IP address that a flow comes from"),
        _field("source.port", LONG, "port that a flow comes from"),
        _field("destination.address", IP, "IP address that a flow goes to"),
        _field("destination.port", LONG, "port that a flow goes to"),
        _field("network.bytes", LONG, "bytes of a flow"),
        _field("network.packets", LONG, "packets of a flow"),
        _field("duration_s", DOUBLE, "how long it took, in seconds"),
        _field("exception.type", KEYWORD, "class of the exception"),
        _field("attributes", ATTRIBUTES, "JSON text: all other parsed fields, flattened to dotted names"),
        _field("raw", STORED, "the original line, where the message is not the line itself"),
        _field("parse_status", KEYWORD, "parsed, partial or failed"),
        _field("parse_error", KEYWORD, "why it is partial or failed, and at which column of the format"),
    ),
)

SPANS: Final = Table(
    "spans",
    "one row per X-Ray segment or subsegment, or OpenTelemetry span",
    (
        *_identity(("startTime",)),
        _field("endTime", TIME, "when it ended; null while in progress", column="end_time"),
        _field("durationInNanos", LONG, "how long it took, in nanoseconds; null while in progress", column="duration_nanos"),
        _field("traceId", KEYWORD, "trace id, 32 hex digits", column="trace_id", aliases=("trace_id",)),
        _field("spanId", KEYWORD, "span or segment id, 16 hex digits", column="span_id", aliases=("span_id",)),
        _field("parentSpanId", KEYWORD, "the span that called this one; null at the root", column="parent_span_id"),
        _field("name", KEYWORD, "name of the segment, subsegment or span"),
        _field("kind", KEYWORD, "SPAN_KIND_SERVER, _CLIENT, _INTERNAL, _PRODUCER or _CONSUMER"),
        _field("serviceName", KEYWORD, "the service it belongs to", column="service_name", aliases=("service.name",)),
        _field("status.code", LONG, "OpenTelemetry: 0 unset, 1 ok, 2 error"),
        *_ORIGIN,
        _field("aws.xray.origin", KEYWORD, "X-Ray origin, such as AWS::EC2::Instance"),
        _field("aws.xray.namespace", KEYWORD, "X-Ray namespace of a subsegment: aws, remote, local"),
        _field("aws.xray.document", KEYWORD, "segment or subsegment"),
        _field("fault", FieldType.BOOLEAN, "5xx or exception"),
        _field("error", FieldType.BOOLEAN, "4xx"),
        _field("throttle", FieldType.BOOLEAN, "429"),
        _field("in_progress", FieldType.BOOLEAN, "the document was sent before the work was done"),
        _field("http.request.method", KEYWORD, "GET, POST, ..."),
        _field("http.response.status_code", LONG, "HTTP status code"),
        _field("url.full", KEYWORD, "URL of the request"),
        _field("client.address", IP, "IP address of the client"),
        _field("user_agent.original", KEYWORD, "the client's User-Agent header"),
        _field("enduser.id", KEYWORD, "X-Ray's user of the segment"),
        _field("exception.type", KEYWORD, "class of the first exception in cause"),
        _field("exception.message", KEYWORD, "message of the first exception in cause"),
        _field("attributes", ATTRIBUTES, "JSON text: annotations and all other fields, flattened to dotted names"),
        _field("raw", STORED, "the document as it came (a subsegment's own part of it)"),
        _field("log.source", KEYWORD, "the way it came in, such as xray:udp"),
    ),
)

METRICS: Final = Table(
    "metrics",
    "one row per metric value or statistic set",
    (
        *_identity(),
        _field("metric.name", KEYWORD, "name of the metric"),
        _field("metric.namespace", KEYWORD, "CloudWatch namespace or the meter's name"),
        _field("metric.unit", KEYWORD, "CloudWatch's or UCUM's word for the unit"),
        _field("metric.value", DOUBLE, "the value, where there is one"),
        _field("metric.min", DOUBLE, "smallest value of a statistic set"),
        _field("metric.max", DOUBLE, "largest value of a statistic set"),
        _field("metric.sum", DOUBLE, "sum of a statistic set"),
        _field("metric.count", LONG, "values in a statistic set"),
        _field("service.name", KEYWORD, "the service it belongs to"),
        *_ORIGIN,
        _field("aws.log.group.name", KEYWORD, "the log group that it was read from"),
        _field("attributes", ATTRIBUTES, "JSON text: the dimensions"),
        _field("log.source", KEYWORD, "the way it came in"),
    ),
)

LEDGER: Final = Table(
    "ledger",
    "one row per source, receipt minute, hop, sink and unit: in = out + pending + dropped + duplicate + joined + dead, and lost = 0",
    (
        *_identity(("minute",)),
        _field("log.source", KEYWORD, "the source that is accounted for"),
        _field("hop", KEYWORD, "decode, collect, spool or deliver"),
        _field("sink", KEYWORD, "lake, opensearch, ...; empty before the spool"),
        _field("unit", KEYWORD, "payloads, events, spans or metrics"),
        _field("in", LONG, "came in", column="count_in"),
        _field("out", LONG, "went on", column="count_out"),
        _field("pending", LONG, "is in between"),
        _field("dropped", LONG, "was dropped by a rule"),
        _field("rule", KEYWORD, "the rule that dropped, where one did"),
        _field("duplicate", LONG, "was there already"),
        _field("joined", LONG, "lines that became part of another event"),
        _field("dead", LONG, "is in dead letters"),
        _field("lost", LONG, "what cannot be accounted for: always 0"),
    ),
)

TABLES: Final = MappingProxyType({table.name: table for table in (LOGS, SPANS, METRICS, LEDGER)})

SEVERITIES: Final = MappingProxyType({"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21})
"""The severities, and OpenTelemetry's number of each (logs data model, field SeverityNumber: the first of each range)."""
