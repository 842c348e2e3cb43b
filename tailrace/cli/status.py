"""``tailrace status``: how the running gateway is, part by part."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from tailrace.cli.output import json_option, print_json, print_table
from tailrace.errors import TransientError
from tailrace.gateway_client import GatewayClient
from tailrace.settings import load

PATH: Final = "/_tailrace/status"
TIMEOUT_S: Final = 10.0

Row = tuple[str, str, str]
"""A part, how it is, and its numbers."""


@click.command()
@json_option
def command(*, as_json: bool) -> None:
    """Show how the running gateway is: spool, sinks, ledger, keeper, dead letters, certificates, and what is wrong; exits 1 where something is.

    Example: tailrace status
    """
    client = GatewayClient(load().settings)
    answer = client.ask("GET", PATH, timeout_s=TIMEOUT_S)
    told = answer.json()
    if answer.status != 200 or not isinstance(told, dict):
        raise TransientError(f"the gateway at {client.url} answered {answer.status} {answer.reason}".rstrip())
    if as_json:
        print_json(told)
    else:
        print_table(("part", "state", "numbers"), list(rows(told)))
        for problem in told["problems"]:
            click.echo(f"{problem['part']}: {problem['why']}", err=True)
    raise SystemExit(1 if told["problems"] else 0)


def rows(told: Mapping[str, Any]) -> Iterator[Row]:
    """Answer a row for each part of a status."""
    spool, keeper, dead = told["spool"], told["keeper"], told["dead"]
    wrong = {problem["part"]: problem["state"] for problem in told["problems"]}
    yield "gateway", told["status"], f"{told['threads']} threads"
    yield "spool", wrong.get("spool", "ok"), f"{spool['bytes']:,} of {spool['max_bytes']:,} bytes, {spool['rows']:,} rows, {spool['waiting_rows']:,} waiting"
    for sink in told["sinks"]:
        name = f"sink {sink['name']}"
        again = f", tried again in {sink['next_try_s']:,.0f} s" if sink["circuit"] == "open" else ""
        yield name, wrong.get(name, sink["state"]), f"{sink['behind_rows']:,} rows behind, the oldest for {sink['oldest_age_s']:,.0f} s{again}"
    yield "ledger", wrong.get("ledger", "ok"), ""
    yield "keeper", wrong.get("keeper", "failing" if keeper["failures"] else "ok"), _keeper(keeper)
    yield "dead letters", wrong.get("dead letters", "ok"), f"{dead['count']:,}, {dead['bytes']:,} of {dead['max_bytes']:,} bytes"
    for name, certificate in told.get("certificates", {}).items():
        part = f"certificate of {name}"
        yield part, wrong.get(part, "ok"), f"{certificate['days_left']:,.1f} days left, {', '.join(certificate['names'])}"


def _keeper(keeper: Mapping[str, Any]) -> str:
    failing = f"fails since {keeper['failing_s']:,.0f} s; " if keeper["failures"] else ""
    last = f"last round {keeper['idle_s']:,.0f} s ago, took {keeper['round_s']:,.1f} s; " if keeper["rounds"] else "no round yet; "
    return f"{failing}{last}{keeper['merged_parts']:,} parts merged, {keeper['fresh_parts']:,} to merge, {keeper['due_parts']:,} behind"
