"""A collector as the settings say: the formats of ours and of the user's, the user's rules, limits, region."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from collectors.collector import Collector, Summary
from collectors.desk import Desk, Redelivers
from collectors.envelopes.failed_objects import WHOLE
from collectors.format import FormatSet
from collectors.format_file import load_formats
from collectors.health import Health
from collectors.meter import Meter
from collectors.parse import parse_lines
from collectors.rehearsal import Rehearsal
from collectors.reparse import Reparse, RewritesRows
from collectors.rules.rule_file import NO_RULES, Rules, load_rules
from collectors.sources.files import LineSource
from collectors.steps import Work
from firehose.dead_letters import DeadLetters
from firehose.dead_letters.log import ReplayLog
from firehose.dead_letters.refused import Asks
from firehose.delivery import DeadLetter, DeliveryStream
from tailrace.clock import Clock
from tailrace.errors import PermanentError
from tailrace.fields import AttributeRegister
from tailrace.parse_health import HealthWriter
from tailrace.settings import Settings
from tailrace.stores import open_store
from tailrace.tracing import UNTRACED, Tracer

OPENSEARCH_TIMEOUT_S: Final = 5.0
REPLAY_PATIENCE_S: Final = 30.0
"""How long a full spool is waited for while a dead letter is replayed."""


def formats_from_settings(settings: Settings) -> FormatSet:
    """Read the formats that come with Tailrace and those of the user's folder; raises :class:`tailrace.errors.FileError`."""
    return load_formats(Path(settings.formats) if settings.formats else None)


def collector_from_settings(
    settings: Settings, stream: DeliveryStream, register: AttributeRegister, clock: Clock, *, keeps: bool = True, tracer: Tracer = UNTRACED
) -> Collector:
    """Make a collector that puts into a stream; the types that formats declare are declared to the register. Raises :class:`tailrace.errors.FileError` where a file of the user's is wrong.

    With ``keeps`` it writes what quotas counted and how formats read below the home folder; a Lambda function has no disk that stays.
    """
    formats, rules = formats_from_settings(settings), load_rules(settings)
    register.declare({**rules.enrichment.declared(), **formats.declared()})
    meter = Meter(rules.quotas, clock, settings.quotas_path if keeps else None) if rules.quotas else None
    work = replace(work_with(formats, register, rules, meter), health=Health(HealthWriter(settings.health_path), clock) if keeps else None)
    collector = Collector(stream, work, register, clock, settings.inflate_max_bytes, settings.region)
    collector.tracer = tracer
    collector.replay_by("s3", partial(_replay_object, settings, collector, clock))
    collector.replay_by(WHOLE, _stays)
    collector.replay_by("file", LineSource(collector, clock, patience_s=REPLAY_PATIENCE_S).replay)
    return collector


def rehearsal_from_settings(settings: Settings, clock: Clock) -> Rehearsal:
    """Make what plays replays through, with the formats and rules as their files are now; the register is a copy, and nothing is written."""
    register = AttributeRegister(settings.register_path)
    copy = AttributeRegister(None, register.types())
    transport: Asks | None = None
    if settings.opensearch_url:
        from tailrace import aws  # boto3 and opensearch-py take long to import

        transport = aws.opensearch(settings, timeout_s=OPENSEARCH_TIMEOUT_S).transport
    return Rehearsal(lambda stream: collector_from_settings(settings, stream, copy, clock, keeps=False), register, transport)


def desk_from_settings(settings: Settings, stream: Redelivers, collector: Collector, register: AttributeRegister, clock: Clock) -> Desk:
    """Make the desk of a write path that runs: before a replay the collector takes up the user's formats as their files are now, where one has changed."""
    read_at = _stamp(settings.formats)

    def mended() -> None:
        nonlocal read_at
        now = _stamp(settings.formats)
        if now == read_at:
            return
        formats, read_at = formats_from_settings(settings), now
        register.declare(formats.declared())
        collector.use(work_with(formats, register).parse_lines)

    return Desk(DeadLetters(settings.dead_folder), stream, collector, ReplayLog(settings.dead_log_path), clock, mended)


def _stamp(folder: str) -> tuple[tuple[str, int, int], ...]:
    """Answer what changes where a file of a folder of formats does; reading all formats anew takes 0.3 s, which is long for each of a thousand letters."""
    found = [(path, path.stat()) for path in sorted(Path(folder).rglob("*.yaml"))] if folder else []
    return tuple((str(path), status.st_mtime_ns, status.st_size) for path, status in found)


def _stays(letter: DeadLetter) -> Summary:
    del letter
    raise PermanentError("it holds an object of others that cannot be read: mend the object, read it again with tailrace dead read, and drop this")


def _replay_object(settings: Settings, collector: Collector, clock: Clock, letter: DeadLetter) -> Summary:
    from collectors.sources.s3_from_settings import objects_from_settings  # boto3 takes 300 ms to import, and few replay

    return objects_from_settings(settings, collector, clock, patience_s=REPLAY_PATIENCE_S).replay(letter)


def work_with(formats: FormatSet, register: AttributeRegister, rules: Rules = NO_RULES, meter: Meter | None = None) -> Work:
    """Answer what the steps of a collector work with."""
    return Work(partial(parse_lines, formats=formats, register=register), rules, meter)


def reparse_from_settings(settings: Settings, stream: RewritesRows, register: AttributeRegister, clock: Clock) -> Reparse:
    """Make what reads stored rows again, with the formats and rules as their files are now."""
    formats, rules = formats_from_settings(settings), load_rules(settings)
    register.declare({**rules.enrichment.declared(), **formats.declared()})
    return Reparse(open_store(settings), stream, work_with(formats, register, rules), clock)
