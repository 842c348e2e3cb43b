"""What a delivery goes through before it is in the spool: it must add up, and rows that were there already are left out.

Duplicates are judged on (event_id, revision) by the recent-id filter. Judging and taking a place in the spool are one step under the spool's lock: a row that is dropped
because another has it lies behind that other one in the spool, so it is never acknowledged before the other is durable.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from firehose.delivery import Count, DeadLetter, Delivery
from firehose.frame import UNITS, Encoded, encode
from firehose.recent_ids import RecentIds, row_hashes, salted
from firehose.routes import only, tier_of
from firehose.spool import Spool, Ticket
from tailrace.errors import PermanentError, TransientError
from tailrace.forms import arrow_schema
from tailrace.schema import TableName
from tailrace.text_hashes import Hashes

MAX_DELIVERY_BYTES: Final = 1024 * 1024 * 1024
AGAIN_RULE: Final = "put again for another sink"
Masks = Mapping[TableName, npt.NDArray[np.bool_]]


class Admission:
    """The door of a spool."""

    def __init__(self, spool: Spool, recent: RecentIds) -> None:
        self._spool, self._recent = spool, recent
        self.duplicates = 0

    def put(self, delivery: Delivery) -> None:
        """Return when the delivery is durable.

        Raises :class:`TransientError` where the spool can take nothing now, :class:`PermanentError` where the delivery does not add up.
        """
        check(delivery)
        self._put(delivery, row_hashes(delivery.tables))

    def put_again(self, letter: DeadLetter, identity: str, received_us: int) -> None:
        """Put the rows of a batch that a sink could not take, as if they were new, for sinks of its tier alone: the others had them, or were not meant to.

        What the filter remembers of them is hashed with the identity of the letter too: the same letter put again adds nothing, and the rows refused again, which are another letter, can be put again.
        """
        table = pa.ipc.open_stream(letter.body).read_all()
        name = next(name for name in UNITS if name == letter.detail.get("table"))
        tier = tier_of(letter.detail.get("sink", ""))
        routes: dict[TableName, pa.StringArray] = {name: pa.array([only(tier, AGAIN_RULE)] * table.num_rows, pa.string())} if tier else {}
        count = Count("collect", UNITS[name], table.num_rows, table.num_rows)
        delivery = Delivery(letter.detail.get("source", ""), received_us, {name: table}, (count,), routes=routes)
        check(delivery)
        self._put(delivery, {of: salted(found, identity) for of, found in row_hashes({name: table}).items()})

    def _put(self, delivery: Delivery, hashes: Mapping[TableName, Hashes]) -> None:
        encoded = encode(delivery, hashes, {})
        if len(encoded.body) > MAX_DELIVERY_BYTES:
            raise PermanentError(f"delivery of {delivery.source}: it is longer than {MAX_DELIVERY_BYTES:,} bytes")
        with self._spool.lock:
            ticket = self._enqueue(delivery, hashes, encoded)
        self._spool.commit(ticket)

    def _enqueue(self, delivery: Delivery, hashes: Mapping[TableName, Hashes], encoded: Encoded) -> Ticket:
        masks: Masks = {name: self._recent.admit(found) for name, found in hashes.items()}
        new = {name: found[masks[name]] for name, found in hashes.items()}
        undo = partial(self._undo, tuple(new.values()))
        dropped = {name: int(len(mask) - mask.sum()) for name, mask in masks.items()}
        try:
            if any(dropped.values()):
                encoded = encode(_without(delivery, masks), new, dropped)
            ticket = self._spool.enqueue(encoded, undo)
        except TransientError:
            undo()
            raise
        self.duplicates += sum(dropped.values())
        return ticket

    def _undo(self, hashes: tuple[Hashes, ...]) -> None:
        for found in hashes:
            self._recent.discard(found)


def check(delivery: Delivery) -> None:
    """Raise :class:`PermanentError` where a delivery is not what ``firehose.delivery`` says it is: that is a fault of the collector."""
    wrong = next(_faults(delivery), "")
    if wrong:
        raise PermanentError(f"delivery of {delivery.source}: {wrong}")


def _faults(delivery: Delivery) -> Iterator[str]:
    for name, table in delivery.tables.items():
        if name not in UNITS:
            yield f"{name} is no table that travels"
        elif not table.schema.equals(arrow_schema(name)):
            yield f"{name} is not in the schema"
        elif table.column("event_id").null_count or table.column("event_time").null_count:
            yield f"{name} has rows without event_id or event_time"
    yield from (f"the routes of {name} are not one a row" for name, routes in delivery.routes.items() if len(routes) != delivery.tables[name].num_rows)
    yield from (f"{one.hop} of {one.unit} does not add up" for one in delivery.counts if not one.balanced)
    for name, unit in UNITS.items():
        rows = delivery.tables[name].num_rows if name in delivery.tables else 0
        counted = sum(one.went_out for one in delivery.counts if one.hop == "collect" and one.unit == unit)
        if rows != counted:
            yield f"{counted} {unit} were counted, there are {rows}"


def _without(delivery: Delivery, masks: Masks) -> Delivery:
    tables = {name: table.filter(pa.array(masks[name])) if name in masks else table for name, table in delivery.tables.items()}
    routes = {name: found.filter(pa.array(masks[name])) if name in masks else found for name, found in delivery.routes.items()}
    return replace(delivery, tables=tables, routes=routes)
