"""Documents into a real OpenSearch node, end to end: from the first put until the node has them all, and whose CPU time it takes."""

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.node import cpu_s, node
from benchmarks.tenfold import ROWS_A_PUT, deliveries
from firehose import LocalFirehose
from firehose.delivery import Delivery
from tailrace import aws
from tailrace.clock import SystemClock
from tailrace.settings import Settings

ROUNDS: Final = 5
COUNT: Final = 50_000


@dataclass(frozen=True, slots=True)
class Filled:
    """One measurement: seconds, CPU-seconds of ours and of the node."""

    documents: int
    seconds: float
    ours_s: float
    node_s: float


def measure(rounds: int = ROUNDS, count: int = COUNT) -> list[Filled]:
    """Put documents that are new each time; the first round warms the node up and does not count."""
    made = deliveries(count * (rounds + 1))
    with node() as running, tempfile.TemporaryDirectory(prefix="tailrace-bench-") as name:
        settings = Settings(home=Path(name), opensearch_url=running.url)
        each = count // ROWS_A_PUT
        with LocalFirehose(settings, SystemClock()) as stream:
            found = [_fill(stream, made[at : at + each], running.process.pid) for at in range(0, len(made), each)]
        transport = aws.opensearch(settings).transport
        transport.perform_request("POST", "/tailrace-logs-*/_refresh")
        there = transport.perform_request("GET", "/tailrace-logs-*/_count")["count"]
        if there != len(made) * ROWS_A_PUT:
            raise SystemExit(f"the node has {there:,} documents")
        return found[1:]


def _fill(stream: LocalFirehose, made: Sequence[Delivery], pid: int) -> Filled:
    began, ours, nodes = time.perf_counter(), time.process_time(), cpu_s(pid)
    for one in made:
        stream.put(one)
    if not stream.flush(300):
        raise SystemExit("not everything was delivered in 300 s")
    return Filled(len(made) * ROWS_A_PUT, time.perf_counter() - began, time.process_time() - ours, cpu_s(pid) - nodes)


def section(runs: Sequence[Filled]) -> str:
    """Write the section of the page."""
    rates = sorted(one.documents / one.seconds for one in runs)
    ours, theirs = (statistics.median(values) / runs[0].documents * 1e6 for values in ([one.ours_s for one in runs], [one.node_s for one in runs]))
    rows = [
        f"| documents/s, put until the node has answered for the last | **{statistics.median(rates):,.0f}** | {rates[0]:,.0f} to {rates[-1]:,.0f} |",
        f"| CPU, a document: the node, ours | **{theirs:.0f}, {ours:.0f} us** | |",
        f"| the node's share of the CPU time | **{theirs / (theirs + ours):.0%}** | |",
    ]
    how = f"""{runs[0].documents:,} application logs of 330 B a round, put in {ROWS_A_PUT:,}s, into the lake and into an OpenSearch 3.8 node (one shard, no replica, our templates, 768 MB of heap) on the same 2 cores; medians of {len(runs)} after a round that warms the node up.
Ours is spool, lake, bodies of `_bulk` and the ledger together. What limits is the node."""
    return "\n".join(["## Into a real OpenSearch node", "", "| | median | smallest to largest |", "|---|---|---|", *rows, "", how])
