"""``tailrace subscribe``: let log groups flow in, by subscription filters or an account policy of CloudWatch Logs."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import click
import orjson

from collectors.subscriptions.apply import apply, ensure_stream, plan_removal, remove
from collectors.subscriptions.cloudformation import as_text, templates
from collectors.subscriptions.drift import DRIFTED, Standing, drift, standing_of
from collectors.subscriptions.inventory import Inventory, policies_on
from collectors.subscriptions.places import Closed, Connection, Place
from collectors.subscriptions.plan import Step, Wish
from collectors.subscriptions.survey import Look, Pricing, look, opened, priced
from tailrace.cli.output import json_option, print_json, print_table, progress
from tailrace.cli.subscribe_options import Where, name_option, patterns_argument, pricing_options, where_options, wish_options, yes_option
from tailrace.cli.subscribe_tables import plan_document, print_closed, print_plan, print_steps, step_document
from tailrace.clock import SystemClock
from tailrace.errors import DeliveryError, FileError, UsageError
from tailrace.settings import Settings, load

CHANGES: Final = frozenset({"put", "change", "remove"})


@click.group()
def command() -> None:
    """Let log groups flow in: a subscription filter a log group, or one policy for the account.

    GROUP is a name or a pattern such as '/aws/lambda/*'; '*' is all. A group has room for two filters, an account for one policy more; what others put there is left alone, and so are
    groups that Tailrace writes to.

    Example: tailrace subscribe plan '*' --to 'arn:aws:lambda:{region}:{account}:function:tailrace-collector'
    """


@command.command("plan")
@patterns_argument
@wish_options(required=True)
@where_options
@pricing_options
@click.option("--cost/--no-cost", "with_cost", default=True, show_default=True, help="Ask how much comes in, and estimate what it costs.")
@click.option("--cloudformation", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan as a CloudFormation template.")
@json_option
def plan_command(*, wish: Wish, where: Where, pricing: Pricing, with_cost: bool, cloudformation: Path | None, as_json: bool) -> None:
    """Print the inventory, what apply would do, and what it costs a month; exits 1 if a group cannot be subscribed.

    Nothing is changed. Read more in docs/subscribe.md.

    Example: tailrace subscribe plan '/ecs/*' --to arn:aws:lambda:eu-west-1:123456789012:function:tailrace-collector
    """
    looks, closed = _look(wish, where, load().settings, pricing if with_cost else None)
    if as_json:
        print_json(plan_document(looks, closed))
    else:
        print_plan(looks, closed)
    if cloudformation is not None:
        for path in _write_templates(cloudformation, looks):
            click.echo(f"wrote {path}", err=True)
    _leave([step for found in looks for step in found.plan.steps], closed)


def _look(wish: Wish, where: Where, settings: Settings, pricing: Pricing | None) -> tuple[list[Look], list[Closed]]:
    with progress("log groups") as tick:
        found = list(look(where.connections(settings), wish, settings.firehose_streams, tick=tick))
    looks, closed = [one for one in found if isinstance(one, Look)], [one for one in found if isinstance(one, Closed)]
    if pricing is not None:
        now_us = SystemClock().now_us()
        with progress("samples") as tick:
            looks = [priced(one, wish, pricing, now_us, tick=tick) for one in looks]
    return looks, closed


def _write_templates(path: Path, looks: Sequence[Look]) -> list[Path]:
    """Write one file, or several: a template is for one account and Region, and holds 500 resources."""
    made = [(found.plan.place, template) for found in looks for template in templates(found.plan)]
    if not made:
        raise UsageError("there is nothing to do, so there is no template")
    names = [f"-{place.account}-{place.region}-{number}" for number, (place, _) in enumerate(made, 1)] if len(made) > 1 else [""]
    paths = [path.with_name(f"{path.stem}{name}{path.suffix}") for name in names]
    for target, (_, template) in zip(paths, made, strict=True):
        try:
            target.write_text(as_text(template), "utf-8")
        except OSError as error:
            raise FileError(f"cannot be written: {error.strerror}", path=str(target)) from error
    return paths


@command.command("apply")
@patterns_argument
@wish_options(required=True)
@where_options
@click.option("--create-stream", is_flag=True, help="Make the Kinesis stream where there is none.")
@yes_option
@json_option
def apply_command(*, wish: Wish, where: Where, create_stream: bool, yes: bool, as_json: bool) -> None:
    """Do what plan shows; exits 1 if a group was left out, 3 if AWS refused one.

    It asks first. Done again it changes nothing; where AWS refused a group the others are done, and the next run goes on. Filters of others are never replaced.

    Example: tailrace subscribe apply /shop/web --to arn:aws:kinesis:eu-west-1:123456789012:stream/logs --create-stream --yes
    """
    settings = load().settings
    looks, closed = _look(wish, where, settings, None)
    _ask([(found.plan.place, step) for found in looks for step in found.plan.steps], yes=yes, as_json=as_json)
    if create_stream:
        for found in looks:
            ensure_stream(found.connection.kinesis, wish.destination_at(found.plan.place))
    done = [(found.plan.place, step) for found in looks for step in apply(found.connection.logs, found.plan.steps)]
    _print_done(done, closed, as_json=as_json)


def _ask(steps: Sequence[tuple[Place, Step]], *, yes: bool, as_json: bool) -> None:
    changes = [(place, step) for place, step in steps if step.action in CHANGES]
    if yes or not changes:
        return
    if as_json:
        raise UsageError("with --json nothing can be asked: say --yes")
    print_steps(changes)
    if not click.confirm(f"{len(changes)} changes: do it?", default=False):
        click.echo("nothing was changed")
        raise SystemExit(1)


@command.command("remove")
@patterns_argument
@name_option
@where_options
@yes_option
@json_option
def remove_command(*, patterns: tuple[str, ...], name: str, where: Where, yes: bool, as_json: bool) -> None:
    """Delete the subscription filter from each group, and of '*' the account policy too; only those of that name.

    Example: tailrace subscribe remove '/aws/lambda/*' --yes
    """
    found: list[tuple[Connection, list[Step]]] = []
    closed: list[Closed] = []
    for connection in where.connections(load().settings):
        if isinstance(connection, Closed):
            closed.append(connection)
            continue
        try:
            found.append((connection, plan_removal(connection.logs, patterns, name)))
        except DeliveryError as error:
            closed.append(Closed(str(connection.place), str(error)))
    _ask([(connection.place, step) for connection, steps in found for step in steps], yes=yes, as_json=as_json)
    _print_done([(connection.place, step) for connection, steps in found for step in remove(connection.logs, steps, name)], closed, as_json=as_json)


def _print_done(done: Sequence[tuple[Place, Step]], closed: Sequence[Closed], *, as_json: bool) -> None:
    if as_json:
        print_json([step_document(place, step) for place, step in done] + [{"closed": one.place, "why": one.why} for one in closed])
    else:
        print_steps(done)
        print_closed(closed)
    _leave([step for _, step in done], closed)


def _leave(steps: Iterable[Step], closed: Sequence[Closed]) -> None:
    actions = {step.action for step in steps}
    raise SystemExit(3 if "failed" in actions or closed else 1 if "skip" in actions else 0)


@command.command("status")
@click.argument("patterns", metavar="[GROUP...]", nargs=-1)
@wish_options(required=False)
@where_options
@click.option(
    "--against", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON of an earlier plan or apply: its groups that are gone are shown."
)
@json_option
def status_command(*, wish: Wish, where: Where, against: Path | None, as_json: bool) -> None:
    """List log groups and who has their filters; with --to say what differs from what is wanted, and exit 1 if something does.

    Example: tailrace subscribe status '/shop/*' --to arn:aws:kinesis:eu-west-1:123456789012:stream/logs
    """
    expected = _expected(against) if against else []
    settings = load().settings
    rows: list[tuple[Inventory, Standing]] = []
    closed: list[Closed] = []
    notes: list[str] = []
    for found in opened(where.connections(settings), wish, settings.firehose_streams):
        if isinstance(found, Closed):
            closed.append(found)
            continue
        _, inventory = found
        names = [group for account, region, group in expected if (account, region) == (inventory.place.account, inventory.place.region)]
        standings = drift(inventory, wish, names) if wish.destination else [standing_of(entry, wish.name) for entry in inventory.entries]
        rows += [(inventory, standing) for standing in standings]
        if not as_json:
            notes += [f"* {inventory.place}: {note}" for note in inventory.notes]
    _print_status(rows, closed, notes, as_json=as_json)
    raise SystemExit(3 if closed else 1 if any(standing.state in DRIFTED for _, standing in rows) else 0)


def _print_status(rows: Sequence[tuple[Inventory, Standing]], closed: Sequence[Closed], notes: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json([_status_document(inventory, standing) for inventory, standing in rows] + [{"closed": one.place, "why": one.why} for one in closed])
        return
    print_table(
        ("place", "log group", "state", "why", "filters"),
        [
            (str(inventory.place), one.group, one.state, one.why, ", ".join(f"{found.name} -> {found.destination_arn}" for found in one.filters))
            for inventory, one in rows
        ],
    )
    for note in notes:
        click.echo(note)
    print_closed(closed)


def _status_document(inventory: Inventory, standing: Standing) -> dict[str, object]:
    group = next((entry.group for entry in inventory.entries if entry.group.name == standing.group), None)
    return {
        "account": inventory.place.account,
        "region": inventory.place.region,
        "group": standing.group,
        "class": group.log_class if group else None,
        "state": standing.state,
        "why": standing.why,
        "filters": list(standing.filters),
        "account_policies": policies_on(standing.group, inventory),
    }


def _expected(path: Path) -> list[tuple[str, str, str]]:
    """Read the groups that an earlier plan or apply sent."""
    try:
        found = orjson.loads(path.read_bytes())
        steps = found if isinstance(found, list) else [step for plan in found["plans"] for step in plan["steps"]]
        return [(step["account"], step["region"], step["group"]) for step in steps if step.get("action") in {"put", "change", "keep", "covered", "done"}]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise FileError("not the JSON of `subscribe plan` or `subscribe apply`", path=str(path)) from error
