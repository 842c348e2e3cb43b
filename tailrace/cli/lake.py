"""``tailrace lake``: what lies in the lake, and looking after it."""

import sys
from dataclasses import asdict

import click

from firehose.keeper import Keeper
from firehose.keeper.account import summary
from firehose.keeper.expire import Expiry, totals
from firehose.keeper.expire_indices import index_expiry
from firehose.keeper.retention import read_retention
from firehose.keeper.verify import verify as verify_lake
from firehose.lock import held
from tailrace.cli.lake_copies import backup_command, restore_command
from tailrace.cli.lake_erase import erase_command, erasures_command
from tailrace.cli.output import advancing, json_option, print_json, print_table
from tailrace.clock import SystemClock
from tailrace.ledger import open_ledger
from tailrace.settings import load
from tailrace.stores import open_store


@click.group()
def command() -> None:
    """Look after the lake: partitions, parts, merging, verifying, what leaves it.

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


@command.command()
@json_option
def verify(*, as_json: bool) -> None:
    """Read every part that counts whole, and hold it against what the lake promises; exits 1 where something is wrong. Nothing is written.

    Example: tailrace lake verify
    """
    settings = load().settings
    with advancing("verifying parts", None) as advance:
        found = verify_lake(open_store(settings), lambda: open_ledger(settings.ledger_path).hops(), done=advance)
    if as_json:
        lists = {name: [{"where": one.where, "what": one.what} for one in listed] for name, listed in (("problems", found.problems), ("told", found.told))}
        print_json({"parts": found.parts, "rows": found.rows, **lists})
    else:
        if found.problems:
            print_table(("where", "problem"), [(one.where, one.what) for one in found.problems])
        for one in found.told:
            click.echo(f"{one.where}: {one.what}", err=True)
        click.echo(f"{found.parts:,} parts, {found.rows:,} rows, {len(found.problems):,} problems")
    sys.exit(1 if found.problems else 0)


@command.command()
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would go.")
@json_option
def expire(*, dry_run: bool, as_json: bool) -> None:
    """Let rows, and day indices of OpenSearch, go by the rules of retention, now; the keeper of the gateway does it every five minutes.

    Example: tailrace lake expire --dry-run
    """
    settings = load().settings
    rules = read_retention(settings.retention_path, required=True)
    now_us, indices = SystemClock().now_us(), index_expiry(settings, rules)
    found = totals(Expiry(open_store(settings), rules).run(now_us, dry_run=dry_run))
    gone = indices.run(now_us, dry_run=dry_run) if indices else []
    if as_json:
        print_json({"dry_run": dry_run, "expired": found, "indices": [asdict(one) for one in gone]})
    else:
        print_table(("table", "rule", "partitions", "rows", "bytes"), [tuple(row.values()) for row in found])
        click.echo(f"{sum(row['rows'] for row in found):,} rows {'would go' if dry_run else 'went'}")
        if gone:
            print_table(("index", "documents"), [(one.index, one.documents) for one in gone])


command.add_command(backup_command)
command.add_command(erase_command)
command.add_command(erasures_command)
command.add_command(restore_command)
