"""The process of the gateway: the write path (collector, spool, sinks, keeper), the doors, the X-Ray daemon, and what follows files, in one.

One process at a time has the spool; everything else on this machine that writes goes through its doors. It ends cleanly on SIGINT and SIGTERM (``gateway.ending``): no new requests,
what was acknowledged is synced already, sinks finish the batch they are at.
"""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import uvicorn

from collectors.collector import Collector
from collectors.from_settings import collector_from_settings, desk_from_settings, formats_from_settings, rehearsal_from_settings, reparse_from_settings
from collectors.sources.xray_daemon import XRayDaemon
from collectors.sources.xray_sampling import sampling_from_settings
from firehose import LocalFirehose
from firehose.dead_letters import DeadLetters
from firehose.keeper import Keeper
from gateway.access import check_binding, is_loopback
from gateway.app import create_app
from gateway.ending import end_on_signals
from gateway.health import Limits, judged
from gateway.heartbeat import heartbeat_from_settings, read_beats
from gateway.listener import GatewayServer
from gateway.own_metrics import own_metrics
from gateway.own_traces import OwnTraces
from gateway.parts import Parts, Reparses
from gateway.ways_in import Told, open_ways
from queries.workspace import Workspace
from tailrace.clock import Clock, SystemClock
from tailrace.errors import SettingError
from tailrace.fields import AttributeRegister
from tailrace.parse_health import read_health
from tailrace.secrets import secret
from tailrace.settings import Settings
from tailrace.tls import ServerTls, TlsFiles
from tailrace.tracing import Tracer

STOP_WITHIN_S: Final = 3
"""Seconds that requests have to end."""

SHOWN_HEALTH: Final = 50
"""Shapes and fields of the formats' health that the status shows."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Node:
    """The parts of a running gateway."""

    parts: Parts
    stream: LocalFirehose
    collector: Collector
    tls: ServerTls | None
    traces: OwnTraces


@dataclass(frozen=True, slots=True)
class Teller:
    """Asks the parts how they are, and answers the status with what it means."""

    settings: Settings
    stream: LocalFirehose
    collector: Collector
    keeper: Keeper
    dead: DeadLetters
    ways: Mapping[str, Told]
    certificates: Mapping[str, Told]
    traces: Told

    def __call__(self) -> Mapping[str, Any]:
        """Answer the status of this moment, as JSON shows it."""
        count, size = self.dead.usage()
        doors = {name: status() for name, status in self.ways.items()}
        beats = read_beats(self.settings.heartbeat_path)
        told = {
            "threads": threading.active_count(),
            **self.stream.status(),
            **self.collector.status(),
            "keeper": self.keeper.status(),
            "dead": {"count": count, "bytes": size, "max_bytes": self.dead.max_bytes},
            **({"doors": doors} if doors else {}),
            **({"certificates": {name: told() for name, told in self.certificates.items()}} if self.certificates else {}),
            **({"own_traces": self.traces()} if self.settings.own_traces else {}),
            **({"heartbeat": beats} if beats else {}),
        }
        return judged(told, Limits.of(self.settings))


@contextmanager
def open_node(settings: Settings, clock: Clock | None = None, *, xray: bool = True) -> Iterator[Node]:
    """Open the write path and the engines; close them in the right order. ``xray`` starts the X-Ray daemon, the setting ``s3_queue_url`` the readers of that queue."""
    clock = clock or SystemClock()
    with ExitStack() as stack:
        register = AttributeRegister(settings.register_path)
        tracer = Tracer(clock)
        stream = stack.enter_context(LocalFirehose(settings, clock, register=register, tracer=tracer))
        collector = collector_from_settings(settings, stream, register, clock, tracer=tracer)
        stack.callback(collector.close)
        workspace = Workspace(settings, clock)
        stack.callback(workspace.close)
        keeper = stack.enter_context(Keeper(settings, clock))
        ways = dict[str, Told]()
        if xray:
            daemon = XRayDaemon(collector, settings.xray_host, settings.xray_port, sampling=sampling_from_settings(settings, clock), clock=clock)
            ways["xray"] = stack.enter_context(daemon).status
        tls, certificates = gateway_tls(settings, clock), dict[str, Told]()
        ways |= open_ways(stack, settings, collector, clock, certificates)
        certificates |= {"gateway": partial(_certificate, tls)} if tls else {}
        dead, traces = DeadLetters(settings.dead_folder), OwnTraces(tracer, collector)
        told = Teller(settings, stream, collector, keeper, dead, ways, certificates, traces.status)
        health = partial(read_health, settings.health_path, limit=SHOWN_HEALTH)
        again = _reparsing(settings, stream, collector, register, clock)
        desk, rehearsal = desk_from_settings(settings, stream, collector, register, clock), partial(rehearsal_from_settings, settings, clock)
        parts = Parts(clock, workspace.engine(), collector, stream, register, dead, told, health, again, stream.hops, desk, rehearsal, tracer, stream.sources)
        yield Node(parts, stream, collector, tls, traces)


def serve(settings: Settings, *, xray: bool = True) -> None:
    """Run the gateway until it is told to stop."""
    check_binding(settings.gateway_host, settings.gateway_token, certificates=bool(settings.gateway_tls_certificate and settings.gateway_tls_authority))
    with (
        open_node(settings, xray=xray) as node,
        _beating(settings, node.parts),
        _measuring(settings, node.parts),
        node.traces if settings.own_traces else nullcontext(),
    ):
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
        _warn_of_names(settings, node.tls)
        server = GatewayServer(config, node.tls)
        end_on_signals(server)
        server.run()


def gateway_tls(settings: Settings, clock: Clock) -> ServerTls | None:
    """Answer the TLS of the gateway's port; ``None`` where there is none. Raises :class:`SettingError` for files that cannot be used."""
    if not settings.gateway_tls_certificate:
        if settings.gateway_tls_key or settings.gateway_tls_authority:
            raise SettingError("gateway_tls_key and gateway_tls_authority need gateway_tls_certificate")
        return None
    return ServerTls(TlsFiles("gateway_tls", settings.gateway_tls_certificate, settings.gateway_tls_key, settings.gateway_tls_authority), clock)


def _certificate(tls: ServerTls) -> Mapping[str, Any]:
    return {**tls.status(), "failed_handshakes": tls.failed_handshakes}


def _warn_of_names(settings: Settings, tls: ServerTls | None) -> None:
    """Say before it is used what would not work or not be secret."""
    host = urlsplit(settings.gateway_url).hostname or ""
    if tls and not tls.names(host):
        _log.warning("the certificate is not made for %s, where commands and dashboard look for the gateway: gateway_address can name another", host)
    if not tls and not is_loopback(settings.gateway_host):
        _log.warning("gateway_host = %s without TLS: the token can be read on its way, but for a proxy before it that speaks TLS", settings.gateway_host)


def _beating(settings: Settings, parts: Parts) -> AbstractContextManager[object]:
    """Answer the heartbeat of a gateway that runs alone; below ``tailrace up`` it is that one's."""
    heartbeat = heartbeat_from_settings(settings, parts.clock, lambda: "the gateway is ill" if parts.status()["status"] == "ill" else "")
    return heartbeat or nullcontext()


def _measuring(settings: Settings, parts: Parts) -> AbstractContextManager[object]:
    return own_metrics(parts, settings.own_metrics_every_s) if settings.own_metrics_every_s > 0 else nullcontext()


def _reparsing(settings: Settings, stream: LocalFirehose, collector: Collector, register: AttributeRegister, clock: Clock) -> Reparses:
    """Answer what reads stored rows again; new lines are read with the mended formats from then on too. One at a time."""
    turn = threading.Lock()

    def again(name: str, from_us: int, to_us: int) -> Mapping[str, Any]:
        with turn:
            fresh = reparse_from_settings(settings, stream, register, clock)
            formats_from_settings(settings).get(name)
            collector.use(fresh.work.parse_lines)
            return fresh.run(name, from_us, to_us).to_json()

    return again
