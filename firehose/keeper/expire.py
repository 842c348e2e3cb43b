"""Letting rows expire by the rules of retention: whole hours leave by a commit, parts of which some rows stay are written again (``firehose.keeper.rewrite``).

First the rules of ``expire``, in order, then the age of the table, then, where the lake is still larger than ``max_bytes``, whole partitions, the oldest first; the
hour that it is now, and what is later, stays. Rows whose times are absurd lie in the first or the last partition there is: their age is that of their receipt.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from firehose.disk import Probe, no_probe
from firehose.frame import UNITS
from firehose.keeper.conditions import Both, SeenBefore, chosen
from firehose.keeper.merge import View, source, steady_view, view
from firehose.keeper.retention import Retention, Rule
from firehose.keeper.rewrite import ATTEMPTS, Leaving, let_go
from firehose.parts import rows_in
from tailrace.clock import US_PER_HOUR
from tailrace.errors import StateError, TransientError
from tailrace.lake import EXPIRED, FIRST_HOUR_US, LAST_HOUR_US, Part, Partition, existing_partitions, start_of
from tailrace.schema import TableName
from tailrace.stores.port import ObjectStore

BY_AGE: Final = "keep"
BY_SIZE: Final = "max_bytes"
_ALWAYS: Final = (0, LAST_HOUR_US + US_PER_HOUR)
_Plan = Callable[[View], list[Leaving]]


@dataclass(frozen=True, slots=True)
class Expired:
    """What one rule took, or would take, of one partition: rows, and about how many bytes."""

    table: TableName
    partition: Partition
    rule: str
    rows: int
    bytes: int


class Expiry:
    """Lets rows expire; remembers which parts no rule is about, so that they are not read again."""

    def __init__(self, store: ObjectStore, rules: Retention, probe: Probe = no_probe) -> None:
        self._store, self._rules, self._probe = store, rules, probe
        self._clean: set[tuple[str, str]] = set()

    def run(self, now_us: int, *, dry_run: bool = False) -> list[Expired]:
        """Let go what may go at a time; with ``dry_run`` nothing is written, and what would go is answered.

        Raises :class:`TransientError` where others commit all the time, and :class:`StateError` where parts cannot be read; what else may go goes all the same.
        """
        found, problems = list[Expired](), list[str]()
        for table in UNITS:
            for partition in existing_partitions(self._store, table, *_ALWAYS):
                try:
                    found += self._take(table, partition, lambda seen: self._by_rules(seen, now_us), dry_run=dry_run)
                except (pa.ArrowException, OSError) as error:
                    problems.append(f"{table}/{partition.path}: {str(error).splitlines()[0]}")
        if problems:
            raise StateError(f"{problems[0]} ({len(problems):,} partitions cannot be read; see: tailrace lake verify)")
        if self._rules.max_bytes is not None:
            found += self._by_size(self._rules.max_bytes, now_us, found if dry_run else (), dry_run=dry_run)
        return found

    def _take(self, table: TableName, partition: Partition, plan: _Plan, *, dry_run: bool) -> list[Expired]:
        for _ in range(ATTEMPTS):
            seen = steady_view(self._store, table, partition) if dry_run else view(self._store, table, partition)
            try:
                leaving = plan(seen)
                if not leaving or dry_run or let_go(self._store, seen, leaving, self._probe):
                    return _summed(seen, leaving)
            except (StateError, FileNotFoundError):  # a part that was listed was merged and deleted meanwhile
                continue
        raise TransientError(f"{table}/{partition.path}: others commit all the time")

    def _by_rules(self, seen: View, now_us: int) -> list[Leaving]:
        start, keep_us = start_of(seen.partition), self._rules.keep_us.get(seen.table)
        absurd = start in {FIRST_HOUR_US, LAST_HOUR_US}
        due = [rule for rule in self._rules.rules if rule.table == seen.table and (absurd or start + US_PER_HOUR + rule.after_us <= now_us)]
        if absurd:
            due = [Rule(rule.name, rule.table, Both([rule.condition, SeenBefore(now_us - rule.after_us)]), 0) for rule in due]
            due += [] if keep_us is None else [Rule(BY_AGE, seen.table, SeenBefore(now_us - keep_us), 0)]
        whole = not absurd and keep_us is not None and start + US_PER_HOUR + keep_us <= now_us
        found = [self._of_part(part, due, whole=whole, fixed=not absurd) for part in seen.live]
        return [one for one in found if one is not None]

    def _of_part(self, part: Part, due: Sequence[Rule], *, whole: bool, fixed: bool) -> Leaving | None:
        """Answer what leaves a part; ``fixed``: which rows that is does not change with time."""
        stays, reasons = None, Counter[str]()
        for rule in due:
            if fixed and (part.key, rule.name) in self._clean:
                continue
            mask = chosen(self._store, part, rule.condition)
            stays = np.ones(len(mask), np.bool_) if stays is None else stays
            count = int(np.count_nonzero(mask & stays))
            if count:
                reasons[EXPIRED + rule.name] += count
                stays &= ~mask
            elif fixed:
                self._clean.add((part.key, rule.name))
        if whole:
            left = rows_in(source(self._store, part))[0] - sum(reasons.values())
            return Leaving(part, {**reasons, EXPIRED + BY_AGE: left})
        return Leaving(part, reasons, stays) if reasons else None

    def _by_size(self, max_bytes: int, now_us: int, going: Sequence[Expired], *, dry_run: bool) -> Iterator[Expired]:
        """Let whole partitions go, the oldest first; ``going`` would have gone before."""
        places = sorted((partition, table) for table in UNITS for partition in existing_partitions(self._store, table, *_ALWAYS))
        before, already = Counter[tuple[Partition, TableName]](), Counter[tuple[Partition, TableName]]()
        for one in going:
            before[one.partition, one.table] += one.bytes
            already[one.partition, one.table] += one.rows
        sizes = {place: sum(part.size for part in steady_view(self._store, place[1], place[0]).live) - before[place] for place in places}
        total = sum(sizes.values())
        for place in places:
            if total <= max_bytes or start_of(place[0]) + US_PER_HOUR > now_us:
                return
            taken = self._take(place[1], place[0], self._all, dry_run=dry_run)
            yield from (Expired(one.table, one.partition, one.rule, one.rows - already[place], sizes[place]) for one in taken if one.rows > already[place])
            total -= sizes[place]

    def _all(self, seen: View) -> list[Leaving]:
        return [Leaving(part, {EXPIRED + BY_SIZE: rows_in(source(self._store, part))[0]}) for part in seen.live]


def _summed(seen: View, leaving: Sequence[Leaving]) -> list[Expired]:
    rows, size = Counter[str](), Counter[str]()
    for one in leaving:
        rows.update(one.reasons)
        size.update({reason: one.bytes * count // max(one.rows, 1) for reason, count in one.reasons.items()})
    return [Expired(seen.table, seen.partition, reason.removeprefix(EXPIRED), count, size[reason]) for reason, count in rows.items() if count]


def totals(found: Sequence[Expired]) -> list[dict[str, Any]]:
    """Sum up by table and rule: partitions, rows, bytes."""
    rows: dict[tuple[str, str], list[int]] = {}
    for one in found:
        own = rows.setdefault((one.table, one.rule), [0, 0, 0])
        own[:] = own[0] + 1, own[1] + one.rows, own[2] + one.bytes
    return [{"table": t, "rule": r, "partitions": p, "rows": n, "bytes": b} for (t, r), (p, n, b) in rows.items()]
