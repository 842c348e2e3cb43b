"""The inventory of a place: its log groups, who holds their filter slots, how much comes in, and which must not be subscribed."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from collectors.subscriptions.account_policy import AccountPolicy
from collectors.subscriptions.destination import Fed
from collectors.subscriptions.log_groups import MAX_FILTERS, KeepsSubscriptions, LogGroup, SubscriptionFilter
from collectors.subscriptions.places import Place
from collectors.subscriptions.traffic import KnowsTraffic, TakesSamples, Traffic
from tailrace.errors import DeliveryError, UsageError

_WILDCARD: Final = re.compile(r"[*?\[]")

Tick = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A log group, its filters, and what is known of it; ``sizes`` are bytes of sampled events, ``fed`` is why it must not be subscribed."""

    group: LogGroup
    filters: tuple[SubscriptionFilter, ...] = ()
    traffic: Traffic | None = None
    sizes: tuple[int, ...] = ()
    fed: str = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What was found at a place; ``policies`` is ``None`` where they are not to be seen; ``notes`` say what could not be asked.

    ``entries`` are the groups that were asked for, ``others`` the names of those that were not.
    """

    place: Place
    entries: tuple[Entry, ...]
    others: tuple[str, ...] = ()
    policies: tuple[AccountPolicy, ...] | None = ()
    notes: tuple[str, ...] = ()
    fed: Fed = field(default_factory=Fed)


def matching_groups(port: KeepsSubscriptions, patterns: Iterable[str]) -> list[LogGroup]:
    """List the groups that names or patterns (``*``, ``?``, ``[a-z]``) name, by name; a pattern without match is a :class:`UsageError`."""
    found: dict[str, LogGroup] = {}
    for pattern in patterns:
        prefix = _WILDCARD.split(pattern, maxsplit=1)[0]
        matches = [group for group in port.groups(prefix) if matches_any(group.name, [pattern])]
        if not matches:
            raise UsageError(f"no log group matches {pattern!r}")
        found |= {group.name: group for group in matches}
    return [found[name] for name in sorted(found)]


def matches_any(name: str, patterns: Iterable[str]) -> bool:
    """Whether a group is named, or matches a pattern."""
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def take_inventory(place: Place, port: KeepsSubscriptions, patterns: Sequence[str], fed: Fed, *, tick: Tick = lambda _done, _total: None) -> Inventory:
    """Look at the groups that patterns name, group by group."""
    groups = matching_groups(port, patterns)
    names = {group.name for group in groups}
    entries = []
    for number, group in enumerate(groups):
        filters = tuple(port.filters(group.name)) if group.log_class == "STANDARD" else ()
        entries.append(Entry(group, filters, fed=fed.reason(group.name)))
        tick(number + 1, len(groups))
    others = tuple(group.name for group in port.groups("") if group.name not in names)
    notes = [f"it is not known whether this is fed by the pipeline: {what}" for what in fed.unknown]
    policies: tuple[AccountPolicy, ...] | None = None
    try:
        policies = tuple(port.policies())
    except DeliveryError as error:
        notes.append(str(error))
    for one in policies or ():
        but = f" but {len(one.excluded)}" if one.excluded else ""
        notes.append(f"the account policy {one.name} sends all groups{but} to {one.destination_arn}")
    return Inventory(place, tuple(entries), others, policies, tuple(notes), fed)


def with_traffic(inventory: Inventory, port: KnowsTraffic, now_us: int) -> Inventory:
    """Add how much comes into the groups."""
    try:
        known = port.traffic([entry.group for entry in inventory.entries], now_us)
    except DeliveryError as error:
        return _changed(inventory, inventory.entries, str(error))
    entries = [Entry(entry.group, entry.filters, known.get(entry.group.name), entry.sizes, entry.fed) for entry in inventory.entries]
    return _changed(inventory, entries)


def with_samples(inventory: Inventory, port: TakesSamples, names: Sequence[str], pattern: str, now_us: int, *, tick: Tick = lambda _d, _t: None) -> Inventory:
    """Add the sizes of some events of the groups that are named."""
    sampled: dict[str, tuple[int, ...]] = {}
    note = ""
    for number, name in enumerate(names):
        try:
            sampled[name] = tuple(port.sizes(name, pattern, now_us))
        except DeliveryError as error:
            note = note or str(error)
        tick(number + 1, len(names))
    entries = [Entry(one.group, one.filters, one.traffic, sampled.get(one.group.name, one.sizes), one.fed) for one in inventory.entries]
    return _changed(inventory, entries, note)


def _changed(inventory: Inventory, entries: Iterable[Entry], note: str = "") -> Inventory:
    notes = (*inventory.notes, note) if note else inventory.notes
    return Inventory(inventory.place, tuple(entries), inventory.others, inventory.policies, notes, inventory.fed)


def largest(inventory: Inventory, count: int) -> list[str]:
    """Name the groups into which most comes, as far as that is known."""
    known = [(entry.traffic.bytes_per_day, entry.group.name) for entry in inventory.entries if entry.traffic is not None and not entry.fed]
    return [name for _, name in sorted(known, reverse=True)[:count]]


def entry_document(entry: Entry, inventory: Inventory) -> Mapping[str, Any]:
    """Answer an entry as JSON has it."""
    group, traffic = entry.group, entry.traffic
    return {
        "account": inventory.place.account,
        "region": inventory.place.region,
        "group": group.name,
        "class": group.log_class,
        "retention": group.retention_days if group.retention_days is not None else "never",
        "stored_bytes": group.stored_bytes,
        "bytes_per_day": traffic.bytes_per_day if traffic else None,
        "events_per_day": traffic.events_per_day if traffic else None,
        "filters": list(entry.filters),
        "slots": f"{len(entry.filters)} of {MAX_FILTERS}",
        "account_policies": policies_on(group.name, inventory),
        "kms_key": group.kms_key,
        "recursion_risk": entry.fed,
    }


def policies_on(name: str, inventory: Inventory) -> list[str] | None:
    """Name the account policies that send a group's events; ``None``: not known."""
    return None if inventory.policies is None else [policy.name for policy in inventory.policies if policy.covers(name)]
