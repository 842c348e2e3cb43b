"""The call ``SendMessageBatch`` of SQS, and its limits.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html: 10 messages; 256 KiB together are taken by every queue (1 MiB since August 2025).
A message is XML 1.0: U+FFFE and U+FFFF, which it may not hold, are written as JSON's escapes, as control characters are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from firehose.records import CallLimits, Refusal
from firehose.sinks.answers import asked, of_entries
from tailrace.schema import TableName

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH: Final = 10
MESSAGE_BYTES: Final = 256 * 1024
ESCAPED_BYTES: Final = 16 * 1024
"""What is left free in a message for characters that need an escape."""

LIMITS: Final = CallLimits(record_bytes=MESSAGE_BYTES - ESCAPED_BYTES, call_records=BATCH, call_bytes=MESSAGE_BYTES - ESCAPED_BYTES)
_NONCHARACTERS: Final = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}


@dataclass(frozen=True, slots=True)
class QueueMessages:
    """The call through boto3; rows of all tables go to one queue."""

    client: "SQSClient"
    url: str
    limits: CallLimits = LIMITS

    def put_records(self, table: TableName, records: Sequence[bytes]) -> Sequence[Refusal]:
        """Send messages."""
        del table
        with asked(f"queue {self.url}"):
            answer = self.client.send_message_batch(
                QueueUrl=self.url, Entries=[{"Id": str(index), "MessageBody": as_xml_text(record)} for index, record in enumerate(records)]
            )
        return of_entries(answer.get("Failed", ()))


def as_xml_text(record: bytes) -> str:
    """Answer JSON without characters that XML does not know."""
    return record.decode("utf-8", "replace").translate(_NONCHARACTERS)
