"""The gateway's own metrics as rows of the table ``metrics``, once a minute: so that alert rules, searches and saved queries can ask for them as for any other.

They go through the collector like all that comes in, and the ledger has them under the source ``tailrace:self``. Names are those of ``gateway.telemetry``; a counter is written as what it
grew by since the last time, without ``_total``; labels are attributes (``tailrace.sink``). What the write path cannot take now is left out: whoever needs to know of that asks ``/healthz``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import orjson

from collectors.collector import Collector
from collectors.envelopes.points import Point, points_table
from gateway.parts import Parts
from gateway.regularly import Regularly
from gateway.telemetry import METRICS, Sample, samples
from tailrace.clock import Clock
from tailrace.ids import position_event_id
from tailrace.schema import FieldType

SOURCE: Final = "tailrace:self"
NAMESPACE: Final = "Tailrace"
SERVICE: Final = "tailrace"
PREFIX: Final = "tailrace."
"""Begins the attributes that labels become, so that they are no attributes of anybody else's."""

TEMPORALITY: Final = "metric.temporality"
LEAST_EVERY_S: Final = 1.0
_TOTAL: Final = "_total"

WRITTEN: Final = (
    "tailrace_health_problems",
    "tailrace_spool_used_ratio",
    "tailrace_spool_waiting_rows",
    "tailrace_spool_refused_puts_total",
    "tailrace_sink_up",
    "tailrace_sink_behind_rows",
    "tailrace_sink_oldest_row_age_seconds",
    "tailrace_ledger_dropped_total",
    "tailrace_ledger_dead_total",
    "tailrace_ledger_lost_total",
    "tailrace_dead_letters",
    "tailrace_dead_letters_bytes",
    "tailrace_keeper_up",
    "tailrace_keeper_idle_seconds",
    "tailrace_keeper_due_parts",
    "tailrace_certificate_days_left",
    "tailrace_heartbeat_up",
)
"""What alerts are made of; all the others are on ``/metrics``."""

_UNITS: Final = (("_bytes", "Bytes"), ("_seconds", "Seconds"), ("_ratio", None), ("_up", None))
_LABELS: Final[Mapping[str, tuple[str, ...]]] = {metric.name: metric.labels for metric in METRICS}

Key = tuple[str, tuple[str, ...]]


class OwnMetrics(Regularly):
    """Writes them in the background; a context manager. ``read`` answers the samples of a moment."""

    def __init__(self, read: Callable[[], Sequence[Sample]], collector: Collector, clock: Clock, every_s: float) -> None:
        super().__init__("own metrics", max(every_s, LEAST_EVERY_S))
        self._read, self._collector, self._clock = read, collector, clock
        self._before: dict[Key, float] = {(name, labels): value for name, labels, value in read()}

    def write(self) -> int:
        """Put the rows of this moment; answer how many. Raises :class:`TransientError` where they are not taken: the next ones hold what counters grew by."""
        now_us, found = self._clock.now_us(), self._read()
        points = list(self._points(found, now_us))
        took = self._collector.collect_metrics(points_table(points, SOURCE, now_us), SOURCE)
        self._before = {(name, labels): value for name, labels, value in found}
        return took.metrics

    def _points(self, found: Sequence[Sample], now_us: int) -> Iterator[Point]:
        for name, labels, value in found:
            if name not in WRITTEN:
                continue
            counts = name.endswith(_TOTAL)
            told = {PREFIX + label: text for label, text in zip(_LABELS[name], labels, strict=True)} | ({TEMPORALITY: "delta"} if counts else {})
            yield Point(
                position_event_id(SOURCE, name, *labels, now_us),
                now_us,
                name.removesuffix(_TOTAL),
                NAMESPACE,
                next((unit for end, unit in _UNITS if name.endswith(end)), "Count"),
                float(max(value - self._before.get((name, labels), 0), 0) if counts else value),
                service_name=SERVICE,
                attributes=orjson.dumps(told).decode() if told else None,
            )


def own_metrics(parts: Parts, every_s: float) -> OwnMetrics:
    """Answer what writes the metrics of a gateway, not started yet; the attributes that labels become are declared."""
    parts.register.declare({PREFIX + label: FieldType.KEYWORD for name in WRITTEN for label in _LABELS[name]})
    parts.register.learn({TEMPORALITY: FieldType.KEYWORD})
    return OwnMetrics(lambda: list(samples(parts.status(), parts.sums())), parts.collector, parts.clock, every_s)
