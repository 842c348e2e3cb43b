"""The Lambda function: a log group's subscription, a Kinesis stream or notifications of S3 call it, and what comes in goes to Amazon Data Firehose.

Handler path: ``collectors.handler.lambda_handler``. A subscription's call fails where the delivery fails, and Lambda tries it again. A Kinesis batch
is delivered together; where that fails the answer names its first record (``ReportBatchItemFailures`` must be on in the event source mapping), and Lambda sends it
and those after it again. What was delivered already then comes again: at least once, with the same event ids.

Amazon Data Firehose may call it to transform records (``collectors.transformation``): a subscription straight into Firehose, whose rows it takes back.

Notifications of S3 come directly, by SNS, by EventBridge or by a queue, and the objects that they name are read. Of a queue's batch the answer names the messages that must come again (the same
setting); for the others the call fails where trying again may help, and what cannot be read is a dead letter.

Each call writes one line of metrics (``collectors.handler_metrics``).

In Lambda the formats are read and the client is made when the module is imported: that time is before the first call, and the function has a whole CPU then.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, partial
from typing import Any, Final

from collectors.collector import Collector, Summary
from collectors.envelopes.lambda_event import Payload, payloads
from collectors.envelopes.s3_event import Message, is_notification, queue_messages
from collectors.envelopes.tolerant_json import as_text
from collectors.from_settings import collector_from_settings
from collectors.handler_metrics import measured, to_stdout
from collectors.sources.s3_from_settings import notices_from_settings
from collectors.sources.s3_notices import S3Notices
from collectors.transformation import Held, Transformation, is_transformation
from firehose.delivery import DeadLetter, DeliveryStream
from firehose.sinks.amazon_firehose.calls import Boto3Records
from firehose.sinks.amazon_firehose.stream import AmazonFirehose
from firehose.sinks.kinesis.calls import StreamRecords
from tailrace import aws
from tailrace.clock import SystemClock
from tailrace.errors import DecodeError, DeliveryError, SettingError, TransientError
from tailrace.fields import AttributeRegister
from tailrace.settings import Settings, environment, load
from tailrace.tracing import lambda_traced

IN_LAMBDA: Final = "AWS_LAMBDA_FUNCTION_NAME"
"""The variable that Lambda sets: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html."""

RECORDS: Final = "records"
"""The one member of an answer that Firehose knows."""

logger = logging.getLogger(__name__)


def lambda_handler(event: Any, context: object) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own signature
    """Collect what an event holds, and tell of it in a line of metrics."""
    del context
    env = environment()
    with lambda_traced(env):
        answer = measured(_collect, event, env.get(IN_LAMBDA, ""), SystemClock(), to_stdout)
    return {RECORDS: answer[RECORDS]} if RECORDS in answer else answer


def _collect(event: object) -> dict[str, Any]:
    return _handler()(event)


@cache
def _handler() -> "Handler":
    settings = load().settings
    register, clock = AttributeRegister(), SystemClock()  # what the register learns are types of this container, which has no disk to keep them on
    held = Held(stream_from_settings(settings))
    collector = collector_from_settings(settings, held, register, clock, keeps=False)
    return Handler(collector, notices_from_settings(settings, collector, clock, patience_s=0), Transformation(collector, held, partial(put_again, settings)))


def stream_from_settings(settings: Settings) -> DeliveryStream:
    """Make the delivery stream of the function; a spool on a Lambda's disk would be lost with it, so it is Amazon Data Firehose."""
    if not settings.firehose_streams:
        raise SettingError("firehose_streams is not set: the prefix of the delivery streams' names, such as `tailrace`")
    return AmazonFirehose(Boto3Records(aws.client("firehose", settings)), settings.firehose_streams)


def put_again(settings: Settings, event: Mapping[str, Any], records: Sequence[bytes]) -> None:
    """Put records into the stream that Firehose reads: its own, or the Kinesis stream before it."""
    if arn := event.get("sourceKinesisStreamArn"):
        AmazonFirehose(StreamRecords(aws.client("kinesis", settings)), "").send(str(arn).rpartition("/")[2], records)
    else:
        AmazonFirehose(Boto3Records(aws.client("firehose", settings)), "").send(str(event["deliveryStreamArn"]).rpartition("/")[2], records)


@dataclass(frozen=True, slots=True)
class Handler:
    """Collects events with a collector, and the objects that notifications name; transforms records of Firehose."""

    collector: Collector
    notices: S3Notices
    transform: Transformation

    def __call__(self, event: object) -> dict[str, Any]:
        """Answer what became of an event, and the records to send again."""
        if isinstance(event, dict) and is_transformation(event):
            return self.transform(event)
        if messages := queue_messages(event):
            return self._queue(messages)
        if is_notification(event):
            outcome = self.notices.take(Message("", as_text(event)), "lambda")
            if outcome.later:
                raise TransientError(outcome.later)
            return _answer(outcome.summary)
        try:
            found = payloads(event)
        except DecodeError as error:
            summary = self.collector.collect_dead("lambda", [DeadLetter("payload", str(error), as_text(event).encode(), {"envelope": "lambda"})])
            return _answer(summary)
        try:
            return _answer(self.collector.collect_payloads([payload.data for payload in found], found[0].source))
        except DeliveryError as error:
            return _answer(Summary(), [_failed(found[0], error)])

    def _queue(self, messages: Sequence[Message]) -> dict[str, Any]:
        summary, failed = Summary(), list[str]()
        for message in messages:
            outcome = self.notices.take(message, "sqs")
            summary += outcome.summary
            if outcome.later:
                logger.warning("message %s comes again: %s", message.id, outcome.later)
                failed.append(message.id)
        return _answer(summary, failed)


def _failed(first: Payload, error: DeliveryError) -> str:
    if not first.sequence_number:
        raise error
    logger.warning("the batch from record %s on was not delivered: %s", first.sequence_number, error)
    return first.sequence_number


def _answer(summary: Summary, failed: Sequence[str] = ()) -> dict[str, Any]:
    failures: list[Mapping[str, str]] = [{"itemIdentifier": identifier} for identifier in failed]
    counts = {field.name: getattr(summary, field.name) for field in fields(summary)} | {"dead": len(summary.dead)}
    logger.info("collected %s", counts)
    return {"batchItemFailures": failures, "counts": counts}


if IN_LAMBDA in environment():
    _handler()
