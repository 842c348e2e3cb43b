"""Metrics pulled from CloudWatch: every period of every metric once, whatever fails in between."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from collectors.sources import cloudwatch_metrics
from collectors.sources.checkpoints import Checkpoints
from collectors.sources.cloudwatch_metrics import MAX_QUERIES, MetricPull, ReadsMetrics
from collectors.sources.metric_choice import Choice, load_choice, parse_choice
from firehose.delivery import MemoryStream
from gateway.server import open_node
from tailrace import aws
from tailrace.clock import ManualClock
from tailrace.errors import FileError
from tailrace.settings import Settings
from tailrace.yaml_file import parse_yaml
from tests.collectors.envelopes.otlp.requests import assert_balanced, rows_of
from tests.collectors.sources.doors import Gate, collector_of, until

NOW = datetime(2026, 11, 24, 10, 0, 30, tzinfo=UTC)
ONE = "{namespace: Shop, name: orders, dimensions: {service: pay}}"


class MemoryMetrics:
    """CloudWatch in memory: a value every minute for each metric asked for; answers in pages of a few results."""

    def __init__(self, page: int = 3) -> None:
        self.page = page
        self.calls: list[dict[str, Any]] = []
        self.faults: list[Exception] = []
        self.internal_errors: set[str] = set()
        self.listed = [{"service": "pay"}, {"service": "web"}, {"service": "web", "zone": "a"}]

    def get_metric_data(self, **options: Any) -> Mapping[str, Any]:
        if self.faults:
            raise self.faults.pop()
        self.calls.append(options)
        assert len(options["MetricDataQueries"]) <= MAX_QUERIES
        first = int(options.get("NextToken", 0))
        part = options["MetricDataQueries"][first : first + self.page]
        more = {"NextToken": str(first + self.page)} if first + self.page < len(options["MetricDataQueries"]) else {}
        return {"MetricDataResults": [self._result(query, options["StartTime"], options["EndTime"]) for query in part], **more}

    def list_metrics(self, **options: Any) -> Mapping[str, Any]:
        wanted = {one["Name"] for one in options["Dimensions"]}
        at = int(options.get("NextToken", 0))
        found = [{"Dimensions": [{"Name": n, "Value": v} for n, v in self.listed[at].items()]}] if wanted <= self.listed[at].keys() else []
        return {"Metrics": found, **({"NextToken": str(at + 1)} if at + 1 < len(self.listed) else {})}

    def _result(self, query: dict[str, Any], start: datetime, end: datetime) -> dict[str, Any]:
        stat = query["MetricStat"]
        period = timedelta(seconds=stat["Period"])
        times = [start + period * n for n in range((end - start) // period)]
        value = {"Minimum": 1.0, "Maximum": 9.0, "Sum": 20.0, "SampleCount": 4.0}.get(stat["Stat"], 8.5)
        bad = stat["Stat"] in self.internal_errors
        return {"Id": query["Id"], "Timestamps": times, "Values": [value] * len(times), "StatusCode": "InternalError" if bad else "Complete"}


def choice(*metrics: str, more: str = "since: 300") -> Choice:
    return parse_choice(parse_yaml(f"{more}\nmetrics: [{', '.join(metrics)}]".encode(), "metrics.yaml"))


def clock() -> ManualClock:
    return ManualClock(int(NOW.timestamp() * 1_000_000))


@pytest.fixture
def port() -> MemoryMetrics:
    return MemoryMetrics()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def pull(port: ReadsMetrics, chosen: Choice, stream: MemoryStream, home: Path, at: ManualClock) -> MetricPull:
    return MetricPull(port, chosen, collector_of(stream), Checkpoints(home / "cursor.sqlite"), at, "eu-west-1")


def test_a_period_is_one_row_with_all_that_cloudwatch_knows(port: MemoryMetrics, home: Path) -> None:
    stream = MemoryStream()
    wanted = choice("{namespace: Shop, name: orders, dimensions: {service: pay}, percentiles: [p99, p99.9]}", more="since: 60\ndelay: 60")
    assert pull(port, wanted, stream, home, clock()).pull() == 1
    (row,) = rows_of(stream, "metrics")
    assert json.loads(row.pop("attributes")) == {"service": "pay", "metric.period_s": 60, "statistic.p99": 8.5, "statistic.p99_9": 8.5}
    assert row.pop("@timestamp").isoformat() == "2026-11-24T09:58:00"
    assert len(row.pop("event_id")) == 32
    row.pop("observed_timestamp")
    assert row == {
        "revision": 0,
        "metric.name": "orders",
        "metric.namespace": "Shop",
        "metric.min": 1.0,
        "metric.max": 9.0,
        "metric.sum": 20.0,
        "metric.count": 4,
        "cloud.region": "eu-west-1",
        "log.source": "cloudwatch:metrics",
    }
    assert_balanced(stream)


def test_every_period_comes_once_also_over_a_restart(port: MemoryMetrics, home: Path) -> None:
    stream, at = MemoryStream(), clock()
    counts = []
    for seconds in (0, 30, 45, 60, 600):
        at.sleep(seconds)
        counts.append(pull(port, choice(ONE), stream, home, at).pull())
    assert counts == [5, 1, 0, 1, 10]
    times = [row["@timestamp"] for row in rows_of(stream, "metrics")]
    assert times == [times[0] + timedelta(minutes=n) for n in range(17)]
    assert len({row["event_id"] for row in rows_of(stream, "metrics")}) == 17


def test_without_its_cursor_the_same_rows_come_again(port: MemoryMetrics, tmp_path: Path) -> None:
    stream = MemoryStream()
    for name in ("a", "b"):
        pull(port, choice(ONE), stream, tmp_path / name, clock()).pull()
    ids = [row["event_id"] for row in rows_of(stream, "metrics")]
    assert ids[:5] == ids[5:]


def test_what_throttles_or_fails_is_asked_for_again(port: MemoryMetrics, home: Path) -> None:
    stream, at = MemoryStream(), clock()
    one = pull(port, choice(ONE), stream, home, at)
    port.faults = [ClientError({"Error": {"Code": "Throttling", "Message": "slow down"}}, "GetMetricData")]
    with pytest.raises(ClientError):
        one.pull()
    port.internal_errors = {"Maximum"}
    assert one.pull() == 0
    port.internal_errors = set()
    assert one.pull() == 5
    assert all("metric.max" in row for row in rows_of(stream, "metrics"))


def test_a_star_stands_for_every_metric_with_just_these_dimensions(port: MemoryMetrics, home: Path) -> None:
    stream = MemoryStream()
    assert pull(port, choice("{namespace: Shop, name: orders, dimensions: {service: '*'}}"), stream, home, clock()).pull() == 10
    assert {json.loads(row["attributes"])["service"] for row in rows_of(stream, "metrics")} == {"pay", "web"}


def test_a_call_has_500_queries_at_most(home: Path) -> None:
    port, stream = MemoryMetrics(page=500), MemoryStream()
    many = [f"{{namespace: Shop, name: n{number}, percentiles: [p50]}}" for number in range(250)]
    assert pull(port, choice(*many, more="since: 60"), stream, home, clock()).pull() == 250
    assert [len(call["MetricDataQueries"]) for call in port.calls] == [500, 500, 250]
    assert {row["metric.name"] for row in rows_of(stream, "metrics")} == {f"n{number}" for number in range(250)}


def test_a_long_time_is_asked_for_piece_by_piece(port: MemoryMetrics, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudwatch_metrics, "MAX_WINDOW_S", 3_600)
    stream = MemoryStream()
    one = pull(port, choice(ONE, more="since: 7200"), stream, home, clock())
    assert [one.pull() for _ in range(3)] == [60, 60, 0]
    assert len({row["@timestamp"] for row in rows_of(stream, "metrics")}) == 120


def test_a_full_stream_is_waited_for_and_the_cursor_stays(port: MemoryMetrics, home: Path) -> None:
    gate, at = Gate(is_open=False), clock()
    with MetricPull(port, choice(ONE), collector_of(gate), Checkpoints(home / "c.sqlite"), at, "r") as one:
        until(lambda: bool(port.calls))
        gate.open.set()
        until(lambda: one.status()["points"] == 5)
    assert len(rows_of(gate, "metrics")) == 5


@pytest.fixture
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_the_calls_have_the_shape_that_aws_takes(moto: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", aws_endpoint_url=moto)
    cloudwatch = aws.client("cloudwatch", settings)
    now = datetime.now(UTC)
    for minutes in (10, 11):
        data = [
            {"MetricName": "orders", "Dimensions": [{"Name": "service", "Value": "pay"}], "Timestamp": now - timedelta(minutes=minutes), "Value": v}
            for v in (2.0, 4.0)
        ]
        cloudwatch.put_metric_data(Namespace="Shop", MetricData=data)
    (tmp_path / "metrics.yaml").write_text(f"metrics: [{ONE.replace('pay', chr(39) + '*' + chr(39))}]")
    with open_node(Settings(home=tmp_path / "home", aws_endpoint_url=moto, cloudwatch_metrics=str(tmp_path / "metrics.yaml")), xray=False) as node:
        until(lambda: node.parts.status()["doors"]["cloudwatch_metrics"]["points"] == 2)
        assert node.stream.flush(10)
        hits = node.parts.engine.search("metrics", {"size": 10})["hits"]["hits"]
    found = [{name: hit["_source"][name] for name in ("metric.name", "metric.min", "metric.max", "metric.sum", "metric.count")} for hit in hits]
    assert found == [{"metric.name": "orders", "metric.min": 2.0, "metric.max": 4.0, "metric.sum": 6.0, "metric.count": 2}] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least one"),
        ("metrics: []", "at least one"),
        ("metrics: [{namespace: a}]", "namespace and a name"),
        ("metrics: [{namespace: a, name: b, perod: 60}]", "period"),
        ("metrics: [{namespace: a, name: b, period: 90}]", "whole minutes"),
        ("metrics: [{namespace: a, name: b, period: 1m}]", "whole number"),
        ("metrics: [{namespace: a, name: b, dimensions: [x]}]", "mapping"),
        ("metrics: [{namespace: a, name: b, dimensions: {x: ''}}]", "mapping"),
        ("metrics: [{namespace: a, name: b, percentiles: [Average]}]", "no percentile"),
        ("metrics: [{namespace: a, name: b, percentiles: p99}]", "list of p50"),
        ("metrics: [{namespace: a, name: b}, {name: b, namespace: a}]", "twice"),
        ("dely: 3\nmetrics: [{namespace: a, name: b}]", "delay"),
    ],
)
def test_a_file_that_is_wrong_is_one_clear_error(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(FileError, match=message):
        load_choice(tmp_path / "m.yaml")
