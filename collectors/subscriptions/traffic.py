"""How much comes into log groups, and how large its events are.

Bytes and events are the metrics ``IncomingBytes`` and ``IncomingLogEvents`` of namespace ``AWS/Logs``
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html), asked by GetMetricData for 14 whole days, 500 queries a call. A group
without data points was silent if it is older than that, else its traffic is not known. Sizes come from one page of FilterLogEvents.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from collectors.subscriptions.log_groups import LogGroup
from tailrace.aws_errors import asked
from tailrace.clock import US_PER_DAY, Clock, SystemClock, to_datetime

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

DAYS: Final = 14
MAX_QUERIES: Final = 500
"""Queries a call of GetMetricData: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html."""

PERIOD_S: Final = 86_400
METRICS: Final = ("IncomingBytes", "IncomingLogEvents")
SAMPLE_EVENTS: Final = 1_000
SAMPLE_PAGES: Final = 5
"""Pages that are asked for where they are empty: an empty page is not the end."""

SAMPLE_HOURS: Final = 24
REQUESTS_A_SECOND: Final = 5
"""FilterLogEvents, an account and Region: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What comes into a group in a day: bytes before compression, and events."""

    bytes_per_day: float
    events_per_day: float


class KnowsTraffic(Protocol):
    """How much comes in; calls raise :class:`tailrace.errors.DeliveryError`."""

    def traffic(self, groups: Sequence[LogGroup], now_us: int) -> Mapping[str, Traffic]:
        """Answer the traffic of groups, by name; a group of which nothing is known is left out."""
        ...


class TakesSamples(Protocol):
    """What events look like; calls raise :class:`tailrace.errors.DeliveryError`."""

    def sizes(self, group: str, pattern: str, now_us: int) -> Sequence[int]:
        """Answer the bytes of events of the last day."""
        ...


@dataclass(frozen=True, slots=True)
class Boto3Metrics:
    """The metrics through boto3: ``client`` is its client of CloudWatch."""

    client: Any

    def traffic(self, groups: Sequence[LogGroup], now_us: int) -> Mapping[str, Traffic]:
        """Ask for the 14 whole days before today (UTC)."""
        end_us = now_us - now_us % US_PER_DAY
        sums: dict[tuple[str, str], float] = {}
        for queries in _calls(groups):
            asked("metrics of log groups", "cloudwatch:GetMetricData", lambda queries=queries: self._add(queries, end_us, sums))  # type: ignore[misc]
        return {group.name: _per_day(group, sums, end_us) for group in groups if (group.name, METRICS[0]) in sums or _was_silent(group, end_us)}

    def _add(self, queries: Mapping[str, tuple[str, str]], end_us: int, sums: dict[tuple[str, str], float]) -> None:
        end = to_datetime(end_us)
        request = {
            "MetricDataQueries": [_query(name, *what) for name, what in queries.items()],
            "StartTime": end - timedelta(days=DAYS),
            "EndTime": end,
        }
        answer = self.client.get_metric_data(**request)
        while True:
            for result in answer["MetricDataResults"]:
                if result["Values"]:
                    key = queries[result["Id"]]
                    sums[key] = sums.get(key, 0.0) + sum(result["Values"])
            if not answer.get("NextToken"):
                return
            answer = self.client.get_metric_data(**request, NextToken=answer["NextToken"])


def _calls(groups: Sequence[LogGroup]) -> Iterator[Mapping[str, tuple[str, str]]]:
    wanted = [(group.name, metric) for group in groups for metric in METRICS]
    for start in range(0, len(wanted), MAX_QUERIES):
        yield {f"q{number}": what for number, what in enumerate(wanted[start : start + MAX_QUERIES])}


def _query(name: str, group: str, metric: str) -> Mapping[str, Any]:
    described = {"Namespace": "AWS/Logs", "MetricName": metric, "Dimensions": [{"Name": "LogGroupName", "Value": group}]}
    return {"Id": name, "MetricStat": {"Metric": described, "Period": PERIOD_S, "Stat": "Sum"}}


def _was_silent(group: LogGroup, end_us: int) -> bool:
    """Whether a group without data points was there all the time: then nothing came in."""
    return 0 < group.created_ms * 1_000 <= end_us - DAYS * US_PER_DAY


def _per_day(group: LogGroup, sums: Mapping[tuple[str, str], float], end_us: int) -> Traffic:
    age_days = (end_us - group.created_ms * 1_000) / US_PER_DAY
    days = min(DAYS, max(1.0, age_days))
    incoming, events = (sums.get((group.name, metric), 0.0) / days for metric in METRICS)
    return Traffic(incoming, events)


@dataclass(frozen=True, slots=True)
class Boto3Samples:
    """Samples through boto3, five requests a second."""

    client: "CloudWatchLogsClient"
    clock: Clock = SystemClock()  # noqa: RUF009 - it has no state

    def sizes(self, group: str, pattern: str, now_us: int) -> Sequence[int]:
        """Ask for a page of events, and on while pages are empty."""
        now_ms = now_us // 1_000
        request: Any = {"logGroupName": group, "startTime": now_ms - SAMPLE_HOURS * 3_600_000, "endTime": now_ms, "limit": SAMPLE_EVENTS}
        if pattern:
            request["filterPattern"] = pattern
        for _ in range(SAMPLE_PAGES):
            answer = asked(f"sample of {group}", "logs:FilterLogEvents", lambda: self.client.filter_log_events(**request))
            if answer["events"] or not answer.get("nextToken"):
                return [len(event["message"].encode("utf-8", "surrogatepass")) for event in answer["events"]]
            request["nextToken"] = answer["nextToken"]
            self.clock.sleep(1 / REQUESTS_A_SECOND)
        return []


@dataclass(frozen=True, slots=True)
class MemoryTraffic:
    """Traffic and samples that are known beforehand."""

    known: Mapping[str, Traffic]
    sampled: Mapping[str, Sequence[int]]

    def traffic(self, groups: Iterable[LogGroup], now_us: int) -> Mapping[str, Traffic]:
        """Answer what is known."""
        del now_us
        return {group.name: self.known[group.name] for group in groups if group.name in self.known}

    def sizes(self, group: str, pattern: str, now_us: int) -> Sequence[int]:
        """Answer what was sampled."""
        del pattern, now_us
        return self.sampled.get(group, ())
