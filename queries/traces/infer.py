"""Inferred segments: the services that a trace called and that send no segments of their own.

X-Ray's rule (https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html): a subsegment of namespace ``aws`` or ``remote`` whose id is no segment's parent stands for one. A
subsegment that is ``traced`` waits for its downstream segment instead. The names of AWS services come in the spelling of each SDK; they are brought to one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from queries.traces.model import Span

AWS_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "dynamodb": "DynamoDB",
        "s3": "S3",
        "sqs": "SQS",
        "sns": "SNS",
        "ssm": "SimpleSystemsManagement",
        "lambda": "Lambda",
        "kinesis": "Kinesis",
        "firehose": "Firehose",
        "events": "Events",
        "logs": "CloudWatchLogs",
        "sts": "STS",
        "kms": "KMS",
        "secretsmanager": "SecretsManager",
        "states": "StepFunctions",
        "ses": "SES",
        "email": "SES",
    }
)
"""Endpoint prefixes that boto3's patch sends, in the names that other SDKs and the console use."""

RESOURCE_TYPES: Final[Mapping[str, str]] = MappingProxyType({"DynamoDB": "AWS::DynamoDB::Table", "S3": "AWS::S3::Bucket", "SQS": "AWS::SQS::Queue"})
"""Services whose calls are drawn by resource where the call names one; the others by service, as the console draws SNS."""


def inferred_segments(spans: Iterable[Span]) -> list[Span]:
    """Answer the segments that stand for services which sent none."""
    spans = list(spans)
    parents = {span.parent_id for span in spans if span.is_segment}
    return [_inferred(span) for span in spans if is_call(span) and span.id not in parents and not span.is_traced]


def is_call(span: Span) -> bool:
    """Whether a span is a call to another service."""
    return not span.is_segment and (span.namespace in {"aws", "remote"} or span.is_sql)


def _inferred(call: Span) -> Span:
    name, origin = called(call)
    return replace(
        call,
        id=f"inferred:{call.id}",
        parent_id=call.id,
        name=name,
        service=name,
        kind="SPAN_KIND_SERVER",
        document="segment",
        origin=origin,
        is_inferred=True,
        is_traced=False,
        attributes=MappingProxyType({}),
    )


def called(call: Span) -> tuple[str, str]:
    """Answer the node that a call went to: its name and its type."""
    if call.is_sql:
        return call.name, "Database::SQL"
    if call.namespace != "aws":
        return call.name, "remote"
    service = AWS_NAMES.get(call.name.lower(), call.name)
    if service in RESOURCE_TYPES and call.resource:
        return call.resource, RESOURCE_TYPES[service]
    return service, f"AWS::{service}"
