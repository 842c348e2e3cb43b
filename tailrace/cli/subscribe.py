"""``tailrace subscribe``: let log groups flow in, by CloudWatch Logs subscription filters."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from collectors.subscriptions.apply import FILTER_NAME, Step, apply, ensure_stream, plan, read_destination, remove, status
from collectors.subscriptions.log_groups import Boto3LogGroups, SubscriptionFilter
from tailrace import aws
from tailrace.cli.output import json_option, print_json, print_table
from tailrace.settings import load

patterns_argument = click.argument("patterns", metavar="GROUP...", nargs=-1, required=True)
name_option = click.option("--name", default=FILTER_NAME, show_default=True, help="Name of the subscription filter.")


def filter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what the filter is to be."""
    options = (
        click.option("--to", "destination", required=True, help="ARN of a Kinesis stream, Firehose stream, function or logs destination."),
        click.option("--role-arn", default="", help="Role that CloudWatch Logs writes to Kinesis or Firehose with."),
        click.option("--filter-pattern", default="", help="Events to send; empty: all."),
        name_option,
        json_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Let log groups flow in: one subscription filter a log group.

    GROUP is a name or a pattern such as '/aws/lambda/*'. A group has room for two filters; groups that Tailrace writes to are left out.

    Example: tailrace subscribe apply '/aws/lambda/*' --to arn:aws:kinesis:eu-west-1:123456789012:stream/logs
    """


@command.command("plan")
@patterns_argument
@filter_options
def plan_command(patterns: tuple[str, ...], destination: str, role_arn: str, filter_pattern: str, name: str, *, as_json: bool) -> None:
    """Print what apply would do; exits 1 if a group cannot be subscribed.

    Example: tailrace subscribe plan '/ecs/*' --to arn:aws:lambda:eu-west-1:123456789012:function:tailrace-collector
    """
    steps = plan(_port(), patterns, SubscriptionFilter(name, destination, filter_pattern, role_arn))
    _print_steps(steps, as_json=as_json)


@command.command("apply")
@patterns_argument
@filter_options
@click.option("--create-stream", is_flag=True, help="Make the Kinesis stream where there is none.")
def apply_command(patterns: tuple[str, ...], destination: str, role_arn: str, filter_pattern: str, name: str, *, as_json: bool, create_stream: bool) -> None:
    """Put the subscription filter on each group; exits 1 if a group was left out, 3 if AWS refused one.

    Example: tailrace subscribe apply /shop/web --to arn:aws:kinesis:eu-west-1:123456789012:stream/logs --create-stream
    """
    port, wanted = _port(), SubscriptionFilter(name, destination, filter_pattern, role_arn)
    steps = plan(port, patterns, wanted)
    if create_stream:
        ensure_stream(aws.client("kinesis", load().settings), read_destination(destination))
    _print_steps(apply(port, steps), as_json=as_json)


@command.command("remove")
@patterns_argument
@name_option
@json_option
def remove_command(patterns: tuple[str, ...], name: str, *, as_json: bool) -> None:
    """Delete the subscription filter from each group.

    Example: tailrace subscribe remove '/aws/lambda/*'
    """
    _print_steps(remove(_port(), patterns, name), as_json=as_json)


@command.command("status")
@click.argument("patterns", metavar="[GROUP...]", nargs=-1)
@json_option
def status_command(patterns: tuple[str, ...], *, as_json: bool) -> None:
    """List log groups and the subscription filters they have.

    Example: tailrace subscribe status '/shop/*'
    """
    found = status(_port(), patterns)
    if as_json:
        print_json([{"group": group.name, "class": group.log_class, "filters": filters} for group, filters in found])
        return
    rows = [(group.name, f"{len(filters)} of 2", ", ".join(f"{one.name} -> {one.destination_arn}" for one in filters)) for group, filters in found]
    print_table(("log group", "filters", "destinations"), rows)


def _port() -> Boto3LogGroups:
    return Boto3LogGroups(aws.client("logs", load().settings))


def _print_steps(steps: Sequence[Step], *, as_json: bool) -> None:
    if as_json:
        print_json([{"group": step.group, "action": step.action, "why": step.why} for step in steps])
    else:
        print_table(("log group", "action", "why"), [(step.group, step.action, step.why) for step in steps])
    actions = {step.action for step in steps}
    raise SystemExit(3 if "failed" in actions else 1 if "skip" in actions else 0)
