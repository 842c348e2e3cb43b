"""The call ``PublishBatch`` of SNS, and its limits: 10 messages and 256 KiB together (https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firehose.records import CallLimits, Refusal
from firehose.sinks.answers import asked, of_entries
from firehose.sinks.sqs.calls import LIMITS, as_xml_text
from tailrace.schema import TableName

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


@dataclass(frozen=True, slots=True)
class TopicMessages:
    """The call through boto3; a subscriber may filter by the attribute ``table``."""

    client: "SNSClient"
    topic: str
    limits: CallLimits = LIMITS

    def put_records(self, table: TableName, records: Sequence[bytes]) -> Sequence[Refusal]:
        """Publish messages."""
        with asked(f"topic {self.topic}"):
            answer = self.client.publish_batch(
                TopicArn=self.topic,
                PublishBatchRequestEntries=[
                    {"Id": str(index), "Message": as_xml_text(record), "MessageAttributes": {"table": {"DataType": "String", "StringValue": table}}}
                    for index, record in enumerate(records)
                ],
            )
        return of_entries(answer.get("Failed", ()))
