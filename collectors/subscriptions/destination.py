"""Where subscription filters send to, and which log groups are fed by what is behind it.

A group that the pipeline itself writes to must never be subscribed: each event would make another one, for ever. Such groups are known by the names that Tailrace gives, and asked of
AWS: the function's own log group, that of the functions that read a Kinesis stream, the error logs of the Firehose streams that they deliver to, and those of the OpenSearch domain behind.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from tailrace.aws_errors import asked
from tailrace.errors import DeliveryError, UsageError

OWN_GROUP: Final = re.compile(r"/aws/(lambda|kinesisfirehose|ecs|OpenSearchService/domains)/tailrace([-_/].*)?")
STREAMS_SETTING: Final = "TAILRACE_FIREHOSE_STREAMS"
TABLES: Final = ("logs", "spans", "metrics", "dead")
"""What the streams of a prefix are called: ``firehose/sinks/amazon_firehose/stream.py``."""

_ARN: Final = re.compile(r"arn:(?P<partition>[a-z-]+):(?P<service>kinesis|firehose|lambda|logs):(?P<region>[a-z0-9-]*):(?P<account>\d*):(?P<resource>.+)")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where filters send to: its ARN, the service in it (kinesis, firehose, lambda, logs), the resource's name, account and Region."""

    arn: str
    service: str
    name: str
    account: str = ""
    region: str = ""


def read_destination(arn: str) -> Destination:
    """Read an ARN; raises :class:`UsageError` where a filter cannot send to it."""
    found = _ARN.fullmatch(arn)
    if not found:
        raise UsageError(
            f"not a destination of a subscription filter: {arn!r}; it is the ARN of a Kinesis stream, a Firehose stream, a function or a logs destination"
        )
    return Destination(arn, found["service"], re.split(r"[/:]", found["resource"], maxsplit=1)[-1], found["account"], found["region"])


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function: the log group that it writes to, and the prefix of the Firehose streams that it delivers to."""

    log_group: str
    streams: str = ""


class KnowsPipeline(Protocol):
    """What is behind a destination; calls raise :class:`DeliveryError`."""

    def function(self, name: str) -> Function:
        """Answer a function by its name or ARN."""
        ...

    def readers(self, stream_arn: str) -> Sequence[str]:
        """List the functions that read a Kinesis stream, by ARN."""
        ...

    def stream_writes(self, name: str) -> Sequence[str]:
        """List the log groups that a Firehose stream writes to, and what groups of its domain begin with (with a ``*`` at the end)."""
        ...


@dataclass(frozen=True, slots=True)
class Fed:
    """Log groups that the pipeline writes to, by name or by the beginning of it (with a ``*`` at the end), each with its reason; and what could not be asked."""

    groups: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def reason(self, name: str) -> str:
        """Say why a group must not be subscribed; empty: it may be.

        >>> Fed({"/aws/OpenSearchService/domains/logs/*": "the domain writes to it"}).reason("/aws/OpenSearchService/domains/logs/index-logs")
        'the domain writes to it'
        """
        if OWN_GROUP.fullmatch(name):
            return "Tailrace writes to it"
        if name in self.groups:
            return self.groups[name]
        return next((why for pattern, why in self.groups.items() if pattern.endswith("*") and name.startswith(pattern[:-1])), "")

    @property
    def names(self) -> tuple[str, ...]:
        """The groups whose whole names are known, also those that do not exist yet."""
        return tuple(sorted(name for name in self.groups if not name.endswith("*")))


def fed_by(destination: Destination, pipeline: KnowsPipeline | None = None, streams: str = "") -> Fed:
    """Find the log groups that feed themselves; ``streams`` is the prefix of Firehose streams in the settings."""
    groups: dict[str, str] = {}
    unknown: list[str] = []
    for name, why in _by_name(destination, streams):
        groups.setdefault(name, why)
    if pipeline is not None:
        _follow(destination, pipeline, streams, groups, unknown)
    return Fed(groups, tuple(unknown))


def _by_name(destination: Destination, streams: str) -> Iterator[tuple[str, str]]:
    if destination.service == "lambda":
        yield f"/aws/lambda/{destination.name.split(':')[0]}", "the function that it would be sent to writes to it"
    if destination.service == "firehose":
        yield f"/aws/kinesisfirehose/{destination.name}", "the Firehose stream that it would be sent to writes to it"
    for table in TABLES if streams else ():
        yield f"/aws/kinesisfirehose/{streams}-{table}", f"the Firehose stream {streams}-{table} writes to it"


def _follow(destination: Destination, pipeline: KnowsPipeline, streams: str, groups: dict[str, str], unknown: list[str]) -> None:
    functions, prefixes = [destination.arn] if destination.service == "lambda" else [], {streams} - {""}
    try:
        if destination.service == "kinesis":
            functions = list(pipeline.readers(destination.arn))
        for function in functions:
            found = pipeline.function(function)
            groups.setdefault(found.log_group, f"the function {function.rsplit(':', 1)[-1]} writes to it")
            prefixes |= {found.streams} - {""}
    except DeliveryError as error:
        unknown.append(str(error))
    wanted = [destination.name] if destination.service == "firehose" else [f"{prefix}-{table}" for prefix in sorted(prefixes) for table in TABLES]
    for stream in wanted:
        groups.setdefault(f"/aws/kinesisfirehose/{stream}", f"the Firehose stream {stream} writes to it")
        try:
            for name in pipeline.stream_writes(stream):
                groups.setdefault(name, f"what is behind the Firehose stream {stream} writes to it")
        except DeliveryError as error:
            if "ResourceNotFoundException" not in str(error):  # a stream that is not there yet writes nowhere yet
                unknown.append(str(error))


@dataclass(frozen=True, slots=True)
class Boto3Pipeline:
    """The calls through boto3: ``lambda_client`` and ``firehose_client`` are its clients of these services."""

    lambda_client: Any
    firehose_client: Any

    def function(self, name: str) -> Function:
        """Read a function's configuration."""
        found = asked(f"function {name}", "lambda:GetFunctionConfiguration", lambda: self.lambda_client.get_function_configuration(FunctionName=name))
        group = found.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{found['FunctionName']}"
        return Function(group, found.get("Environment", {}).get("Variables", {}).get(STREAMS_SETTING, ""))

    def readers(self, stream_arn: str) -> Sequence[str]:
        """List the event source mappings of a stream."""
        pages = self.lambda_client.get_paginator("list_event_source_mappings")
        return asked(
            f"readers of {stream_arn}",
            "lambda:ListEventSourceMappings",
            lambda: [one["FunctionArn"] for page in pages.paginate(EventSourceArn=stream_arn) for one in page["EventSourceMappings"]],
        )

    def stream_writes(self, name: str) -> Sequence[str]:
        """Read where a Firehose stream writes its errors to."""
        answer = asked(
            f"Firehose stream {name}", "firehose:DescribeDeliveryStream", lambda: self.firehose_client.describe_delivery_stream(DeliveryStreamName=name)
        )
        return list(dict.fromkeys(_written(answer["DeliveryStreamDescription"].get("Destinations", []))))


def _written(destinations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for destination in destinations:
        for described in destination.values():
            if not isinstance(described, Mapping):
                continue
            if group := described.get("CloudWatchLoggingOptions", {}).get("LogGroupName"):
                yield group
            if domain := described.get("DomainARN"):
                yield f"/aws/OpenSearchService/domains/{domain.rsplit('/', 1)[-1]}/*"
