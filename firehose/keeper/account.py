"""Counting the lake: rows by table, from the metadata of the parts that count."""

from collections.abc import Iterator
from typing import Any

from firehose.frame import UNITS
from firehose.keeper.merge import View, source, view
from firehose.parts import rows_in
from tailrace.clock import US_PER_HOUR
from tailrace.lake import LAST_HOUR_US, existing_partitions
from tailrace.schema import TableName
from tailrace.stores.port import ObjectStore


def views(store: ObjectStore) -> Iterator[View]:
    """Look at every partition of every table."""
    for table in UNITS:
        for partition in existing_partitions(store, table, 0, LAST_HOUR_US + US_PER_HOUR):
            yield view(store, table, partition)


def lake_rows(store: ObjectStore) -> dict[TableName, int]:
    """Count the rows that were ever written: those that are there, and those that merging removed as duplicates or lower revisions."""
    found = dict.fromkeys(UNITS, 0)
    for seen in views(store):
        found[seen.table] += sum(sum(rows_in(source(store, part))) for part in seen.live)
    return found


def summary(store: ObjectStore) -> list[dict[str, Any]]:
    """Sum up each table: partitions, parts that count, fresh ones among them, parts that wait to be deleted, bytes, rows."""
    rows = []
    for table in UNITS:
        seen = [one for one in views(store) if one.table == table]
        live = [part for one in seen for part in one.live]
        rows.append(
            {
                "table": table,
                "partitions": len(seen),
                "parts": len(live),
                "fresh": sum(len(one.fresh) for one in seen),
                "replaced": sum(len(one.idle) for one in seen),
                "bytes": sum(part.size for part in live),
                "rows": sum(rows_in(source(store, part))[0] for part in live),
            }
        )
    return rows
