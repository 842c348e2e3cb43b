"""X-Ray segment documents: bytes in, rows of ``spans`` out, and dead letters for what is no document.

https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html. A document is a segment, or a subsegment that was sent on its own; the subsegments
nested in it become rows of their own. In the rows:

* ``event_id`` is ``<trace id>-<segment id>``; ``revision`` is 1 for a complete document and 0 for one in progress, which it replaces. Trace ids are normalised, ids
  otherwise opaque (some senders' are not hexadecimal).
* ``kind``: a segment with a parent or an ``http.request`` is SERVER; a subsegment of namespace ``aws`` or ``remote`` is CLIENT; all else is INTERNAL.
* ``serviceName`` is the segment's name; null on a subsegment that was sent alone, which does not know it.
* ``attributes``: all other members, flattened: ``annotation.<key>``, ``metadata.<namespace>.<key>``, ``aws.operation``, ``sql.url``, ``cause.id`` (a cause that is the id of
  an exception elsewhere in the trace), ``traced``, ... ``raw`` is the document without the subsegments that are rows.

Optional members of another type than they should have stay in ``attributes`` or ``raw`` and are never a reason to refuse the document.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec
import pyarrow as pa

from collectors.envelopes.flatten import flatten, learnable_types
from collectors.envelopes.tolerant_json import as_text, values
from firehose.delivery import DeadLetter
from tailrace.clock import US_PER_S
from tailrace.errors import DecodeError
from tailrace.forms import arrow_schema
from tailrace.ids import normal_span_id, normal_trace_id
from tailrace.schema import FieldType

MAX_ID_CHARS: Final = 128
MAX_TIME_S: Final = 253_402_300_800
"""The year 10000, where dates end."""

_NS_PER_US: Final = 1_000
_MAX_LONG: Final = 2**63 - 1
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SpansRead:
    """What documents became: rows of ``spans``, dead letters, and the types of the attributes that may be learned."""

    spans: pa.Table
    dead: tuple[DeadLetter, ...]
    attribute_types: Mapping[str, FieldType]


class _DocumentError(DecodeError):
    """A document is refused; ``code`` is in the manner of X-Ray's ``ErrorCode``."""

    def __init__(self, code: str, message: str, segment_id: str = "") -> None:
        self.code, self.segment_id = code, segment_id
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class _Context:
    trace_id: str
    service: str | None
    source: str
    received_us: int


def segments_to_spans(documents: Sequence[bytes], *, source: str, received_us: int) -> SpansRead:
    """Read documents; each is rows, or one dead letter of kind ``document`` with ``error_code`` and ``segment_id`` in its detail."""
    rows: list[Document] = []
    dead: list[DeadLetter] = []
    types: dict[str, FieldType] = {}
    for document in documents:
        try:
            made = _rows_of(_read(document), document, source, received_us)
        except _DocumentError as error:
            dead.append(_letter(document, str(error), error.code, error.segment_id))
        except (DecodeError, RecursionError) as error:
            dead.append(_letter(document, str(error), "JSONFormatError", ""))
        else:
            for row in made:
                types |= learnable_types(row["attributes"], not_below=("metadata.",))
                row["attributes"] = as_text(row["attributes"]) if row["attributes"] else None
            rows += made
    return SpansRead(pa.Table.from_pylist(rows, arrow_schema("spans")), tuple(dead), MappingProxyType(types))


def _letter(document: bytes, reason: str, code: str, segment_id: str) -> DeadLetter:
    return DeadLetter("document", reason, document, {"envelope": "xray", "error_code": code, "segment_id": segment_id})


def _read(document: bytes) -> Document:
    try:
        value = msgspec.json.decode(document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = list(values(document))
        if len(found) != 1:
            raise DecodeError(f"{len(found)} JSON values where one document should be") from None
        value = found[0]
    if not isinstance(value, dict):
        raise DecodeError("not a segment document: no JSON object")
    return value


def _rows_of(segment: Document, document: bytes, source: str, received_us: int) -> list[Document]:
    """Make the rows of a document: its own, then those of the subsegments below it, parents first."""
    trace_id, is_subsegment = _trace_id(segment), segment.get("type") == "subsegment"
    context = _Context(trace_id, None if is_subsegment else as_text(segment.get("name")), source, received_us)
    own, children = _without_children(segment)
    raw = document.decode("utf-8", "replace") if not children else as_text(own)
    rows = [_row(own, context, _text(own.get("parent_id")), "subsegment" if is_subsegment else "segment", raw)]
    waiting = [(child, rows[0]["span_id"]) for child in reversed(children)]
    while waiting:
        child, parent_id = waiting.pop()
        own, grandchildren = _without_children(child)
        rows.append(_row(own, context, parent_id, "subsegment", as_text(own)))
        waiting += [(grandchild, rows[-1]["span_id"]) for grandchild in reversed(grandchildren)]
    return rows


def _without_children(segment: Document) -> tuple[Document, list[Document]]:
    """Part a segment from those of its subsegments that can be rows; what cannot stays in it."""
    nested = segment.get("subsegments")
    if not isinstance(nested, list):
        return segment, []
    children = [child for child in nested if _can_be_row(child)]
    rest = [child for child in nested if not _can_be_row(child)]
    own = {name: value for name, value in segment.items() if name != "subsegments"}
    return (own | {"subsegments": rest} if rest else own), children


def _can_be_row(child: object) -> bool:
    try:
        return isinstance(child, dict) and bool(_span_id(child) and _required_name(child)) and _time_us(child.get("start_time")) is not None
    except _DocumentError:
        return False


def _row(segment: Document, context: _Context, parent_id: str | None, kind_of_document: str, raw: str) -> Document:
    rest = dict(segment)
    span_id, name = _span_id(segment), _required_name(segment)
    start_us, end_us = _time_us(rest.pop("start_time", None)), _time_us(rest.pop("end_time", None))
    if start_us is None:
        raise _DocumentError("InvalidStartTime", "start_time is missing or no time in seconds", span_id)
    in_progress = rest.pop("in_progress", None) is True or end_us is None
    namespace = _take_text(rest, "namespace")
    for known in ("id", "trace_id", "parent_id", "name", "type"):
        rest.pop(known, None)
    row = {
        "event_id": f"{context.trace_id}-{span_id}",
        "revision": 0 if in_progress else 1,
        "event_time": start_us,
        "observed_time": context.received_us,
        "end_time": None if in_progress else end_us,
        "duration_nanos": None if in_progress or end_us is None else _duration_nanos(start_us, end_us),
        "trace_id": context.trace_id,
        "span_id": span_id,
        "parent_span_id": parent_id,
        "name": name,
        "kind": _kind(segment, namespace, parent_id, kind_of_document),
        "service_name": context.service,
        "aws_xray_origin": _take_text(rest, "origin"),
        "aws_xray_namespace": namespace,
        "aws_xray_document": kind_of_document,
        "in_progress": in_progress,
        "enduser_id": _take_text(rest, "user"),
        "raw": raw,
        "log_source": context.source,
    }
    return row | _flags(rest) | _http(rest) | _cause(rest) | _place(rest) | {"attributes": dict(_attributes(rest))}


def _trace_id(segment: Document) -> str:
    given = segment.get("trace_id")
    if not isinstance(given, str) or not 0 < len(given.strip()) <= MAX_ID_CHARS:
        raise _DocumentError("InvalidTraceId", "trace_id is missing, empty or too long", _text(segment.get("id")) or "")
    return normal_trace_id(given) or as_text(given.strip())


def _span_id(segment: Document) -> str:
    given = segment.get("id")
    if not isinstance(given, str) or not 0 < len(given) <= MAX_ID_CHARS:
        raise _DocumentError("InvalidSegmentId", "id is missing, empty or too long")
    return normal_span_id(given) or as_text(given)


def _required_name(segment: Document) -> str:
    if not isinstance(segment.get("name"), str) or not segment["name"]:
        raise _DocumentError("InvalidName", "name is missing or empty", _text(segment.get("id")) or "")
    return as_text(segment["name"])


def _duration_nanos(start_us: int, end_us: int) -> int | None:
    """Answer the duration; ``None`` where it is longer than the 292 years that the column holds."""
    nanos = max(0, end_us - start_us) * _NS_PER_US
    return nanos if nanos <= _MAX_LONG else None


def _time_us(seconds: object) -> int | None:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < MAX_TIME_S:
        return None
    return round(seconds * US_PER_S)


def _kind(segment: Document, namespace: str | None, parent_id: str | None, kind_of_document: str) -> str:
    if kind_of_document == "subsegment":
        return "SPAN_KIND_CLIENT" if namespace in {"aws", "remote"} else "SPAN_KIND_INTERNAL"
    http = segment.get("http")
    return "SPAN_KIND_SERVER" if parent_id or (isinstance(http, dict) and http.get("request")) else "SPAN_KIND_INTERNAL"


def _flags(rest: Document) -> Document:
    flags = {name: rest.pop(name, None) is True for name in ("fault", "error", "throttle")}
    return flags | {"status_code": 2 if flags["fault"] or flags["error"] else 0}


def _http(rest: Document) -> Document:
    request, response = _taken(rest, "http", "request"), _taken(rest, "http", "response")
    method, length = _take_text(request, "method"), _whole(response.pop("content_length", None))
    columns = {
        "http_request_method": method.upper() if method else None,
        "url_full": _take_text(request, "url"),
        "user_agent_original": _take_text(request, "user_agent"),
        "client_address": _take_address(request),
        "http_response_status_code": _whole(response.pop("status", None)),
    }
    if request.pop("traced", None) is True:
        rest["traced"] = True
    if length is not None:
        response["content_length"] = length
    if isinstance(rest.get("http"), dict):
        rest["http"] = {"request": request, "response": response} | rest["http"]
    return columns


def _cause(rest: Document) -> Document:
    cause = rest.get("cause")
    if isinstance(cause, str):
        rest["cause"] = {"id": cause}
    exceptions = _dict(cause).get("exceptions")
    if not isinstance(cause, dict) or not isinstance(exceptions, list):
        return {}
    rest["cause"] = {name: value for name, value in cause.items() if name != "exceptions"}
    first = _dict(exceptions[0]) if exceptions else {}
    return {"exception_type": _text(first.get("type")), "exception_message": _text(first.get("message"))}


def _place(rest: Document) -> Document:
    aws = dict(_dict(rest.get("aws")))
    account, region = _take_text(aws, "account_id"), _take_text(aws, "region")
    if aws or isinstance(rest.get("aws"), dict):
        rest["aws"] = aws
    return {"cloud_account_id": account, "cloud_region": region}


def _attributes(rest: Document) -> Iterator[tuple[str, Any]]:
    annotations = rest.pop("annotations", None)
    if isinstance(annotations, dict):
        yield from ((f"annotation.{key}", value) for key, value in flatten(annotations, max_depth=1).items())
    elif annotations is not None:
        rest["annotations"] = annotations
    yield from flatten(rest).items()


def _taken(rest: Document, name: str, part: str) -> Document:
    """Take a part of a member out of it, as a dictionary of its own; what is no dictionary stays."""
    member = rest.get(name)
    if not isinstance(member, dict) or not isinstance(member.get(part), dict):
        return {}
    rest[name] = {key: value for key, value in member.items() if key != part}
    return dict(member[part])


def _dict(value: object) -> Document:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return as_text(value) if isinstance(value, str) and value else None


def _take_text(members: Document, name: str) -> str | None:
    return _text(members.pop(name)) if isinstance(members.get(name), str) else None


def _take_address(request: Document) -> str | None:
    try:
        address = str(ipaddress.ip_address(_text(request.get("client_ip")) or ""))
    except ValueError:
        return None
    del request["client_ip"]
    return address


def _whole(number: object) -> int | None:
    """Answer a count that may be written as a text; below zero means that it is not known."""
    if isinstance(number, str) and number.isascii() and number.isdigit():
        number = int(number[:19])
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 1 << 63 else None
