"""What was measured, as a section of ``docs/performance.md``."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.ingest import LOGPREP, PAYLOADS, PEER_PAYLOADS, PEER_SIDES, Result, events
from benchmarks.payloads import BAD_EVERY, EVENTS_A_PAYLOAD

PAGE: Final = Path(__file__).parents[1] / "docs" / "performance.md"
TITLE: Final = "# Performance\n\nMade by `make bench`; numbers of one machine, to be compared with each other.\n"
LINES: Final = {
    "app": "application JSON, 380 B",
    "vpc": "VPC flow logs, 105 B",
    "alb": "load balancer, 650 B",
    "cloudtrail": "CloudTrail, 1,400 B",
    "cloudfront": "CloudFront, 400 B",
    "s3": "S3 access, 540 B",
    "nginx": "nginx, 200 B",
}
SIDES: Final = {
    "tailrace": "Tailrace",
    "logprep": f"Logprep {LOGPREP}",
    "logprep typed": f"Logprep {LOGPREP}, also numbers and the lines' times",
    "one thread": "one thread reads and writes",
    "two processes": "two processes of one thread",
    "redaction": "redaction on",
    "hostile": "a hostile line in every payload",
}


def ingest_section(results: Sequence[Result], reason: str) -> str:
    """Write the section about ingest; ``reason`` says why Logprep was not measured."""
    order = {kind: number for number, kind in enumerate(LINES)}
    rows = [_row(result, results) for result in sorted(results, key=lambda one: order[one.kind])]
    return "\n".join(
        [
            "## CloudWatch payloads to Parquet",
            "",
            "| | lines | events/s | smallest to largest | CPU-seconds a million | peak memory | Parquet, an event | against Logprep |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            *_notes(results, reason),
        ]
    )


def _row(result: Result, results: Sequence[Result]) -> str:
    low, high = result.spread("events_s")
    peers = [other for other in results if other.side in PEER_SIDES and other.kind == result.kind and result.side == "tailrace"]
    times = " and ".join(f"{result.median('events_s') / peer.median('events_s'):.1f}" for peer in peers) + (" times" if peers else "")
    return (
        f"| {SIDES[result.side]} | {LINES[result.kind]} | **{result.median('events_s'):,.0f}** | {low:,.0f} to {high:,.0f} | {result.median('cpu_us'):.1f} "
        f"| {result.median('peak_rss_mb'):.0f} MB | {result.median('bytes_event'):.0f} B | {times} |"
    )


def _notes(results: Sequence[Result], reason: str) -> list[str]:
    versions = ", ".join(f"{name} {version(name)}" for name in ("pyarrow", "msgspec", "isal", "numpy"))
    how = f"""Medians of {len(results[0].runs)}, sides in turns, each measurement a process of its own. {events():,} events in {PAYLOADS:,} payloads of {EVENTS_A_PAYLOAD} (Logprep:
{PEER_PAYLOADS} payloads), one line in {BAD_EVERY:,} cut off in the middle; both sides keep it as a row that says so. Of two processes, each takes in all payloads, and both begin at
once. A hostile line is one of 200: members that were never seen, quotes that do not close, fields too many. Redaction: e-mail addresses, card numbers, AWS keys, tokens, IP addresses."""
    what = """From gzip bytes to closed files: inflating, envelope, detection of the format, parsing, attributes as JSON text, severity and trace ids normalised, zstd Parquet with bloom
filters on ids. One process in which a thread reads and one writes, on both sides; no spool, no fsync. Ours is `Collector.collect_payloads`, Logprep's is `Pipeline.process_event` with decoder, field manager, resolver, dissector, adder and
dropper (of text lines: dissector and adder; numbers are made around it, and event times are the envelope's), and the same libraries around it (isal, msgspec, orjson, pyarrow with the same options): `benchmarks/logprep_peer.py`. Its queues, metrics and outputs are left out, in its favour. In its second form the numbers and the
lines' own times are its own too (types of the dissector, timestamper), as in a pipeline that a user of Logprep writes."""
    machine = f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {versions}."
    return [how, "", what, "", *([reason, ""] if reason else []), machine]


def spool_section(figures: Sequence[tuple[str, str]]) -> str:
    """Write the section about the write path behind the collector."""
    how = """Rows of application logs, 330 B; medians of five. `LocalFirehose`: a put returns when its rows are synced (fdatasync) in the segment log; the lake's sink drains it meanwhile."""
    rows = [f"| {name} | **{figure}** |" for name, figure in figures]
    return "\n".join(["## Spool and sinks, one process", "", "| | |", "|---|---|", *rows, "", how])


def search_section(figures: Sequence[tuple[str, float]], rows: int) -> str:
    """Write the section about searches of the lake."""
    how = f"""{rows:,} log events of ten days in 240 Parquet parts, read by DuckDB; medians of five, from the `_search` body to the response, in one process: `benchmarks/search.py` has the bodies."""
    lines = [f"| {name} | **{took_ms:,.0f} ms** |" for name, took_ms in figures]
    return "\n".join(["## Searches over the lake", "", "| search | |", "|---|---|", *lines, "", how])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def put_section(name: str, text: str, page: Path = PAGE) -> None:
    """Put a section into the page, in the place of the one of that name."""
    start, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before = page.read_text("utf-8") if page.exists() else TITLE
    block = f"{start}\n{text}\n{end}"
    if start in before and end in before:
        head, rest = before.split(start, 1)
        after = head + block + rest.split(end, 1)[1]
    else:
        after = f"{before.rstrip()}\n\n{block}\n"
    page.write_text(after, "utf-8")
