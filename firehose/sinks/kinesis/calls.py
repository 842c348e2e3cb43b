"""The call ``PutRecords`` of Kinesis Data Streams, and its limits.

https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html: 500 records and 5 MiB a call, with their partition keys. A record was 1 MiB at most until 2025, and still is where a
stream was not told otherwise. The partition key is a hash of the record: records spread over all shards, and one that is sent again goes to the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from firehose.records import CallLimits, Refusal
from firehose.sinks.answers import asked
from tailrace.schema import TableName

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

KEY_BYTES: Final = 8
LIMITS: Final = CallLimits(record_bytes=1024 * 1024 - 2 * KEY_BYTES, call_records=500, call_bytes=5 * 1024 * 1024, overhead=2 * KEY_BYTES)


@dataclass(frozen=True, slots=True)
class KinesisRecords:
    """The call through boto3; rows of all tables go to one stream."""

    client: "KinesisClient"
    stream: str
    limits: CallLimits = LIMITS

    def put_records(self, table: TableName, records: Sequence[bytes]) -> Sequence[Refusal]:
        """Send records; those that were refused are so for lack of throughput, or by a fault of the service."""
        del table
        with asked(f"stream {self.stream}"):
            answer = self.client.put_records(StreamName=self.stream, Records=[{"Data": record, "PartitionKey": partition_key(record)} for record in records])
        if not answer.get("FailedRecordCount"):
            return ()
        told = [(index, one.get("ErrorCode"), one.get("ErrorMessage", "")) for index, one in enumerate(answer["Records"])]
        return [Refusal(index, f"{code}: {message}") for index, code, message in told if code]


@dataclass(frozen=True, slots=True)
class StreamRecords:
    """The call with the stream's name in it, as ``firehose.sinks.amazon_firehose`` knows it."""

    client: "KinesisClient"

    def put_records(self, stream: str, records: Sequence[bytes]) -> Sequence[int]:
        """Send records; answer the places of those that were refused."""
        return [one.index for one in KinesisRecords(self.client, stream).put_records("logs", records)]


def partition_key(record: bytes) -> str:
    """Answer a record's partition key."""
    return hashlib.blake2b(record, digest_size=KEY_BYTES).hexdigest()
