"""Counting the lake: rows by table, from the metadata of the parts that count."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from firehose.frame import UNITS
from firehose.keeper.merge import View, source, steady_view
from firehose.parts import rows_in
from tailrace.lake import ERASED, EXPIRED, all_partitions
from tailrace.schema import TableName
from tailrace.stores.port import ObjectStore


def views(store: ObjectStore) -> Iterator[View]:
    """Look at every partition of every table."""
    for table in UNITS:
        for partition in all_partitions(store, table):
            yield steady_view(store, table, partition)


def lake_rows(store: ObjectStore) -> dict[TableName, int]:
    """Count the rows that were ever written: those that are there, those that merging removed as duplicates or lower revisions, and those that expired or were erased."""
    found = dict.fromkeys(UNITS, 0)
    for seen in views(store):
        found[seen.table] += sum(sum(rows_in(source(store, part))) for part in seen.live) + sum(seen.state.gone.values())
    return found


def summary(store: ObjectStore) -> list[dict[str, Any]]:
    """Sum up each table: partitions, parts that count, fresh ones among them, parts that wait to be deleted, bytes, rows, rows that expired or were erased."""
    rows = []
    for table in UNITS:
        seen = [one for one in views(store) if one.table == table]
        live = [part for one in seen for part in one.live]
        gone = gone_rows(seen)
        rows.append(
            {
                "table": table,
                "partitions": sum(bool(one.live) for one in seen),
                "parts": len(live),
                "fresh": sum(len(one.fresh) for one in seen),
                "replaced": sum(len(one.idle) for one in seen),
                "bytes": sum(part.size for part in live),
                "rows": sum(rows_in(source(store, part))[0] for part in live),
                "expired": sum(count for reason, count in gone.items() if reason.startswith(EXPIRED)),
                "erased": sum(count for reason, count in gone.items() if reason.startswith(ERASED)),
            }
        )
    return rows


def gone_rows(seen: Iterable[View]) -> dict[str, int]:
    """Sum up the rows that left for good, by reason."""
    total = Counter[str]()
    for one in seen:
        total.update(one.state.gone)
    return dict(total)
