"""Both legs from one parse: CloudWatch payloads, parsed, into the spool, synced; from there Parquet into the lake and bodies of ``_bulk`` to an OpenSearch that swallows them.

``python -m benchmarks.both_legs PAYLOADS_FILE FOLDER`` measures once, in a process of its own, and prints one JSON object.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.ingest import PAYLOADS, run_child, write_payloads
from benchmarks.ingest_child import WARM_UP, Run, peak_rss_mb, read
from benchmarks.swallow import Swallows
from collectors.collector import Collector
from collectors.format_file import load_formats
from collectors.from_settings import work_with
from collectors.rules.rule_file import NO_RULES
from firehose import LocalFirehose
from firehose.dead_letters import DeadLetters
from firehose.sinks.lake.sink import LakeSink
from firehose.sinks.opensearch.sink import OpenSearchSink
from tailrace.clock import SystemClock
from tailrace.fields import AttributeRegister
from tailrace.settings import Settings
from tailrace.stores import open_store

ROUNDS: Final = 5
CHILD: Final = (sys.executable, "-m", "benchmarks.both_legs")


def measure(rounds: int = ROUNDS, count: int = PAYLOADS) -> list[Run]:
    """Measure some times."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as name:
        source = Path(name) / "app.payloads"
        write_payloads("app", count, source)
        return [run_child([*CHILD], source) for _ in range(rounds)]


def child(source: Path, home: Path) -> Run:
    """Measure once, from the first payload until every row is in the lake, at OpenSearch and in the ledger; ``failed`` are documents that lack, ``bytes`` those of the bodies."""
    formats, settings, clock = load_formats(), Settings(home=home), SystemClock()
    register = AttributeRegister(declared=formats.declared())
    swallows, store = Swallows(), open_store(settings)
    lake = LakeSink(store, flush_after_s=settings.lake_flush_after_s, flush_bytes=settings.lake_flush_bytes)
    hot = OpenSearchSink(swallows, register, DeadLetters(settings.dead_folder), clock)
    with LocalFirehose(settings, clock, register=register, sinks=[lake, hot]) as stream:
        collector = Collector(stream, work_with(formats, register, NO_RULES), register, clock, region="eu-central-1")
        collector.collect_payloads(islice(read(source), WARM_UP), "warm-up")
        stream.flush()
        before, sent = swallows.documents, swallows.bytes
        began, cpu = time.perf_counter(), time.process_time()
        events = collector.collect_payloads(islice(read(source), WARM_UP, None)).events
        if not stream.flush(120):
            raise SystemExit("not everything was delivered in 120 s")
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        return Run(events, events - (swallows.documents - before), seconds, cpu_s, swallows.bytes - sent, peak_rss_mb())


def section(runs: Sequence[Run]) -> str:
    """Write the section of the page."""
    rates = sorted(run.events / run.seconds for run in runs)
    cpu, memory = (statistics.median(values) for values in ([run.cpu_s / run.events * 1e6 for run in runs], [run.peak_rss_mb for run in runs]))
    if any(run.failed for run in runs):
        raise SystemExit("documents lack")
    how = f"""{runs[0].events:,} events of application JSON (380 B) in CloudWatch's payloads, one process: inflated, detected, parsed, put into the spool (each put synced), and from there into Parquet parts of the lake (synced) and into
bodies of `_bulk`, until the ledger has it all. The bodies are made whole and swallowed: no network and no OpenSearch are in it. Medians of {len(runs)}. Aim: 80,000 events/s on 2 cores."""
    rows = [
        f"| events/s into the lake and into bodies of `_bulk` | **{statistics.median(rates):,.0f}** | {rates[0]:,.0f} to {rates[-1]:,.0f} |",
        f"| CPU, an event | **{cpu:.1f} us** | |",
        f"| peak memory | **{memory:.0f} MB** | |",
    ]
    return "\n".join(["## Both legs from one parse", "", "| | median | smallest to largest |", "|---|---|---|", *rows, "", how])


if __name__ == "__main__":
    source, folder = map(Path, sys.argv[1:])
    print(msgspec.json.encode(child(source, folder)).decode())
