"""``tailrace lake``: what lies in the lake, and merging it."""

import click

from firehose.keeper import Keeper
from firehose.keeper.account import summary
from firehose.lock import held
from tailrace.cli.output import json_option, print_json, print_table
from tailrace.clock import SystemClock
from tailrace.settings import load
from tailrace.stores import open_store


@click.group()
def command() -> None:
    """Look after the lake: partitions, parts, merging.

    Example: tailrace lake status
    """


@command.command()
@json_option
def status(*, as_json: bool) -> None:
    """Show partitions, parts, bytes and rows of each table.

    Example: tailrace lake status
    """
    rows = summary(open_store(load().settings))
    if as_json:
        print_json({"tables": rows})
    else:
        print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])


@command.command()
@json_option
def merge(*, as_json: bool) -> None:
    """Merge the fresh parts of every partition now; what they replace is deleted later, by the gateway's keeper.

    Example: tailrace lake merge
    """
    settings = load().settings
    with held(settings.home / "keeper"):
        done = Keeper(settings, SystemClock()).round(force=True)
    found = {"merged_parts": done.parts, "rows": done.rows_out, "duplicates_removed": done.rows_in - done.rows_out}
    print_json(found) if as_json else print_table(tuple(found), [tuple(found.values())])
