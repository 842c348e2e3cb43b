"""A file of lines to another file, beside Fluent Bit, which is written in C: ours to Parquet, its to JSON, in turns.

Fluent Bit comes in no package here: ``FLUENT_BIT`` names its program, as its own build makes it (``cmake -DCMAKE_BUILD_TYPE=Release``). It follows the file to its end and stops, with its JSON parser or, for flow
logs, a regular expression with types; one record is added to each event, as ours adds its source. Ours reads the file as ``tailrace ingest`` does, without the spool.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.ingest import CHILD, Result, run_child
from benchmarks.ingest_child import Run, peak_rss_mb
from benchmarks.payloads import plain_lines

ROUNDS: Final = 5
EVENTS: Final = 400_000
LOOK_S: Final = 0.01
VARIABLE: Final = "FLUENT_BIT"
KINDS: Final = {"app": "application JSON, 380 B", "vpc": "VPC flow logs, 105 B"}

_VPC: Final = "version account_id interface_id srcaddr dstaddr srcport dstport protocol packets bytes start end action log_status"
_NUMBERS: Final = "version srcport dstport protocol packets bytes start end"
_SERVICE: Final = """[SERVICE]
    flush        0.1
    log_level    error
    parsers_file {folder}/parsers.conf
[INPUT]
    name              tail
    path              {source}
    tag               lines
    read_from_head    on
    exit_on_eof       on
    parser            {kind}
    buffer_chunk_size 1M
    buffer_max_size   8M
[FILTER]
    name   record_modifier
    match  *
    record source {source}
[OUTPUT]
    name   file
    match  *
    path   {folder}
    file   out.json
"""


def _parsers() -> str:
    fields = " ".join(rf"(?<{name}>\S+)" for name in _VPC.split())
    types = " ".join(f"{name}:integer" for name in _NUMBERS.split())
    app = "[PARSER]\n    name app\n    format json\n    time_key timestamp\n    time_format %Y-%m-%dT%H:%M:%S.%LZ\n"
    return f"{app}[PARSER]\n    name vpc\n    format regex\n    regex ^{fields}$\n    types {types}\n"


def measure(rounds: int = ROUNDS, count: int = EVENTS) -> list[Result]:
    """Measure both in turns."""
    program = _program()
    found: dict[tuple[str, str], list[Run]] = {}
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as name:
        folder = Path(name)
        for kind in KINDS:
            (folder / f"{kind}.log").write_text("".join(f"{line}\n" for line in plain_lines(kind, count)), "utf-8")
        for _ in range(rounds):
            for kind in KINDS:
                source = folder / f"{kind}.log"
                found.setdefault(("tailrace", kind), []).append(run_child([*CHILD, "--lines"], source))
                found.setdefault(("fluent bit", kind), []).append(_fluent_bit(program, kind, source, count))
    return [Result(side, kind, runs) for (side, kind), runs in found.items()]


def _program() -> str:
    program = os.environ.get(VARIABLE, "")
    if not Path(program).is_file():
        raise SystemExit(f"{VARIABLE} names no program of Fluent Bit: {program!r}")
    return program


def _fluent_bit(program: str, kind: str, source: Path, count: int) -> Run:
    """Measure once, from its start to the last byte that it writes: after the end of the file it waits a second or two before it ends."""
    folder = source.with_suffix(".fluent")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "parsers.conf").write_text(_parsers(), "utf-8")
    (folder / "fluent.conf").write_text(_SERVICE.format(folder=folder, source=source, kind=kind), "utf-8")
    begun = time.perf_counter()
    done = subprocess.Popen([program, "-c", str(folder / "fluent.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    out, size, seconds, peak, ended = folder / "out.json", 0, 0.0, 0.0, 0
    while not ended:
        time.sleep(LOOK_S)
        peak = max(peak, peak_rss_mb(done.pid))
        now = out.stat().st_size if out.exists() else 0
        size, seconds = (now, time.perf_counter() - begun) if now != size else (size, seconds)
        ended, status, used = os.wait4(done.pid, os.WNOHANG)
    error = done.stderr.read() if done.stderr else b""
    with out.open("rb") as file:
        written = sum(1 for _ in file)
    if status or written != count:
        raise SystemExit(f"Fluent Bit wrote {written} of {count} events: {error.decode(errors='replace')[-500:]}")
    return Run(written, 0, seconds, used.ru_utime + used.ru_stime, out.stat().st_size, peak)


def section(results: Sequence[Result]) -> str:
    """Write the section of the page."""
    version = subprocess.run([_program(), "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    sides = {"tailrace": "Tailrace, to Parquet", "fluent bit": f"{version}, to JSON"}
    rows = [
        f"| {sides[one.side]} | {KINDS[one.kind]} | **{one.median('events_s'):,.0f}** | {one.spread('events_s')[0]:,.0f} to {one.spread('events_s')[1]:,.0f} "
        f"| {one.median('cpu_us'):.1f} | {one.median('peak_rss_mb'):.0f} MB | {one.median('bytes_event'):.0f} B |"
        for one in sorted(results, key=lambda one: (list(KINDS).index(one.kind), one.side != "tailrace"))
    ]
    how = f"""A file of {EVENTS:,} lines to another file; medians of {len(results[0].runs)}, sides in turns. Ours: detection, typed columns, attributes, severity and trace ids, Parquet with Bloom filters, without the
spool. Fluent Bit: `tail` with a parser (JSON; a regular expression with types), `record_modifier`, output `file`: `benchmarks/fluent_bit.py`."""
    return "\n".join(
        [
            "## A file of lines, beside Fluent Bit",
            "",
            "| | lines | events/s | smallest to largest | CPU-seconds a million | peak memory | written, an event |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            how,
        ]
    )
