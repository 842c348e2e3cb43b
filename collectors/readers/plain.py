"""Plain text: every line is its own message; a level word, a trace id and a request id are looked for in it."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray
from collectors.format import Format
from collectors.readers.fields import Fields
from tailrace.ids import XRAY_TRACE_ID_PATTERN

LEVEL: Final = r"(?:^|[^A-Za-z0-9_])(?P<level>TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|CRITICAL|FATAL|Traceback)(?:[^A-Za-z0-9_]|$)"
"""Upper-case words only: prose has "error" and "info" in it."""

MARKED_LEVEL: Final = r"(?i)(?:\[|<|\blevel=|\blvl=|\bseverity=)\"?(?P<level>trace|debug|info|notice|warn|warning|error|err|severe|crit|critical|alert|emerg|fatal)(?::[a-z]+)?(?:[\]>\" ,;]|$)"
"""In any case where it is marked as a level: ``[error]``, ``level=error``."""

TRACE: Final = rf"(?P<trace_id>{XRAY_TRACE_ID_PATTERN})"
REQUEST: Final = r"(?i)request[ _-]?id[\"']?[:= ]+[\"']?(?P<request_id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"


def read(format_: Format, lines: AnyArray, source: str) -> Fields:
    """Answer the columns ``level``, ``trace_id`` and ``request_id``."""
    del format_, source
    none = pa.nulls(len(lines), pa.string())
    found = {name: _found(lines, pattern, name) for name, pattern in (("level", LEVEL), ("trace_id", TRACE), ("request_id", REQUEST))}
    if found["level"].null_count:
        found["level"] = pc.coalesce(found["level"], _found(lines, MARKED_LEVEL, "level"))
    return Fields(found, none)


def _found(lines: AnyArray, pattern: str, name: str) -> AnyArray:
    return pc.struct_field(pc.extract_regex(lines, pattern), name)
