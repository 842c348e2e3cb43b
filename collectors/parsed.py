"""What runs of lines became on their way through the steps: rows, counts that account for every line, dead letters, routes."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from collectors.envelopes.opened import Opened
from collectors.poison import Sifted
from collectors.steps import Batch
from firehose.delivery import Count, DeadLetter, Unit
from tailrace.schema import TableName

MADE: Final[tuple[tuple[TableName, Unit], ...]] = (("spans", "spans"), ("metrics", "metrics"))
"""Tables whose rows envelopes make themselves, and their units in the ledger."""

NO_ROUTES: Final[Mapping[TableName, pa.StringArray]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Parsed:
    """What runs of lines became."""

    tables: Mapping[TableName, pa.Table]
    counts: tuple[Count, ...]
    dead: Sequence[DeadLetter]
    routes: Mapping[TableName, pa.StringArray] = field(default_factory=lambda: NO_ROUTES)
    give_back: Callable[[], None] = lambda: None
    note: Callable[[], None] = lambda: None

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Give the quota back where what stands below fails to put them; note how they could be read where it does not."""
        try:
            yield
        except BaseException:
            self.give_back()
            raise
        self.note()


def made_counts(name: TableName, unit: Unit, read: Sequence[Opened]) -> list[Count]:
    """Answer what the envelopes that made rows of a table themselves did to its unit."""
    mine = [one for one in read if name in one.tables]
    rows, dead = sum(one.tables[name].num_rows for one in mine), sum(len(one.dead) for one in mine)
    dropped = sum_of(one.dropped for one in mine)
    came_in = rows + dead + sum(dropped.values())
    return [Count("collect", unit, came_in, rows, dropped, dead=dead)] if came_in else []


def sum_of(dropped: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Add counts by rule."""
    return dict(sum(map(Counter, dropped), Counter[str]()))


def went_out(counts: Iterable[Count], unit: Unit) -> int:
    """Answer what went out of a unit."""
    return sum(one.went_out for one in counts if one.unit == unit)


def collect_counts(came_in: int, joined: int, sifted: Sequence[Sifted], dropped: Counter[str], beyond: Mapping[str, int]) -> tuple[Count, ...]:
    """Answer what the steps did to lines, and to the metrics that rules made of them."""
    batches = [batch for part in sifted for batch in part.batches]
    events, metrics = sum(batch.logs.num_rows for batch in batches), sum(batch.metrics.num_rows for batch in batches)
    joined, dead = joined + sum(batch.joined for batch in batches), sum(len(part.dead) for part in sifted) + sum(beyond.values())
    by_rule = Counter(dropped)
    for batch in batches:
        by_rule.update(batch.dropped)
    of_events = Count("collect", "events", came_in, events, dict(by_rule), joined=joined, dead=dead, dead_by=beyond)
    return (of_events, Count("collect", "metrics", metrics, metrics)) if metrics else (of_events,)


def routes_of(batches: Sequence[Batch]) -> Mapping[TableName, pa.StringArray]:
    """Answer the routes of the rows of batches, where any has some."""
    if all(batch.routes is None for batch in batches):
        return NO_ROUTES
    nothing = (pa.nulls(batch.logs.num_rows, pa.string()) for batch in batches)
    words: pa.StringArray = pa.concat_arrays([none if batch.routes is None else batch.routes for batch, none in zip(batches, nothing, strict=True)])
    return {"logs": words} if len(words) else NO_ROUTES
