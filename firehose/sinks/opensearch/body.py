r"""Bodies of ``_bulk``, spliced from columns: no object is made for a document.

https://docs.opensearch.org/latest/api-reference/document-apis/bulk/. A line is an action and its document: ``create`` with ``_id`` = event id, so the same event again is a 409;
a revision above 0 is ``index`` with external version = revision + 1, so a higher revision replaces a lower one and never the other way round. The index is
named after the day of the event time, clamped as the lake's partitions are.
"""

import numpy as np
import pyarrow as pa

from firehose.columns import compute, one_array
from firehose.json_text import Text, Texts, escaped, joined, member, numbers
from firehose.parts import event_times
from firehose.sinks.opensearch.attribute_split import AttributeSplit
from tailrace.clock import US_PER_DAY
from tailrace.forms import index_name
from tailrace.lake import FIRST_HOUR_US, LAST_HOUR_US, partition_of
from tailrace.schema import TABLES, Field, FieldType, TableName
from tailrace.times import clamped


def lines(name: TableName, rows: pa.Table, split: AttributeSplit) -> Texts:
    """Answer a text for each row: action, line feed, document, line feed."""
    table = rows.combine_chunks()
    pieces: list[Text] = [*_action(name, table), '{"event_id":"', escaped(one_array(table, "event_id")), '"']
    for field in TABLES[name].fields:
        if field.name != "event_id" and table.column(field.column).null_count < table.num_rows:
            pieces += _attributes(field, table, split) if field.type is FieldType.ATTRIBUTES else _field(field, table)
    return joined([*pieces, "}\n"])


def index_of(name: TableName, event_time_us: int) -> str:
    """Answer the index of an event time."""
    return index_name(name, partition_of(event_time_us).day)


def _action(name: TableName, table: pa.Table) -> list[Text]:
    index, ids = _indices(name, table), escaped(one_array(table, "event_id"))
    revisions = compute.fill_null(one_array(table, "revision"), 0)
    if not compute.any(compute.greater(revisions, 0)).as_py():
        return ['{"create":{"_index":"', index, '","_id":"', ids, '"}}\n']
    first = compute.less_equal(revisions, 0)
    version = joined([',"version":', compute.cast(compute.add(revisions, 1), pa.string()), ',"version_type":"external"}}\n'])
    verb = compute.if_else(first, '{"create":{"_index":"', '{"index":{"_index":"')
    return [verb, index, '","_id":"', ids, '"', compute.if_else(first, "}}\n", version)]


def _indices(name: TableName, table: pa.Table) -> Text:
    days = np.clip(event_times(table), FIRST_HOUR_US, LAST_HOUR_US) // US_PER_DAY
    distinct, which = np.unique(days, return_inverse=True)
    names = [index_of(name, int(day) * US_PER_DAY) for day in distinct]
    return names[0] if len(names) == 1 else compute.take(pa.array(names), pa.array(which))


def _field(field: Field, table: pa.Table) -> list[Text]:
    value = _value(field, one_array(table, field.column))
    quote = '"' if field.type in {FieldType.TIME, FieldType.KEYWORD, FieldType.TEXT, FieldType.IP, FieldType.STORED} else ""
    return member(f',"{field.name}":{quote}', value, quote)


def _value(field: Field, column: Texts) -> Texts:
    match field.type:
        case FieldType.TIME:
            return joined([compute.replace_substring(compute.cast(clamped(column), pa.string()), " ", "T", max_replacements=1), "Z"])
        case FieldType.DOUBLE | FieldType.LONG | FieldType.BOOLEAN:
            return numbers(column)
        case _:
            return escaped(column)


def _attributes(field: Field, table: pa.Table, split: AttributeSplit) -> list[Text]:
    known, other = split.split(one_array(table, field.column))
    pieces: list[Text] = []
    for name, texts in ((field.name, known), (f"{field.name}_other", other)):
        if texts is not None and texts.null_count < len(texts):
            pieces += member(f',"{name}":', _on_one_line(texts), "")
    return pieces


def _on_one_line(texts: Texts) -> Texts:
    """Put JSON text on one line: a raw line feed in it can only stand between tokens."""
    for feed in ("\n", "\r"):
        texts = compute.replace_substring(texts, feed, " ")
    return texts
