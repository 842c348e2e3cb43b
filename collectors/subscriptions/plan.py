"""What it takes to let log groups of a place flow in: one account-level policy or filters group by group, with the reasons.

The policy is the smallest set: one resource, and groups that are made later flow in too. It takes all groups but those that it excludes by name, so it is taken where all are wanted, the
account has no policy of somebody else's, and the list of exclusions is short enough. Otherwise each group gets a filter, where it has room. What others put there is never touched.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from collectors.subscriptions.account_policy import MAX_SELECTION_BYTES, AccountPolicy, sorted_names
from collectors.subscriptions.destination import Destination, read_destination
from collectors.subscriptions.inventory import Entry, Inventory, matches_any
from collectors.subscriptions.log_groups import MAX_FILTERS, SubscriptionFilter
from collectors.subscriptions.places import Place
from tailrace.errors import UsageError

FILTER_NAME: Final = "tailrace"
ALL: Final = "*"
"""The pattern that wants every group, and what the step of an account policy has for a group."""

Action = Literal["put", "change", "keep", "covered", "skip", "remove", "done", "failed"]
Scope = Literal["auto", "account", "groups"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; ``destination`` may hold ``{account}`` and ``{region}``; ``exclude`` are names or patterns of groups to leave alone."""

    patterns: tuple[str, ...]
    destination: str
    name: str = FILTER_NAME
    pattern: str = ""
    role_arn: str = ""
    scope: Scope = "auto"
    exclude: tuple[str, ...] = ()

    def destination_at(self, place: Place) -> Destination:
        """Read the destination that a place sends to."""
        return read_destination(_at(self.destination, place))

    def filter_at(self, place: Place) -> SubscriptionFilter:
        """Answer the filter that groups of a place shall have."""
        return SubscriptionFilter(self.name, _at(self.destination, place), self.pattern, _at(self.role_arn, place))


def _at(text: str, place: Place) -> str:
    return text.replace("{account}", place.account).replace("{region}", place.region)


Target: TypeAlias = SubscriptionFilter | AccountPolicy


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done, or was done, with one group (``*``: the account policy), and why."""

    group: str
    action: Action
    why: str
    wanted: Target | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps at a place, and why they are account-wide or group by group."""

    place: Place
    steps: tuple[Step, ...]
    reason: str = ""

    @property
    def flowing(self) -> frozenset[str]:
        """The groups whose events are sent once the steps are done."""
        return frozenset(step.group for step in self.steps if step.action in {"put", "change", "keep", "covered", "done"} and step.group != ALL)

    @property
    def new(self) -> frozenset[str]:
        """The groups whose events are sent only once the steps are done: what the plan costs."""
        policy = any(step.group == ALL and step.action == "put" for step in self.steps)
        return frozenset(step.group for step in self.steps if step.action == "put" or (policy and step.action == "covered")) - {ALL}


def make_plan(inventory: Inventory, wish: Wish) -> Plan:
    """Plan for a place; raises :class:`UsageError` for a wish that cannot be."""
    destination = wish.destination_at(inventory.place)
    if destination.service == "lambda" and wish.role_arn:
        raise UsageError("a function is called by permission, not by a role: leave the role away")
    if wrong := _out_of_reach(inventory.place, destination):
        return Plan(inventory.place, tuple(Step(entry.group.name, "skip", wrong) for entry in inventory.entries), wrong)
    excluded = _excluded(inventory, wish)
    against = _against_policy(inventory, wish, excluded)
    if wish.scope == "account" and against:
        raise UsageError(f"{inventory.place}: no account policy: {against}")
    if against or wish.scope == "groups":
        steps = [_group_step(inventory, entry, wish) for entry in inventory.entries]
        return Plan(inventory.place, tuple(steps), f"filters group by group: {against or 'as was asked for'}")
    return Plan(
        inventory.place, tuple(_policy_steps(inventory, wish, excluded)), "one account policy: it is one resource, and groups that are made later flow in too"
    )


def _out_of_reach(place: Place, destination: Destination) -> str:
    """Say why filters of a place cannot send to a destination; empty: they can.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutSubscriptionFilter.html: streams and functions are of the same account, all are of the same Region.
    """
    if destination.region and destination.region != place.region:
        return f"a filter sends within its Region, {place.region}, and the destination is in {destination.region}: write {{region}} in its ARN"
    if destination.service != "logs" and destination.account and destination.account != place.account:
        return f"the destination is of account {destination.account}: write {{account}} in its ARN, or send to a logs destination there"
    return ""


def _excluded(inventory: Inventory, wish: Wish) -> tuple[str, ...]:
    """Name what an account policy leaves out: groups that feed themselves, that are not wanted, or that send there already."""
    wanted = wish.filter_at(inventory.place)
    names = [*inventory.fed.names, *inventory.others]
    for entry in inventory.entries:
        sends = any(one.destination_arn == wanted.destination_arn or one.name == wanted.name for one in entry.filters)
        if entry.fed or sends or matches_any(entry.group.name, wish.exclude):
            names.append(entry.group.name)
    return sorted_names(names)


def _against_policy(inventory: Inventory, wish: Wish, excluded: tuple[str, ...]) -> str:
    if inventory.policies is None:
        return "the account's policies are not to be seen"
    foreign = next((policy for policy in inventory.policies if policy.name != wish.name), None)
    if foreign:
        return f"the account's one policy is {foreign.name}, to {foreign.destination_arn}"
    if not AccountPolicy(wish.name, "", excluded=excluded).fits:
        return f"{len(excluded)} groups to leave out are more than {MAX_SELECTION_BYTES // 1024} KB of names"
    return "" if wish.scope == "account" else _against_all(inventory, wish)


def _against_all(inventory: Inventory, wish: Wish) -> str:
    if ALL not in wish.patterns:
        return "not all groups are wanted, and a policy takes those to come too"
    if not inventory.policies and all(_group_step(inventory, entry, wish).action in {"keep", "skip"} for entry in inventory.entries):
        return "no group lacks one"
    return ""


def _policy_steps(inventory: Inventory, wish: Wish, excluded: tuple[str, ...]) -> Iterator[Step]:
    filter_ = wish.filter_at(inventory.place)
    wanted = AccountPolicy(wish.name, filter_.destination_arn, filter_.pattern, filter_.role_arn, excluded)
    own = next((policy for policy in inventory.policies or () if policy.name == wish.name), None)
    if own is None:
        yield Step(ALL, "put", f"all groups but {len(excluded)}" if excluded else "all groups", wanted)
    elif wanted in {own, replace(own, role_arn="")}:
        yield Step(ALL, "keep", "is there as wanted")
    else:
        yield Step(ALL, "change", policy_difference(own, wanted), wanted)
    for entry in inventory.entries:
        step = _group_step(replace(inventory, policies=()), entry, wish)
        yield step if step.action in {"keep", "change"} or _cannot(entry, wish) else Step(entry.group.name, "covered", "by the account policy")


def policy_difference(found: AccountPolicy, wanted: AccountPolicy) -> str:
    """Say how a policy differs from what is wanted."""
    if found.destination_arn != wanted.destination_arn:
        return f"sends to {found.destination_arn}"
    if found.pattern != wanted.pattern:
        return f"has the filter pattern {found.pattern!r}"
    more, less = set(wanted.excluded) - set(found.excluded), set(found.excluded) - set(wanted.excluded)
    if more:
        return f"does not leave out {', '.join(sorted(more)[:3])}{', ...' if len(more) > 3 else ''}"
    return f"leaves out {', '.join(sorted(less)[:3])}{', ...' if len(less) > 3 else ''}" if less else "has another role"


def _cannot(entry: Entry, wish: Wish) -> str:
    """Say why a group cannot be subscribed at all; empty: it can, as far as there is room."""
    if entry.fed:
        return f"{entry.fed}: subscribing it would never end"
    if matches_any(entry.group.name, wish.exclude):
        return "is to be left alone"
    if entry.group.log_class != "STANDARD":
        return f"a group of class {entry.group.log_class} has no subscription filters"
    return ""


def _group_step(inventory: Inventory, entry: Entry, wish: Wish) -> Step:
    name, wanted = entry.group.name, wish.filter_at(inventory.place)
    if why := _cannot(entry, wish):
        return Step(name, "skip", why)
    for policy in inventory.policies or ():
        if policy.destination_arn == wanted.destination_arn and policy.covers(name):
            return Step(name, "keep", f"sends there already, by the account policy {policy.name}")
    same = next((one for one in entry.filters if one.destination_arn == wanted.destination_arn and one.name != wanted.name), None)
    if same:
        return Step(name, "keep", f"sends there already, by the filter {same.name}")
    own = next((one for one in entry.filters if one.name == wanted.name), None)
    if own:
        difference = filter_difference(own, wanted)
        return Step(name, "change" if difference else "keep", difference or "sends there already", wanted)
    if len(entry.filters) >= MAX_FILTERS:
        return Step(name, "skip", f"has no room: {' and '.join(one.name for one in entry.filters)} are its {MAX_FILTERS} filters")
    return Step(name, "put", f"has room for {MAX_FILTERS - len(entry.filters)} of {MAX_FILTERS} filters", wanted)


def filter_difference(found: SubscriptionFilter, wanted: SubscriptionFilter) -> str:
    """Say how a filter differs from what is wanted; empty: it does not."""
    if found.destination_arn != wanted.destination_arn:
        return f"sends to {found.destination_arn}"
    if found.pattern != wanted.pattern:
        return f"has the filter pattern {found.pattern!r}"
    # AWS answers with the role that it uses, so one that was not asked for is no difference
    return f"has the role {found.role_arn or '-'}" if wanted.role_arn and found.role_arn != wanted.role_arn else ""
