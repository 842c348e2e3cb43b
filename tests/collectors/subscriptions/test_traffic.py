"""How much comes in is asked of CloudWatch, page by page, and what is not known stays unknown; sizes come from one page of events."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from collectors.subscriptions.log_groups import LogGroup
from collectors.subscriptions.traffic import DAYS, MAX_QUERIES, Boto3Metrics, Boto3Samples, MemoryTraffic, Traffic
from tailrace import aws
from tailrace.clock import US_PER_DAY, US_PER_S, ManualClock, SystemClock, to_datetime
from tailrace.errors import PermanentError
from tailrace.settings import Settings

NOW_US = 1_790_000_000 * US_PER_S
OLD_MS = (NOW_US - 100 * US_PER_DAY) // 1_000


def test_bytes_and_events_a_day_are_those_of_14_whole_days(moto: Settings) -> None:
    cloudwatch = aws.client("cloudwatch", moto)
    now_us = SystemClock().now_us()
    for name, metric, value in (("/a", "IncomingBytes", 7_000.0), ("/a", "IncomingLogEvents", 70.0), ("/b", "IncomingBytes", 14.0)):
        for day in (1, 2):
            cloudwatch.put_metric_data(
                Namespace="AWS/Logs",
                MetricData=[
                    {
                        "MetricName": metric,
                        "Dimensions": [{"Name": "LogGroupName", "Value": name}],
                        "Timestamp": to_datetime(now_us - now_us % US_PER_DAY) - timedelta(days=day) + timedelta(hours=1),
                        "Value": value,
                    }
                ],
            )
    created_ms = (now_us - 100 * US_PER_DAY) // 1_000
    groups = [LogGroup("/a", created_ms=created_ms), LogGroup("/b", created_ms=now_us // 1_000 - 4 * 86_400_000), LogGroup("/silent", created_ms=created_ms)]
    found = Boto3Metrics(cloudwatch).traffic([*groups, LogGroup("/new", created_ms=now_us // 1_000)], now_us)
    assert found["/a"] == Traffic(14_000 / DAYS, 140 / DAYS)
    assert 28 / 4 <= found["/b"].bytes_per_day <= 28 / 3
    assert found["/silent"] == Traffic(0, 0)
    assert "/new" not in found


class Metrics:
    """Answers in two pages, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def get_metric_data(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        results = [{"Id": one["Id"], "Values": [1.0]} for one in request["MetricDataQueries"]]
        return {"MetricDataResults": results, **({} if "NextToken" in request else {"NextToken": "more"})}


def test_at_most_500_queries_are_asked_at_once_and_every_page_counts() -> None:
    metrics = Metrics()
    groups = [LogGroup(f"/{number}", created_ms=OLD_MS) for number in range(251)]
    found = Boto3Metrics(metrics).traffic(groups, NOW_US)
    assert [(len(one["MetricDataQueries"]), one.get("NextToken")) for one in metrics.asked] == [
        (MAX_QUERIES, None),
        (MAX_QUERIES, "more"),
        (2, None),
        (2, "more"),
    ]
    assert set(found.values()) == {Traffic(2 / DAYS, 2 / DAYS)}
    assert len(found) == 251
    first = metrics.asked[0]
    assert (first["EndTime"] - first["StartTime"], first["EndTime"].hour) == (timedelta(days=DAYS), 0)


def test_what_may_not_be_asked_is_said_with_the_action_that_it_needs(moto: Settings) -> None:
    cloudwatch = aws.client("cloudwatch", moto)
    with Stubber(cloudwatch) as stubber:
        stubber.add_client_error("get_metric_data", "AccessDenied", "no")
        with pytest.raises(PermanentError, match=r"metrics of log groups: AccessDenied: no; the caller needs the IAM action cloudwatch:GetMetricData"):
            Boto3Metrics(cloudwatch).traffic([LogGroup("/a")], NOW_US)


def test_sizes_are_those_of_the_last_days_events_in_bytes(moto: Settings) -> None:
    logs = aws.client("logs", moto)
    logs.create_log_group(logGroupName="/sampled")
    logs.create_log_stream(logGroupName="/sampled", logStreamName="s")
    now_us = SystemClock().now_us()
    events = [{"timestamp": now_us // 1_000 - 1_000, "message": text} for text in ("12345", "ERROR ä")]
    logs.put_log_events(logGroupName="/sampled", logStreamName="s", logEvents=events)  # type: ignore[arg-type]
    samples = Boto3Samples(logs)
    assert sorted(samples.sizes("/sampled", "", now_us)) == [5, 8]
    assert samples.sizes("/sampled", "ERROR", now_us) == [8]
    with pytest.raises(PermanentError, match="ResourceNotFoundException"):
        samples.sizes("/none", "", now_us)


def test_an_empty_page_is_not_the_end_and_five_are_enough(moto: Settings) -> None:
    logs, clock = aws.client("logs", moto), ManualClock()
    start_us = clock.now_us()
    event = {"logStreamName": "s", "timestamp": 1, "message": "abc", "ingestionTime": 1, "eventId": "1"}
    with Stubber(logs) as stubber:
        stubber.add_response("filter_log_events", {"events": [], "nextToken": "more"})
        stubber.add_response("filter_log_events", {"events": [event], "nextToken": "even more"})
        assert Boto3Samples(logs, clock).sizes("/a", "", NOW_US) == [3]
        for _ in range(5):
            stubber.add_response("filter_log_events", {"events": [], "nextToken": "more"})
        assert Boto3Samples(logs, clock).sizes("/a", "", NOW_US) == []
        stubber.assert_no_pending_responses()
    assert clock.now_us() - start_us == 6 * US_PER_S // 5


def test_what_is_known_beforehand_is_answered() -> None:
    known = MemoryTraffic({"/a": Traffic(1, 1)}, {"/a": [3]})
    assert known.traffic([LogGroup("/a"), LogGroup("/b")], 0) == {"/a": Traffic(1, 1)}
    assert (known.sizes("/a", "", 0), known.sizes("/b", "", 0)) == ([3], ())
