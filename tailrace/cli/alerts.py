"""``tailrace alerts``: check rule files, run them, list alerts, silence rules, send messages again."""

import logging
import signal
from dataclasses import asdict, replace
from pathlib import Path

import click

from alerts.channels import open_channels
from alerts.engine import Run
from alerts.rule import Rule
from alerts.rule_file import read_rule, read_rules
from alerts.state import AlertState
from alerts.watch import Watch
from queries.workspace import Workspace
from tailrace.cli.output import json_option, print_json, print_table
from tailrace.clock import US_PER_MINUTE, SystemClock, iso_ms
from tailrace.errors import FileError, UsageError, nearest
from tailrace.settings import Settings, load
from tailrace.tracing import UNTRACED, Tracer, to_daemon


@click.group()
def command() -> None:
    """Alert rules in ElastAlert's format: check them, run them, see what fires.

    Example: tailrace alerts check rules/
    """


@command.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@json_option
def check(paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Check rule files or folders of them; exit 1 if one is wrong.

    Example: tailrace alerts check examples/rules
    """
    found = [_checked(path) for root in paths or (load().settings.rules_folder,) for path in _files(root)]
    if as_json:
        print_json([{"path": str(path), "rule": rule.name if rule else None, "error": error} for path, rule, error in found])
    else:
        for path, rule, error in found:
            click.echo(f"ok    {path}: {rule.name}" if rule else f"wrong {error}")
    if not found or any(error for _, _, error in found):
        raise SystemExit(1)


def _files(root: Path) -> list[Path]:
    if not root.exists():
        raise UsageError(f"{root}: no such file or folder")
    return sorted(path for path in root.rglob("*") if path.suffix in {".yaml", ".yml"}) if root.is_dir() else [root]


def _checked(path: Path) -> tuple[Path, Rule | None, str]:
    try:
        return path, read_rule(path), ""
    except FileError as error:
        return path, None, str(error)


@command.command()
@click.option("--once", is_flag=True, help="Run every rule once and deliver once, then end.")
@json_option
def run(*, once: bool, as_json: bool) -> None:
    """Run the rules of the setting `rules` until told to stop.

    Example: tailrace alerts run --once
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = load().settings
    workspace, state = Workspace(settings, SystemClock()), AlertState(settings.alerts_path)
    tracer = Tracer(SystemClock(), to_daemon(settings.xray_host, settings.xray_port)) if settings.own_traces and not once else UNTRACED
    watch = Watch(workspace.engine(), state, open_channels(settings), settings.rules_folder, SystemClock(), tracer)
    try:
        if once:
            read_rules(settings.rules_folder)
            _show_runs(watch.round()[0], as_json=as_json)
        else:
            stopped: list[int] = []
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda received, _frame: stopped.append(received))
            watch.run(settings.alert_every_s, lambda: bool(stopped))
    finally:
        state.close()
        workspace.close()


def _show_runs(runs: list[Run], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(one) for one in runs])
    else:
        print_table(list(Run.__dataclass_fields__), [list(asdict(one).values()) for one in runs])
    if any(one.error for one in runs):
        raise SystemExit(3)


@command.command(name="list")
@click.option("--state", "wanted", type=click.Choice(["firing", "resolved"]), help="Only alerts of that state.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@json_option
def list_(wanted: str | None, limit: int, *, as_json: bool) -> None:
    """List alerts, the newest first.

    Example: tailrace alerts list --state firing
    """
    found = _state().alerts(state=wanted, limit=limit)
    if as_json:
        print_json([{**asdict(replace(one, document={})), "document": dict(one.document)} for one in found])
    else:
        rows = [(one.state, one.rule, one.key, iso_ms(one.since_us), iso_ms(one.last_us), one.matches, one.subject) for one in found]
        print_table(["state", "rule", "key", "since", "last", "matches", "subject"], rows)


@command.command()
@click.argument("rule")
@click.option("--key", default="", help="Only the alerts of that key.")
@click.option("--minutes", default=60, show_default=True, type=click.IntRange(1, 60 * 24 * 30))
@json_option
def silence(rule: str, key: str, minutes: int, *, as_json: bool) -> None:
    """Silence a rule for a while.

    Example: tailrace alerts silence "payment errors" --minutes 30
    """
    settings, state = load().settings, _state()
    names = {one.name for one in read_rules(settings.rules_folder)} | {one.rule for one in state.alerts(limit=1000)}
    if rule not in names:
        raise UsageError(f"no such rule: {rule}{nearest(rule, names)}")
    until = SystemClock().now_us() + minutes * US_PER_MINUTE
    state.silence(rule, key, until, "command")
    if as_json:
        print_json({"rule": rule, "key": key, "until": iso_ms(until)})
    else:
        click.echo(f"{rule} is silent until {iso_ms(until)}")


@command.command()
@click.argument("notice_id")
@json_option
def resend(notice_id: str, *, as_json: bool) -> None:
    """Send a message again that failed for good.

    Example: tailrace alerts resend 4f9c1a...
    """
    state = _state()
    known = {one.id: one for one in state.notices(limit=10_000)}
    if notice_id not in known:
        raise UsageError(f"no such message: {notice_id}{nearest(notice_id, known)}")
    state.again(notice_id, SystemClock().now_us())
    if as_json:
        print_json({"id": notice_id, "state": "waiting"})
    else:
        click.echo(f"{notice_id} is waiting to be sent")


def _state(settings: Settings | None = None) -> AlertState:
    return AlertState((settings or load().settings).alerts_path)
