"""The calls of CloudWatch Logs that subscriptions need, as a port and through boto3."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from collectors.subscriptions.account_policy import POLICY_TYPE, AccountPolicy, read_policy
from tailrace.aws_errors import asked

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

MAX_FILTERS: Final = 2
"""Subscription filters a log group can have (an account-level policy comes on top):
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html."""


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A log group; only groups of class ``STANDARD`` can have subscription filters.

    ``retention_days`` is ``None`` where events are kept for ever; ``created_ms`` is 0 where it is not known.
    """

    name: str
    log_class: str = "STANDARD"
    retention_days: int | None = None
    stored_bytes: int = 0
    kms_key: str = ""
    created_ms: int = 0


@dataclass(frozen=True, slots=True)
class SubscriptionFilter:
    """A subscription filter of a log group; ``role_arn`` is who writes to Kinesis or Firehose, and empty for Lambda."""

    name: str
    destination_arn: str
    pattern: str = ""
    role_arn: str = ""


class KeepsSubscriptions(Protocol):
    """Log groups, their subscription filters and the account's policies; calls raise :class:`tailrace.errors.DeliveryError` with AWS's reason."""

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

    def policies(self) -> Sequence[AccountPolicy]:
        """List the account's subscription filter policies in the Region."""
        ...

    def put_policy(self, wanted: AccountPolicy) -> None:
        """Make a policy, or change the one of that name."""
        ...

    def delete_policy(self, name: str) -> None:
        """Delete a policy."""
        ...


@dataclass(frozen=True, slots=True)
class Boto3LogGroups:
    """The calls through boto3."""

    client: "CloudWatchLogsClient"

    def groups(self, prefix: str) -> Sequence[LogGroup]:
        """List the log groups whose names begin so, page by page."""
        pages = self.client.get_paginator("describe_log_groups")
        given: Any = {"logGroupNamePrefix": prefix} if prefix else {}
        return asked("log groups", "logs:DescribeLogGroups", lambda: [_log_group(group) for page in pages.paginate(**given) for group in page["logGroups"]])

    def filters(self, group: str) -> Sequence[SubscriptionFilter]:
        """List the filters of a group."""
        answer = asked(group, "logs:DescribeSubscriptionFilters", lambda: self.client.describe_subscription_filters(logGroupName=group))
        return [
            SubscriptionFilter(one["filterName"], one["destinationArn"], one.get("filterPattern", ""), one.get("roleArn") or "")
            for one in answer["subscriptionFilters"]
        ]

    def put(self, group: str, wanted: SubscriptionFilter) -> None:
        """Put a filter."""
        role: Any = {"roleArn": wanted.role_arn} if wanted.role_arn else {}
        asked(
            group,
            "logs:PutSubscriptionFilter",
            lambda: self.client.put_subscription_filter(
                logGroupName=group, filterName=wanted.name, filterPattern=wanted.pattern, destinationArn=wanted.destination_arn, **role
            ),
        )

    def delete(self, group: str, name: str) -> None:
        """Delete a filter."""
        asked(group, "logs:DeleteSubscriptionFilter", lambda: self.client.delete_subscription_filter(logGroupName=group, filterName=name))

    def policies(self) -> Sequence[AccountPolicy]:
        """List the account's subscription filter policies in the Region, page by page."""
        return asked("account policies", "logs:DescribeAccountPolicies", lambda: list(self._policies()))

    def _policies(self) -> Iterator[AccountPolicy]:
        page: Any = {}
        while True:
            answer = self.client.describe_account_policies(policyType=POLICY_TYPE, **page)
            for one in answer.get("accountPolicies", []):
                yield read_policy(one["policyName"], one["policyDocument"], one.get("selectionCriteria", ""))
            if not answer.get("nextToken"):
                return
            page = {"nextToken": answer["nextToken"]}

    def put_policy(self, wanted: AccountPolicy) -> None:
        """Put a policy; it holds for all log groups of the account in the Region, also for those to come, but for the excluded ones."""
        selection: Any = {"selectionCriteria": wanted.selection} if wanted.selection else {}
        asked(
            f"account policy {wanted.name}",
            "logs:PutAccountPolicy",
            lambda: self.client.put_account_policy(policyName=wanted.name, policyDocument=wanted.document, policyType=POLICY_TYPE, scope="ALL", **selection),
        )

    def delete_policy(self, name: str) -> None:
        """Delete a policy."""
        asked(f"account policy {name}", "logs:DeleteAccountPolicy", lambda: self.client.delete_account_policy(policyName=name, policyType=POLICY_TYPE))


def _log_group(found: Any) -> LogGroup:  # noqa: ANN401 - a structure of boto3, whose stubs differ by version
    return LogGroup(
        found["logGroupName"],
        found.get("logGroupClass") or "STANDARD",
        found.get("retentionInDays"),
        found.get("storedBytes") or 0,
        found.get("kmsKeyId") or "",
        found.get("creationTime") or 0,
    )
