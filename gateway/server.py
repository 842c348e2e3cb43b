"""The process of the gateway: the write path (collector, spool, sinks, keeper), the doors, and the X-Ray daemon, in one.

One process at a time has the spool; everything else on this machine that writes goes through its doors. It ends cleanly on SIGINT and SIGTERM: no new requests, what was
acknowledged is synced already, sinks finish the batch they are at.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn

from collectors.collector import Collector
from collectors.from_settings import collector_from_settings
from collectors.sources.checkpoints import Checkpoints
from collectors.sources.cloudwatch_metrics import MetricPull
from collectors.sources.forward import ForwardServer
from collectors.sources.metric_choice import load_choice
from collectors.sources.syslog import SyslogServer
from collectors.sources.xray_daemon import XRayDaemon
from collectors.sources.xray_sampling import sampling_from_settings
from firehose import LocalFirehose
from firehose.dead_letters import DeadLetters
from firehose.keeper import Keeper
from gateway.access import check_binding
from gateway.app import create_app
from gateway.parts import Parts
from queries.workspace import Workspace
from tailrace.aws import client
from tailrace.clock import Clock, SystemClock
from tailrace.fields import AttributeRegister
from tailrace.secrets import secret
from tailrace.settings import Settings

STOP_WITHIN_S: Final = 5


@dataclass(frozen=True, slots=True)
class Node:
    """The parts of a running gateway."""

    parts: Parts
    stream: LocalFirehose
    collector: Collector


@contextmanager
def open_node(settings: Settings, clock: Clock | None = None, *, xray: bool = True) -> Iterator[Node]:
    """Open the write path and the engines; close them in the right order. ``xray`` starts the X-Ray daemon."""
    clock = clock or SystemClock()
    with ExitStack() as stack:
        register = AttributeRegister(settings.register_path)
        stream = stack.enter_context(LocalFirehose(settings, clock, register=register))
        collector = collector_from_settings(settings, stream, register, clock)
        workspace = Workspace(settings, clock)
        stack.callback(workspace.close)
        stack.enter_context(Keeper(settings, clock))
        if xray:
            stack.enter_context(XRayDaemon(collector, settings.xray_host, settings.xray_port, sampling=sampling_from_settings(settings, clock), clock=clock))
        doors = _open_doors(stack, settings, collector, clock)
        dead = DeadLetters(settings.dead_folder)
        parts = Parts(clock, workspace.engine(), collector, stream, register, dead, lambda: _status(stream, doors))
        yield Node(parts, stream, collector)


def serve(settings: Settings, *, xray: bool = True) -> None:
    """Run the gateway until it is told to stop."""
    check_binding(settings.gateway_host, settings.gateway_token)
    with open_node(settings, xray=xray) as node:
        config = uvicorn.Config(
            create_app(node.parts, settings.gateway_token, secret(settings.firehose_access_key, settings)),
            host=settings.gateway_host,
            port=settings.gateway_port,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=STOP_WITHIN_S,
            server_header=False,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        uvicorn.Server(config).run()


def _open_doors(stack: ExitStack, settings: Settings, collector: Collector, clock: Clock) -> Mapping[str, Callable[[], Mapping[str, int]]]:
    """Open the ports that the settings ask for; answer what each says of itself."""
    doors: dict[str, Callable[[], Mapping[str, int]]] = {}
    if settings.syslog_port or settings.syslog_tls_port:
        doors["syslog"] = stack.enter_context(SyslogServer(collector, settings, clock)).status
    if settings.forward_port:
        doors["forward"] = stack.enter_context(ForwardServer(collector, settings, clock)).status
    if settings.cloudwatch_metrics:
        choice, checkpoints = load_choice(Path(settings.cloudwatch_metrics)), Checkpoints(settings.home / "cloudwatch-metrics.sqlite")
        pull = MetricPull(client("cloudwatch", settings), choice, collector, checkpoints, clock, settings.region)
        doors["cloudwatch_metrics"] = stack.enter_context(pull).status
    return doors


def _status(stream: LocalFirehose, doors: Mapping[str, Callable[[], Mapping[str, int]]]) -> Mapping[str, Any]:
    told = {name: status() for name, status in doors.items()}
    return {"status": "ok", "threads": threading.active_count(), **stream.status(), **({"doors": told} if told else {})}
