"""Attributes whose names are fields of the schema become columns; so do the older names of some (OpenTelemetry semantic conventions before 1.21).

What is not of the field's type stays an attribute.
"""

import ipaddress
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from tailrace.schema import TABLES, FieldType, TableName

_MAX_LONG: Final = 2**63

OLDER_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "http.method": "http.request.method",
        "http.status_code": "http.response.status_code",
        "http.url": "url.full",
        "http.user_agent": "user_agent.original",
        "http.client_ip": "client.address",
        "http.request_content_length": "http.request.body.size",
        "http.response_content_length": "http.response.body.size",
        "faas.invocation_id": "aws.request_id",
        "faas.execution": "aws.request_id",
    }
)
"""https://opentelemetry.io/docs/specs/semconv/non-normative/http-migration/"""

_NEVER: Final = frozenset(
    {
        *(
            "event_id",
            "revision",
            "@timestamp",
            "observed_timestamp",
            "message",
            "raw",
            "attributes",
            "parse_status",
            "parse_error",
            "log.format",
            "log.source",
            "stream.name",
        ),
        *(
            "severity_text",
            "severity_number",
            "trace_id",
            "span_id",
            "traceId",
            "spanId",
            "parentSpanId",
            "name",
            "kind",
            "status.code",
            "endTime",
            "durationInNanos",
        ),
        *(
            "fault",
            "error",
            "throttle",
            "in_progress",
            "serviceName",
            "metric.name",
            "metric.namespace",
            "metric.unit",
            "metric.value",
            "metric.min",
            "metric.max",
            "metric.sum",
            "metric.count",
        ),
    }
)
"""Fields that are made of other parts of a message; an attribute of such a name stays one."""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and -_MAX_LONG <= value < _MAX_LONG else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _address(value: object) -> str | None:
    try:
        return str(ipaddress.ip_address(value)) if isinstance(value, str) else None
    except ValueError:
        return None


_READ: Final[Mapping[FieldType, Callable[[object], Any]]] = MappingProxyType(
    {FieldType.KEYWORD: _text, FieldType.LONG: _whole, FieldType.DOUBLE: _number, FieldType.IP: _address}
)


def _fields(table: TableName) -> Mapping[str, tuple[str, Callable[[object], Any]]]:
    own = {one.name: (one.column, _READ[one.type]) for one in TABLES[table].fields if one.type in _READ and one.name not in _NEVER}
    if table == "spans":
        own["service.name"] = ("service_name", _text)
    return own | {older: own[name] for older, name in OLDER_NAMES.items() if name in own}


_BY_TABLE: Final[Mapping[TableName, Mapping[str, tuple[str, Callable[[object], Any]]]]] = MappingProxyType(
    {table: _fields(table) for table in ("logs", "spans", "metrics")}
)


def promoted(members: dict[str, Any], table: TableName) -> dict[str, Any]:
    """Take members that have a column of the table out, and answer them by column; the newer name of a field counts before an older one."""
    fields, found = _BY_TABLE[table], dict[str, Any]()
    for name in sorted(members.keys() & fields.keys(), key=lambda name: name in OLDER_NAMES):
        column, read = fields[name]
        value = read(members[name])
        if value is not None and column not in found:
            found[column] = value
            del members[name]
    return found
