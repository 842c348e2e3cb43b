"""``tailrace backfill``: what is old, of a bucket, through the write path; a run that ended is gone on with by the next."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from collectors.from_settings import formats_from_settings
from collectors.lines import Origin
from collectors.sources.checkpoints import Checkpoints
from queries.dsl.dates import DateReader
from tailrace.cli.output import json_option, print_json, progress
from tailrace.cli.write_path import PATIENCE_S, Done, Report, WritePath, print_report, stopping, write_path
from tailrace.clock import US_PER_MS, Clock, SystemClock
from tailrace.errors import UsageError
from tailrace.settings import Settings, load

if TYPE_CHECKING:
    from threading import Event

    from collectors.sources.s3_backfill import Backfilled, S3Backfill

FOREVER_US: Final = 1 << 62
STOPPED: Final = "stopped: the same command goes on from here"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be read: an address, of [from, to), what a person says of the lines, and whether what was read is read again."""

    url: str
    from_us: int
    to_us: int
    origin: Origin
    restart: bool = False


@click.command()
@click.argument("url", metavar="s3://BUCKET/PREFIX")
@click.option("--from", "from_time", metavar="TIME", help="Not before: a date, or date math such as now-7d/d.")
@click.option("--to", "to_time", metavar="TIME", help="Before: the same.")
@click.option("--format", "format_name", default="", help="Name of the format, such as aws.alb; else it is detected.")
@click.option("--source", default="", help="Name of the source in the ledger; else s3:BUCKET.")
@click.option("--restart", is_flag=True, help="Forget how far earlier runs came.")
@json_option
def command(url: str, from_time: str | None, to_time: str | None, format_name: str, source: str, *, restart: bool, as_json: bool) -> None:
    """Read the objects whose keys begin so, each once, in the order of their keys.

    --from and --to leave out objects by the date in their key, in the layouts that AWS writes, with an hour to each side, and those last written before --from; lines are not left out.
    A run that was stopped or killed is gone on with by the same command. Exits 1 if it was stopped, 3 if something could not be read.

    Example: tailrace backfill s3://my-logs/AWSLogs/ --from 2026-11-01 --to 2026-11-08
    """
    settings, clock = load().settings, SystemClock()
    job = Job(url, time_us(from_time, "--from", clock, 0), time_us(to_time, "--to", clock, FOREVER_US), Origin(source, "", format=format_name), restart)
    backfilled, report = run(settings, clock, job)
    if as_json:
        shown = {"objects": backfilled.objects, "before": backfilled.before, "skipped": backfilled.skipped, "stopped": backfilled.stopped}
        print_json(report.to_json() | shown)
    else:
        print_report(report)
        click.echo(f"{backfilled.objects} objects were read, {backfilled.before} before, {backfilled.skipped} are of another time")
        if backfilled.stopped:
            click.echo(STOPPED)
    raise SystemExit(3 if not report.is_good else 1 if backfilled.stopped else 0)


def time_us(text: str | None, option: str, clock: Clock, default: int) -> int:
    """Read a time of an option."""
    return default if text is None else DateReader(clock.now_us(), option).read_ms(text, round_up=False) * US_PER_MS


def run(settings: Settings, clock: Clock, job: Job) -> tuple["Backfilled", Report]:
    """Read the objects, wait until they are in the lake, and compare the ledger with what it was."""
    if job.origin.format:
        formats_from_settings(settings).get(job.origin.format)
    if not job.url.startswith("s3://"):
        raise UsageError(f"{job.url}: not an address such as s3://bucket/prefix")
    checkpoints = Checkpoints(settings.home / "backfill.sqlite")
    try:
        with write_path(settings, clock) as path, stopping() as stop:
            backfill = _backfill(settings, clock, path, checkpoints, job, stop)
            if job.restart:
                backfill.forget()
            done = _run(backfill)
            return done, path.report(Done(done.objects, done.summary, done.replaced, done.problems))
    finally:
        checkpoints.close()


def _backfill(settings: Settings, clock: Clock, path: WritePath, checkpoints: Checkpoints, job: Job, stop: "Event") -> "S3Backfill":
    from collectors.sources.s3_backfill import S3Backfill  # boto3 takes 300 ms to import
    from collectors.sources.s3_from_settings import clients_from_settings, objects_from_settings
    from collectors.sources.s3_listing import Boto3Listing

    objects = objects_from_settings(settings, path.collector, clock, origin=job.origin, stop=stop, patience_s=PATIENCE_S)
    return S3Backfill(Boto3Listing(clients_from_settings(settings)), objects, checkpoints, job.url, job.from_us, job.to_us)


def _run(backfill: "S3Backfill") -> "Backfilled":
    """Read, with a bar on a terminal, for which everything is listed before."""
    total = backfill.size().bytes if sys.stderr.isatty() else None
    read = 0
    with progress("bytes") as tick:

        def advance(count: int) -> None:
            nonlocal read
            read += count
            tick(read, total)

        return backfill.run(advance)
