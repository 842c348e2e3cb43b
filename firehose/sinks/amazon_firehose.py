"""Amazon Data Firehose: rows as packed NDJSON, by PutRecordBatch.

Each table goes to a delivery stream of its own, ``<prefix>-logs``, ``-spans``, ``-metrics``; dead letters go to ``<prefix>-dead``. A record holds rows of one event hour (an object of
Firehose's shall hold one), JSON with the lake's columns, times as ``2026-11-24 10:00:00.123456`` (read by Firehose's Hive and OpenX readers), nulls left out.

Limits (https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html): a record 1,000 KiB, a call 500 records and 4 MiB. The answer names
the records that were refused; only those are sent again, after a wait that doubles and varies.

A put is at least once: where it raises, part of the delivery may have been taken, and it must be put again whole.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import TYPE_CHECKING, Final, Protocol

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from botocore.exceptions import BotoCoreError, ClientError

from firehose.delivery import DeadLetter, Delivery
from tailrace.clock import Clock, SystemClock
from tailrace.errors import PermanentError, TransientError
from tailrace.forms import arrow_schema
from tailrace.schema import TableName

if TYPE_CHECKING:
    from mypy_boto3_firehose import FirehoseClient

MAX_RECORD_BYTES: Final = 1_000 * 1024
MAX_CALL_RECORDS: Final = 500
MAX_CALL_BYTES: Final = 4 * 1024 * 1024
MAX_TRIES: Final = 8
FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 5.0
DEAD_PIECE_BYTES: Final = 600 * 1024
"""Bytes of a dead letter in one record: base64 makes 800 KiB of it, and the rest is for the reason and the detail."""

RETRYABLE_CODES: Final = frozenset(
    {"ServiceUnavailableException", "InternalFailure", "ThrottlingException", "LimitExceededException", "Throttling", "RequestTimeout"}
)


class PutsRecords(Protocol):
    """The one Firehose call that is used."""

    def put_records(self, stream: str, records: Sequence[bytes]) -> Sequence[int]:
        """Send up to 500 records and 4 MiB; answer the indexes that were refused.

        Raises :class:`TransientError` where nothing is known of any record, :class:`PermanentError` where the stream will never take them.
        """
        ...


@dataclass(frozen=True, slots=True)
class Boto3Records:
    """The call through boto3."""

    client: "FirehoseClient"

    def put_records(self, stream: str, records: Sequence[bytes]) -> Sequence[int]:
        """Send records; throttling and faults of the service are transient."""
        try:
            answer = self.client.put_record_batch(DeliveryStreamName=stream, Records=[{"Data": record} for record in records])
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            kind = TransientError if code in RETRYABLE_CODES or status >= 500 else PermanentError
            raise kind(f"delivery stream {stream}: {error}") from error
        except BotoCoreError as error:
            raise TransientError(f"delivery stream {stream}: {error}") from error
        if not answer["FailedPutCount"]:
            return ()
        return [index for index, response in enumerate(answer["RequestResponses"]) if response.get("ErrorCode")]


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
            records, oversized = pack(table, rows)
            dead += oversized
            self._send(f"{self.prefix}-{table}", records)
        self._send(f"{self.prefix}-dead", [record for letter in dead for record in letter_records(letter, delivery)])

    def _send(self, stream: str, records: Sequence[bytes]) -> None:
        for call in calls(records):
            self._send_call(stream, call)

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


def pack(table: TableName, rows: pa.Table) -> tuple[list[bytes], list[DeadLetter]]:
    """Answer records of whole rows, each of one event hour, and dead letters of the rows that fit into no record."""
    records: list[bytes] = []
    oversized: list[DeadLetter] = []
    for part in _by_hour(rows):
        waiting = bytearray()
        for line in _json_lines(table, part):
            if len(line) > MAX_RECORD_BYTES:
                oversized.append(DeadLetter("document", f"a row of {len(line)} bytes is more than a record may hold", line, {"table": table}))
                continue
            if len(waiting) + len(line) > MAX_RECORD_BYTES:
                records.append(bytes(waiting))
                waiting.clear()
            waiting += line
        if waiting:
            records.append(bytes(waiting))
    return records, oversized


def _by_hour(rows: pa.Table) -> Iterator[pa.Table]:
    hours = pc.floor_temporal(rows["event_time"], unit="hour")
    for hour in pc.unique(hours):
        yield rows.filter(pc.equal(hours, hour))


def _json_lines(table: TableName, rows: pa.Table) -> Iterator[bytes]:
    times = [field.name for field in arrow_schema(table) if pa.types.is_timestamp(field.type)]
    for name in times:
        rows = rows.set_column(rows.schema.get_field_index(name), name, rows[name].cast(pa.string()))
    for row in rows.to_pylist():
        yield orjson.dumps({name: value for name, value in row.items() if value is not None}, option=orjson.OPT_APPEND_NEWLINE)


def calls(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Cut records into calls of at most 500 records and 4 MiB, in order."""
    call: list[bytes] = []
    size = 0
    for record in records:
        if call and (len(call) == MAX_CALL_RECORDS or size + len(record) > MAX_CALL_BYTES):
            yield call
            call, size = [], 0
        call.append(record)
        size += len(record)
    if call:
        yield call


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
