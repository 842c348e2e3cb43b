"""OTLP's log records as JSON, one record a line (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding), as ``collectors.unpack`` has cut the documents that hold many.

The record's members keep their names (``body``, ``timeUnixNano``, ``severityNumber``, ...); its attributes come under their own names, those of its resource too where the record has none of that name, else
behind ``resource.``; the scope's name, version and attributes behind ``otel.scope.`` (https://opentelemetry.io/docs/specs/otel/common/mapping-to-non-otlp/). A body of several members is JSON text.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from collectors.arrays import AnyArray
from collectors.format import Format
from collectors.readers.fields import Fields
from collectors.readers.json_care import REFUSED, Care
from collectors.readers.names import MAX_DEPTH, names_of
from collectors.readers.objects import Flat, fields_of, flatten

RESOURCES: Final = ("resourceLogs", "resource_logs")
SCOPES: Final = ("scopeLogs", "scope_logs", "instrumentationLibraryLogs")
RECORDS: Final = ("logRecords", "log_records", "logs")
SCOPE: Final = ("scope", "instrumentationLibrary")
"""The names of members: those of the specification, of its protocol buffers, and of versions before 1.0."""

_DECODE: Final = msgspec.json.Decoder().decode


def read(format_: Format, lines: AnyArray, source: str) -> Fields:
    """Answer the columns and attributes of lines."""
    del source
    names, care, careful, rows = names_of(format_), Care(), list[int](), list[Flat]()
    for number, text in enumerate(lines.to_pylist()):
        value = _decoded(str(text), number, care, careful)
        found = list(records_of(value))
        if number not in care.reasons and not found:
            care.reasons[number] = "there is no log record"
        elif len(found) > 1:
            care.faults[number] = f"there are {len(found)} log records, and the first was read"
        rows.append(_flat(*found[0]) if found else {})
    return fields_of(rows, names, {}, care, careful)


def _decoded(text: str, number: int, care: Care, careful: list[int]) -> object:
    try:
        return _DECODE(text)
    except REFUSED:
        careful.append(number)
        return care.read(text, number)


def records_of(document: object) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Walk the records of a document, each with its resource and its scope. What is not as the specification says is left out."""
    for resource_logs in _objects(document, RESOURCES):
        resource = _object(resource_logs.get("resource"))
        for scope_logs in _objects(resource_logs, SCOPES):
            scope = next((_object(scope_logs[name]) for name in SCOPE if name in scope_logs), {})
            for record in _objects(scope_logs, RECORDS):
                yield record, resource, scope


def _objects(holder: object, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    if isinstance(holder, dict):
        for name in names:
            members = holder.get(name)
            yield from (one for one in members if isinstance(one, dict)) if isinstance(members, list) else ()


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _flat(record: dict[str, Any], resource: dict[str, Any], scope: dict[str, Any]) -> Flat:
    flat: Flat = {}
    flatten(_members(record.get("attributes"), 1), "", flat)
    about: Flat = {}
    flatten(_members(resource.get("attributes"), 1), "", about)
    flat |= {(f"resource.{name}" if name in flat else name): value for name, value in about.items()}
    flatten({**_members(scope.get("attributes"), 1), **{name: scope[name] for name in ("name", "version") if scope.get(name)}}, "otel.scope.", flat)
    for name, value in record.items():
        if name != "attributes" and value not in ("", None):
            flat[name] = _body(value) if name == "body" else value
    return flat


def _body(value: object) -> object:
    found = plain_value(value, 1)
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")) if isinstance(found, dict | list) else found


def _members(pairs: object, depth: int) -> dict[str, Any]:
    """``[{"key": "a", "value": {"intValue": "1"}}]`` is ``{"a": 1}``."""
    found = pairs if isinstance(pairs, list) else []
    return {str(one.get("key", "")): plain_value(one.get("value"), depth) for one in found if isinstance(one, dict) and one.get("key")}


def plain_value(value: object, depth: int) -> object:
    """Answer what an AnyValue holds; one that is none stays as it is."""
    if not isinstance(value, dict) or len(value) != 1 or depth > MAX_DEPTH:
        return value if value != {} else None
    ((kind, held),) = value.items()
    read = _VALUES.get(kind.replace("_v", "V"))
    return read(held, depth + 1) if read else value


def _list(value: object, depth: int) -> object:
    values = _object(value).get("values")
    return [plain_value(one, depth) for one in values] if isinstance(values, list) else []


def _held(value: object, depth: int) -> object:
    del depth
    return value


def _whole(value: object, depth: int) -> object:
    """64-bit numbers are written as texts."""
    del depth
    return int(value) if isinstance(value, str) and value.lstrip("-").isdecimal() and len(value) < 20 else value


def _text_of_bytes(value: object, depth: int) -> object:
    """Answer bytes that are a text as that, others as they are written, in base64."""
    del depth
    try:
        return base64.b64decode(str(value), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return value


_VALUES: Final[Mapping[str, Callable[[object, int], object]]] = MappingProxyType(
    {
        "stringValue": _held,
        "boolValue": _held,
        "doubleValue": _held,
        "intValue": _whole,
        "arrayValue": _list,
        "kvlistValue": lambda value, depth: _members(_object(value).get("values"), depth),
        "bytesValue": _text_of_bytes,
    }
)
"""The kinds of an AnyValue."""
