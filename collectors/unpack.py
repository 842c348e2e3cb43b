"""Lines that hold many events, cut into one line an event: documents of OTLP's JSON, as OpenTelemetry's file exporter writes one a line.

What comes of a document is a document again, with one record, and with its resource and scope; a document with one record stays as it is. The ids of the others are hashes of the line's id and their number,
the same whenever the line comes again. A document without records stays a line.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from collectors.arrays import AnyArray, Mask, bytes_at, first_bytes, matching
from collectors.lines import Lines
from collectors.readers.json_care import REFUSED
from collectors.readers.otlp import records_of
from tailrace.ids import position_event_id

_DOCUMENT: Final = r'^\s*\{\s*"resource_?[lL]ogs"\s*:\s*\[\s*\{'
_MAY_BEGIN: Final = np.isin(np.arange(256), np.frombuffer(b"{ \t\n\f\r\v", np.uint8))
_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder().encode


def may_hold_many(texts: AnyArray) -> Mask:
    """Answer which lines may be such documents; their first bytes tell it of most."""
    first = first_bytes(texts)
    may = _MAY_BEGIN[first]
    may[(first == ord("{")) & (bytes_at(texts, 1) == ord('"')) & (bytes_at(texts, 2) != ord("r"))] = False
    return matching(texts, _DOCUMENT) if may.any() else may


def unpack(lines: Lines) -> Lines:
    """Answer the lines, each with one event."""
    numbers = np.flatnonzero(matching(lines.text, _DOCUMENT)).tolist()
    parts = {number: list(_records(str(lines.text[number]))) for number in numbers}
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
