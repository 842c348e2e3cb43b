"""CloudWatch's metrics, pulled with GetMetricData: the metrics of a file (``collectors.sources.metric_choice``), at every period once.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html: 500 queries a call, answers in pages. A row has minimum, maximum, sum and count of a period, each a query of its own, and
percentiles where they are wanted. Only periods that ended ``delay`` seconds ago are asked for.

How far each metric is read is on disk, written after its rows are durable; a row's event id is a hash of region, metric and period. So nothing is there twice, also where the process was killed in between. A
metric of which a part did not come whole is asked for again the next time, and so is everything where CloudWatch throttles or refuses: the log says why.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Protocol, Self

from botocore.exceptions import BotoCoreError, ClientError

from collectors.collector import Collector
from collectors.envelopes.otlp.values import json_text
from collectors.envelopes.points import Point, finite, points_table, whole
from collectors.sources.checkpoints import Checkpoints
from collectors.sources.metric_choice import ANY, Choice, Chosen
from collectors.sources.patience import StoppedError, patiently
from tailrace.clock import US_PER_S, Clock, from_datetime, to_datetime
from tailrace.ids import position_event_id

SOURCE: Final = "cloudwatch:metrics"
MAX_QUERIES: Final = 500
"""MetricDataQueries of one call."""

MAX_WINDOW_S: Final = 6 * 3_600
"""What is asked for at once of a metric; more is asked for in the next calls."""

LIST_EVERY_S: Final = 900.0
"""How often it is looked for new metrics that a pattern is about."""

STATISTICS: Final = ("Minimum", "Maximum", "Sum", "SampleCount")

_log = logging.getLogger(__name__)


class ReadsMetrics(Protocol):
    """The two calls of boto3's CloudWatch client that are used."""

    def get_metric_data(self, **options: Any) -> Mapping[str, Any]:  # noqa: ANN401 - boto3's
        """Answer a page of results."""
        ...

    def list_metrics(self, **options: Any) -> Mapping[str, Any]:  # noqa: ANN401 - boto3's
        """Answer a page of metrics."""
        ...


@dataclass(slots=True)
class _Values:
    """What came of the queries of one metric: statistic -> time in microseconds -> value, and whether all of it did."""

    by_statistic: dict[str, dict[int, float]] = field(default_factory=dict)
    is_whole: bool = True


class MetricPull:
    """Pulls while its context is open, in a thread of its own."""

    def __init__(self, port: ReadsMetrics, choice: Choice, collector: Collector, checkpoints: Checkpoints, clock: Clock, region: str) -> None:
        self._port, self._choice, self._collector, self._checkpoints = port, choice, collector, checkpoints
        self._clock, self._region = clock, region
        self._stop = threading.Event()
        self._listed: dict[Chosen, tuple[float, Sequence[Chosen]]] = {}
        self._totals = dict.fromkeys(("pulls", "points", "failed"), 0)
        self._thread = threading.Thread(target=self._run, name="cloudwatch-metrics", daemon=True)

    def __enter__(self) -> Self:
        """Begin to pull."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop after the call at hand."""
        self._stop.set()
        self._thread.join(10.0)
        self._checkpoints.close()

    def status(self) -> Mapping[str, int]:
        """Answer totals since the start: pulls, points put, pulls of which a call failed."""
        return self._totals

    def pull(self) -> int:
        """Ask for all that is due; answer how many points were put."""
        put = 0
        for window, metrics in self._due().items():
            for part in _parts(metrics):
                put += self._pull_part(part, window)
        self._totals["pulls"] += 1
        self._totals["points"] += put
        return put

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.pull()
            except StoppedError:
                return
            except (BotoCoreError, ClientError) as error:
                self._totals["failed"] += 1
                _log.warning("metrics of CloudWatch cannot be pulled, trying again in %g s: %s", self._choice.every_s, error)
            self._stop.wait(self._choice.every_s)

    def _due(self) -> Mapping[tuple[int, int], list[Chosen]]:
        """Answer the metrics that are due, by their windows in seconds: from (inclusive), to (exclusive)."""
        due: dict[tuple[int, int], list[Chosen]] = {}
        latest = self._clock.now_us() // US_PER_S - self._choice.delay_s
        for metric in self._metrics():
            end = latest - latest % metric.period_s
            known, _ = self._checkpoints.position(SOURCE, metric.key)
            start = int(known) if known is not None else end - max(self._choice.since_s - self._choice.since_s % metric.period_s, metric.period_s)
            end = min(end, start + MAX_WINDOW_S - MAX_WINDOW_S % metric.period_s)
            if start < end:
                due.setdefault((start, end), []).append(metric)
        return due

    def _metrics(self) -> Iterator[Chosen]:
        seen: set[str] = set()
        for chosen in self._choice.metrics:
            for metric in self._found(chosen) if chosen.is_pattern else (chosen,):
                if metric.key not in seen:
                    seen.add(metric.key)
                    yield metric

    def _found(self, chosen: Chosen) -> Sequence[Chosen]:
        listed_s, found = self._listed.get(chosen, (None, ()))
        if listed_s is None or self._clock.monotonic_s() - listed_s >= LIST_EVERY_S:
            found = tuple(self._list(chosen))
            self._listed[chosen] = (self._clock.monotonic_s(), found)
        return found

    def _list(self, chosen: Chosen) -> Iterator[Chosen]:
        wanted = [{"Name": name, **({} if value == ANY else {"Value": value})} for name, value in chosen.dimensions]
        names = {name for name, _ in chosen.dimensions}
        for page in _pages(self._port.list_metrics, Namespace=chosen.namespace, MetricName=chosen.name, Dimensions=wanted):
            for metric in page["Metrics"]:
                pairs = tuple(sorted((str(one["Name"]), str(one["Value"])) for one in metric["Dimensions"]))
                if {name for name, _ in pairs} == names:
                    yield replace(chosen, dimensions=pairs)

    def _pull_part(self, metrics: Sequence[Chosen], window: tuple[int, int]) -> int:
        values = [_Values() for _ in metrics]
        queries = [query for number, metric in enumerate(metrics) for query in _queries(number, metric)]
        start, end = (to_datetime(seconds * US_PER_S) for seconds in window)
        for page in _pages(self._port.get_metric_data, MetricDataQueries=queries, StartTime=start, EndTime=end, ScanBy="TimestampAscending"):
            for result in page["MetricDataResults"]:
                _take(result, values, metrics)
        read = [(metric, one) for metric, one in zip(metrics, values, strict=True) if one.is_whole]
        points = [point for metric, one in read for point in self._points(metric, one, window)]
        table = points_table(points, SOURCE, self._clock.now_us())
        patiently(lambda: self._collector.collect_metrics(table, SOURCE), self._clock, self._stop)
        for metric, _ in read:
            self._checkpoints.write(SOURCE, metric.key, str(window[1]))
        return len(points)

    def _points(self, metric: Chosen, values: _Values, window: tuple[int, int]) -> Iterator[Point]:
        times = sorted({time for series in values.by_statistic.values() for time in series if window[0] * US_PER_S <= time < window[1] * US_PER_S})
        of = {statistic: values.by_statistic.get(statistic, {}) for statistic in (*STATISTICS, *metric.percentiles)}
        for time in times:
            more = {f"statistic.{name.replace('.', '_')}": of[name][time] for name in metric.percentiles if time in of[name]}
            yield Point(
                position_event_id(SOURCE, self._region, metric.key, time),
                time,
                metric.name,
                metric.namespace,
                None,
                metric_min=finite(of["Minimum"].get(time)),
                metric_max=finite(of["Maximum"].get(time)),
                metric_sum=finite(of["Sum"].get(time)),
                metric_count=whole(of["SampleCount"].get(time)),
                cloud_region=self._region or None,
                attributes=json_text({**dict(metric.dimensions), "metric.period_s": metric.period_s, **more}),
            )


def _parts(metrics: Iterable[Chosen]) -> Iterator[list[Chosen]]:
    """Part metrics so that each part's queries fit into one call."""
    part: list[Chosen] = []
    queries = 0
    for metric in metrics:
        own = len(STATISTICS) + len(metric.percentiles)
        if queries + own > MAX_QUERIES:
            yield part
            part, queries = [], 0
        part.append(metric)
        queries += own
    if part:
        yield part


def _queries(number: int, metric: Chosen) -> Iterator[dict[str, Any]]:
    told = {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions]}
    for at, statistic in enumerate((*STATISTICS, *metric.percentiles)):
        yield {"Id": f"m{number}_{at}", "MetricStat": {"Metric": told, "Period": metric.period_s, "Stat": statistic}, "ReturnData": True}


def _take(result: Mapping[str, Any], values: Sequence[_Values], metrics: Sequence[Chosen]) -> None:
    number, at = (int(part) for part in str(result["Id"]).removeprefix("m").split("_"))
    statistic = (*STATISTICS, *metrics[number].percentiles)[at]
    series = values[number].by_statistic.setdefault(statistic, {})
    series |= {_time_us(time): float(value) for time, value in zip(result["Timestamps"], result["Values"], strict=True)}
    if result.get("StatusCode", "Complete") in {"InternalError", "Forbidden"}:
        values[number].is_whole = False
        _log.warning("CloudWatch answers %s for %s of %s", result["StatusCode"], statistic, metrics[number].key)


def _time_us(time: datetime) -> int:
    return from_datetime(time)


def _pages(call: Callable[..., Mapping[str, Any]], **options: object) -> Iterator[Mapping[str, Any]]:
    token: str | None = None
    while True:
        page = call(**options, **({"NextToken": token} if token else {}))
        yield page
        token = page.get("NextToken")
        if not token:
            return
