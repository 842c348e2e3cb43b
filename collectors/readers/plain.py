"""Plain text: every line is its own message; a level word, and the ids of a trace, a span and a request are looked for in it."""

from collections.abc import Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, texts_bytes
from collectors.format import Format
from collectors.readers.fields import Fields
from tailrace.ids import XRAY_TRACE_ID_PATTERN

LEVEL: Final = r"(?:^|[^A-Za-z0-9_])(?P<level>TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|CRITICAL|FATAL|Traceback)(?:[^A-Za-z0-9_]|$)"
"""Upper-case words only: prose has "error" and "info" in it."""

MARKED_LEVEL: Final = r"(?i)(?:\[|<|\blevel=|\blvl=|\bseverity=)\"?(?P<level>trace|debug|info|notice|warn|warning|error|err|severe|crit|critical|alert|emerg|fatal)(?::[a-z]+)?(?:[\]>\" ,;]|$)"
"""In any case where it is marked as a level: ``[error]``, ``level=error``."""

TRACE: Final = rf"(?P<trace_id>{XRAY_TRACE_ID_PATTERN})"
MARKED_TRACE: Final = r"(?i)\btrace[_-]?id[\"']?\s?[:=]\s?[\"']?(?P<trace_id>[0-9a-f]{32}|[0-9a-f]{16})\b"
SPAN: Final = r"(?i)\bspan[_-]?id[\"']?\s?[:=]\s?[\"']?(?P<span_id>[0-9a-f]{16})\b"
REQUEST: Final = r"(?i)request[ _-]?id[\"']?[:= ]+[\"']?(?P<request_id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"


def read(format_: Format, lines: AnyArray, source: str) -> Fields:
    """Answer the columns ``level``, ``trace_id``, ``span_id`` and ``request_id``."""
    del format_, source
    none = pa.nulls(len(lines), pa.string())
    found = {"level": _found(lines, LEVEL, "level"), **ids_in(lines)}
    if found["level"].null_count:
        found["level"] = pc.coalesce(found["level"], _found(lines, MARKED_LEVEL, "level"))
    return Fields(found, none)


def ids_in(lines: AnyArray) -> Mapping[str, AnyArray]:
    """Look for the ids of traces, spans and requests in lines; for those that are marked by a word only where the word is there at all."""
    text = texts_bytes(lines).tobytes().lower()
    trace = _found(lines, TRACE, "trace_id")
    if b"trace" in text and trace.null_count:
        trace = pc.coalesce(trace, _found(lines, MARKED_TRACE, "trace_id"))
    marked = ((SPAN, "span_id", b"span"), (REQUEST, "request_id", b"request"))
    return {"trace_id": trace, **{name: _found(lines, pattern, name) for pattern, name, word in marked if word in text}}


def _found(lines: AnyArray, pattern: str, name: str) -> AnyArray:
    return pc.struct_field(pc.extract_regex(lines, pattern), name)
