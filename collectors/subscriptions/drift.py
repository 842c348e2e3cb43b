"""What became of a plan: which groups lack what was wanted, which have something else, which are gone, and who else has filters."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from collectors.subscriptions.inventory import Entry, Inventory
from collectors.subscriptions.log_groups import SubscriptionFilter
from collectors.subscriptions.plan import ALL, Plan, Step, Wish, make_plan

State = Literal["ok", "missing", "changed", "foreign", "left out", "gone"]

DRIFTED = frozenset({"missing", "changed", "gone"})
"""The states in which something is not as it was wanted."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a group (``*``: the account policy) stands to what is wanted, and why."""

    group: str
    state: State
    why: str
    filters: tuple[SubscriptionFilter, ...] = ()


def drift(inventory: Inventory, wish: Wish, expected: Iterable[str] = ()) -> list[Standing]:
    """Compare what is there with what is wanted; ``expected`` are groups of an earlier plan."""
    plan = make_plan(inventory, wish)
    filters = {entry.group.name: entry.filters for entry in inventory.entries}
    standings = [_standing(step, plan, filters.get(step.group, ())) for step in plan.steps]
    here = {*filters, *inventory.others}
    return standings + [Standing(name, "gone", "the log group of the earlier plan is no more") for name in sorted(set(expected) - here - {ALL})]


def _standing(step: Step, plan: Plan, filters: tuple[SubscriptionFilter, ...]) -> Standing:
    match step.action:
        case "keep":
            return Standing(step.group, "ok", step.why, filters)
        case "put":
            return Standing(step.group, "missing", "has no filter of ours" if step.group != ALL else "there is no account policy of ours", filters)
        case "change":
            return Standing(step.group, "changed", step.why, filters)
        case "covered":
            missing = any(one.group == ALL and one.action == "put" for one in plan.steps)
            return Standing(step.group, "missing" if missing else "ok", "there is no account policy of ours" if missing else step.why, filters)
        case _:
            return Standing(step.group, "foreign" if step.why.startswith("has no room") else "left out", step.why, filters)


def standing_of(entry: Entry, name: str) -> Standing:
    """Say how a group stands where nothing is wanted in particular: whether the filter of that name is there, and who else's."""
    own = next((one for one in entry.filters if one.name == name), None)
    others = [one.name for one in entry.filters if one.name != name]
    if own:
        return Standing(entry.group.name, "ok", f"sends to {own.destination_arn}", entry.filters)
    if others:
        return Standing(entry.group.name, "foreign", f"has filters of others: {', '.join(others)}", entry.filters)
    return Standing(entry.group.name, "left out", "has no filter", entry.filters)
