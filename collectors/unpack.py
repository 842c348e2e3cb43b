"""Lines that hold many events, cut into one line an event: documents of OTLP's JSON, as OpenTelemetry's file exporter writes one a line.

What comes of a document is a document again, with one record, and with its resource and scope; a document with one record stays as it is. The ids of the others are hashes of the line's id and their number,
the same whenever the line comes again. A document without records stays a line.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.lines import Lines
from collectors.readers.json_care import REFUSED
from collectors.readers.otlp import records_of
from collectors.runs import marked
from tailrace.ids import position_event_id

_DOCUMENT: Final = r'^\s*\{\s*"resource_?[lL]ogs"\s*:\s*\[\s*\{'
_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder().encode


def unpacked(runs: Sequence[Lines]) -> list[Lines]:
    """Answer the lines of runs, each with one event; that most runs hold no such document is seen of all at once."""
    if not runs:
        return []
    found = pc.match_substring_regex(pa.concat_arrays([run.text for run in runs]), _DOCUMENT)
    return [unpack(run) if may else run for run, may in zip(runs, marked(runs, np.asarray(found.to_numpy(zero_copy_only=False))), strict=True)]


def unpack(lines: Lines) -> Lines:
    """Answer the lines, each with one event."""
    found = pc.match_substring_regex(lines.text, _DOCUMENT)
    if not len(lines) or not pc.any(found).as_py():
        return lines
    parts = {int(number): list(_records(str(lines.text[int(number)]))) for number in pc.indices_nonzero(found).to_numpy()}
    parts = {number: records for number, records in parts.items() if len(records) > 1}
    return _with_parts(lines, parts) if parts else lines


def _records(text: str) -> Iterator[str]:
    try:
        document: Any = _DECODE(text)
    except REFUSED:
        return
    for record, resource, scope in records_of(document):
        yield _ENCODE({"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": [record]}]}]}).decode()


def _with_parts(lines: Lines, parts: dict[int, list[str]]) -> Lines:
    counts = np.ones(len(lines), np.int64)
    for number, records in parts.items():
        counts[number] = len(records)
    texts, ids = list[str](), list[str]()
    for number, (text, event_id) in enumerate(zip(lines.text.to_pylist(), lines.event_id.to_pylist(), strict=True)):
        records = parts.get(number, [str(text)])
        texts += records
        ids += [str(event_id) if not part else position_event_id("part", str(event_id), part) for part in range(len(records))]
    numbers = pa.array(np.repeat(np.arange(len(lines)), counts))
    streams = None if lines.log_stream is None else lines.log_stream.take(numbers)
    return replace(lines, text=pa.array(texts, pa.string()), event_id=pa.array(ids, pa.string()), event_time=lines.event_time.take(numbers), log_stream=streams)
