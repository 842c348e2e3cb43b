"""Erasing chosen rows, such as those of a person, from the lake, and proving that they are gone.

Parts that hold such rows are written again without them, one commit a partition (``firehose.keeper.rewrite``), and the state counts the rows under a hash of what was
asked for. Then every part is looked at again, those that do not count any more too: what is found there is deleted at once, or said. Killed anywhere and asked again,
the result is the same.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from firehose.disk import Probe, no_probe
from firehose.frame import UNITS
from firehose.keeper.conditions import Between, Both, Condition, Either, chosen, field_is, text_is_in
from firehose.keeper.merge import View, delete, steady_view, view
from firehose.keeper.rewrite import ATTEMPTS, Leaving, let_go
from firehose.keeper.settled import IsSettled
from tailrace.clock import US_PER_HOUR
from tailrace.errors import StateError, TransientError, UsageError
from tailrace.lake import ERASED, LAST_HOUR_US, Part, Partition, existing_partitions
from tailrace.schema import TableName
from tailrace.stores.port import ObjectStore

ALWAYS: Final = (0, LAST_HOUR_US + US_PER_HOUR)
_Place = tuple[TableName, Partition]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be erased: for each table the condition, one of which is enough; ``told`` is how it may be written down, with hashes for the values."""

    conditions: Mapping[TableName, Condition]
    texts: tuple[str, ...]
    told: tuple[str, ...]
    digest: str
    from_us: int = ALWAYS[0]
    to_us: int = ALWAYS[1]
    where: tuple[tuple[str, str], ...] = ()
    contains: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """What the partitions' states count the rows under."""
        return ERASED + self.digest.partition(":")[2][:16]


@dataclass(slots=True)
class Erased:
    """What was erased (or would be): rows, about how many bytes, parts that were rewritten, parts that were deleted; and what is left of it."""

    rows: int = 0
    bytes: int = 0
    parts: int = 0
    deleted: int = 0
    waiting: list[str] = field(default_factory=list)
    """Parts that do not count any more, hold such rows, and are there until the grace period is over."""
    left: int = 0
    """Rows that count and are there still: they came while others were erased."""


def order_of(where: Sequence[str], contains: Sequence[str], from_us: int = ALWAYS[0], to_us: int = ALWAYS[1]) -> Order:
    """Read what is to be erased: ``FIELD=VALUE`` for rows whose field is that, and texts that any column of text may hold.

    Raises :class:`UsageError` where there is no such field in any table, or nothing is asked for.
    """
    pairs = [_pair(text) for text in where]
    if (not pairs and not contains) or any(not value for _, value in pairs) or any(not text for text in contains):
        raise UsageError("say what is to be erased: --where FIELD=VALUE or --contains TEXT")
    met: dict[TableName, list[Condition]] = {table: [text_is_in(table, text) for text in contains] for table in UNITS}
    for name, value in pairs:
        for table, condition in _in_tables(name, value).items():
            met[table].append(condition)
    within = Between(from_us, to_us)
    conditions = {table: Both([Either(parts), within]) if (from_us, to_us) != ALWAYS else Either(parts) for table, parts in met.items() if parts}
    told = (*(f"{name} = {_hash(value)}" for name, value in pairs), *(f"contains {_hash(text)}" for text in contains))
    texts, digest = (*(value for _, value in pairs), *contains), _hash(json.dumps([sorted(pairs), sorted(contains)]))
    return Order(conditions, texts, told, digest, from_us, to_us, tuple(pairs), tuple(contains))


def erase(store: ObjectStore, order: Order, is_settled: IsSettled, *, now: bool, probe: Probe = no_probe) -> Erased:
    """Erase, and look again; with ``now`` replaced parts that hold such rows are deleted at once, also those of earlier commits.

    Raises :class:`TransientError` where others commit all the time, and :class:`StateError` where a part cannot be read.
    """
    done, clean = Erased(), set[str]()
    for place in places(store, order):
        _let_go(store, order, place, clean, done, probe)
    for place in places(store, order):
        seen, live, idle = _looked_at(store, order, place, clean)
        done.left += sum(one.rows for one in live)
        if now and idle:
            done.deleted += delete(store, seen, idle, is_settled)
            probe("keeper.erased")
        there = {part.key for part in view(store, *place).parts} if idle else set[str]()
        done.waiting += [part.key for part in idle if part.key in there]
    return done


def would_erase(store: ObjectStore, order: Order) -> Erased:
    """Answer what would be erased; nothing is written."""
    done, clean = Erased(), set[str]()
    for place in places(store, order):
        _, live, idle = _looked_at(store, order, place, clean)
        for one in live:
            _add(done, one)
        done.waiting += [part.key for part in idle]
    return done


def places(store: ObjectStore, order: Order) -> Iterator[_Place]:
    """Answer the partitions that may hold what is to be erased."""
    for table in order.conditions:
        for partition in existing_partitions(store, table, order.from_us, order.to_us):
            yield table, partition


def _let_go(store: ObjectStore, order: Order, place: _Place, clean: set[str], done: Erased, probe: Probe) -> None:
    for _ in range(ATTEMPTS):
        seen = view(store, *place)
        try:
            leaving = [one for part in seen.live if (one := _leaving(store, order, part, clean))]
            if not leaving:
                return
            if let_go(store, seen, leaving, probe):
                for one in leaving:
                    _add(done, one)
                return
        except (StateError, FileNotFoundError):  # a part that was listed was merged and deleted meanwhile
            continue
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(place, error) from error
    raise TransientError(f"{place[0]}/{place[1].path}: others commit all the time")


def _looked_at(store: ObjectStore, order: Order, place: _Place, clean: set[str]) -> tuple[View, list[Leaving], list[Part]]:
    """Look at all parts of a partition: what those that count hold, and which of the others hold something."""
    for _ in range(ATTEMPTS):
        seen = steady_view(store, *place)
        try:
            live = [one for part in seen.live if (one := _leaving(store, order, part, clean))]
        except (StateError, FileNotFoundError):
            continue
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(place, error) from error
        return seen, live, [part for part in seen.idle if _holds(store, order, part, clean)]
    raise TransientError(f"{place[0]}/{place[1].path}: others commit all the time")


def _unreadable(place: _Place, error: Exception) -> StateError:
    return StateError(
        f"{place[0]}/{place[1].path}: a part cannot be read, so nobody knows what it holds: {str(error).splitlines()[0]}; see: tailrace lake verify"
    )


def _leaving(store: ObjectStore, order: Order, part: Part, clean: set[str]) -> Leaving | None:
    """Answer what leaves a part; one that holds nothing is noted, for a part never changes."""
    if part.key in clean:
        return None
    mask = chosen(store, part, order.conditions[part.table])
    if mask.any():
        return Leaving(part, {order.reason: int(np.count_nonzero(mask))}, ~mask)
    clean.add(part.key)
    return None


def _holds(store: ObjectStore, order: Order, part: Part, clean: set[str]) -> bool:
    """Whether a part that does not count holds such rows; one that cannot be read might, and one that is gone does not."""
    try:
        return _leaving(store, order, part, clean) is not None
    except (StateError, FileNotFoundError):
        return False
    except (pa.ArrowException, OSError):
        return True


def _add(done: Erased, one: Leaving) -> None:
    done.rows, done.bytes, done.parts = done.rows + one.rows, done.bytes + one.bytes, done.parts + 1


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark:
        raise UsageError(f"not FIELD=VALUE: {text}")
    return name.strip(), value


def _in_tables(name: str, value: str) -> dict[TableName, Condition]:
    found, problems = dict[TableName, Condition](), list[UsageError]()
    for table in UNITS:
        try:
            found[table] = field_is(table, name, [value])
        except UsageError as error:
            problems.append(error)
    if not found:
        raise problems[0]
    return found


def _hash(text: str) -> str:
    return f"blake2b:{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"
