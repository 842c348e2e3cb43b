"""What an envelope held after it was opened: runs of lines that are still to be parsed, rows that are made already, and what could not be read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import orjson
import pyarrow as pa

from collectors.lines import Lines
from firehose.delivery import DeadLetter
from tailrace.errors import DecodeError
from tailrace.schema import FieldType, TableName

KINDS: Final = (
    *("forward", "lines", "plain_lines", "metric_stream_json", "metric_stream_otel"),
    *("otlp_logs", "otlp_logs_json", "otlp_metrics", "otlp_metrics_json", "otlp_traces", "otlp_traces_json"),
)
"""The kinds of payloads that ``collectors.envelopes.openers`` opens; their names are here because that module takes long to import."""

MAX_DEAD: Final = 1_000

NO_ROWS: Mapping[TableName, pa.Table] = MappingProxyType({})
NO_DROPS: Mapping[str, int] = MappingProxyType({})
NO_TYPES: Mapping[str, FieldType] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Sent:
    """One payload and what is known of it beside its bytes.

    ``source`` names it in the ledger. ``identity`` is what the ids of its rows are hashed of, with each row's place in it: the same when it is sent again, and of no other payload. ``account`` and
    ``region`` are those of the sender, ``format`` is the format of lines where a person said it, ``attributes`` are put into every row. The time of receipt and the receiver's ``sequence`` number are
    given by the collector, where the payload is not that of a dead letter.
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


def check_dead(number: int) -> None:
    """Raise :class:`DecodeError` where so many parts of a payload are dead that it is kept as one dead letter instead, with what is good in it."""
    if number > MAX_DEAD:
        raise DecodeError(f"more than {MAX_DEAD} parts of it cannot be read")


_KEPT: Final = ("source", "identity", "account", "region", "format")


def detail_of(kind: str, sent: Sent) -> Mapping[str, str]:
    """Answer what a dead letter says of a payload, so that it can be opened again."""
    more = {"attributes": orjson.dumps(dict(sent.attributes)).decode()} if sent.attributes else {}
    more |= {"sequence": str(sent.sequence)} if sent.sequence else {}
    return {"envelope": kind, "received_us": str(sent.received_us), **{name: getattr(sent, name) for name in _KEPT if getattr(sent, name)}, **more}


def sent_of(data: bytes, detail: Mapping[str, str], identity: str) -> Sent:
    """Answer the payload of a dead letter; ``identity`` is taken where the letter names none (it is a part of a payload).

    The sequence number is the one that it had, or of older letters the time of receipt: whatever is made of it has the same ids however often it is replayed.
    """
    told = {name: detail.get(name, "") for name in _KEPT}
    return Sent(
        data,
        told["source"] or "replay",
        told["identity"] or identity,
        int(detail.get("received_us", 0)),
        int(detail.get("sequence") or detail.get("received_us") or 1),
        account=told["account"],
        region=told["region"],
        format=told["format"],
        attributes=orjson.loads(detail.get("attributes", "{}")),
    )
