"""Counting the lake: rows by table, from the metadata of the parts that count; and holding the count against the ledger's."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from firehose.delivery import Unit
from firehose.frame import UNITS
from firehose.keeper.merge import View, source, steady_view
from firehose.parts import rows_in
from firehose.routes import LAKE
from tailrace.lake import ERASED, EXPIRED, all_partitions
from tailrace.ledger import Hop
from tailrace.schema import TableName
from tailrace.stores.port import ObjectStore

COUNTS: Final = 5
"""How often the lake is counted before what is missing is told."""

LEDGER_WITHIN_S: Final = 5.0
"""How long the ledger may take to say what is in the lake already: it is written twice a second, and a disk may be slow."""

_LOOK_EVERY_S: Final = 0.1

Hops = Callable[[], Iterable[Hop]]
"""Asks the ledger for the sums of its hops."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A table whose rows in the lake (``there``) are not what the ledger says went there (``delivered``)."""

    table: TableName
    unit: Unit
    delivered: int
    there: int

    def __str__(self) -> str:
        """Say it."""
        return f"{self.delivered:,} {self.unit} went to the lake, {self.there:,} are there"


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


def differences(store: ObjectStore, hops: Hops, *, wait: Callable[[float], None] = time.sleep) -> list[Difference]:
    """Hold the lake's count against the ledger's, exactly, also while rows arrive: what went there before the count must be counted, and what was counted the ledger must say afterwards.

    A part is there a moment before the ledger says so: it is waited for. Where nobody goes on (the stack was killed between the two) the ledger knows these rows as pending.
    """
    for _ in range(COUNTS):
        before = _in_ledger(hops())
        found = lake_rows(store)
        missing = [Difference(table, unit, before[unit][0], found[table]) for table, unit in UNITS.items() if found[table] < before[unit][0]]
        if not missing:
            return _beyond(found, hops, wait)
    return missing


def _beyond(found: dict[TableName, int], hops: Hops, wait: Callable[[float], None]) -> list[Difference]:
    """Answer what is in the lake and not in the ledger, once the ledger had its time to say it."""
    waited_s = 0.0
    while True:
        said = _in_ledger(hops())
        over = [(Difference(table, unit, said[unit][0], found[table]), sum(said[unit])) for table, unit in UNITS.items() if found[table] > said[unit][0]]
        if not over:
            return []
        if waited_s >= LEDGER_WITHIN_S:
            return [difference for difference, most in over if difference.there > most]
        wait(_LOOK_EVERY_S)
        waited_s += _LOOK_EVERY_S


def _in_ledger(hops: Iterable[Hop]) -> dict[Unit, tuple[int, int]]:
    """Answer what went to the lake of each unit, and what is on its way there."""
    by_unit = {hop.unit: (hop.went_out, max(hop.pending, 0)) for hop in hops if (hop.hop, hop.sink) == ("deliver", LAKE)}
    return {unit: by_unit.get(unit, (0, 0)) for unit in UNITS.values()}


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
