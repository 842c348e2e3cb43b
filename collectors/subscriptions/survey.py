"""Looking at all places that are asked for: inventory, plan and estimate of each, before anything is changed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from collectors.subscriptions.cloudformation import STREAM_ACTIONS
from collectors.subscriptions.cost import Route, Search
from collectors.subscriptions.destination import Fed, fed_by
from collectors.subscriptions.estimate import Estimate, Money, estimate, total
from collectors.subscriptions.inventory import Inventory, Tick, largest, take_inventory, with_samples, with_traffic
from collectors.subscriptions.places import Closed, Connection
from collectors.subscriptions.plan import Plan, Wish, make_plan
from tailrace.errors import DeliveryError, UsageError


@dataclass(frozen=True, slots=True)
class Pricing:
    """What an estimate is to rest on: ``sample`` is how many groups are sampled, ``sample_bytes`` the size of every event where it is given."""

    search: Search = "firehose"
    sample: int = 10
    sample_bytes: int = 0
    guesses: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """What was found at one place."""

    connection: Connection
    inventory: Inventory
    plan: Plan
    estimate: Estimate | None = None


def opened(
    connections: Iterable[Connection | Closed], wish: Wish, streams: str, *, tick: Tick = lambda _d, _t: None
) -> Iterator[tuple[Connection, Inventory] | Closed]:
    """Take the inventory of each place; ``streams`` is the prefix of Firehose streams in the settings.

    A place that cannot be looked at is :class:`Closed`; where no group of any place is meant, :class:`UsageError` is raised.
    """
    problem: UsageError | None = None
    found = False
    for connection in connections:
        if isinstance(connection, Closed):
            found = True
            yield connection
            continue
        fed = fed_by(wish.destination_at(connection.place), connection.pipeline, streams) if wish.destination else Fed()
        try:
            inventory = take_inventory(connection.place, connection.logs, wish.patterns, fed, tick=tick)
        except UsageError as error:
            problem = problem or error
            continue
        except DeliveryError as error:
            found = True
            yield Closed(str(connection.place), str(error))
            continue
        found = True
        yield connection, inventory
    if problem is not None and not found:
        raise problem


def look(connections: Iterable[Connection | Closed], wish: Wish, streams: str, *, tick: Tick = lambda _d, _t: None) -> Iterator[Look | Closed]:
    """Take the inventory of each place and plan there."""
    for found in opened(connections, wish, streams, tick=tick):
        if isinstance(found, Closed):
            yield found
        else:
            connection, inventory = found
            if not wish.role_arn and wish.destination_at(connection.place).service in STREAM_ACTIONS:
                inventory = replace(
                    inventory, notes=(*inventory.notes, "CloudWatch Logs writes to a stream with a role: name it with --role-arn, or let the template make it")
                )
            yield Look(connection, inventory, make_plan(inventory, wish))


def priced(found: Look, wish: Wish, pricing: Pricing, now_us: int, *, tick: Tick = lambda _d, _t: None) -> Look:
    """Add the estimate to a look: metrics of all groups, and a sample of the largest of those that are new."""
    place = found.connection.place
    inventory = with_traffic(found.inventory, found.connection.traffic, now_us)
    if pricing.sample and not pricing.sample_bytes:
        names = [name for name in largest(inventory, len(inventory.entries)) if name in found.plan.new][: pricing.sample]
        inventory = with_samples(inventory, found.connection.samples, names, wish.pattern, now_us, tick=tick)
    route = Route(wish.destination_at(place).service, pricing.search)
    cost = estimate(found.plan, inventory, route, pricing.guesses, pricing.prices, sample_bytes=pricing.sample_bytes)
    return Look(found.connection, inventory, found.plan, cost)


def grand_total(looks: Iterable[Look]) -> Money:
    """Add up the estimates of all places."""
    return total(one.estimate.total for one in looks if one.estimate is not None)
