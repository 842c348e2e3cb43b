"""``tailrace ledger``: what came in, what went out, and where the rest is."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from firehose.delivery import Unit
from firehose.keeper.account import lake_rows
from queries.workspace import Workspace
from tailrace.cli.output import json_option, print_json, print_table
from tailrace.clock import SystemClock
from tailrace.errors import TailraceError
from tailrace.ledger import Hop, open_ledger
from tailrace.schema import TableName
from tailrace.settings import Settings, load
from tailrace.stores import open_store

COLUMNS = ("hop", "sink", "unit", "in", "out", "pending", "dropped", "duplicate", "joined", "dead", "lost")
UNIT_TABLES: Final[Mapping[Unit, TableName]] = {"events": "logs", "spans": "spans", "metrics": "metrics"}


@click.group()
def command() -> None:
    """Account for every line: in = out + pending + dropped + duplicate + joined + dead, and lost = 0, at every hop.

    Example: tailrace ledger check
    """


@command.command()
@json_option
def show(*, as_json: bool) -> None:
    """Show the counts of each hop.

    Example: tailrace ledger show
    """
    _print(open_ledger(load().settings.ledger_path).hops(), as_json=as_json)


@command.command()
@click.option("--deep", is_flag=True, help="Count the rows of the lake too.")
@json_option
def check(*, deep: bool, as_json: bool) -> None:
    """Check that the ledger adds up; exits 1 when it does not.

    Example: tailrace ledger check --deep
    """
    settings = load().settings
    found = open_ledger(settings.ledger_path).check()
    problems = [*found.problems, *(_deep_problems(settings, found.hops) if deep else ())]
    if as_json:
        print_json({**found.to_json(), "balanced": not problems, **({"problems": problems} if problems else {})})
    else:
        _print(found.hops, as_json=False)
        click.echo("\n".join(problems) if problems else "balanced")
    sys.exit(1 if problems else 0)


@command.command()
@click.argument("event_id")
@json_option
def trace(event_id: str, *, as_json: bool) -> None:
    """Say where one event is; exits 1 where it is nowhere.

    Example: tailrace ledger trace 37120923842398471298347
    """
    settings = load().settings
    places = [*_places(settings, event_id)]
    if as_json:
        print_json({"event_id": event_id, "places": places})
    else:
        print_table(("place", "table", "revision", "time", "source"), [tuple(place.values()) for place in places])
    sys.exit(0 if places else 1)


def _print(hops: Iterable[Hop], *, as_json: bool) -> None:
    rows = [hop.to_json() for hop in hops]
    if as_json:
        print_json({"hops": rows})
    else:
        print_table(COLUMNS, [tuple(row[column] for column in COLUMNS) for row in rows])


def delivered_to_lake(settings: Settings) -> dict[Unit, int]:
    """Answer how many rows of each unit the ledger says went to the lake."""
    return _delivered(open_ledger(settings.ledger_path).hops())


def _delivered(hops: Iterable[Hop]) -> dict[Unit, int]:
    by_unit = {hop.unit: hop.went_out for hop in hops if hop.hop == "deliver" and hop.sink == "lake"}
    return {unit: by_unit.get(unit, 0) for unit in UNIT_TABLES}


def _deep_problems(settings: Settings, hops: Iterable[Hop]) -> list[str]:
    out = _delivered(hops)
    found = lake_rows(open_store(settings))
    pairs = [(unit, out[unit], found[table]) for unit, table in UNIT_TABLES.items()]
    return [f"{written:,} {unit} went to the lake, {there:,} are there" for unit, written, there in pairs if written != there]


def _places(settings: Settings, event_id: str) -> Iterable[dict[str, Any]]:
    body = {"query": {"term": {"event_id": {"value": event_id}}}, "size": 10}
    with Workspace(settings, SystemClock()) as space:
        try:
            for engine in ("lake", "opensearch") if settings.opensearch_url else ("lake",):
                for table in UNIT_TABLES.values():
                    for hit in space.engine(engine).search(table, body)["hits"]["hits"]:
                        row = hit["_source"]
                        yield {"place": engine, "table": table} | {name: row.get(name) for name in ("revision", "@timestamp", "log.source")}
        except TailraceError as error:
            yield {"place": f"not asked: {error}", "table": "", "revision": None, "@timestamp": None, "log.source": None}
