"""What is behind a destination is found: the functions that read it, the streams that they deliver to, and where these write to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from collectors.subscriptions.destination import Boto3Pipeline, Fed, Function, fed_by, read_destination
from tailrace import aws
from tailrace.errors import PermanentError, UsageError
from tailrace.settings import Settings

STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/logs"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:collect"
HOSE = "arn:aws:firehose:us-east-1:123456789012:deliverystream/lake"


@dataclass
class Pipeline:
    functions: dict[str, Function] = field(default_factory=dict)
    reading: dict[str, list[str]] = field(default_factory=dict)
    writing: dict[str, list[str]] = field(default_factory=dict)

    def function(self, name: str) -> Function:
        if name not in self.functions:
            raise PermanentError(f"function {name}: AccessDeniedException; the caller needs the IAM action lambda:GetFunctionConfiguration")
        return self.functions[name]

    def readers(self, stream_arn: str) -> Sequence[str]:
        return self.reading.get(stream_arn, [])

    def stream_writes(self, name: str) -> Sequence[str]:
        if name not in self.writing:
            raise PermanentError(f"Firehose stream {name}: ResourceNotFoundException")
        return self.writing[name]


@pytest.mark.parametrize("arn", ["", "logs", "arn:aws:s3:::bucket", "arn:aws:kinesis", "arn:aws:kinesis:us-east-1:1:"])
def test_what_a_filter_cannot_send_to_is_one_clear_error(arn: str) -> None:
    with pytest.raises(UsageError, match="not a destination of a subscription filter"):
        read_destination(arn)


def test_destinations_are_read_from_their_arns() -> None:
    arns = (STREAM, FUNCTION, "arn:aws-cn:firehose:cn-north-1:1:deliverystream/d", "arn:aws:logs:eu-west-1:1:destination:central")
    assert [(found.service, found.name, found.account, found.region) for found in map(read_destination, arns)] == [
        ("kinesis", "logs", "123456789012", "us-east-1"),
        ("lambda", "collect", "123456789012", "us-east-1"),
        ("firehose", "d", "1", "cn-north-1"),
        ("logs", "central", "1", "eu-west-1"),
    ]


def test_a_function_feeds_its_log_group_and_those_of_the_streams_and_the_domain_that_it_delivers_to() -> None:
    pipeline = Pipeline({FUNCTION: Function("/custom/collect", "lake")}, writing={"lake-logs": ["/errors/lake", "/aws/OpenSearchService/domains/hot/*"]})
    fed = fed_by(read_destination(FUNCTION), pipeline)
    assert fed.reason("/custom/collect") == "the function collect writes to it"
    assert fed.reason("/aws/lambda/collect") == "the function that it would be sent to writes to it"
    assert fed.reason("/aws/kinesisfirehose/lake-dead") == "the Firehose stream lake-dead writes to it"
    assert fed.reason("/errors/lake") == "what is behind the Firehose stream lake-logs writes to it"
    assert fed.reason("/aws/OpenSearchService/domains/hot/index-logs") == "what is behind the Firehose stream lake-logs writes to it"
    assert (fed.reason("/errors"), fed.reason("/aws/OpenSearchService/domains/hotter/index-logs"), fed.unknown) == ("", "", ())
    assert "/aws/OpenSearchService/domains/hot/*" not in fed.names


def test_a_stream_feeds_the_groups_of_the_functions_that_read_it() -> None:
    pipeline = Pipeline({FUNCTION: Function("/aws/lambda/collect")}, {STREAM: [FUNCTION]})
    assert fed_by(read_destination(STREAM), pipeline).names == ("/aws/lambda/collect",)


def test_what_may_not_be_asked_is_said_and_the_names_of_ours_are_known_anyway() -> None:
    fed = fed_by(read_destination(FUNCTION), Pipeline(), streams="lake")
    assert fed.unknown == (f"function {FUNCTION}: AccessDeniedException; the caller needs the IAM action lambda:GetFunctionConfiguration",)
    assert "/aws/kinesisfirehose/lake-metrics" in fed.names
    assert Fed().reason("/aws/ecs/tailrace/keeper") == "Tailrace writes to it"

    class Denied(Pipeline):
        def stream_writes(self, name: str) -> Sequence[str]:
            raise PermanentError(f"Firehose stream {name}: AccessDeniedException")

    assert fed_by(read_destination(HOSE), Denied()).unknown == ("Firehose stream lake: AccessDeniedException",)


def test_the_pipeline_is_asked_of_aws(moto: Settings) -> None:
    s3, iam_role = aws.client("s3", moto), "arn:aws:iam::123456789012:role/r"
    s3.create_bucket(Bucket="lake")
    functions: Any = aws.client("lambda", moto)
    hoses = aws.client("firehose", moto)
    logging = {"Enabled": True, "LogGroupName": "/errors/lake", "LogStreamName": "s"}
    hoses.create_delivery_stream(
        DeliveryStreamName="lake-logs",
        ExtendedS3DestinationConfiguration={"RoleARN": iam_role, "BucketARN": "arn:aws:s3:::lake", "CloudWatchLoggingOptions": logging},  # type: ignore[typeddict-item]
    )
    kinesis = aws.client("kinesis", moto)
    kinesis.create_stream(StreamName="piped", ShardCount=1)
    pipeline = Boto3Pipeline(functions, hoses)
    assert pipeline.stream_writes("lake-logs") == ["/errors/lake"]
    assert pipeline.readers("arn:aws:kinesis:us-east-1:123456789012:stream/piped") == []
    with pytest.raises(PermanentError, match=r"ResourceNotFoundException.*look at the name"):
        pipeline.function("none")
    with pytest.raises(PermanentError, match="ResourceNotFoundException"):
        pipeline.stream_writes("none")


def test_a_functions_log_group_and_streams_are_read_from_its_configuration() -> None:
    class Client:
        def __init__(self, **answer: Any) -> None:
            self.answer = answer

        def get_function_configuration(self, **given: str) -> Any:
            return {"FunctionName": "collect", **self.answer}

    named = Client(LoggingConfig={"LogGroup": "/custom"}, Environment={"Variables": {"TAILRACE_FIREHOSE_STREAMS": "lake"}})
    assert Boto3Pipeline(named, None).function("collect") == Function("/custom", "lake")
    assert Boto3Pipeline(Client(), None).function(FUNCTION) == Function("/aws/lambda/collect")
