"""``tailrace lake backup`` and ``restore``: a copy of the lake in a folder or a bucket, and the way back."""

from dataclasses import asdict, replace
from pathlib import Path

import click

from firehose.keeper.copies import Copied, backup, restore
from firehose.lock import held
from tailrace.cli.output import advancing, json_option, print_json, print_table
from tailrace.clock import SystemClock
from tailrace.errors import UsageError
from tailrace.settings import Settings, load
from tailrace.stores import open_store
from tailrace.stores.port import ObjectStore


@click.command(name="backup")
@click.argument("target")
@json_option
def backup_command(target: str, *, as_json: bool) -> None:
    """Copy the lake, as it is at one moment, to a folder or s3://bucket/prefix; parts that are there already are not copied again. Everything may run meanwhile.

    Example: tailrace lake backup s3://my-backups/tailrace
    """
    settings = load().settings
    other = _other(settings, target)
    with advancing("copying parts", None) as advance:
        copied = backup(open_store(settings), other, SystemClock().now_us(), done=advance)
    _print(copied, as_json=as_json)


@click.command(name="restore")
@click.argument("source")
@json_option
def restore_command(source: str, *, as_json: bool) -> None:
    """Copy a backup into the lake, which must be empty, while no other process has the home folder.

    Example: TAILRACE_HOME=/srv/tailrace tailrace lake restore s3://my-backups/tailrace
    """
    settings = load().settings
    other = _other(settings, source)
    with held(settings.home / "keeper"), held(settings.spool_folder), advancing("copying parts", None) as advance:
        copied = restore(other, open_store(settings), done=advance)
    _print(copied, as_json=as_json)


def _other(settings: Settings, location: str) -> ObjectStore:
    """Open the other place; raises :class:`UsageError` where it is the lake itself, or lies in it."""
    own = settings.lake_location
    if "s3://" in {own[:5], location[:5]}:
        same = f"{location.rstrip('/')}/".startswith(f"{own.rstrip('/')}/")
    else:
        same = Path(location).resolve().is_relative_to(Path(own).resolve())
    if same:
        raise UsageError(f"{location} is the lake itself, or lies in it")
    return open_store(replace(settings, lake=location))


def _print(copied: Copied, *, as_json: bool) -> None:
    found = asdict(copied)
    print_json(found) if as_json else print_table(tuple(found), [tuple(found.values())])
