"""The gateway's own metrics, in the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/).

In go the status (see ``gateway.health``) and the sums of the ledger, out comes the page of ``GET /metrics``. Every metric is a line of :data:`METRICS`, of which the table in
``docs/operations.md`` is made; those of the process itself are prometheus-client's. Labels never hold text of log lines; sources are named where they have a quota, and of these the first
:data:`MAX_QUOTAS`, and the :data:`MAX_SOURCES` of the most rows, the rest summed.
"""

import importlib.metadata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.health import GRADES
from tailrace.clock import US_PER_S
from tailrace.ledger import Hop, SourceSum, SourceSums

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MAX_QUOTAS: Final = 1_000
MAX_SOURCES: Final = 50
OTHERS: Final = "(others)"
NO_SOURCES: Final[Mapping[tuple[str, str], SourceSum]] = MappingProxyType({})
DOOR_GAUGES: Final = frozenset({"connections"})

Family = CounterMetricFamily | GaugeMetricFamily
Sample = tuple[str, tuple[str, ...], float]
"""The name of a metric, the values of its labels, its value."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its name, whether it only grows (until the process starts again), its labels, and what it is."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    labels: tuple[str, ...] = ()

    def family(self) -> Family:
        """Answer what prometheus-client writes it with."""
        make = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        return make(self.name, self.meaning, labels=self.labels)


_HOP: Final = ("hop", "sink", "unit")
_SOURCE: Final = ("source", "unit")

METRICS: Final = (
    Metric("tailrace_build_info", "gauge", "1, with the version as a label", ("version",)),
    Metric("tailrace_health_state", "gauge", "1 for the state that /healthz tells, 0 for the others", ("state",)),
    Metric("tailrace_health_problems", "gauge", "problems that /healthz tells"),
    Metric("tailrace_threads", "gauge", "threads of the process"),
    Metric("tailrace_spool_bytes", "gauge", "bytes of the spool on disk"),
    Metric("tailrace_spool_limit_bytes", "gauge", "bytes at which it refuses more: the setting spool_max_bytes"),
    Metric("tailrace_spool_used_ratio", "gauge", "the part of them that is used, 0 to 1"),
    Metric("tailrace_spool_segments", "gauge", "its files"),
    Metric("tailrace_spool_rows_total", "counter", "rows that it ever took, also before a restart"),
    Metric("tailrace_spool_waiting_rows", "gauge", "rows that the slowest sink has not delivered"),
    Metric("tailrace_spool_refused_puts_total", "counter", "puts that it refused: full, or the disk would not"),
    Metric("tailrace_spool_torn_bytes_total", "counter", "bytes of a torn end that were cut off at the start; they were never acknowledged"),
    Metric("tailrace_spool_holes_total", "counter", "parts that a reader could not read; what was lost by them is in the ledger"),
    Metric("tailrace_spool_duplicate_rows_total", "counter", "rows that were there already and were left out"),
    Metric("tailrace_sink_up", "gauge", "1 where its last try was no failure and its thread runs", ("sink",)),
    Metric("tailrace_sink_consecutive_failures", "gauge", "failures in a row", ("sink",)),
    Metric("tailrace_sink_failing_seconds", "gauge", "seconds since the first of them", ("sink",)),
    Metric("tailrace_sink_circuit_open", "gauge", "1 while it is left alone after failures in a row, until one try is taken", ("sink",)),
    Metric("tailrace_sink_behind_rows", "gauge", "rows of the spool that it has not passed, those that it does not get among them", ("sink",)),
    Metric("tailrace_sink_oldest_row_age_seconds", "gauge", "seconds since the oldest row that it has not delivered was received; 0: none waits", ("sink",)),
    Metric("tailrace_ledger_up", "gauge", "1 where the ledger is written and can be read"),
    Metric("tailrace_ledger_in_total", "counter", "what came to a hop", _HOP),
    Metric("tailrace_ledger_out_total", "counter", "what went on from it", _HOP),
    Metric("tailrace_ledger_pending", "gauge", "what is on its way to a sink", _HOP),
    Metric("tailrace_ledger_dropped_total", "counter", "what a rule dropped", _HOP),
    Metric("tailrace_ledger_duplicate_total", "counter", "what was there already", _HOP),
    Metric("tailrace_ledger_joined_total", "counter", "lines that became part of another event", _HOP),
    Metric("tailrace_ledger_dead_total", "counter", "what became a dead letter", _HOP),
    Metric("tailrace_ledger_lost_total", "counter", "what is unaccounted for; anything but 0 is a fault", _HOP),
    Metric("tailrace_source_rows_total", "counter", "rows of a source that the spool took; the 50 sources of the most rows, and `(others)`", _SOURCE),
    Metric("tailrace_source_dropped_total", "counter", "what of it a rule dropped before", _SOURCE),
    Metric("tailrace_source_dead_total", "counter", "what of it became a dead letter", _SOURCE),
    Metric("tailrace_source_lost_total", "counter", "what of it is unaccounted for", _SOURCE),
    Metric("tailrace_dead_letters", "gauge", "dead letters that are kept"),
    Metric("tailrace_dead_letters_bytes", "gauge", "bytes of their files"),
    Metric("tailrace_dead_letters_limit_bytes", "gauge", "bytes at which no more are taken, and what brings them waits"),
    Metric("tailrace_keeper_up", "gauge", "1 where its last round was no failure and its thread runs"),
    Metric("tailrace_keeper_rounds_total", "counter", "rounds that ended well"),
    Metric("tailrace_keeper_idle_seconds", "gauge", "seconds since the last of them, or since the start"),
    Metric("tailrace_keeper_round_seconds", "gauge", "seconds that it took"),
    Metric("tailrace_keeper_failing_seconds", "gauge", "seconds since the first of the rounds that failed in a row; 0: the last one did not"),
    Metric("tailrace_keeper_fresh_parts", "gauge", "parts of the lake that are not merged yet, as the last round saw them"),
    Metric("tailrace_keeper_due_parts", "gauge", "those of them that were old enough, and were not merged in it: it is behind"),
    Metric("tailrace_keeper_merged_parts_total", "counter", "parts of the lake that it merged"),
    Metric("tailrace_keeper_merged_rows_total", "counter", "rows in them"),
    Metric("tailrace_keeper_duplicate_rows_total", "counter", "rows that it removed as duplicates"),
    Metric("tailrace_keeper_deleted_parts_total", "counter", "replaced parts that it deleted"),
    Metric("tailrace_quota_day_bytes", "gauge", "bytes that a source with a quota took today (UTC)", ("source", "quota")),
    Metric("tailrace_quota_beyond_events_total", "counter", "events of it that were beyond the quota", ("source", "quota")),
    Metric("tailrace_quota_delayed_total", "counter", "times that it was told to come later", ("source", "quota")),
    Metric("tailrace_door_up", "gauge", "1 where a way in tells no error", ("door",)),
    Metric("tailrace_door_connections", "gauge", "its open connections", ("door",)),
    Metric("tailrace_door_counts_total", "counter", "what it counts itself, by the word that /healthz has for it", ("door", "what")),
    Metric("tailrace_certificate_up", "gauge", "1 where the certificate of a port is valid, and its files can be used", ("port",)),
    Metric("tailrace_certificate_days_left", "gauge", "days that it is still valid; negative: it has expired", ("port",)),
    Metric("tailrace_certificate_failed_handshakes_total", "counter", "connections to the gateway's port that came to no TLS", ("port",)),
    Metric("tailrace_traces_segments_total", "counter", "segments of its own that were traced"),
    Metric("tailrace_traces_spans_total", "counter", "rows of `spans` that they became"),
    Metric("tailrace_traces_left_out_total", "counter", "segments that could not be taken"),
    Metric("tailrace_heartbeat_up", "gauge", "1 where the last heartbeat was taken"),
    Metric("tailrace_heartbeat_sent_total", "counter", "heartbeats that were taken"),
    Metric("tailrace_heartbeat_failed_total", "counter", "heartbeats that were not"),
    Metric("tailrace_heartbeat_withheld_total", "counter", "heartbeats that were not sent because the health was ill"),
    Metric("tailrace_heartbeat_last_sent_timestamp_seconds", "gauge", "when the last one was taken; 0: none was"),
)

_OUTCOMES: Final[Mapping[str, str]] = MappingProxyType(
    {"in_total": "came_in", "out_total": "went_out", "pending": "pending"}
    | {f"{name}_total": name for name in ("dropped", "duplicate", "joined", "dead", "lost")}
)
"""The end of a metric's name: the field of a hop."""


@dataclass(frozen=True, slots=True)
class Telemetry(Collector):
    """The metrics of one moment; ``hops`` are ``None`` where the ledger cannot be read, and ``sources`` none."""

    status: Mapping[str, Any]
    hops: Sequence[Hop] | None
    sources: Mapping[tuple[str, str], SourceSum]

    def collect(self) -> Iterable[Any]:
        """Answer the families that have a value, in the order of :data:`METRICS`, and those of the process."""
        families = {metric.name: metric.family() for metric in METRICS}
        for name, labels, value in (*samples(self.status, self.hops), *_sources(self.sources)):
            families[name].add_metric([_text(label) for label in labels], value)
        yield from (family for family in families.values() if family.samples)
        yield from ProcessCollector(registry=None).collect()


def page(status: Mapping[str, Any], hops: Sequence[Hop] | None, sources: Mapping[tuple[str, str], SourceSum] = NO_SOURCES) -> bytes:
    """Answer the page of ``GET /metrics``."""
    return generate_latest(Telemetry(status, hops, sources))


def samples(status: Mapping[str, Any], hops: Sequence[Hop] | None) -> Iterator[Sample]:
    """Answer each value with its metric's name and labels; what the status does not tell of has none."""
    yield "tailrace_build_info", (importlib.metadata.version("tailrace"),), 1
    yield from (("tailrace_health_state", (state,), state == status.get("status")) for state in GRADES)
    yield "tailrace_health_problems", (), len(status.get("problems", ()))
    yield from _numbers("tailrace_", status, {"threads": "threads"})
    spool = status.get("spool", {})
    yield from _numbers("tailrace_spool_", spool, _SPOOL)
    yield from [("tailrace_spool_used_ratio", (), spool["bytes"] / max(spool["max_bytes"], 1))] if spool else []
    for sink in status.get("sinks", ()):
        yield "tailrace_sink_up", (sink["name"],), sink["state"] == "up" and sink["alive"]
        yield from [("tailrace_sink_circuit_open", (sink["name"],), sink["circuit"] != "closed")] if "circuit" in sink else []
        yield from _numbers("tailrace_sink_", sink, _SINK, (sink["name"],))
    yield from _ledger(status.get("ledger", {}), hops)
    yield from _numbers("tailrace_dead_letters", status.get("dead", {}), {"count": "", "bytes": "_bytes", "max_bytes": "_limit_bytes"})
    keeper = status.get("keeper", {})
    yield from [("tailrace_keeper_up", (), _well(keeper))] if keeper else []
    yield from _numbers("tailrace_keeper_", keeper, _KEEPER)
    for quota in _shown(status.get("quotas", ())):
        yield from _numbers("tailrace_quota_", quota, _QUOTA, (quota["source"], quota["quota"]))
    for name, told in status.get("doors", {}).items():
        yield from _door(name, told)
    for name, told in status.get("certificates", {}).items():
        yield "tailrace_certificate_up", (name,), not told["error"]
        yield from _numbers("tailrace_certificate_", told, _CERTIFICATE, (name,))
    yield from _numbers("tailrace_traces_", status.get("own_traces", {}), _TRACES)
    yield from _heartbeat(status.get("heartbeat", {}))


_SPOOL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bytes": "bytes",
        "max_bytes": "limit_bytes",
        "segments": "segments",
        "rows": "rows_total",
        "waiting_rows": "waiting_rows",
        "refused": "refused_puts_total",
        "torn_bytes": "torn_bytes_total",
        "holes": "holes_total",
        "duplicates": "duplicate_rows_total",
    }
)
_SINK: Final[Mapping[str, str]] = MappingProxyType(
    {"failures": "consecutive_failures", "failing_s": "failing_seconds", "behind_rows": "behind_rows", "oldest_age_s": "oldest_row_age_seconds"}
)
_KEEPER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "rounds": "rounds_total",
        "idle_s": "idle_seconds",
        "round_s": "round_seconds",
        "failing_s": "failing_seconds",
        "fresh_parts": "fresh_parts",
        "due_parts": "due_parts",
        "merged_parts": "merged_parts_total",
        "merged_rows": "merged_rows_total",
        "duplicates_removed": "duplicate_rows_total",
        "deleted_parts": "deleted_parts_total",
    }
)
_QUOTA: Final[Mapping[str, str]] = MappingProxyType({"bytes_today": "day_bytes", "beyond": "beyond_events_total", "delayed": "delayed_total"})
_CERTIFICATE: Final[Mapping[str, str]] = MappingProxyType({"days_left": "days_left", "failed_handshakes": "failed_handshakes_total"})
_TRACES: Final[Mapping[str, str]] = MappingProxyType({name: f"{name}_total" for name in ("segments", "spans", "left_out")})
_BEATS: Final[Mapping[str, str]] = MappingProxyType({"sent": "sent_total", "failed": "failed_total", "withheld": "withheld_total"})


def _numbers(prefix: str, told: Mapping[str, Any], names: Mapping[str, str], labels: tuple[str, ...] = ()) -> Iterator[Sample]:
    yield from ((prefix + name, labels, told[key]) for key, name in names.items() if key in told)


def _ledger(told: Mapping[str, Any], hops: Sequence[Hop] | None) -> Iterator[Sample]:
    yield "tailrace_ledger_up", (), hops is not None and _well(told)
    for hop in hops or ():
        for name, field in _OUTCOMES.items():
            yield f"tailrace_ledger_{name}", (hop.hop, hop.sink, hop.unit), getattr(hop, field)


def _sources(sums: Mapping[tuple[str, str], SourceSum]) -> Iterator[Sample]:
    rows = Counter[str]()
    for (source, _), one in sums.items():
        rows[source] += one.rows
    named, told = {source for source, _ in rows.most_common(MAX_SOURCES)}, SourceSums()
    for (source, unit), one in sums.items():
        key = (source if source in named else OTHERS, unit)
        told[key] = told.get(key, SourceSum()) + one
    for key, one in told.items():
        yield from ((f"tailrace_source_{name}_total", key, getattr(one, name)) for name in ("rows", "dropped", "dead", "lost"))


def _door(name: str, told: Mapping[str, Any]) -> Iterator[Sample]:
    yield "tailrace_door_up", (name,), not told.get("error")
    for what, value in told.items():
        if what in DOOR_GAUGES:
            yield f"tailrace_door_{what}", (name,), value
        elif isinstance(value, int):
            yield "tailrace_door_counts_total", (name, what), value


def _heartbeat(told: Mapping[str, Any]) -> Iterator[Sample]:
    if told:
        yield "tailrace_heartbeat_up", (), not told["error"]
        yield from _numbers("tailrace_heartbeat_", told, _BEATS)
        yield "tailrace_heartbeat_last_sent_timestamp_seconds", (), told["last_sent_us"] / US_PER_S


def _shown(quotas: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Answer those of the most bytes, where there are too many sources: every label value is a time series more."""
    return quotas if len(quotas) <= MAX_QUOTAS else sorted(quotas, key=lambda one: -one["bytes_today"])[:MAX_QUOTAS]


def _well(told: Mapping[str, Any]) -> bool:
    return not told.get("error") and bool(told.get("alive", True))


def _text(label: str) -> str:
    """Answer a label that UTF-8 can hold: half a character of UTF-16 is no text."""
    return label.encode("utf-8", "replace").decode()


def metrics_page() -> str:
    """Answer the table of ``docs/operations.md``."""
    rows = (f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {one.meaning} |" for one in METRICS)
    return "| metric | kind | labels | meaning |\n|---|---|---|---|\n" + "\n".join(rows)
