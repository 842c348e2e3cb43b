"""``tailrace ingest``: files, folders or standard input through the write path, and the ledger of the run."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, cast

import click

from collectors.collector import Collector, Summary
from collectors.from_settings import collector_from_settings, formats_from_settings
from collectors.lines import Origin
from collectors.sources.contents import Advance
from collectors.sources.files import Ingest, LineSource, find_files
from collectors.sources.stdin import ingest_stdin
from collectors.sources.tail_files import TailFiles
from collectors.sources.tail_positions import Positions
from firehose import LocalFirehose
from tailrace.cli.output import json_option, print_json, print_table, progress
from tailrace.clock import Clock, SystemClock
from tailrace.errors import UsageError
from tailrace.fields import AttributeRegister
from tailrace.ledger import Hop, open_ledger
from tailrace.settings import Settings, load

PATIENCE_S: Final = 60.0
"""How long a full spool or disk is waited for."""

FLUSH_TIMEOUT_S: Final = 120.0
STDIN: Final = "-"

Kind = Literal["lines", "cloudwatch", "xray"]


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be ingested: paths (``-`` is standard input), what they hold, and what a person says of the lines."""

    paths: tuple[str, ...]
    kind: Kind = "lines"
    origin: Origin = Origin("", "")  # noqa: RUF009 - it is frozen


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a run: sums, what the ledger says of it, what could not be read, and whether all of it is in the lake."""

    inputs: int
    done: Ingest
    hops: Sequence[Hop]
    problems: Sequence[str]
    balanced: bool
    flushed: bool

    @property
    def is_good(self) -> bool:
        """Whether everything was read, is in the lake, and adds up."""
        return not self.problems and not self.done.summary.dead and self.balanced and self.flushed


@click.command()
@click.argument("paths", metavar="PATH...|-", nargs=-1, required=True)
@click.option("--format", "format_name", default="", help="Name of the format, such as web.apache_access; else it is detected.")
@click.option("--source", default="", help="Name of the source in the ledger; else file:PATH or stdin.")
@click.option("--payload", type=click.Choice(["cloudwatch", "xray"]), help="Each file is a payload of that kind, not lines.")
@click.option("--follow", is_flag=True, help="Go on reading what is added, until told to stop (Ctrl-C, SIGTERM); paths may be patterns.")
@json_option
def command(paths: tuple[str, ...], format_name: str, source: str, payload: str | None, *, follow: bool, as_json: bool) -> None:
    """Read files, folders or standard input into the lake (and OpenSearch, where it is set), and print the ledger of the run.

    Files may be compressed with gzip or zlib. A file that is ingested again adds nothing: its lines are counted as duplicates. Exits 3 if something could not be read.
    With --follow files are read on while they grow, rotate and are compressed, from where the last run left them.

    Example: tailrace ingest /var/log/nginx --format web.nginx_access
    """
    settings, clock = load().settings, SystemClock()
    job = Job(paths, cast("Kind", payload or "lines"), Origin(source, "", format=format_name))
    if follow:
        if payload or STDIN in paths:
            raise UsageError("--follow takes files of lines, and neither standard input nor --payload")
        click.echo("following; stop with Ctrl-C", err=True)
    report = run_following(settings, clock, job, ended()) if follow else run(settings, clock, job, sys.stdin.buffer)
    print_json(_as_json(report)) if as_json else _print(report)
    raise SystemExit(0 if report.is_good else 3)


def run(settings: Settings, clock: Clock, job: Job, stdin: BinaryIO) -> Report:
    """Ingest, wait until it is in the lake, and compare the ledger with what it was."""
    inputs = _inputs(job.paths)
    with _write_path(settings, clock, job) as (collector, close):
        source = LineSource(collector, clock, origin=job.origin, patience_s=PATIENCE_S)
        with _advancing(inputs) as advance:
            if job.kind == "lines":
                ingests = [_lines(source, path, advance, stdin, str(clock.now_us()), job.origin) for path in inputs]
            else:
                ingests = [_payload(collector, path, advance, stdin, job) for path in inputs]
        return close(len(inputs), ingests)


def run_following(settings: Settings, clock: Clock, job: Job, stop: threading.Event) -> Report:
    """Follow files until told to stop, wait until what was read is in the lake, and compare the ledger with what it was."""
    patterns = [str(Path(path) / "**" / "*") if Path(path).is_dir() else path for path in job.paths]
    with _write_path(settings, clock, job) as (collector, close):
        TailFiles(collector, patterns, Positions(settings.tail_path), clock, origin=job.origin, stop=stop).run()
        return close(len(patterns), [])


def ended() -> threading.Event:
    """Answer an event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


Close = Callable[[int, Sequence[Ingest]], Report]


@contextmanager
def _write_path(settings: Settings, clock: Clock, job: Job) -> Iterator[tuple[Collector, Close]]:
    """Open the write path; answer a collector, and what ends a run: it waits for the lake, and compares the ledger."""
    if job.origin.format:
        formats_from_settings(settings).get(job.origin.format)
    register, before = AttributeRegister(settings.register_path), open_ledger(settings.ledger_path).hops()

    def close(inputs: int, ingests: Sequence[Ingest]) -> Report:
        flushed = stream.flush(FLUSH_TIMEOUT_S)
        check = open_ledger(settings.ledger_path).check()
        hops = _difference(check.hops, before)
        done = Ingest(sum((one.summary for one in ingests), Summary()), sum(one.replaced for one in ingests))
        if not ingests:
            done = Ingest(Summary(events=sum(hop.went_out for hop in hops if (hop.hop, hop.unit) == ("collect", "events"))))
        return Report(inputs, done, hops, [one.problem for one in ingests if one.problem], check.balanced, flushed)

    with LocalFirehose(settings, clock, register=register) as stream:
        collector = collector_from_settings(settings, stream, register, clock)
        try:
            yield collector, close
        finally:
            collector.close()


def _inputs(paths: Sequence[str]) -> list[Path | None]:
    """List what is to be read, ``None`` for standard input."""
    inputs: list[Path | None] = []
    for path in paths:
        if path.startswith("s3://"):
            raise UsageError(f"{path}: objects of S3 cannot be ingested yet: copy them to a folder first")
        inputs += [None] if path == STDIN else find_files([Path(path)])
    return list(dict.fromkeys(inputs))


def _lines(source: LineSource, path: Path | None, advance: Advance, stdin: BinaryIO, run_id: str, origin: Origin) -> Ingest:
    return source.ingest_file(path, advance) if path else ingest_stdin(source, stdin, run_id, origin, advance)


def _payload(collector: Collector, path: Path | None, advance: Advance, stdin: BinaryIO, job: Job) -> Ingest:
    try:
        data = path.read_bytes() if path else stdin.read()
    except OSError as error:
        return Ingest(problem=f"{path}: cannot be read: {error.strerror or error}")
    advance(len(data))
    summary = collector.collect_payload(data, "xray" if job.kind == "xray" else "cloudwatch", job.origin.source or (f"file:{path}" if path else "stdin")[:256])
    return Ingest(summary, problem=f"{path or STDIN}: {summary.dead[0].reason}" if summary.dead else "")


@contextmanager
def _advancing(inputs: Sequence[Path | None]) -> Iterator[Advance]:
    total = None if None in inputs else sum(path.stat().st_size for path in inputs if path and path.exists())
    done = 0
    with progress("bytes") as tick:

        def advance(count: int) -> None:
            nonlocal done
            done += count
            tick(done, total)

        yield advance


def _difference(after: Sequence[Hop], before: Sequence[Hop]) -> list[Hop]:
    known = {(hop.hop, hop.sink, hop.unit): hop for hop in before}
    found = [(hop, known.get((hop.hop, hop.sink, hop.unit))) for hop in after]
    changes = [_minus(hop, old) if old else hop for hop, old in found]
    return [hop for hop in changes if any(getattr(hop, name) for name in _NUMBERS)]


_NUMBERS: Final = tuple(field.name for field in fields(Hop) if field.name not in {"hop", "sink", "unit"})


def _minus(hop: Hop, old: Hop) -> Hop:
    return Hop(hop.hop, hop.sink, hop.unit, *(getattr(hop, name) - getattr(old, name) for name in _NUMBERS))


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "inputs": report.inputs,
        "events": report.done.summary.events,
        "replaced": report.done.replaced,
        "dead": len(report.done.summary.dead),
        "problems": list(report.problems),
        "flushed": report.flushed,
        "balanced": report.balanced,
        "hops": [hop.to_json() for hop in report.hops],
    }


def _print(report: Report) -> None:
    columns = ("hop", "sink", "unit", "in", "out", "pending", "dropped", "duplicate", "joined", "dead", "lost")
    print_table(columns, [tuple(hop.to_json().values()) for hop in report.hops])
    if report.done.replaced:
        click.echo(f"{report.done.replaced} lines had bytes that are no UTF-8; they are shown as U+FFFD")
    for problem in report.problems:
        click.echo(f"tailrace: {problem}", err=True)
    if not report.flushed:
        click.echo("tailrace: what was read is safe in the spool and not yet in every sink", err=True)
    if not report.balanced:
        click.echo("tailrace: the ledger does not add up; see: tailrace ledger check", err=True)
    sys.stdout.flush()
