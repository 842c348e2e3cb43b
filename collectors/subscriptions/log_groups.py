"""The calls of CloudWatch Logs that subscriptions need, as a port, through boto3, and in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.errors import PermanentError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

MAX_FILTERS: Final = 2
"""Subscription filters a log group can have (an account-level policy comes on top):
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A log group; only groups of class ``STANDARD`` can have subscription filters."""

    name: str
    log_class: str = "STANDARD"


@dataclass(frozen=True, slots=True)
class SubscriptionFilter:
    """A subscription filter of a log group; ``role_arn`` is who writes to Kinesis or Firehose, and empty for Lambda."""

    name: str
    destination_arn: str
    pattern: str = ""
    role_arn: str = ""


class KeepsSubscriptions(Protocol):
    """Log groups and their subscription filters; calls raise :class:`PermanentError` with AWS's reason."""

    def groups(self, prefix: str) -> Sequence[LogGroup]:
        """List the log groups whose names begin so."""
        ...

    def filters(self, group: str) -> Sequence[SubscriptionFilter]:
        """List the filters of a group."""
        ...

    def put(self, group: str, wanted: SubscriptionFilter) -> None:
        """Make a filter, or change the one of that name."""
        ...

    def delete(self, group: str, name: str) -> None:
        """Delete a filter."""
        ...


@dataclass(frozen=True, slots=True)
class Boto3LogGroups:
    """The calls through boto3."""

    client: "CloudWatchLogsClient"

    def groups(self, prefix: str) -> Sequence[LogGroup]:
        """List the log groups whose names begin so, page by page."""
        pages = self.client.get_paginator("describe_log_groups")
        given = {"logGroupNamePrefix": prefix} if prefix else {}
        found = _asked("log groups", lambda: [group for page in pages.paginate(**given) for group in page["logGroups"]])  # type: ignore[arg-type]
        return [LogGroup(group["logGroupName"], group.get("logGroupClass") or "STANDARD") for group in found]

    def filters(self, group: str) -> Sequence[SubscriptionFilter]:
        """List the filters of a group."""
        answer = _asked(group, lambda: self.client.describe_subscription_filters(logGroupName=group))
        return [
            SubscriptionFilter(one["filterName"], one["destinationArn"], one.get("filterPattern", ""), one.get("roleArn") or "")
            for one in answer["subscriptionFilters"]
        ]

    def put(self, group: str, wanted: SubscriptionFilter) -> None:
        """Put a filter."""
        role = {"roleArn": wanted.role_arn} if wanted.role_arn else {}
        _asked(
            group,
            lambda: self.client.put_subscription_filter(
                logGroupName=group,
                filterName=wanted.name,
                filterPattern=wanted.pattern,
                destinationArn=wanted.destination_arn,
                **role,  # type: ignore[arg-type]
            ),
        )

    def delete(self, group: str, name: str) -> None:
        """Delete a filter."""
        _asked(group, lambda: self.client.delete_subscription_filter(logGroupName=group, filterName=name))


def _asked(what: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except (ClientError, BotoCoreError) as error:
        raise PermanentError(f"{what}: {error}") from error


@dataclass(slots=True)
class MemoryLogGroups:
    """Log groups in memory, with AWS's limit; those named in ``refused`` refuse changes."""

    found: dict[LogGroup, dict[str, SubscriptionFilter]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    def groups(self, prefix: str) -> Sequence[LogGroup]:
        """List the log groups whose names begin so."""
        return sorted((group for group in self.found if group.name.startswith(prefix)), key=lambda group: group.name)

    def filters(self, group: str) -> Sequence[SubscriptionFilter]:
        """List the filters of a group."""
        return list(self._of(group).values())

    def put(self, group: str, wanted: SubscriptionFilter) -> None:
        """Put a filter; a third one is refused."""
        filters = self._of(group)
        if group in self.refused:
            raise PermanentError(f"{group}: AccessDeniedException")
        if wanted.name not in filters and len(filters) == MAX_FILTERS:
            raise PermanentError(f"{group}: LimitExceededException: Resource limit exceeded.")
        filters[wanted.name] = wanted

    def delete(self, group: str, name: str) -> None:
        """Delete a filter."""
        if group in self.refused or name not in self._of(group):
            raise PermanentError(f"{group}: ResourceNotFoundException: The specified subscription filter does not exist.")
        del self._of(group)[name]

    def _of(self, group: str) -> dict[str, SubscriptionFilter]:
        for one, filters in self.found.items():
            if one.name == group:
                return filters
        raise PermanentError(f"{group}: ResourceNotFoundException: The specified log group does not exist.")
