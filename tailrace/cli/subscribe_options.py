"""The options of ``tailrace subscribe``: what is wanted, where, and what the estimate rests on; each set of them comes to its command as one value."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from collectors.subscriptions.assumptions import read_given
from collectors.subscriptions.places import Closed, Connection, accounts_of, connect
from collectors.subscriptions.plan import FILTER_NAME, Wish
from collectors.subscriptions.survey import Pricing
from tailrace.settings import Settings

Command = Callable[..., Any]

patterns_argument = click.argument("patterns", metavar="GROUP...", nargs=-1, required=True)
name_option = click.option("--name", default=FILTER_NAME, show_default=True, help="Name of the subscription filter, and of the account policy.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@dataclass(frozen=True, slots=True)
class Where:
    """The places that were named."""

    accounts: Path | None
    roles: tuple[str, ...]
    external_id: str
    regions: tuple[str, ...]

    def connections(self, settings: Settings) -> Iterator[Connection | Closed]:
        """Open them; raises :class:`tailrace.errors.UsageError` for names that cannot be."""
        return iter(connect(accounts_of(self.accounts, self.roles, self.external_id), self.regions, settings))


def _bundled(function: Command, options: tuple[Command, ...], key: str, make: Callable[[dict[str, Any]], object], names: tuple[str, ...]) -> Command:
    """Add options to a command, and hand them over as one value."""

    @wraps(function)
    def wrapped(**given: Any) -> Any:  # noqa: ANN401 - what click hands over
        taken = {name: given.pop(name) for name in names}
        return function(**given, **{key: make(taken)})

    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


def where_options(function: Command) -> Command:
    """Add the options that say at which accounts and Regions to look; they come as ``where``."""
    options = (
        click.option("--accounts", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file of accounts: roles to assume, and Regions."),
        click.option("--role", "roles", multiple=True, help="ARN of a role to assume, one an account."),
        click.option("--external-id", default="", help="External id that the roles ask for."),
        click.option("--region", "regions", multiple=True, help="Region to look at. [default: that of the settings]"),
    )
    return _bundled(function, options, "where", lambda given: Where(**given), ("accounts", "roles", "external_id", "regions"))


def wish_options(*, required: bool) -> Callable[[Command], Command]:
    """Add the options that say what is wanted; they come as ``wish``, with the groups."""
    options = (
        click.option(
            "--to",
            "destination",
            **({"required": True} if required else {"default": ""}),
            help="ARN of a Kinesis stream, Firehose stream, function or logs destination; {account} and {region} stand for where a group is.",
        ),
        click.option("--role-arn", default="", help="Role that CloudWatch Logs writes to Kinesis or Firehose with."),
        click.option("--filter-pattern", "pattern", default="", help="Events to send; empty: all."),
        click.option("--exclude", multiple=True, help="Name or pattern of groups to leave alone."),
        click.option(
            "--scope",
            type=click.Choice(["auto", "account", "groups"]),
            default="auto",
            show_default=True,
            help="One account policy, filters group by group, or what is less.",
        ),
        name_option,
    )

    def make(given: dict[str, Any]) -> Wish:
        return Wish(**(given | {"patterns": given["patterns"] or ("*",)}))

    names = ("patterns", "destination", "role_arn", "pattern", "exclude", "scope", "name")
    return lambda function: _bundled(function, options, "wish", make, names)


def pricing_options(function: Command) -> Command:
    """Add the options that say what the estimate rests on; they come as ``pricing``."""
    options = (
        click.option(
            "--search",
            type=click.Choice(["firehose", "bulk", "none"]),
            default="firehose",
            show_default=True,
            help="How events come into OpenSearch: a Firehose record a row, written by the collector itself, or not.",
        ),
        click.option("--sample", type=click.IntRange(0), default=10, show_default=True, help="Sample a page of events of so many of the largest groups."),
        click.option("--sample-bytes", type=click.IntRange(0), default=0, help="Bytes of every event; nothing is sampled then."),
        click.option("--assume", "assumed", multiple=True, metavar="NAME=VALUE", help="Say an assumption or a price better."),
    )

    def make(given: dict[str, Any]) -> Pricing:
        guesses, prices = read_given(given.pop("assumed"))
        return Pricing(**given, guesses=guesses, prices=prices)

    return _bundled(function, options, "pricing", make, ("search", "sample", "sample_bytes", "assumed"))
