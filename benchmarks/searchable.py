"""How long from the start of a put until a search finds the event, in the lake and in a real OpenSearch node, at 5,000 events/s, all in one process but the node."""

import statistics
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks.log_rows import delivery
from benchmarks.node import node
from firehose import LocalFirehose
from firehose.delivery import Delivery
from firehose.keeper import Keeper
from queries.connections.duckdb import LakeConnection
from queries.engine import SearchEngine
from queries.engines.lake import LakeEngine
from queries.engines.opensearch import OpenSearchEngine
from tailrace import aws
from tailrace.clock import SystemClock
from tailrace.fields import AttributeRegister
from tailrace.forms import arrow_schema
from tailrace.settings import Settings
from tailrace.stores import open_store

EVENTS_S: Final = 5_000
ROWS_A_PUT: Final = 100
WARM_S: Final = 15
"""A node that has just started compiles what it runs: in its first seconds it takes several times the CPU."""

PAUSE_S: Final = 0.2
"""Between two searches of a watch."""

SECONDS: Final = 30
MARK_EVERY: Final = 10
"""Of so many puts one is looked for: five a second."""

NAMES: Final = {"lake": "the lake, by DuckDB", "opensearch": "OpenSearch"}


class Watch:
    """Looks for events of puts in one engine, in a thread of its own, one search after the other with a short pause, each for all that were not found yet."""

    def __init__(self, engine: SearchEngine) -> None:
        self._engine = engine
        self._waiting: dict[str, float] = {}
        self.found: list[float] = []
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def expect(self, event_id: str, began: float) -> None:
        """Look for an event whose put began at a time of ``perf_counter``."""
        with self._lock:
            self._waiting[event_id] = began

    def finish(self, within_s: float = 120.0) -> list[float]:
        """Wait until all were found; seconds that each took."""
        until = time.perf_counter() + within_s
        while self._waiting and self._thread.is_alive() and time.perf_counter() < until:
            time.sleep(0.05)
        self._stop.set()
        self._thread.join()
        if self._waiting:
            raise SystemExit(f"{len(self._waiting)} events were not found in {within_s:.0f} s")
        return self.found

    def _run(self) -> None:
        while not self._stop.is_set():
            time.sleep(PAUSE_S)
            with self._lock:
                ids = list(self._waiting)
            if not ids:
                continue
            hits = self._engine.search("logs", _question(ids))["hits"]["hits"]
            now = time.perf_counter()
            with self._lock:
                self.found += [now - self._waiting.pop(hit["_id"]) for hit in hits]


def _question(ids: Sequence[str]) -> dict[str, Any]:
    recent = {"range": {"@timestamp": {"gte": "now-5m"}}}
    return {"size": 1_000, "query": {"bool": {"filter": [recent, {"terms": {"event_id": list(ids)}}]}}}


def measure(seconds: int = SECONDS, events_s: int = EVENTS_S) -> tuple[dict[str, list[float]], float]:
    """Put at a steady rate, and watch one engine after the other; answer for each how long each event took that was looked for, and how many events a second were put."""
    with node() as running, tempfile.TemporaryDirectory(prefix="tailrace-bench-") as name:
        settings, clock = Settings(home=Path(name), opensearch_url=running.url), SystemClock()
        register, store = AttributeRegister(settings.register_path), open_store(settings)
        connection = LakeConnection(settings, store)
        engines: Mapping[str, SearchEngine] = {
            "lake": LakeEngine(connection, register, clock),
            "opensearch": OpenSearchEngine(aws.opensearch(settings), register, clock),
        }
        with LocalFirehose(settings, clock, register=register, store=store) as stream, Keeper(settings, clock, store=store):
            took_s = _put(stream, clock, "warm", None, WARM_S, events_s)
            found = dict[str, list[float]]()
            for engine_name, engine in engines.items():
                watch = Watch(engine)
                took_s += _put(stream, clock, engine_name, watch, seconds, events_s)
                found[engine_name] = watch.finish()
        connection.close()
    return found, (WARM_S + len(engines) * seconds) * events_s / took_s


def _put(stream: LocalFirehose, clock: SystemClock, name: str, watch: Watch | None, seconds: int, events_s: int) -> float:
    """Put at the rate, and answer how long it took; what is late is put at once."""
    one, every_s = delivery(0, ROWS_A_PUT), ROWS_A_PUT / events_s
    began = time.perf_counter()
    for number in range(int(seconds / every_s)):
        time.sleep(max(began + number * every_s - time.perf_counter(), 0))
        made = _at_now(one, clock, f"{name}-{number:012}")
        put_at = time.perf_counter()
        stream.put(made)
        if watch is not None and number % MARK_EVERY == 0:
            watch.expect(f"{name}-{number:012}-{ROWS_A_PUT // 2:04}", put_at)
    return time.perf_counter() - began


def _at_now(one: Delivery, clock: SystemClock, name: str) -> Delivery:
    schema, table, now_us = arrow_schema("logs"), one.tables["logs"], clock.now_us()
    times = pa.array(np.full(ROWS_A_PUT, now_us)).cast(schema.field("event_time").type)
    for column, values in (("event_id", pa.array([f"{name}-{n:04}" for n in range(ROWS_A_PUT)])), ("event_time", times), ("observed_time", times)):
        table = table.set_column(schema.get_field_index(column), schema.field(column), values)
    return replace(one, received_us=now_us, tables={"logs": table})


def section(found: Mapping[str, Sequence[float]], rate: float) -> str:
    """Write the section of the page."""
    rows = []
    for name, taken in found.items():
        cuts = statistics.quantiles(taken, n=20)
        rows.append(f"| {NAMES[name]} | **{statistics.median(taken):.2f} s** | **{cuts[-1]:.2f} s** | {max(taken):.2f} s | {len(taken)} |")
    how = f"""From the start of a put until a search of ours finds the event of it (`event_id`, of the last five minutes), {EVENTS_S:,} events/s ({rate:,.0f} were put) in puts of {ROWS_A_PUT}, for {SECONDS} s an engine after {WARM_S} s to warm up, with the defaults: the lake's rows wait up to 1 s
(`lake_flush_after_s`), OpenSearch's up to 0.25 s and then for its refresh each second. One engine at a time is asked, 5 times a second at most; both sinks deliver, the keeper merges; the node and we share 2 cores. Aim: 2 s for 95 of 100."""
    return "\n".join(["## From the put to the search", "", "| | median | 95 of 100 | most | events looked for |", "|---|---|---|---|---|", *rows, "", how])
