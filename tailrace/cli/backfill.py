"""``tailrace backfill``: what is old, of a bucket or a log group, through the write path; a run that ended is gone on with by the next."""

import sys
import threading
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, Final

import click

from collectors.from_settings import formats_from_settings
from collectors.lines import Origin
from collectors.sources.checkpoints import Checkpoints
from collectors.sources.log_group_backfill import CALLS_PER_S, LogGroupBackfill
from collectors.sources.log_group_pages import Asked, Boto3Events, name_of
from collectors.sources.s3_backfill import S3Backfill
from collectors.sources.s3_from_settings import clients_from_settings, objects_from_settings
from collectors.sources.s3_listing import SCHEME, Boto3Listing, bucket_and_prefix
from collectors.sources.token_bucket import TokenBucket
from queries.dsl.dates import DateReader
from tailrace import aws
from tailrace.cli.output import advancing, json_option, print_json, progress
from tailrace.cli.write_path import PATIENCE_S, Done, Report, WritePath, print_report, stopping, write_path
from tailrace.clock import US_PER_MS, Clock, SystemClock
from tailrace.errors import DeliveryError, UsageError
from tailrace.settings import Settings, load

FOREVER_US: Final = 1 << 62
STOPPED: Final = "stopped: the same command goes on from here"
ARN_PARTS: Final = 7


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be read: an address or a log group, of [from, to), what a person says of the lines, and whether what was read is read again."""

    target: str
    from_us: int = 0
    to_us: int = FOREVER_US
    origin: Origin = Origin("", "")  # noqa: RUF009 - it is frozen
    filter_pattern: str = ""
    restart: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was read, whether it was stopped, a sentence for a person, and the same for a program."""

    done: Done
    stopped: bool
    sentence: str
    shown: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Room:
    """What a run works with."""

    settings: Settings
    clock: Clock
    path: WritePath
    checkpoints: Checkpoints
    stop: threading.Event


@click.command()
@click.argument("target", metavar="s3://BUCKET/PREFIX|GROUP")
@click.option("--from", "from_time", metavar="TIME", help="Not before: a date, or date math such as now-7d/d.")
@click.option("--to", "to_time", metavar="TIME", help="Before: the same.")
@click.option("--filter-pattern", default="", help="Of a log group: the events to read; empty: all.")
@click.option("--format", "format_name", default="", help="Of a bucket: name of the format, such as aws.alb; else it is detected.")
@click.option("--source", default="", help="Of a bucket: name of the source in the ledger; else s3:BUCKET.")
@click.option("--restart", is_flag=True, help="Forget how far earlier runs came.")
@json_option
def command(*, as_json: bool, restart: bool, **given: str | None) -> None:
    """Read old objects of a bucket, or old events of a log group (its name or ARN), each once.

    Of a bucket are read the objects whose keys begin so, in the order of their keys. --from and --to leave out objects by the date in their key, in the layouts that AWS writes, with an hour to
    each side, and those last written before --from; lines are not left out. Events of a log group have the ids that a subscription gives them, so both may run.

    A run that was stopped or killed is gone on with by the same command. Exits 1 if it was stopped, 3 if something could not be read.

    Example: tailrace backfill s3://my-logs/AWSLogs/ --from 2026-11-01 --to 2026-11-08
    """
    settings, clock = load().settings, SystemClock()
    job = Job(
        given["target"] or "",
        _time_us(given["from_time"], "--from", clock, 0),
        _time_us(given["to_time"], "--to", clock, FOREVER_US),
        Origin(given["source"] or "", "", format=given["format_name"] or ""),
        given["filter_pattern"] or "",
        restart,
    )
    outcome, report = run(settings, clock, job)
    if as_json:
        print_json(report.to_json() | outcome.shown | {"stopped": outcome.stopped})
    else:
        print_report(report)
        click.echo(outcome.sentence)
        if outcome.stopped:
            click.echo(STOPPED)
    raise SystemExit(3 if not report.is_good else 1 if outcome.stopped else 0)


def run(settings: Settings, clock: Clock, job: Job) -> tuple[Outcome, Report]:
    """Read, wait until it is in the lake, and compare the ledger with what it was."""
    _check(settings, job)
    with (
        closing(Checkpoints(settings.home / "backfill.sqlite")) as checkpoints,
        write_path(settings, clock) as path,
        stopping() as stop,
    ):
        room = Room(settings, clock, path, checkpoints, stop)
        outcome = _bucket(room, job) if job.target.startswith(SCHEME) else _group(room, job)
        return outcome, path.report(outcome.done)


def _time_us(text: str | None, option: str, clock: Clock, default: int) -> int:
    return default if text is None else DateReader(clock.now_us(), option).read_ms(text, round_up=False) * US_PER_MS


def _check(settings: Settings, job: Job) -> None:
    if job.to_us <= job.from_us:
        raise UsageError("--to is not after --from")
    if job.origin.format:
        formats_from_settings(settings).get(job.origin.format)
    if job.target.startswith(SCHEME):
        bucket_and_prefix(job.target)
        if job.filter_pattern:
            raise UsageError("--filter-pattern is for log groups")
    elif job.origin.format or job.origin.source:
        raise UsageError(f"--format and --source are for buckets: a log group names its own; {job.target} begins with no s3://")


def _bucket(room: Room, job: Job) -> Outcome:
    settings, clock = room.settings, room.clock
    objects = objects_from_settings(settings, room.path.collector, clock, origin=job.origin, stop=room.stop, patience_s=PATIENCE_S)
    backfill = S3Backfill(Boto3Listing(clients_from_settings(settings)), objects, room.checkpoints, job.target, job.from_us, job.to_us)
    if job.restart:
        backfill.forget()
    total = backfill.size().bytes if sys.stderr.isatty() else None  # a bar needs to know how much there is, and everything is listed for it
    with advancing("bytes", total) as advance:
        found = backfill.run(advance)
    return Outcome(
        Done(found.objects, found.summary, found.replaced, found.problems),
        found.stopped,
        f"{found.objects} objects were read, {found.before} before, {found.skipped} are of another time",
        {"objects": found.objects, "before": found.before, "skipped": found.skipped},
    )


def _group(room: Room, job: Job) -> Outcome:
    region = job.target.split(":")[3] if job.target.startswith("arn:") and job.target.count(":") >= ARN_PARTS - 1 else room.settings.region
    name_of(job.target)
    now_ms = room.clock.now_us() // US_PER_MS
    asked = Asked(job.target, job.from_us // US_PER_MS, min(job.to_us // US_PER_MS, now_ms), job.filter_pattern)
    backfill = LogGroupBackfill(
        Boto3Events(aws.client("logs", replace(room.settings, region=region))),
        room.path.collector,
        room.checkpoints,
        room.clock,
        asked,
        TokenBucket(room.clock, CALLS_PER_S),
        region,
        room.stop,
        PATIENCE_S,
    )
    if job.restart:
        backfill.forget()
    problems: list[str] = []
    with progress("seconds") as tick:
        try:
            backfill.run(lambda at_ms: tick((at_ms - asked.start_ms) // 1_000, (asked.end_ms - asked.start_ms) // 1_000))
        except DeliveryError as error:
            problems.append(str(error))
    found = backfill.done
    sentence = f"{found.events} events were read, in {found.pages} pages"
    return Outcome(Done(1, found.summary, 0, problems), found.stopped, sentence, {"pages": found.pages})
