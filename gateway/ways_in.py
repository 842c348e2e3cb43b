"""The ways in that a gateway opens beside its HTTP port, where the settings ask for them: a queue of S3, a Kinesis stream, files that grow, syslog, Fluent's forward protocol, metrics of CloudWatch."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from collectors.collector import Collector
from collectors.sources.checkpoints import Checkpoints
from collectors.sources.cloudwatch_metrics import MetricPull
from collectors.sources.forward import ForwardServer
from collectors.sources.metric_choice import load_choice
from collectors.sources.syslog import SyslogServer
from collectors.sources.tail_files import TailFiles
from collectors.sources.tail_positions import Positions
from tailrace import aws
from tailrace.clock import Clock
from tailrace.settings import Settings

Told = Callable[[], Mapping[str, Any]]


def open_ways(stack: ExitStack, settings: Settings, collector: Collector, clock: Clock, certificates: dict[str, Told]) -> Mapping[str, Told]:
    """Open them, to be closed with the stack; answer what each says of itself, and add to ``certificates`` what a port with TLS says of its own."""
    ways: dict[str, Told] = {}
    if settings.s3_queue_url:
        from collectors.sources.s3_from_settings import queue_from_settings  # boto3 takes 300 ms to import, and not everybody has a queue

        ways["s3_queue"] = stack.enter_context(queue_from_settings(settings, collector, clock)).status
    if settings.kinesis_stream:
        from collectors.sources.kinesis_reader import reader_from_settings  # boto3 takes 300 ms to import

        ways["kinesis"] = stack.enter_context(reader_from_settings(settings, collector, clock)).status
    if settings.tail_patterns:
        stack.enter_context(TailFiles(collector, settings.tail_patterns, Positions(settings.tail_path), clock))
    if settings.syslog_port or settings.syslog_tls_port:
        syslog = stack.enter_context(SyslogServer(collector, settings, clock))
        ways["syslog"] = syslog.status
        certificates |= {"syslog": syslog.tls.status} if syslog.tls else {}
    if settings.forward_port:
        ways["forward"] = stack.enter_context(ForwardServer(collector, settings, clock)).status
    if settings.cloudwatch_metrics:
        choice, checkpoints = load_choice(Path(settings.cloudwatch_metrics)), Checkpoints(settings.home / "cloudwatch-metrics.sqlite")
        pull = MetricPull(aws.client("cloudwatch", settings), choice, collector, checkpoints, clock, settings.region)
        ways["cloudwatch_metrics"] = stack.enter_context(pull).status
    return ways
