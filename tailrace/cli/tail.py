"""``tailrace tail``: what log groups take in now, line by line, and through the write path if that is asked for."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Final

import click
import orjson

from collectors.collector import Summary
from collectors.sources.live_tail import Boto3LiveTail, LiveEvent, LiveStore, LiveTail, Tailed, Update, resolved
from tailrace import aws
from tailrace.cli.output import json_option, printable
from tailrace.cli.write_path import Done, WritePath, stopping, write_path
from tailrace.clock import US_PER_MS, Clock, SystemClock, iso_ms
from tailrace.errors import UsageError
from tailrace.settings import Settings, load

TELL_EVERY_S: Final = 10.0
ARN_REGION: Final = 3


@click.command()
@click.argument("groups", metavar="GROUP...", nargs=-1, required=True)
@click.option("--filter-pattern", default="", help="The events to show; empty: all.")
@click.option("--store", is_flag=True, help="Put what is shown through the write path too.")
@click.option("--for", "for_s", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="End after so long; else with Ctrl-C.")
@json_option
def command(groups: tuple[str, ...], filter_pattern: str, for_s: float | None, *, store: bool, as_json: bool) -> None:
    """Print what log groups take in now, up to ten groups by name, pattern or ARN.

    CloudWatch Logs gives up to 500 events a second, of more a sample, which is said. What must not be missed is for a subscription. It is billed by the minute.

    Example: tailrace tail '/aws/lambda/*' --filter-pattern ERROR
    """
    settings, clock = load().settings, SystemClock()
    region = _region(groups) or settings.region
    port = Boto3LiveTail(aws.client("logs", replace(settings, region=region)))
    tailed = Tailed(resolved(port, groups), filter_pattern)
    with _opened(settings, clock, store=store) as path, stopping() as stop:
        target = LiveStore(path.collector, clock, region, stop) if path else None
        tail = Printer(clock, target, as_json=as_json)
        LiveTail(port, clock, stop, clock.monotonic_s() + (math.inf if for_s is None else for_s)).run(tailed, tail.take)
        good = path is None or path.report(Done(1, tail.summary, 0, ())).is_good
    click.echo(f"{tail.printed} events were shown" + (f", {tail.summary.events} stored" if store else ""), err=True)
    raise SystemExit(0 if good else 3)


def _region(groups: tuple[str, ...]) -> str:
    """Answer the region that ARNs name; a session is of one."""
    regions = {(group.split(":") + [""] * ARN_REGION)[ARN_REGION] for group in groups if group.startswith("arn:")}
    if len(regions) > 1:
        raise UsageError(f"log groups of several regions: {', '.join(sorted(regions))}: a session is of one")
    return next(iter(regions), "")


@contextmanager
def _opened(settings: Settings, clock: Clock, *, store: bool) -> Iterator[WritePath | None]:
    with write_path(settings, clock) if store else nullcontext() as path:
        yield path


@dataclass(slots=True)
class Printer:
    """Prints the events of updates, and puts them into a store if there is one."""

    clock: Clock
    store: LiveStore | None
    as_json: bool
    printed: int = 0
    summary: Summary = field(default_factory=Summary)
    _told_s: float | None = None

    def take(self, update: Update) -> None:
        """Print an update."""
        for event in update.events:
            click.echo(_json(event) if self.as_json else _line(event))
        sys.stdout.flush()
        self.printed += len(update.events)
        if update.sampled:
            self._tell_of_sample()
        if self.store:
            self.summary += self.store.put(update)

    def _tell_of_sample(self) -> None:
        now_s = self.clock.monotonic_s()
        if self._told_s is None or now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            click.echo("tailrace: a sample: more than 500 events a second come in, and CloudWatch Logs leaves some out", err=True)


def _line(event: LiveEvent) -> str:
    return printable(f"{iso_ms(event.time_ms * US_PER_MS)} {event.group} {event.message.rstrip()}")


def _json(event: LiveEvent) -> bytes:
    named = {"@timestamp": iso_ms(event.time_ms * US_PER_MS), "aws.log.group.name": event.group, "aws.log.stream.name": event.stream}
    return orjson.dumps({**named, "message": event.message})
