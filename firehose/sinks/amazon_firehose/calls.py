"""The call ``PutRecordBatch`` of Amazon Data Firehose, and its limits.

https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html: a record 1,000 KiB, a call 500 records and 4 MiB. The answer names the records that were refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from firehose.records import CallLimits, Refusal
from tailrace.errors import PermanentError, TransientError
from tailrace.schema import TableName

if TYPE_CHECKING:
    from mypy_boto3_firehose import FirehoseClient

LIMITS: Final = CallLimits(record_bytes=1_000 * 1024, call_records=500, call_bytes=4 * 1024 * 1024, one_hour=True)
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
class DeliveryStreams:
    """The call for a sink of the spool: each table has a delivery stream of its own, ``<prefix>-<table>``. Nothing is refused for good: the sink waits."""

    port: PutsRecords
    prefix: str
    limits: CallLimits = LIMITS

    def put_records(self, table: TableName, records: Sequence[bytes]) -> Sequence[Refusal]:
        """Send records."""
        try:
            refused = self.port.put_records(f"{self.prefix}-{table}", records)
        except PermanentError as error:
            raise TransientError(str(error)) from error
        return [Refusal(index, "the delivery stream refused it for now") for index in refused]
