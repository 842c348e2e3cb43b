"""The rows of lines of one format: what a reader found, in the columns of the schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, Mask
from collectors.attributes import json_objects
from collectors.columns import CASTS, decoded, level_of_priority, severity_of_status, severity_of_threshold, to_severity, worded
from collectors.format import COLUMN_TYPES, SPLIT_TYPES, Column, Format
from collectors.lines import Lines
from collectors.readers import READERS
from collectors.readers.fields import Fields
from collectors.splits import SPLITS
from collectors.times import TIME, to_time
from tailrace.forms import ARROW_TYPES, arrow_schema
from tailrace.schema import LOGS, FieldType

ID_TYPES: Final = frozenset({"trace_id", "span_id"})
KINDS: Final = MappingProxyType({one.name: one for one in LOGS.fields})


@dataclass(slots=True)
class _Work:
    """What is gathered for the rows: columns by field name, attributes with their types, and what could not be read of each line."""

    lines: Lines
    fields: dict[str, AnyArray] = field(default_factory=dict)
    attributes: dict[str, tuple[FieldType, AnyArray]] = field(default_factory=dict)
    faults: list[tuple[str, AnyArray]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in the schema; ``kept``: which lines they are, where headers were taken out; ``types``: types of attributes that may be learned."""

    table: pa.Table
    joined: int
    types: Mapping[str, FieldType]
    kept: Mask | None = None
    names: frozenset[str] = frozenset()
    """Names of the attributes that lines have."""


def rows_of(one: Format, lines: Lines) -> Rows:
    """Read lines of one format."""
    found = READERS[one.reader](one, lines.text, lines.origin.source)
    work = _Work(lines)
    for column in one.columns:
        if column.source in found.columns:
            _take_up(work, one, column, found.columns[column.source], found)
    _take_up_unnamed(work, one, found)
    _add_time(work, one, found)
    _add_severity(work, one, found)
    table = _table(work, one, found)
    names = frozenset(name for name, (_, values) in work.attributes.items() if values.null_count < len(values)) | found.types.keys()
    if found.headers is None or not pc.any(found.headers).as_py():
        return Rows(table, 0, found.types, names=names)
    kept = pc.invert(found.headers)
    return Rows(table.filter(kept), pc.sum(found.headers).as_py(), found.types, np.asarray(kept.to_numpy(zero_copy_only=False), dtype=bool), names)


def _take_up(work: _Work, one: Format, column: Column, texts: AnyArray, found: Fields) -> None:
    texts = _without(texts, [text for text in column.nulls if text not in found.nulls])
    texts = decoded(texts.cast(pa.string()), plus=column.plus) if column.decode else texts
    texts = worded(texts.cast(pa.string()), column.words) if column.words else texts
    if texts.null_count == len(texts):
        return
    if column.type in SPLIT_TYPES:
        for name, values in SPLITS[column.type](column, texts).items():
            part = Column(name, field=name, type=_type_of(name), nulls=()) if name in KINDS else Column(name, attribute=name, nulls=())
            _take_up(work, one, part, values, found)
        return
    values, bad = _one_of(column, texts) if column.one_of else CASTS[column.type](texts)
    values = _scaled(values, column.scale)
    if bad is not None:
        _keep_bad(work, one, column, pc.if_else(bad, texts, None), found)
    if column.field:
        values = _as(values, ARROW_TYPES[KINDS[column.field].type])
        known = work.fields.get(column.field)
        work.fields[column.field] = values if known is None else pc.coalesce(known, values)
    elif column.attribute:
        kind = COLUMN_TYPES.get(column.type, FieldType.KEYWORD)
        before = work.attributes.get(column.attribute)
        work.attributes[column.attribute] = (kind, values if before is None or before[0] is not kind else pc.coalesce(before[1], values))


def _one_of(column: Column, texts: AnyArray) -> tuple[AnyArray, AnyArray | None]:
    good = pc.fill_null(pc.is_in(texts, pa.array(column.one_of)), False)
    bad = pc.and_(pc.invert(good), pc.is_valid(texts))
    return texts, bad if pc.any(bad, min_count=0).as_py() else None


def _without(texts: AnyArray, nulls: list[str]) -> AnyArray:
    """Make texts null that stand for nothing; of a column that was read as numbers already, the numbers that they say."""
    for null in nulls:
        if texts.type == pa.string():
            texts = pc.if_else(pc.equal(texts, null), None, texts)
        elif null.lstrip("-").isdigit():
            texts = pc.if_else(pc.equal(texts, pa.scalar(int(null)).cast(texts.type)), None, texts)
    return texts


def _as(values: AnyArray, kind: pa.DataType) -> AnyArray:
    return values if values.type == kind else values.cast(kind)


def _scaled(values: AnyArray, scale: float) -> AnyArray:
    """Divide by 1000 rather than multiply by 0.001, which no binary number is, and round to billionths: 721.494 ms are 0.721494 s and not a hair more."""
    if scale == 1.0:
        return values
    numbers, whole = values.cast(pa.float64()), round(1 / scale)
    return pc.round(pc.divide(numbers, float(whole)), 9) if whole > 1 and abs(whole * scale - 1) < 1e-12 else pc.multiply(numbers, scale)


def _keep_bad(work: _Work, one: Format, column: Column, bad: AnyArray, found: Fields) -> None:
    """In JSON a member may well be of another kind than its name says, and anywhere an id may be of another system: it is an attribute then. Else its line is partial."""
    if one.reader == "json" or column.type in ID_TYPES:
        work.attributes[found.names.get(column.source, column.source)] = (FieldType.KEYWORD, bad.cast(pa.string()))
    else:
        wanted = f"none of {', '.join(column.one_of)}" if column.one_of else f"no {column.type}"
        work.faults.append((f"{column.source} is {wanted}", pc.is_valid(bad)))


def _type_of(name: str) -> str:
    words = {FieldType.LONG: "long", FieldType.DOUBLE: "double", FieldType.IP: "ip"}
    return words.get(KINDS[name].type, "keyword")


def _take_up_unnamed(work: _Work, one: Format, found: Fields) -> None:
    """Keep what the format does not name: fields beyond its last, columns of a header that are unknown."""
    named = {column.source for column in one.columns} | {*one.time_sources, one.time_else, *one.severity_sources, one.message}
    for name, values in found.columns.items():
        if name not in named:
            kept = values if "-" in found.nulls else pc.if_else(pc.equal(values, "-"), None, values)
            work.attributes[name] = (FieldType.KEYWORD, kept)


def _add_time(work: _Work, one: Format, found: Fields) -> None:
    """The envelope's time counts, else the line's own, else that of the receipt."""
    times = work.lines.event_time
    if times.null_count and one.time_sources and all(name in found.columns for name in one.time_sources):
        texts = [found.columns[name] for name in one.time_sources]
        joined = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, " ", null_handling="emit_null")
        times = pc.coalesce(times, to_time(joined, one.time_form, work.lines.received_us))
    if times.null_count and one.time_else in found.columns:
        times = pc.coalesce(times, to_time(found.columns[one.time_else].cast(pa.string()), "auto", work.lines.received_us))
    if times.null_count:
        times = pc.fill_null(times, pa.scalar(work.lines.received_us, pa.int64()).cast(TIME))
    work.fields["@timestamp"] = times


def _add_severity(work: _Work, one: Format, found: Fields) -> None:
    sources = [name for name in one.severity_sources if name in found.columns]
    texts = _first_of([found.columns[name] for name in sources])
    if texts is not None and one.severity_form == "priority":
        texts = level_of_priority(texts)
    if texts is not None and one.severity_form == "threshold":
        texts = severity_of_threshold(texts, one.severity_words)
    if one.severity_from_status and "http.response.status_code" in work.fields:
        texts = severity_of_status(work.fields["http.response.status_code"])
    if texts is not None:
        texts = texts.cast(pa.string())
        words, numbers = to_severity(texts, one.severity_words)
        if words.null_count > texts.null_count and sources and one.reader == "json":
            name = found.names.get(sources[0], sources[0])
            work.attributes[name] = (FieldType.KEYWORD, pc.if_else(pc.is_null(words), texts, None))
        work.fields["severity_text"], work.fields["severity_number"] = words, numbers
    if constant := one.constants.get("severity_text"):
        words = work.fields.get("severity_text", pa.nulls(len(work.lines), pa.string()))
        words = pc.if_else(pc.and_(pc.is_null(words), pc.is_null(found.reason)), constant, words)
        work.fields["severity_text"], work.fields["severity_number"] = to_severity(words)


def _first_of(columns: Sequence[AnyArray]) -> AnyArray | None:
    if len(columns) < 2:
        return columns[0] if columns else None
    return pc.coalesce(*(column.cast(pa.string()) for column in columns))


def _table(work: _Work, one: Format, found: Fields) -> pa.Table:
    lines, origin = work.lines, work.lines.origin
    given: dict[str, AnyArray | str] = {
        "event_id": lines.event_id,
        "aws.log.group.name": origin.log_group,
        "aws.log.stream.name": origin.log_stream if lines.log_stream is None else lines.log_stream,
        "log.format": one.name,
        "log.source": origin.source,
        "stream.name": origin.stream,
    }
    own: dict[str, AnyArray | str | int] = {**one.constants, **work.fields, **given, "revision": 0, "observed_timestamp": lines.received_us}
    known_of_origin = (("service.name", origin.service), ("host.name", origin.host), ("cloud.account.id", origin.account), ("cloud.region", origin.region))
    for name, value in known_of_origin:
        if value:
            known = own.get(name)
            own[name] = value if known is None or isinstance(known, str | int) else pc.fill_null(known, value)
    own["message"], own["raw"] = _message(work, one, found)
    own["attributes"] = json_objects(work.attributes, found.attributes) if work.attributes else found.attributes if found.attributes is not None else ""
    own["parse_status"], own["parse_error"] = _verdict(work, found)
    schema = arrow_schema("logs")
    arrays = [_array(own.get(one_field.name, ""), kind.type, len(lines)) for one_field, kind in zip(LOGS.fields, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(value: AnyArray | str | int, kind: pa.DataType, length: int) -> AnyArray:
    if isinstance(value, str | int):
        return _constant(None if value == "" else value, kind, length)
    return _as(value, kind)


def _constant(value: str | int | None, kind: pa.DataType, length: int) -> AnyArray:
    if value is None:
        empty: AnyArray = pa.nulls(length, kind)  # type: ignore[call-overload] # the same
        return empty
    one: AnyArray = pa.repeat(pa.scalar(value, kind), length)  # type: ignore[call-overload] # the stub wants to know the type
    return one


def _message(work: _Work, one: Format, found: Fields) -> tuple[AnyArray, AnyArray | str]:
    """Answer the message, and the line where the message is not the line. A line that could not be read is its own message; so is one without the member that is the message.

    What a column of the same source takes for nothing is no message either.
    """
    text: AnyArray = work.lines.text
    if one.message == "line" or one.message not in found.columns:
        return text, ""
    nulls = [text for column in one.columns if column.source == one.message for text in column.nulls]
    values = _without(found.columns[one.message].cast(pa.string()), nulls)
    if not values.null_count:
        return values, text
    return pc.coalesce(values, text), pc.if_else(pc.is_valid(values), text, None)


def _verdict(work: _Work, found: Fields) -> tuple[AnyArray | str, AnyArray | str]:
    texts = [pc.if_else(bad, f"; {reason}", "") for reason, bad in work.faults]
    if found.faults is not None and found.faults.null_count < len(found.faults):
        texts.append(pc.fill_null(pc.binary_join_element_wise("; ", found.faults, "", null_handling="emit_null"), ""))
    if not texts and found.reason.null_count == len(found.reason):
        return "parsed", ""
    failed = pc.is_valid(found.reason)
    if not texts:
        return pc.if_else(failed, "failed", "parsed"), found.reason
    faults = pc.utf8_slice_codeunits(pc.binary_join_element_wise(*texts, ""), 2)
    error = pc.coalesce(found.reason, pc.if_else(pc.equal(faults, ""), None, faults))
    return pc.if_else(failed, "failed", pc.if_else(pc.is_valid(error), "partial", "parsed")), error
