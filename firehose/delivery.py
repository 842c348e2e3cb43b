"""What travels from a collector to a delivery stream, and the port that takes it.

A :class:`Delivery` is what one payload, or one run of lines of a file, became: rows in the schema, counts that account for everything that came in, and
dead letters for what could not be read. It is acknowledged after it is durable, all of it or nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

import pyarrow as pa

from tailrace.schema import TableName

Unit = Literal["payloads", "events", "spans", "metrics"]


@dataclass(frozen=True, slots=True)
class Count:
    """What one hop of a collector did to a unit: in = out + dropped + joined + dead. ``dropped`` is by rule name; ``dead_by`` says of which of the dead letters a rule is the reason."""

    hop: Literal["decode", "collect"]
    unit: Unit
    came_in: int
    went_out: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    joined: int = 0
    dead: int = 0
    dead_by: Mapping[str, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """Whether nothing is unaccounted for."""
        return self.came_in == self.went_out + sum(self.dropped.values()) + self.joined + self.dead and sum(self.dead_by.values()) <= self.dead


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Bytes that could not be decoded or delivered, whole, with the reason; ``kind`` is ``payload`` or ``document``."""

    kind: Literal["payload", "document"]
    reason: str
    body: bytes
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Rows for the sinks, with what was counted on the way.

    ``tables`` hold Arrow tables in ``tailrace.forms.arrow_schema``; ``event_id`` and ``event_time`` are never null there. The sum of
    ``went_out`` of the counts of unit events (spans, metrics) at hop ``collect`` is the number of rows of ``logs`` (``spans``, ``metrics``).
    ``routes`` say for the rows of a table which sinks they are meant for (``firehose.routes``); a table that is not named goes to all.
    """

    source: str
    received_us: int
    tables: Mapping[TableName, pa.Table] = field(default_factory=lambda: MappingProxyType({}))
    counts: tuple[Count, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    routes: Mapping[TableName, pa.StringArray] = field(default_factory=lambda: MappingProxyType({}))


class DeliveryStream(Protocol):
    """Takes deliveries durably."""

    def put(self, delivery: Delivery) -> None:
        """Return when the delivery is durable (only then may it be acknowledged upstream).

        Raises :class:`tailrace.errors.TransientError` when it can take no more now (spool full, disk full): nothing was taken, try again.
        """
        ...


@dataclass(slots=True)
class MemoryStream:
    """A delivery stream that keeps deliveries in a list; for ``tailrace parse``, tests and benchmarks."""

    deliveries: list[Delivery] = field(default_factory=list)

    def put(self, delivery: Delivery) -> None:
        """Keep the delivery."""
        self.deliveries.append(delivery)
