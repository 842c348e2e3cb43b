"""Amazon Data Firehose: rows as packed NDJSON, by PutRecordBatch.

Each table goes to a delivery stream of its own, ``<prefix>-logs``, ``-spans``, ``-metrics``; dead letters go to ``<prefix>-dead``. A record holds rows of one event hour (an object of
Firehose's shall hold one), JSON with the lake's columns, times as ``2026-11-24 10:00:00.123456`` (read by Firehose's Hive and OpenX readers), nulls left out.

Limits (https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html): a record 1,000 KiB, a call 500 records and 4 MiB. The answer names
the records that were refused; only those are sent again, after a wait that doubles and varies.

A put is at least once: where it raises, part of the delivery may have been taken, and it must be put again whole.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import Final

import orjson

from firehose.delivery import DeadLetter, Delivery
from firehose.records import calls, pack, too_long
from firehose.sinks.amazon_firehose.calls import LIMITS, PutsRecords
from tailrace.clock import Clock, SystemClock
from tailrace.errors import TransientError
from tailrace.tracing import traced

MAX_TRIES: Final = 8
FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 5.0
DEAD_PIECE_BYTES: Final = 600 * 1024
"""Bytes of a dead letter in one record: base64 makes 800 KiB of it, and the rest is for the reason and the detail."""


@dataclass(frozen=True, slots=True)
class AmazonFirehose:
    """A delivery stream that puts rows to Amazon Data Firehose; it keeps nothing, so a put returns when Firehose has everything."""

    port: PutsRecords
    prefix: str
    clock: Clock = SystemClock()  # noqa: RUF009 - it has no state
    jitter: Callable[[], float] = SystemRandom().random

    def put(self, delivery: Delivery) -> None:
        """Put all tables and dead letters of a delivery."""
        dead = [*delivery.dead]
        for table, rows in delivery.tables.items():
            records, oversized = pack(table, rows, LIMITS)
            dead += [DeadLetter("document", too_long(len(one.data), LIMITS), one.data, {"table": table}) for one in oversized]
            self.send(f"{self.prefix}-{table}", [record.data for record in records])
        self.send(f"{self.prefix}-dead", [record for letter in dead for record in letter_records(letter, delivery)])

    def send(self, stream: str, records: Sequence[bytes]) -> None:
        """Send records to a stream by its name; raises :class:`TransientError` where it goes on to refuse some."""
        for start, end in calls(map(len, records), LIMITS):
            with traced("deliver", stream=stream, records=end - start):
                self._send_call(stream, records[start:end])

    def _send_call(self, stream: str, records: Sequence[bytes]) -> None:
        problem = ""
        for attempt in range(MAX_TRIES):
            try:
                refused = self.port.put_records(stream, records)
            except TransientError as error:
                refused, problem = range(len(records)), str(error)
            if not refused:
                return
            records = [records[index] for index in refused]
            self.clock.sleep(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt) * (0.5 + self.jitter() / 2))
        raise TransientError(f"delivery stream {stream}: {len(records)} records refused {MAX_TRIES} times {problem}".rstrip())


def letter_records(letter: DeadLetter, delivery: Delivery) -> Iterator[bytes]:
    """Write a dead letter as JSON lines, its body in base64; one that is too long for a record is several, numbered, with one id."""
    pieces = [letter.body[at : at + DEAD_PIECE_BYTES] for at in range(0, len(letter.body), DEAD_PIECE_BYTES)] or [b""]
    letter_id = hashlib.blake2b(letter.body, digest_size=16, person=b"dead-letter").hexdigest()
    for number, piece in enumerate(pieces, 1):
        yield orjson.dumps(
            {
                "id": letter_id,
                "piece": number,
                "pieces": len(pieces),
                "source": delivery.source,
                "received_us": delivery.received_us,
                "kind": letter.kind,
                "reason": letter.reason[:10_000],
                "detail": {name: value[:2_000] for name, value in letter.detail.items()},
                "body": base64.b64encode(piece).decode(),
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
