"""``tailrace dead``: what could not be read or delivered, kept whole with its reason."""

import os
import pwd
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

import click

from collectors.desk import DEAD_AGAIN, Desk
from collectors.desk import drop as drop_letter
from collectors.failed_reading import contents, read_into
from collectors.from_settings import collector_from_settings, rehearsal_from_settings
from collectors.rehearsal import Foreseen
from firehose import LocalFirehose
from firehose.dead_letters import DeadLetters
from firehose.dead_letters.groups import groups, members
from firehose.dead_letters.log import ReplayLog, Who
from firehose.dead_letters.refused import Asks, refused
from firehose.delivery import DeadLetter
from tailrace.cli.output import json_option, print_json, print_table, printable
from tailrace.clock import SystemClock
from tailrace.errors import DeliveryError, StateError, TransientError, UsageError, nearest
from tailrace.fields import AttributeRegister
from tailrace.gateway_client import GatewayClient
from tailrace.settings import Settings, load

MAX_LISTED = 100_000

ids_argument = click.argument("ids", metavar="ID...|all", nargs=-1, required=True)


@click.group()
def command() -> None:
    """Dead letters: payloads that could not be decoded, documents that a sink refused, and what others could not deliver.

    Example: tailrace dead list
    """


@command.command(name="list")
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), default=100, show_default=True, help="How many, the newest first.")
@click.option("--group", default="", help="Those of a group alone.")
@json_option
def list_letters(limit: int, group: str, *, as_json: bool) -> None:
    """List dead letters, the newest first.

    Example: tailrace dead list --limit 20
    """
    letters = DeadLetters(load().settings.dead_folder)
    rows = _rows_of(letters, group)[:limit] if group else letters.rows(limit)
    if as_json:
        print_json({"dead": rows, "total": letters.count()})
    else:
        columns = ("id", "time", "kind", "source", "sink", "bytes", "reason")
        print_table(columns, [tuple(row[column] for column in columns) for row in rows])


@command.command(name="groups")
@json_option
def list_groups(*, as_json: bool) -> None:
    """Group dead letters by their cause and shape: a group is one thing to mend.

    Example: tailrace dead groups
    """
    found = [one.to_json() for one in groups(DeadLetters(load().settings.dead_folder))]
    if as_json:
        print_json({"groups": found})
    else:
        columns = ("group", "count", "bytes", "oldest", "newest", "kind", "sink", "content", "cause")
        print_table((*columns, "sources"), [(*(row[column] for column in columns), ", ".join(row["sources"])) for row in found])


@command.command()
@click.argument("identity", metavar="ID")
@click.option("--raw", is_flag=True, help="Write the bytes as they came to standard output.")
@json_option
def show(identity: str, *, raw: bool, as_json: bool) -> None:
    """Show one dead letter: why it is one, and what it holds.

    Of a document that OpenSearch refused: the field, its value, and the types that the index, the schema and the attribute register say it has.

    Example: tailrace dead show spool-1f2e3d4c-3-4096-0
    """
    settings = load().settings
    letter = DeadLetters(settings.dead_folder).get(identity)
    if letter is None:
        raise UsageError(f"no such dead letter: {identity}")
    if raw:
        sys.stdout.buffer.write(letter.body)
        return
    beside = _beside(settings, letter)
    if as_json:
        shown = {"id": identity, "kind": letter.kind, "reason": letter.reason, "detail": dict(letter.detail), **({"refused": beside} if beside else {})}
        print_json({**shown, "body": letter.body.decode("utf-8", "backslashreplace")})
    else:
        lines = [f"reason: {letter.reason}", *(f"{name}: {value}" for name, value in [*letter.detail.items(), *_refused_lines(beside)]), ""]
        click.echo("\n".join(printable(line) for line in [*lines, letter.body.decode("utf-8", "backslashreplace")]))


@command.command()
@ids_argument
@json_option
def drop(ids: tuple[str, ...], *, as_json: bool) -> None:
    """Throw dead letters away; ``all`` is every one.

    Example: tailrace dead drop spool-1f2e3d4c-3-4096-0
    """
    settings, who = load().settings, _who()
    letters, log, clock = DeadLetters(settings.dead_folder), ReplayLog(settings.dead_log_path), SystemClock()
    dropped = [identity for identity in _named(letters, ids) if drop_letter(letters, identity, log, clock, who)]
    print_json({"dropped": dropped}) if as_json else click.echo(f"{len(dropped)} dropped")


@command.command()
@click.argument("ids", metavar="[ID...|all]", nargs=-1)
@click.option("--group", default="", help="All letters of a group.")
@click.option("--dry-run", is_flag=True, help="Say what they would become, and put nothing.")
@json_option
def replay(ids: tuple[str, ...], group: str, *, dry_run: bool, as_json: bool) -> None:
    """Put dead letters through the write path again; ``all`` is every one. Exits 1 where one is dead again, or refused again.

    Where the gateway runs, it is asked to do it. A letter that is replayed twice adds no event twice.

    Example: tailrace dead replay --group 3f2a91c4 --dry-run
    """
    settings = load().settings
    letters = DeadLetters(settings.dead_folder)
    if bool(ids) == bool(group):
        raise UsageError("name dead letters, or all, or a group with --group")
    named = [str(row["id"]) for row in _rows_of(letters, group)] if group else _named(letters, ids)
    if dry_run:
        _print_foreseen(list(_foreseen(settings, letters, named)), as_json=as_json)
        return
    with _replayer(settings, letters) as again:
        outcomes = {identity: _outcome(again, identity) for identity in named}
    if as_json:
        print_json({"replayed": outcomes})
    else:
        print_table(("id", "outcome"), outcomes.items())
    sys.exit(0 if set(outcomes.values()) <= {"replayed"} else 1)


@command.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@json_option
def read(paths: tuple[str, ...], *, as_json: bool) -> None:
    """Read the letters of others: what Amazon Data Firehose put below its error prefixes, and Data Prepper's dead-letter queue.

    Files, folders, or s3://bucket/prefix. They are grouped, shown and replayed like our own. What is read again gives no letter twice, and none that was replayed or dropped. Exits 1 where an object
    could not be read to its end: it is a letter itself.

    Example: tailrace dead read s3://logs/processing-failed/2026/11/
    """
    settings, clock = load().settings, SystemClock()
    letters, log = DeadLetters(settings.dead_folder), ReplayLog(settings.dead_log_path)
    done = [
        read_into(letters, log, name, data, now_us=clock.now_us(), inflate_max_bytes=settings.inflate_max_bytes)
        for name, data in contents(settings, clock, paths)
    ]
    if as_json:
        print_json({"read": [asdict(one) for one in done], "letters": sum(one.letters for one in done)})
    else:
        print_table(("object", "letters", "done before", "problem"), [(one.name, one.letters, one.done_before, one.problem) for one in done])
    sys.exit(1 if any(one.problem for one in done) else 0)


@command.command(name="log")
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), default=100, show_default=True, help="How many, the newest first.")
@json_option
def show_log(limit: int, *, as_json: bool) -> None:
    """Say who replayed or dropped which dead letter, when, and what came of it; the newest first.

    Example: tailrace dead log --limit 20
    """
    steps = [one.to_json() for one in ReplayLog(load().settings.dead_log_path).newest(limit)]
    if as_json:
        print_json({"log": steps})
    else:
        columns = ("time", "user", "via", "action", "id", "group", "source", "reason", "outcome")
        print_table(columns, [tuple(one[column] for column in columns) for one in steps])


def _who() -> Who:
    number = os.getuid()
    try:
        return Who(pwd.getpwuid(number).pw_name, "command")
    except KeyError:
        return Who(str(number), "command")


def _foreseen(settings: Settings, letters: DeadLetters, named: Sequence[str]) -> Iterator[Foreseen]:
    rehearsal = rehearsal_from_settings(settings, SystemClock())
    for identity in named:
        letter = letters.get(identity)
        if letter is not None:
            yield rehearsal.of(identity, letter)


def _print_foreseen(found: Sequence[Foreseen], *, as_json: bool) -> None:
    if as_json:
        print_json({"dry_run": [one.to_json() for one in found]})
    else:
        columns = ("id", "parsed", "partial", "failed", "spans", "metrics", "documents", "dropped", "dead")
        rows = [(*(getattr(one, column) for column in columns), "; ".join(filter(None, (*one.reasons, one.note)))) for one in found]
        print_table((*columns, "why"), rows)
    sys.exit(1 if any(one.dead for one in found) else 0)


def _beside(settings: Settings, letter: DeadLetter) -> Mapping[str, Any]:
    transport: Asks | None = None
    if settings.opensearch_url and letter.kind == "document":
        from tailrace import aws  # opensearch-py takes long to import

        transport = aws.opensearch(settings, timeout_s=5).transport
    found = refused(letter, AttributeRegister(settings.register_path), transport)
    return found.to_json() if found else {}


def _refused_lines(beside: Mapping[str, Any]) -> list[tuple[str, object]]:
    if not beside:
        return []
    words = {True: "yes", False: "no", None: "cannot be said from here"}
    told = {"refused field": beside["field"], "its value": beside["value"], f"type in {beside['index'] or 'the index'}": beside["index_type"]}
    told |= {"type in the schema": beside["schema_type"] or "none", "type in the register": beside["register_type"] or "none"}
    return [*told.items(), ("fits the index as it is now", words[beside["fits"]])]


def _rows_of(letters: DeadLetters, group: str) -> list[Mapping[str, Any]]:
    found = sorted(members(letters, group), key=lambda one: (-one.time_us, one.id))
    if not found:
        raise UsageError(f"no such group: {group}{nearest(group, [one.name for one in groups(letters)])}")
    return [one.row() for one in found]


def _outcome(again: Callable[[str], str], identity: str) -> str:
    try:
        return again(identity)
    except DeliveryError as error:
        return str(error)


def _named(letters: DeadLetters, ids: Sequence[str]) -> list[str]:
    if ids != ("all",):
        for identity in ids:
            if letters.get(identity) is None:
                raise UsageError(f"no such dead letter: {identity}")
        return list(ids)
    return [str(row["id"]) for row in letters.rows(MAX_LISTED)]


@contextmanager
def _replayer(settings: Settings, letters: DeadLetters) -> Iterator[Callable[[str], str]]:
    """Answer what replays a letter and says the outcome: the write path of this process, or, where another process has the spool, its gateway."""
    clock, register = SystemClock(), AttributeRegister(settings.register_path)
    try:
        stream = LocalFirehose(settings, clock, register=register)
    except StateError:
        yield partial(_ask_gateway, settings)
        return
    with stream:
        collector = collector_from_settings(settings, stream, register, clock)
        desk, who = Desk(letters, stream, collector, ReplayLog(settings.dead_log_path), clock), _who()
        try:
            yield lambda identity: done.outcome if (done := desk.replay(identity, who)) else "gone meanwhile"
        finally:
            collector.close()
        stream.flush()


def _ask_gateway(settings: Settings, identity: str) -> str:
    answer = GatewayClient(settings, _who().user).ask("POST", f"/_tailrace/dead/{identity}/replay", timeout_s=30.0)
    told = answer.json() or {}
    if answer.status >= 400:
        raise TransientError(f"the gateway answered {answer.status} {answer.reason}".strip())
    return f"{DEAD_AGAIN}{told['reasons'][0]}" if told.get("dead") else "replayed"
