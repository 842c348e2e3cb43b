"""``tailrace doctor``: what is configured, reachable and allowed; each finding with its remedy."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

import click
import msgspec
import urllib3

from tailrace.cli.output import json_option, print_json, print_table
from tailrace.errors import SettingError, TransientError
from tailrace.gateway_client import GatewayClient
from tailrace.settings import HIDDEN, MEANINGS, Loaded, Settings, load

TIMEOUT_S: Final = 3.0
LEAST_FREE_BYTES: Final = 1024**3

State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: how it is, and what to do."""

    what: str
    state: State
    found: str
    remedy: str = ""


@click.command()
@click.option("--settings", "show_settings", is_flag=True, help="Show every setting and where its value came from.")
@json_option
def command(*, show_settings: bool, as_json: bool) -> None:
    """Look at the set-up; exit 1 if something is wrong.

    Example: tailrace doctor --settings
    """
    loaded = load()
    findings = list(examine(loaded.settings))
    if as_json:
        print_json({"findings": [asdict(one) for one in findings], "settings": _settings_rows(loaded)})
    else:
        print_table(
            ["", "what", "found", "remedy"], [({"ok": "ok", "warning": "!", "wrong": "WRONG"}[one.state], one.what, one.found, one.remedy) for one in findings]
        )
        if show_settings:
            click.echo()
            rows = [(row["name"], row["value"], row["origin"], row["meaning"]) for row in _settings_rows(loaded)]
            print_table(["setting", "value", "from", "meaning"], rows)
    if any(one.state == "wrong" for one in findings):
        raise SystemExit(1)


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at one thing after the other."""
    yield _home(settings.home)
    yield _disk(settings.home)
    yield _gateway(settings)
    yield _port("X-Ray daemon", settings.xray_host, settings.xray_port, "xray_port")
    yield _port("dashboard", settings.dashboard_host, settings.dashboard_port, "dashboard_port")
    yield _rules(settings)
    yield _optional("OpenSearch", settings.opensearch_url, "opensearch_url", lambda url: url)
    yield _optional("Trino", settings.trino_url, "trino_url", lambda url: f"{url.rstrip('/')}/v1/info")
    yield _optional("AWS emulator", settings.aws_endpoint_url, "aws_endpoint_url", lambda url: url)


def _home(home: Path) -> Finding:
    folder = next(path for path in (home, *home.absolute().parents) if path.exists())
    if not os.access(folder, os.W_OK):
        return Finding("home", "wrong", f"{home} cannot be written", "set TAILRACE_HOME to a folder of yours")
    return Finding("home", "ok", f"{home.absolute()}{'' if home.exists() else ' (will be made)'}")


def _disk(home: Path) -> Finding:
    folder = next(path for path in (home, *home.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    text = f"{free / 1024**3:.1f} GiB free"
    return (
        Finding("disk", "ok", text)
        if free >= LEAST_FREE_BYTES
        else Finding("disk", "warning", text, "free some space: the spool refuses input when the disk is full")
    )


def _gateway(settings: Settings) -> Finding:
    try:
        answer = GatewayClient(settings).ask("GET", "/healthz", timeout_s=TIMEOUT_S)
    except SettingError as error:
        return Finding("gateway", "wrong", str(error), "mend the setting")
    except TransientError as error:
        if settings.gateway_url.startswith("https:") and "certificate" in str(error):
            return Finding("gateway", "wrong", str(error), "docs/operations.md: TLS")
        return Finding("gateway", "warning", f"does not run at {settings.gateway_url}", "start it: tailrace up, or tailrace serve")
    told = _told(answer.body)
    if told is None:
        return Finding(
            "gateway",
            "wrong",
            f"{settings.gateway_url} answers {answer.status}",
            "its log says why; is another program on that port? Set TAILRACE_GATEWAY_PORT",
        )
    if told.status == "ok":
        return Finding("gateway", "ok", f"answers at {settings.gateway_url}")
    why = "; ".join(f"{one.part}: {one.why}" for one in told.problems)
    return Finding("gateway", "warning" if told.status == "degraded" else "wrong", f"is {told.status}: {why}", "what to do: docs/operations.md")


class _Problem(msgspec.Struct):
    part: str
    why: str


class _Health(msgspec.Struct):
    """What ``GET /healthz`` answers, as much of it as is looked at."""

    status: Literal["ok", "degraded", "ill"]
    problems: list[_Problem] = []


def _told(body: bytes) -> _Health | None:
    try:
        return msgspec.json.decode(body, type=_Health)
    except msgspec.MsgspecError:
        return None


def _port(what: str, host: str, port: int, setting: str) -> Finding:
    with socket.socket() as probe:
        probe.settimeout(TIMEOUT_S)
        taken = probe.connect_ex((host, port)) == 0
    state = f"something listens on {host}:{port}" if taken else f"{host}:{port} is free"
    return Finding(what, "ok", state, f"if that is not Tailrace, set TAILRACE_{setting.upper()}" if taken else "")


def _rules(settings: Settings) -> Finding:
    from alerts.rule_file import read_rules
    from tailrace.errors import FileError

    try:
        rules = read_rules(settings.rules_folder)
    except FileError as error:
        return Finding("alert rules", "wrong", str(error), "mend the file: tailrace alerts check")
    return Finding("alert rules", "ok", f"{len(rules)} in {settings.rules_folder}")


def _optional(what: str, url: str, setting: str, probe: Callable[[str], str]) -> Finding:
    if not url:
        return Finding(what, "ok", f"not used ({setting} is empty)")
    status = _status_of(probe(url))
    if status is None:
        return Finding(what, "wrong", f"{url} does not answer", f"start it, or mend TAILRACE_{setting.upper()}")
    return Finding(what, "ok" if status < 500 else "wrong", f"{url} answers {status}", "" if status < 500 else "its log says why")


def _status_of(url: str) -> int | None:
    try:
        return urllib3.request("GET", url, timeout=TIMEOUT_S, retries=False, redirect=False).status
    except urllib3.exceptions.HTTPError:
        return None


def _settings_rows(loaded: Loaded) -> list[dict[str, str]]:
    values = asdict(loaded.settings)
    shown = {name: "(set)" if name in HIDDEN and values[name] else str(values[name]) for name in MEANINGS}
    return [{"name": name, "value": shown[name], "origin": loaded.origins[name], "meaning": MEANINGS[name]} for name in MEANINGS]
