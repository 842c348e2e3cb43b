"""``tailrace ingest``: files, folders, objects of S3 or standard input through the write path, and the ledger of the run."""

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, cast

import click

from collectors.collector import Collector, Summary
from collectors.envelopes.s3_event import S3Object
from collectors.from_settings import formats_from_settings
from collectors.lines import Origin
from collectors.sources.contents import Advance
from collectors.sources.files import Ingest, LineSource, find_files
from collectors.sources.stdin import ingest_stdin
from collectors.sources.tail_files import TailFiles
from collectors.sources.tail_positions import Positions
from tailrace.cli.output import advancing, json_option, print_json
from tailrace.cli.write_path import PATIENCE_S, Done, Report, print_report, stopping, write_path
from tailrace.clock import Clock, SystemClock
from tailrace.errors import DeliveryError, UsageError
from tailrace.settings import Settings, load

if TYPE_CHECKING:
    from collectors.sources.s3_objects import ObjectSource

STDIN: Final = "-"

Kind = Literal["lines", "cloudwatch", "xray"]
Input = Path | S3Object | None
"""A file, an object, or standard input."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be ingested: paths (``-`` is standard input), what they hold, and what a person says of the lines."""

    paths: tuple[str, ...]
    kind: Kind = "lines"
    origin: Origin = Origin("", "")  # noqa: RUF009 - it is frozen


@click.command()
@click.argument("paths", metavar="PATH...|-", nargs=-1, required=True)
@click.option("--format", "format_name", default="", help="Name of the format, such as web.apache_access; else it is detected.")
@click.option("--source", default="", help="Name of the source in the ledger; else file:PATH or stdin.")
@click.option("--payload", type=click.Choice(["cloudwatch", "xray"]), help="Each file is a payload of that kind, not lines.")
@click.option("--follow", is_flag=True, help="Go on reading what is added, until told to stop (Ctrl-C, SIGTERM); paths may be patterns.")
@json_option
def command(paths: tuple[str, ...], format_name: str, source: str, payload: str | None, *, follow: bool, as_json: bool) -> None:
    """Read files, folders, objects of S3 or standard input into the lake (and OpenSearch, where it is set), and print the ledger of the run.

    s3://bucket/prefix is every object whose key begins so. Files may be packed (gzip, zlib, bzip2, xz, zstd, zip) or Parquet or ORC. What is ingested again adds nothing: its lines are
    counted as duplicates. Exits 3 if something could not be read. With --follow files are read on while they grow, rotate and are compressed, from where the last run left them.

    Example: tailrace ingest /var/log/nginx --format web.nginx_access
    """
    settings, clock = load().settings, SystemClock()
    job = Job(paths, cast("Kind", payload or "lines"), Origin(source, "", format=format_name))
    if follow:
        if payload or any(path == STDIN or path.startswith("s3://") for path in paths):
            raise UsageError("--follow takes files of lines, and neither standard input, objects of S3 nor --payload")
        click.echo("following; stop with Ctrl-C", err=True)
        with stopping() as stop:
            report = run_following(settings, clock, job, stop)
    else:
        report = run(settings, clock, job, sys.stdin.buffer)
    print_json(report.to_json()) if as_json else print_report(report)
    raise SystemExit(0 if report.is_good else 3)


def run(settings: Settings, clock: Clock, job: Job, stdin: BinaryIO) -> Report:
    """Ingest, wait until it is in the lake, and compare the ledger with what it was."""
    inputs = _inputs(settings, job)
    if job.origin.format:
        formats_from_settings(settings).get(job.origin.format)
    with write_path(settings, clock) as path, advancing("bytes", _bytes_of(inputs)) as advance:
        read = _reader(settings, clock, path.collector, job, stdin)
        ingests = [read(one, advance) for one in inputs]
        problems = [one.problem for one in ingests if one.problem]
        return path.report(Done(len(inputs), sum((one.summary for one in ingests), Summary()), sum(one.replaced for one in ingests), problems))


def run_following(settings: Settings, clock: Clock, job: Job, stop: threading.Event) -> Report:
    """Follow files until told to stop, wait until what was read is in the lake, and compare the ledger with what it was."""
    patterns = [str(Path(path) / "**" / "*") if Path(path).is_dir() else path for path in job.paths]
    if job.origin.format:
        formats_from_settings(settings).get(job.origin.format)
    with write_path(settings, clock) as path:
        TailFiles(path.collector, patterns, Positions(settings.tail_path), clock, origin=job.origin, stop=stop).run()
        report = path.report(Done(len(patterns), Summary(), 0, []))
    events = sum(hop.went_out for hop in report.hops if (hop.hop, hop.unit) == ("collect", "events"))
    return replace(report, done=replace(report.done, summary=Summary(events=events)))


def _inputs(settings: Settings, job: Job) -> list[Input]:
    """List what is to be read, ``None`` for standard input."""
    inputs: list[Input] = []
    for path in job.paths:
        if path.startswith("s3://"):
            if job.kind != "lines":
                raise UsageError(f"{path}: --payload is for files: copy the object to one first")
            inputs += _objects(settings, path)
        else:
            inputs += [None] if path == STDIN else find_files([Path(path)])
    return list(dict.fromkeys(inputs))


def _objects(settings: Settings, url: str) -> list[Input]:
    from collectors.sources.s3_from_settings import clients_from_settings  # boto3 takes 300 ms to import
    from collectors.sources.s3_listing import Boto3Listing, listed

    found: list[Input] = [found.place for found, _ in listed(Boto3Listing(clients_from_settings(settings)), url)]
    if not found:
        raise UsageError(f"no object begins with {url}")
    return found


def _reader(settings: Settings, clock: Clock, collector: Collector, job: Job, stdin: BinaryIO) -> Callable[[Input, Advance], Ingest]:
    """Answer what reads one input."""
    lines, run_id = LineSource(collector, clock, origin=job.origin, patience_s=PATIENCE_S), str(clock.now_us())

    @cache
    def objects() -> "ObjectSource":
        from collectors.sources.s3_from_settings import objects_from_settings

        return objects_from_settings(settings, collector, clock, origin=job.origin, patience_s=PATIENCE_S)

    def read(one: Input, advance: Advance) -> Ingest:
        if isinstance(one, S3Object):
            return _object(objects(), one, advance)
        if job.kind != "lines":
            return _payload(collector, one, advance, stdin, job)
        return lines.ingest_file(one, advance) if one else ingest_stdin(lines, stdin, run_id, job.origin, advance)

    return read


def _object(source: "ObjectSource", place: S3Object, advance: Advance) -> Ingest:
    try:
        return source.ingest(place, advance)
    except DeliveryError as error:
        return Ingest(problem=str(error))


def _payload(collector: Collector, path: Path | None, advance: Advance, stdin: BinaryIO, job: Job) -> Ingest:
    try:
        data = path.read_bytes() if path else stdin.read()
    except OSError as error:
        return Ingest(problem=f"{path}: cannot be read: {error.strerror or error}")
    advance(len(data))
    summary = collector.collect_payload(data, "xray" if job.kind == "xray" else "cloudwatch", job.origin.source or (f"file:{path}" if path else "stdin")[:256])
    return Ingest(summary, problem=f"{path or STDIN}: {summary.dead[0].reason}" if summary.dead else "")


def _bytes_of(inputs: Sequence[Input]) -> int | None:
    return None if None in inputs else sum(_size(one) for one in inputs)


def _size(one: Input) -> int:
    if isinstance(one, S3Object):
        return one.size or 0
    return one.stat().st_size if one and one.exists() else 0
