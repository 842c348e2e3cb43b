"""``tailrace lake erase`` and ``erasures``: chosen rows leave the lake, and who had what erased."""

import os
import pwd
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from firehose.keeper.erase import ALWAYS, Order, erase, order_of, would_erase
from firehose.keeper.erase_documents import DocumentErasure
from firehose.keeper.erasures import begin, end, erasures
from firehose.keeper.places import Place, empty_part_cache, other_places
from firehose.keeper.settled import settled_by
from queries.dsl.dates import DateReader
from tailrace.cli.output import json_option, print_json, print_table
from tailrace.clock import US_PER_MS, SystemClock
from tailrace.settings import Settings, load
from tailrace.stores import open_store


@click.command(name="erase")
@click.option("--where", metavar="FIELD=VALUE", multiple=True, help="Rows whose field, or attributes.<name>, is that.")
@click.option("--contains", metavar="TEXT", multiple=True, help="Rows of which any column of text holds that.")
@click.option("--from", "from_time", metavar="TIME", help="Not before: a date, or date math such as now-1d/d.")
@click.option("--to", "to_time", metavar="TIME", help="Before: the same forms.")
@click.option("--now", is_flag=True, help="Delete parts that were replaced at once, not after the grace period.")
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would be erased.")
@click.option("--by", "who", help="Who wants it, for the account of erasures.  [default: the user of this machine]")
@json_option
def erase_command(where: Sequence[str], contains: Sequence[str], *, now: bool, dry_run: bool, who: str | None, as_json: bool, **times: str | None) -> None:
    """Erase rows of logs, spans and metrics that meet one of the conditions, and their documents of OpenSearch, and look whether they are gone. Exits 1 where some place holds them still.

    Example: tailrace lake erase --where enduser.id=u-17 --contains ann@example.com --dry-run
    """
    settings = load().settings
    order = order_of(where, contains, _time_us(times["from_time"], "--from", ALWAYS[0]), _time_us(times["to_time"], "--to", ALWAYS[1]))
    found = {"dry_run": dry_run, **(_planned(settings, order) if dry_run else _done(settings, order, who or _user(), now=now))}
    places = _places(settings, order, found)
    if as_json:
        print_json({**found, "places": [asdict(place) for place in places]})
    else:
        _print(found, places)
    sys.exit(1 if places and not dry_run else 0)


@click.command(name="erasures")
@json_option
def erasures_command(*, as_json: bool) -> None:
    """List who had what erased from the lake, and when; values are hashes.

    Example: tailrace lake erasures
    """
    rows = erasures(load().settings.erasures_path)
    if as_json:
        print_json({"erasures": rows})
    else:
        columns = ("begun", "who", "what", "rows", "parts", "deleted", "ended")
        print_table(columns, [tuple(row[column] for column in columns) for row in rows])


def _planned(settings: Settings, order: Order) -> dict[str, Any]:
    return {**asdict(would_erase(open_store(settings), order)), "documents": 0, "documents_left": 0}


def _done(settings: Settings, order: Order, who: str, *, now: bool) -> dict[str, Any]:
    clock = SystemClock()
    number = begin(settings.erasures_path, order, who, clock.now_us())
    search = _opensearch(settings, clock.now_us())
    documents = search.erase(open_store(settings), order) if search else 0
    done = erase(open_store(settings), order, settled_by(settings.spool_folder), now=now)
    if now:
        empty_part_cache(settings.part_cache_folder)
    end(settings.erasures_path, number, done, clock.now_us())
    return {**asdict(done), "documents": documents, "documents_left": search.left(order) if search else 0}


def _opensearch(settings: Settings, now_us: int) -> DocumentErasure | None:
    if not settings.opensearch_url:
        return None
    from tailrace import aws  # opensearch-py takes long to import
    from tailrace.opensearch_connection import is_serverless

    return DocumentErasure(aws.opensearch(settings).transport, settings.opensearch_gone_path, now_us, serverless=is_serverless(settings))


def _places(settings: Settings, order: Order, found: dict[str, Any]) -> list[Place]:
    waiting = [Place("replaced part", key) for key in found.pop("waiting")]
    left = [Place("lake", f"{found['left']:,} rows came meanwhile: erase again")] if found["left"] else []
    if found["documents_left"]:
        left.append(Place("OpenSearch", f"{found['documents_left']:,} documents came meanwhile, or are not refreshed yet: erase again"))
    return [*left, *waiting, *other_places(settings, order)]


def _print(found: dict[str, Any], places: Sequence[Place]) -> None:
    click.echo(f"{found['rows']:,} rows of {found['parts']:,} parts {'would be erased' if found['dry_run'] else 'erased'}, about {found['bytes']:,} bytes")
    if found["documents"]:
        click.echo(f"{found['documents']:,} documents of OpenSearch erased")
    if places:
        click.echo("other places:" if found["dry_run"] else "not gone everywhere:", err=True)
        print_table(("place", "what"), [(place.name, place.what) for place in places])
    elif not found["dry_run"]:
        click.echo("gone: no part of the lake, no dead letter and no segment of the spool holds them")


def _time_us(text: str | None, option: str, otherwise: int) -> int:
    return otherwise if text is None else DateReader(SystemClock().now_us(), option).read_ms(text, round_up=False) * US_PER_MS


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
