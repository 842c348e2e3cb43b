"""``tailrace up``: the whole stack for real use, under one supervisor."""

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Final

import click

from gateway.answers import LIVE_PATH, READY_PATH
from gateway.heartbeat import heartbeat_from_settings
from sandbox.checks import Check, http_ok
from sandbox.supervisor import Part, Supervisor
from tailrace.clock import SystemClock
from tailrace.gateway_client import gateway_ok
from tailrace.settings import PREFIX, Settings, environment, load

NO_HEARTBEAT: Final = f"{PREFIX}HEARTBEAT_URL"
"""Empty for the parts: the supervisor sends the heartbeat."""


@click.command()
@click.option("--dashboard/--no-dashboard", default=True, show_default=True, help="Run the dashboard.")
@click.option("--alerts/--no-alerts", default=True, show_default=True, help="Run the alert rules.")
def command(*, dashboard: bool, alerts: bool) -> None:
    """Run gateway, X-Ray daemon, keeper, alert rules and dashboard, until told to stop; with the setting s3_queue_url the readers of that queue too.

    With the setting heartbeat_url that address is requested every so often while all parts are up and the gateway is not ill.

    Example: TAILRACE_HOME=/srv/tailrace tailrace up
    """
    settings = load().settings
    parts = [part for part in parts_of(settings) if (dashboard or part.name != "dashboard") and (alerts or part.name != "alerts")]
    with Supervisor(parts, settings.home / "logs", tell=lambda text: click.echo(text, err=True)) as supervisor, supervisor.signals():
        heartbeat = heartbeat_from_settings(settings, SystemClock(), lambda: why_no_beat(supervisor.states(), gateway_ok(settings, READY_PATH)))
        if supervisor.start():
            click.echo("\n".join(f"{name:<15}{place}" for name, place in doors_of(settings, dashboard=dashboard)) + "\nstop with Ctrl-C", err=True)
            with heartbeat or nullcontext():
                code = supervisor.tend()
        else:
            code = 0
    sys.exit(code)


def doors_of(settings: Settings, *, dashboard: bool = True) -> list[tuple[str, str]]:
    """Answer what listens or is read, and where, as the settings say it."""
    doors = [
        ("dashboard", f"http://{settings.dashboard_host}:{settings.dashboard_port}" if dashboard else ""),
        ("gateway", settings.gateway_url),
        ("X-Ray daemon", f"{settings.xray_host}:{settings.xray_port}"),
        ("syslog", f"{settings.syslog_host}:{settings.syslog_port}" if settings.syslog_port else ""),
        ("syslog by TLS", f"{settings.syslog_host}:{settings.syslog_tls_port}" if settings.syslog_tls_port else ""),
        ("Fluent forward", f"{settings.forward_host}:{settings.forward_port}" if settings.forward_port else ""),
        ("files", ", ".join(settings.tail_patterns)),
        ("queue of S3", settings.s3_queue_url),
        ("Kinesis stream", settings.kinesis_stream),
    ]
    return [(name, place) for name, place in doors if place]


def why_no_beat(states: Mapping[str, str], is_ready: Check) -> str:
    """Answer why no heartbeat shall be sent: a part that is not up, or a gateway that is ill; nothing where all is well."""
    down = next((f"{name} is {state}" for name, state in states.items() if state not in {"ready", "done"}), "")
    return down or ("" if is_ready() else "the gateway is ill, or does not answer")


def parts_of(settings: Settings) -> tuple[Part, ...]:
    """Answer the processes of the stack, each with the check that says it is ready.

    The gateway's check is whether it lives, not whether it takes input: one whose spool is full would not take more after it was started again.
    """
    python, env = sys.executable, {**environment(), NO_HEARTBEAT: ""}
    dashboard = f"http://{settings.dashboard_host}:{settings.dashboard_port}/_stcore/health"
    return (
        Part("gateway", (python, "-m", "tailrace", "serve"), gateway_ok(settings, LIVE_PATH), environment=env),
        Part("alerts", (python, "-m", "tailrace", "alerts", "run"), after=("gateway",), environment=env),
        Part("dashboard", (python, "-m", "dashboard"), http_ok(dashboard), after=("gateway",), environment=env),
    )
