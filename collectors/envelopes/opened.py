"""What an envelope held after it was opened: runs of lines that are still to be parsed, rows that are made already, and what could not be read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import pyarrow as pa

from collectors.lines import Lines
from firehose.delivery import DeadLetter
from tailrace.schema import FieldType, TableName

NO_ROWS: Mapping[TableName, pa.Table] = MappingProxyType({})
NO_DROPS: Mapping[str, int] = MappingProxyType({})
NO_TYPES: Mapping[str, FieldType] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Sent:
    """One payload and what is known of it beside its bytes.

    ``source`` names it in the ledger. ``identity`` is what the ids of its rows are hashed of, with each row's place in it: the same when it is sent again, and of no other payload. ``account`` and
    ``region`` are those of the sender, ``format`` is the format of lines where a person said it, ``attributes`` are put into every row. The time of receipt and the receiver's ``sequence`` number are
    given by the collector.
    """

    data: bytes
    source: str
    identity: str
    received_us: int = 0
    sequence: int = 0
    account: str = ""
    region: str = ""
    format: str = ""
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Opened:
    """What a payload held.

    ``tables`` are rows of spans and metrics; ``dropped`` counts what was left out, by rule: lines where there are runs, else metrics; ``dead`` are single spans or metrics that could not be read;
    ``types`` are types of attributes that may be learned.
    """

    runs: tuple[Lines, ...] = ()
    tables: Mapping[TableName, pa.Table] = field(default_factory=lambda: NO_ROWS)
    dropped: Mapping[str, int] = field(default_factory=lambda: NO_DROPS)
    dead: tuple[DeadLetter, ...] = ()
    types: Mapping[str, FieldType] = field(default_factory=lambda: NO_TYPES)
