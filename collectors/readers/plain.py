"""Plain text: every line is its own message; a level word, a trace id and a request id are looked for in it."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray
from collectors.format_file import Format
from collectors.readers.fields import Fields
from tailrace.ids import XRAY_TRACE_ID_PATTERN

LEVEL: Final = r"(?:^|[^A-Za-z0-9_])(?P<level>TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|CRITICAL|FATAL|Traceback)(?:[^A-Za-z0-9_]|$)"
"""Upper-case words only: prose has "error" and "info" in it."""

TRACE: Final = rf"(?P<trace_id>{XRAY_TRACE_ID_PATTERN})"
REQUEST: Final = r"(?i)request[ _-]?id[\"']?[:= ]+[\"']?(?P<request_id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"


def read(format_: Format, lines: AnyArray, source: str) -> Fields:
    """Answer the columns ``level``, ``trace_id`` and ``request_id``."""
    del format_, source
    none = pa.nulls(len(lines), pa.string())
    found = {
        name: pc.struct_field(pc.extract_regex(lines, pattern), name) for name, pattern in (("level", LEVEL), ("trace_id", TRACE), ("request_id", REQUEST))
    }
    return Fields(found, none)
