"""Events of a log group, page by page: the calls of CloudWatch Logs that a backfill needs, as a port, and through boto3.

A page holds up to 10,000 events or 1 MB, in the order of their times; an empty page is not the end: only a page without a token is
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from collectors.sources.logs_errors import translated
from tailrace.errors import PermanentError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

ACTION: Final = "logs:FilterLogEvents"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: CloudWatch's id, its time in milliseconds since 1970, its stream and its message."""

    id: str
    time_ms: int
    stream: str
    message: str


@dataclass(frozen=True, slots=True)
class Page:
    """Events, and the token of the next page (empty: this is the last)."""

    events: Sequence[Event]
    token: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which events: of a group (its name or ARN), of [start, end) in milliseconds since 1970, that match a pattern (empty: all)."""

    group: str
    start_ms: int
    end_ms: int
    pattern: str = ""


class StaleTokenError(Exception):
    """A token is older than 24 hours, or was none: the page is to be asked for by time."""


class FiltersEvents(Protocol):
    """The calls of CloudWatch Logs; they raise :class:`tailrace.errors.TransientError` when they may succeed later, else :class:`PermanentError`."""

    def page(self, asked: Asked, token: str = "") -> Page:
        """Answer a page; raises :class:`StaleTokenError` where the token is not taken."""
        ...

    def account(self, group: str) -> str:
        """Answer the account of a group; empty where that is not known."""
        ...


@dataclass(frozen=True, slots=True)
class Boto3Events:
    """The calls through boto3."""

    client: "CloudWatchLogsClient"

    def page(self, asked: Asked, token: str = "") -> Page:
        """Ask for a page."""
        group: dict[str, Any] = {"logGroupIdentifier" if asked.group.startswith("arn:") else "logGroupName": asked.group}
        more: dict[str, Any] = ({"filterPattern": asked.pattern} if asked.pattern else {}) | ({"nextToken": token} if token else {})
        try:
            answer = self.client.filter_log_events(**group, **more, startTime=asked.start_ms, endTime=asked.end_ms - 1)
        except ClientError as error:
            if token and error.response.get("Error", {}).get("Code") == "InvalidParameterException":
                raise StaleTokenError(str(error)) from error
            raise translated(error, asked.group, ACTION) from error
        except BotoCoreError as error:
            raise translated(error, asked.group, ACTION) from error
        events = [Event(one.get("eventId", ""), one["timestamp"], one["logStreamName"], one["message"]) for one in answer.get("events", [])]
        return Page(events, answer.get("nextToken", ""))

    def account(self, group: str) -> str:
        """Take it from the ARN, which may not be asked for."""
        if not group.startswith("arn:"):
            group = next((one.get("arn", "") for one in self._named(group) if one.get("logGroupName") == group), "")
        parts = group.split(":")
        return parts[4] if len(parts) > 5 else ""

    def _named(self, prefix: str) -> Sequence[Any]:
        try:
            return self.client.describe_log_groups(logGroupNamePrefix=prefix).get("logGroups", [])
        except (ClientError, BotoCoreError):
            return []


def name_of(group: str) -> str:
    """Answer the name of a group that was given by its ARN.

    >>> name_of("arn:aws:logs:eu-west-1:123456789012:log-group:/shop/web:*"), name_of("/shop/web")
    ('/shop/web', '/shop/web')
    """
    if not group.startswith("arn:"):
        return group
    parts = group.split(":")
    if len(parts) < 7 or parts[5] != "log-group":
        raise PermanentError(f"{group}: not the ARN of a log group, such as arn:aws:logs:eu-west-1:123456789012:log-group:/shop/web")
    return parts[6]
