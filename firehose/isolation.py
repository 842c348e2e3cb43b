"""Isolating poison: a batch that a sink cannot take as a whole is delivered in halves, and those in halves, until the rows that are the cause stand alone.

They go to dead letters with their own reason; the others are delivered. Parts have names of their own place, so that a process that is killed in the middle and does it again writes the same again. After
:data:`MAX_TRIES` tries the rest is not divided further: it is the sink then, or every row, and what is left goes to dead letters in the pieces that there are.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from firehose.batches import Batch, Key
from firehose.cursor import OutcomeRow

MAX_TRIES: Final = 1_000
"""Enough for 50 bad rows among 240,000: each takes two tries a halving."""

_FIELDS: Final = ("out", "duplicate", "dead", "lost")


class PoisonError(Exception):
    """A batch cannot be delivered as it is; the text says why."""


Deliver = Callable[[Batch], tuple[OutcomeRow, ...] | None]
"""Delivers a part; raises :class:`PoisonError`; answers ``None`` where the sink is being stopped."""

Bury = Callable[[Batch, str], tuple[OutcomeRow, ...]]
"""Writes a part into dead letters, and answers what became of it."""


def isolated(whole: Batch, reason: str, deliver: Deliver, bury: Bury) -> tuple[OutcomeRow, ...] | None:
    """Deliver what can be delivered; answer what became of the whole, ``None`` where the sink is being stopped: do it again then."""
    rows = [OutcomeRow(row.source, row.minute_us, row.unit, lost=row.lost) for row in whole.outcome() if row.lost]
    waiting, tries = [(0, whole.rows, reason)] if whole.rows else [], 0
    while waiting:
        low, high, why = waiting.pop()
        if high - low == 1 or tries >= MAX_TRIES:
            rows += bury(whole.part(low, high), why)
            continue
        middle = (low + high) // 2
        for start, end in ((low, middle), (middle, high)):
            tries += 1
            try:
                done = deliver(whole.part(start, end))
            except PoisonError as error:
                waiting.append((start, end, str(error)))
                continue
            if done is None:
                return None
            rows += done
    return summed(rows)


def summed(rows: Iterable[OutcomeRow]) -> tuple[OutcomeRow, ...]:
    """Add up what became of the same source, minute and unit."""
    total: dict[Key, Counter[str]] = {}
    for row in rows:
        total.setdefault((row.source, row.minute_us, row.unit), Counter()).update({name: getattr(row, name) for name in _FIELDS})
    return tuple(OutcomeRow(*key, *(counts[name] for name in _FIELDS)) for key, counts in sorted(total.items()))
