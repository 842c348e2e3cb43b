"""Subscribing log groups: what is to be done is planned first, as a list that can be shown, and then done group by group.

A log group has room for two subscription filters, so a group that others fill is reported and left alone. Groups that Tailrace itself writes to are never subscribed:
each event would make another one, for ever.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Literal

from botocore.exceptions import ClientError

from collectors.subscriptions.log_groups import MAX_FILTERS, KeepsSubscriptions, LogGroup, SubscriptionFilter
from tailrace.errors import DeliveryError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

FILTER_NAME: Final = "tailrace"
OWN_GROUP: Final = re.compile(r"/aws/(lambda|kinesisfirehose|ecs)/tailrace([-_/].*)?")
_ARN: Final = re.compile(r"arn:[a-z-]+:(?P<service>kinesis|firehose|lambda|logs):(?P<region>[a-z0-9-]*):(?P<account>\d*):(?P<resource>.+)")
_WILDCARD: Final = re.compile(r"[*?\[]")

Action = Literal["put", "change", "keep", "skip", "remove", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where filters send to: its ARN, the service in it (kinesis, firehose, lambda, logs) and the resource's name."""

    arn: str
    service: str
    name: str


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done, or was done, with one group, and why."""

    group: str
    action: Action
    why: str
    wanted: SubscriptionFilter | None = None


def read_destination(arn: str) -> Destination:
    """Read an ARN; raises :class:`UsageError` where a filter cannot send to it."""
    found = _ARN.fullmatch(arn)
    if not found:
        raise UsageError(
            f"not a destination of a subscription filter: {arn!r}; it is the ARN of a Kinesis stream, a Firehose stream, a function or a logs destination"
        )
    return Destination(arn, found["service"], re.split(r"[/:]", found["resource"], maxsplit=1)[-1])


def matching_groups(port: KeepsSubscriptions, patterns: Iterable[str]) -> list[LogGroup]:
    """List the groups that names or patterns (``*``, ``?``, ``[a-z]``) name, by name; a pattern without match is a :class:`UsageError`."""
    found: dict[str, LogGroup] = {}
    for pattern in patterns:
        prefix = _WILDCARD.split(pattern, maxsplit=1)[0]
        matches = [group for group in port.groups(prefix) if fnmatchcase(group.name, pattern) or group.name == pattern]
        if not matches:
            raise UsageError(f"no log group matches {pattern!r}")
        found |= {group.name: group for group in matches}
    return [found[name] for name in sorted(found)]


def plan(port: KeepsSubscriptions, patterns: Iterable[str], wanted: SubscriptionFilter) -> list[Step]:
    """Say what it takes to have a filter on each group."""
    destination = read_destination(wanted.destination_arn)
    if destination.service == "lambda" and wanted.role_arn:
        raise UsageError("a function is called by permission, not by a role: leave the role away")
    return [_planned(port, group, wanted, destination) for group in matching_groups(port, patterns)]


def _planned(port: KeepsSubscriptions, group: LogGroup, wanted: SubscriptionFilter, destination: Destination) -> Step:
    if is_own_group(group.name, destination):
        return Step(group.name, "skip", "Tailrace writes to it: subscribing it would never end")
    if group.log_class != "STANDARD":
        return Step(group.name, "skip", f"a group of class {group.log_class} has no subscription filters")
    filters = port.filters(group.name)
    same = next((one for one in filters if one.destination_arn == wanted.destination_arn and one.name != wanted.name), None)
    if same:
        return Step(group.name, "keep", f"sends there already, by the filter {same.name}")
    own = next((one for one in filters if one.name == wanted.name), None)
    if own:
        # AWS answers with the role that it uses, so one that was not asked for is no difference
        is_same = own == wanted or (not wanted.role_arn and replace(own, role_arn="") == wanted)
        return Step(group.name, "keep" if is_same else "change", "sends there already" if is_same else f"sends to {own.destination_arn}", wanted)
    if len(filters) >= MAX_FILTERS:
        return Step(group.name, "skip", f"has no room: {' and '.join(one.name for one in filters)} are its {MAX_FILTERS} filters")
    return Step(group.name, "put", f"has room for {MAX_FILTERS - len(filters)} of {MAX_FILTERS} filters", wanted)


def is_own_group(name: str, destination: Destination | None = None) -> bool:
    """Whether Tailrace writes to a group: its functions' and streams' own logs.

    >>> is_own_group("/aws/lambda/tailrace-collector"), is_own_group("/aws/lambda/checkout")
    (True, False)
    """
    of_destination = {"lambda": "/aws/lambda/", "firehose": "/aws/kinesisfirehose/"}.get(destination.service if destination else "")
    return bool(OWN_GROUP.fullmatch(name)) or (destination is not None and of_destination is not None and name == of_destination + destination.name)


def apply(port: KeepsSubscriptions, steps: Iterable[Step]) -> list[Step]:
    """Do what was planned; a group that AWS refuses is ``failed`` and hinders no other."""
    return [_applied(port, step) for step in steps]


def _applied(port: KeepsSubscriptions, step: Step) -> Step:
    if step.action not in {"put", "change"} or step.wanted is None:
        return step
    try:
        port.put(step.group, step.wanted)
    except DeliveryError as error:
        return replace(step, action="failed", why=str(error))
    return replace(step, action="done", why=f"sends to {step.wanted.destination_arn}")


def remove(port: KeepsSubscriptions, patterns: Iterable[str], filter_name: str = FILTER_NAME) -> list[Step]:
    """Delete the filter of that name from each group that has it."""
    return [_removed(port, group.name, filter_name) for group in matching_groups(port, patterns)]


def _removed(port: KeepsSubscriptions, group: str, filter_name: str) -> Step:
    if all(one.name != filter_name for one in port.filters(group)):
        return Step(group, "keep", f"has no filter {filter_name}")
    try:
        port.delete(group, filter_name)
    except DeliveryError as error:
        return Step(group, "failed", str(error))
    return Step(group, "remove", f"the filter {filter_name} is gone")


def status(port: KeepsSubscriptions, patterns: Sequence[str]) -> list[tuple[LogGroup, Sequence[SubscriptionFilter]]]:
    """List the groups and their filters."""
    return [(group, port.filters(group.name)) for group in matching_groups(port, patterns or ["*"])]


def ensure_stream(client: "KinesisClient", destination: Destination, shards: int = 1) -> bool:
    """Make the Kinesis stream of a destination where there is none, and wait until it is active; answer whether it was made."""
    if destination.service != "kinesis":
        raise UsageError(f"only a Kinesis stream can be made here, not {destination.arn}")
    try:
        client.create_stream(StreamName=destination.name, ShardCount=shards)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise
        return False
    client.get_waiter("stream_exists").wait(StreamName=destination.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return True
