"""Doing what was planned, group by group, and taking it back: what one group refuses hinders no other, and doing it again changes nothing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from collectors.subscriptions.account_policy import AccountPolicy
from collectors.subscriptions.destination import Destination
from collectors.subscriptions.inventory import matching_groups
from collectors.subscriptions.log_groups import KeepsSubscriptions, LogGroup
from collectors.subscriptions.plan import ALL, FILTER_NAME, Step
from tailrace.aws_errors import in_plain_words
from tailrace.errors import DeliveryError, PermanentError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient


def apply(port: KeepsSubscriptions, steps: Iterable[Step]) -> Iterator[Step]:
    """Do what was planned; answer each step when it is done. A group that AWS refuses is ``failed``."""
    return (_applied(port, step) for step in steps)


def _applied(port: KeepsSubscriptions, step: Step) -> Step:
    if step.action not in {"put", "change"} or step.wanted is None:
        return step
    try:
        if isinstance(step.wanted, AccountPolicy):
            port.put_policy(step.wanted)
        else:
            port.put(step.group, step.wanted)
    except DeliveryError as error:
        return replace(step, action="failed", why=str(error))
    return replace(step, action="done", why=f"sends to {step.wanted.destination_arn}")


def plan_removal(port: KeepsSubscriptions, patterns: Sequence[str], name: str = FILTER_NAME) -> list[Step]:
    """Find the filters of that name, and where all groups are meant the account policy of that name too; nothing of another name."""
    steps = []
    if ALL in patterns:
        try:
            steps = [Step(ALL, "remove", f"has the account policy {name}") for policy in port.policies() if policy.name == name]
        except DeliveryError as error:
            steps = [Step(ALL, "skip", str(error))]
    return steps + [_found(port, group, name) for group in matching_groups(port, patterns)]


def _found(port: KeepsSubscriptions, group: LogGroup, name: str) -> Step:
    if group.log_class != "STANDARD" or all(one.name != name for one in port.filters(group.name)):
        return Step(group.name, "keep", f"has no filter {name}")
    return Step(group.name, "remove", f"has the filter {name}")


def remove(port: KeepsSubscriptions, steps: Iterable[Step], name: str = FILTER_NAME) -> Iterator[Step]:
    """Delete what was found; answer each step when it is done."""
    return (_removed(port, step, name) for step in steps)


def _removed(port: KeepsSubscriptions, step: Step, name: str) -> Step:
    if step.action != "remove":
        return step
    try:
        if step.group == ALL:
            port.delete_policy(name)
        else:
            port.delete(step.group, name)
    except DeliveryError as error:
        return replace(step, action="failed", why=str(error))
    return replace(step, why=f"the {'account policy' if step.group == ALL else 'filter'} {name} is gone")


def ensure_stream(client: "KinesisClient", destination: Destination, shards: int = 1) -> bool:
    """Make the Kinesis stream of a destination where there is none, and wait until it is active; answer whether it was made."""
    if destination.service != "kinesis":
        raise UsageError(f"only a Kinesis stream can be made here, not {destination.arn}")
    try:
        client.create_stream(StreamName=destination.name, ShardCount=shards)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceInUseException":
            return False
        raise PermanentError(in_plain_words(error, f"stream {destination.name}", "kinesis:CreateStream")) from error
    client.get_waiter("stream_exists").wait(StreamName=destination.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return True
