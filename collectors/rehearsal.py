"""A dry run of a replay: what a dead letter would become, with the formats and rules as their files are now, while nothing is put.

The collector is a real one, on a stream in memory and a copy of the attribute register. Whether rows are there already, and whether OpenSearch takes a document, only a replay shows; of a document whose
reason names a field it is said whether the value fits the index as it is now.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

import pyarrow as pa

from collectors.collector import Collector
from firehose.columns import compute
from firehose.dead_letters.refused import Asks, refused
from firehose.delivery import DeadLetter, Delivery, DeliveryStream, MemoryStream
from tailrace.errors import DecodeError, DeliveryError
from tailrace.fields import AttributeRegister

SHOWN_REASONS: Final = 5


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a letter would become: rows by how they were read, spans, metrics, documents for OpenSearch, what rules drop, and what is dead still. ``note`` says what cannot be known before."""

    id: str
    parsed: int = 0
    partial: int = 0
    failed: int = 0
    spans: int = 0
    metrics: int = 0
    documents: int = 0
    dropped: int = 0
    dead: int = 0
    reasons: tuple[str, ...] = ()
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Answer it as ``dead replay --dry-run --json`` prints it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class Rehearsal:
    """Plays replays through; ``collector`` makes a collector that puts into a stream, with a register of its own."""

    def __init__(self, collector: Callable[[DeliveryStream], Collector], register: AttributeRegister, opensearch: Asks | None) -> None:
        self._stream = MemoryStream()
        self._collector, self._register, self._opensearch = collector(self._stream), register, opensearch

    def of(self, identity: str, letter: DeadLetter) -> Foreseen:
        """Say what a letter would become; of no letter it raises anything."""
        if letter.detail.get("envelope") == "arrow":
            return _of_batch(identity, letter)
        if "action" in letter.detail:
            return self._of_document(identity, letter)
        self._stream.deliveries.clear()
        try:
            self._collector.replay(letter)
        except (DeliveryError, DecodeError) as error:
            return Foreseen(identity, dead=1, reasons=(str(error),))
        return _of_deliveries(identity, self._stream.deliveries)

    def _of_document(self, identity: str, letter: DeadLetter) -> Foreseen:
        beside = refused(letter, self._register, self._opensearch)
        if beside is not None and beside.fits is False:
            return Foreseen(identity, dead=1, reasons=(f"{beside.field} is {beside.index_type} in {beside.index}, and {beside.value[:100]} is none",))
        if beside is not None and beside.fits:
            return Foreseen(identity, documents=1, note=f"{beside.field} fits {beside.index} now; of its other fields only OpenSearch can say so")
        return Foreseen(identity, documents=1, note="whether OpenSearch takes it only a replay shows")


def _of_batch(identity: str, letter: DeadLetter) -> Foreseen:
    note = f"whether {letter.detail.get('sink', 'the sink')} takes them only a replay shows"
    try:
        table = pa.ipc.open_stream(letter.body).read_all()
    except pa.ArrowInvalid as error:
        return Foreseen(identity, dead=1, reasons=(f"not an Arrow stream: {error}",))
    match letter.detail.get("table"):
        case "spans":
            return Foreseen(identity, spans=table.num_rows, note=note)
        case "metrics":
            return Foreseen(identity, metrics=table.num_rows, note=note)
        case _:
            return Foreseen(identity, *_by_status([table]), note=note)


def _of_deliveries(identity: str, deliveries: list[Delivery]) -> Foreseen:
    rows = {name: [one.tables[name] for one in deliveries if name in one.tables] for name in ("logs", "spans", "metrics")}
    dead = [letter.reason for one in deliveries for letter in one.dead]
    return Foreseen(
        identity,
        *_by_status(rows["logs"]),
        spans=sum(table.num_rows for table in rows["spans"]),
        metrics=sum(table.num_rows for table in rows["metrics"]),
        dropped=sum(sum(count.dropped.values()) for one in deliveries for count in one.counts),
        dead=len(dead),
        reasons=tuple(dict.fromkeys(dead))[:SHOWN_REASONS],
    )


def _by_status(tables: list[pa.Table]) -> tuple[int, int, int]:
    found: Counter[str] = Counter()
    for table in tables:
        for pair in compute.value_counts(table.column("parse_status")).to_pylist():
            found[pair["values"] or "parsed"] += pair["counts"]
    return found["parsed"], found["partial"], found["failed"]
