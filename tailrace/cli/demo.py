"""``tailrace demo``: the whole stack with an example application, on this machine."""

from pathlib import Path

import click

from sandbox.check import Proof, run_check
from sandbox.demo import Stack, run
from sandbox.incidents import MEANINGS, SCHEDULE
from tailrace.cli.output import json_option, print_json, print_table
from tailrace.settings import load


@click.command()
@click.option("--check", is_flag=True, help="Send one marked event and one trace through every part, prove each step, and end; in a folder of its own.")
@click.option("--seconds", type=click.FloatRange(min=0), help="Stop after so many seconds.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port of the dashboard.")
@json_option
def command(*, check: bool, seconds: float | None, port: int | None, as_json: bool) -> None:
    """Run the whole stack with an example shop, until Ctrl-C; nothing leaves this machine.

    The data are kept in TAILRACE_HOME (./data). With --check it exits 0 if every part did its work, 1 if one did not.

    Example: tailrace demo --seconds 120
    """
    loaded = load({"dashboard_port": port} if port else {})
    if check:
        raise SystemExit(_check(as_json=as_json))
    click.echo("starting; this takes some seconds ...", err=True)
    raise SystemExit(
        run(loaded, seconds=seconds, tell=lambda text: click.echo(text, err=True), ready=lambda stack, took_s: _welcome(stack, took_s, as_json=as_json))
    )


def _welcome(stack: Stack, took_s: float, *, as_json: bool) -> None:
    settings = stack.settings
    addresses = {
        "dashboard": stack.dashboard_url,
        "gateway": settings.gateway_url,
        "shop": stack.shop_url,
        "xray": f"udp and tcp {stack.xray}",
        "aws": f"{stack.endpoint} (moto)",
        "home": str(settings.home),
        "logs": str(stack.logs),
    }
    if as_json:
        print_json({"ready_after_s": round(took_s, 1), **addresses})
        return
    click.echo(f"\n{click.style('Tailrace is up', bold=True)} after {took_s:.0f} s. Open {click.style(stack.dashboard_url, bold=True)}\n")
    print_table(["", ""], [(name, value) for name, value in addresses.items() if name != "dashboard"])
    click.echo("\nA shop of five services is being used, and things go wrong in it, every five minutes again:\n")
    print_table(["from", "to", "what"], [(f"{first} s", f"{last} s", MEANINGS[name]) for name, (first, last) in SCHEDULE.items()])
    click.echo(f"\nTry (with TAILRACE_HOME={_shown(settings.home)}):")
    for line in ("tailrace search 'severity_text:ERROR'", "tailrace traces map", "tailrace alerts list", "tailrace ledger check"):
        click.echo(f"  {line}")
    click.echo("\nStop with Ctrl-C; the data are kept.", nl=True)


def _shown(home: Path) -> str:
    return str(home) if " " not in str(home) else f"'{home}'"


def _check(*, as_json: bool) -> int:
    proofs = run_check(tell=lambda text: click.echo(text, err=True))
    if as_json:
        print_json({"passed": all(proof.passed for proof in proofs), "proofs": [_as_json(proof) for proof in proofs]})
    else:
        rows = [("ok" if proof.passed else "FAILED", proof.name, f"{proof.after_s:.2f} s" if proof.passed else "", proof.detail) for proof in proofs]
        print_table(["", "proof", "after", "seen"], rows)
    return 0 if all(proof.passed for proof in proofs) else 1


def _as_json(proof: Proof) -> dict[str, object]:
    return {"name": proof.name, "passed": proof.passed, "after_s": round(proof.after_s, 3) if proof.passed else None, "detail": proof.detail}
