"""What destinations that take records by the call have in common: Kinesis, SQS, SNS, Amazon Data Firehose, standard output.

Rows are packed as lines of JSON (``firehose.json_text.json_lines``) into records and the records into calls, both as large as the destination takes. Of a call only what was refused
is sent again. A row that fits into no record, and one in a record that is refused for good, is a dead letter; the others go on. Whatever else is wrong (rights, no such queue, no
answer), nothing is lost: the sink waits.

At least once: where no answer came, and after a crash in the middle of a batch, records are sent again. Each row has its ``event_id`` and ``revision``, which a reader can tell it by.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from firehose.batches import Batch, Key, Limits
from firehose.cursor import OutcomeRow
from firehose.dead_letters import DeadLetters
from firehose.delivery import DeadLetter
from firehose.frame import UNITS
from firehose.records import Record, TakesRecords, calls, pack, too_long
from tailrace.clock import Clock
from tailrace.errors import PermanentError, TransientError
from tailrace.schema import TableName

LIMITS: Final = Limits(rows=20_000, nbytes=16 * 1024 * 1024, after_s=0.25)


class RecordSink:
    """Packs rows into records and sends them."""

    def __init__(self, name: str, port: TakesRecords, dead: DeadLetters, clock: Clock, *, limits: Limits = LIMITS) -> None:
        self.name, self.port, self.limits = name, port, limits
        self._dead, self._clock = dead, clock

    def attempt(self, batch: Batch, stem: str) -> "_Attempt":
        """Prepare the records of a batch."""
        return _Attempt(self, batch, f"{self.name}-{stem}")

    def resend(self, letter: DeadLetter) -> None:
        """Send the row of a dead letter again; raises :class:`TransientError`, and :class:`PermanentError` where it is refused for good."""
        body = letter.body + b"\n"
        table: TableName = next((name for name in UNITS if name == letter.detail.get("table")), "logs")
        if len(body) > self.port.limits.record_bytes:
            raise PermanentError(f"{self.name}: {too_long(len(body), self.port.limits)}")
        for refusal in self.port.put_records(table, [body]):
            raise (PermanentError if refusal.forever else TransientError)(f"{self.name}: {refusal.reason}")

    def bury(self, place: str, letters: Sequence[DeadLetter]) -> None:
        """Write rows that were refused into dead letters."""
        self._dead.write(place, letters, time_us=self._clock.now_us(), sink=self.name)


@dataclass(slots=True)
class _Attempt:
    """The delivery of one batch: records that are left, by table, and what became of rows that are not taken."""

    sink: RecordSink
    batch: Batch
    place: str
    left: dict[TableName, list[Record]] = field(default_factory=dict)
    dead: Counter[Key] = field(default_factory=Counter)
    letters: list[DeadLetter] = field(default_factory=list)
    again: str = ""

    def __post_init__(self) -> None:
        for name in self.batch.tables:
            records, oversized = pack(name, self.batch.table(name), self.sink.port.limits)
            self.left[name] = records
            for record in oversized:
                self._bury(name, record, too_long(len(record.data), self.sink.port.limits))

    def run(self) -> tuple[OutcomeRow, ...]:
        """Send what is left once."""
        self.again = ""
        for name in self.left:
            self._send(name)
        if self.again:
            raise TransientError(f"{self.sink.name}: {self.again}")
        if self.letters:
            self.sink.bury(self.place, self.letters)
        return self.batch.outcome(dead=self.dead)

    def _send(self, name: TableName) -> None:
        waiting, refused, at = self.left[name], list[Record](), 0
        try:
            for start, end in calls([len(record.data) for record in waiting], self.sink.port.limits):
                refusals = self.sink.port.put_records(name, [record.data for record in waiting[start:end]])
                at = end
                for refusal in refusals:
                    if refusal.forever:
                        self._bury(name, waiting[start + refusal.index], refusal.reason)
                    else:
                        refused.append(waiting[start + refusal.index])
                        self.again = refusal.reason
        finally:
            self.left[name] = refused + waiting[at:]

    def _bury(self, name: TableName, record: Record, reason: str) -> None:
        origin = self.batch.origin(name)
        for line, row in zip(record.data.splitlines(), record.rows, strict=True):
            key = self.batch.keys[name][origin[row]]
            self.dead[key] += 1
            self.letters.append(DeadLetter("document", reason, line, {"sink": self.sink.name, "table": name, "source": key[0]}))
