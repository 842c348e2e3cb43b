"""``tailrace ledger``: what came in, what went out, and where the rest is."""

import sys
from collections.abc import Iterable

import click

from firehose.dead_letters.log import ReplayLog
from firehose.keeper.account import Hops, differences, views
from firehose.keeper.merge import source
from firehose.opensearch_account import Account, account, stored
from firehose.parts import rows_in
from tailrace.cli.event_trace import trace_event
from tailrace.cli.output import json_option, print_json, print_table
from tailrace.errors import TransientError
from tailrace.ledger import Hop, open_ledger
from tailrace.schema import TableName
from tailrace.settings import Settings, load
from tailrace.stores import open_store

COLUMNS = ("hop", "sink", "unit", "in", "out", "pending", "dropped", "duplicate", "joined", "dead", "lost")


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
@click.option("--deep", is_flag=True, help="Count the rows of the lake and the documents of OpenSearch too.")
@json_option
def check(*, deep: bool, as_json: bool) -> None:
    """Check that the ledger adds up; exits 1 when it does not.

    With --deep what is in the lake and in OpenSearch is counted, also while rows arrive. Days whose index was deleted are no fault: they are told beside the lake's count of them.

    Example: tailrace ledger check --deep
    """
    settings = load().settings
    ledger = open_ledger(settings.ledger_path)
    found = ledger.check()
    search = _opensearch_account(settings, ledger.hops) if deep else Account()
    problems = [*found.problems, *(str(one) for one in (differences(open_store(settings), ledger.hops) if deep else ())), *search.problems]
    if as_json:
        more = {name: told for name, told in (("problems", problems), ("notes", search.notes)) if told}
        print_json({**found.to_json(), "balanced": not problems, **more})
    else:
        _print(found.hops, as_json=False)
        click.echo("\n".join([*(problems or ["balanced"]), *(f"note: {note}" for note in search.notes)]))
    sys.exit(1 if problems else 0)


@command.command()
@click.argument("event_id")
@json_option
def trace(event_id: str, *, as_json: bool) -> None:
    """Follow one event hop by hop; exits 1 where it is nowhere.

    Was it received, is it in the spool still and which sinks have passed it, in which part of the lake and which index is it, is it a dead letter, was it left out: yes, no, or why that cannot be
    known. The stack may run meanwhile.

    Example: tailrace ledger trace 37120923842398471298347
    """
    found = trace_event(load().settings, event_id)
    if as_json:
        print_json({"event_id": event_id, "found": found.found, "hops": [hop.to_json() for hop in found.hops], "places": [row.to_json() for row in found.rows]})
    else:
        print_table(("hop", "answer", "where, or why"), [(hop.hop, hop.answer, hop.told) for hop in found.hops])
    sys.exit(0 if found.found else 1)


def _print(hops: Iterable[Hop], *, as_json: bool) -> None:
    rows = [hop.to_json() for hop in hops]
    if as_json:
        print_json({"hops": rows})
    else:
        print_table(COLUMNS, [tuple(row[column] for column in COLUMNS) for row in rows])


def _opensearch_account(settings: Settings, hops: Hops) -> Account:
    before = tuple(hops())
    if not settings.opensearch_url:
        went = any(hop.sink == "opensearch" and hop.went_out for hop in before)
        return Account(notes=("opensearch is not counted, because the setting opensearch_url is empty",) if went else ())
    from tailrace import aws  # boto3 and opensearch-py take long to import
    from tailrace.opensearch_connection import is_serverless

    days: dict[TableName, dict[str, int]] = {}
    store = open_store(settings)
    for seen in views(store):
        of_table = days.setdefault(seen.table, {})
        rows = sum(rows_in(source(store, part))[0] for part in seen.live)
        of_table[seen.partition.day] = of_table.get(seen.partition.day, 0) + rows
    try:
        there = stored(aws.opensearch(settings).transport, settings.opensearch_gone_path, serverless=is_serverless(settings))
    except TransientError as error:
        return Account(problems=(f"opensearch could not be counted: {error}",))
    return account(before, ReplayLog(settings.dead_log_path).sent_again("opensearch"), there, days, after=tuple(hops()))
