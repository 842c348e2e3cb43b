"""How ``tailrace subscribe`` prints inventories, plans and estimates: tables for people, plain data for JSON."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from collectors.subscriptions.cost import LEGS
from collectors.subscriptions.estimate import Estimate, Line, estimate_document
from collectors.subscriptions.inventory import Entry, entry_document
from collectors.subscriptions.log_groups import MAX_FILTERS
from collectors.subscriptions.places import Closed, Place
from collectors.subscriptions.plan import Step
from collectors.subscriptions.survey import Look, grand_total
from tailrace.cli.output import print_table


def step_document(place: Place, step: Step) -> Mapping[str, Any]:
    """Answer a step as JSON has it."""
    return {"account": place.account, "region": place.region, "group": step.group, "action": step.action, "why": step.why}


def plan_document(looks: Sequence[Look], closed: Sequence[Closed]) -> Mapping[str, Any]:
    """Answer a whole plan as JSON has it."""
    return {
        "plans": [
            {
                "account": look.plan.place.account,
                "region": look.plan.place.region,
                "reason": look.plan.reason,
                "steps": [step_document(look.plan.place, step) for step in look.plan.steps],
                "inventory": [entry_document(entry, look.inventory) for entry in look.inventory.entries],
                "estimate": estimate_document(look.estimate) if look.estimate else None,
                "notes": look.inventory.notes,
            }
            for look in looks
        ],
        "total": grand_total(looks),
        "closed": closed,
    }


def print_plan(looks: Sequence[Look], closed: Sequence[Closed]) -> None:
    """Print inventory, steps and estimate of each place, then what all of them cost."""
    for look in looks:
        entries = {entry.group.name: entry for entry in look.inventory.entries}
        print_table(
            ("log group", "class", "kept", "stored", "a day", "events a day", "filters", "key", "action", "why"),
            [(step.group, *_columns(entries.get(step.group)), step.action, step.why) for step in look.plan.steps],
            title=f"{look.plan.place}: {look.plan.reason}",
        )
        _print_notes(look.inventory.notes)
        if look.estimate is not None:
            _print_estimate(look.estimate)
    print_closed(closed)
    if len(looks) > 1:
        click.echo(f"\nall together: {grand_total(looks)} US dollars a month")


def _columns(entry: Entry | None) -> tuple[str, ...]:
    if entry is None:
        return ("",) * 7
    group, traffic = entry.group, entry.traffic
    return (
        group.log_class,
        "never expires" if group.retention_days is None else f"{group.retention_days} days",
        human_bytes(group.stored_bytes),
        human_bytes(traffic.bytes_per_day) if traffic else "unknown",
        f"{traffic.events_per_day:,.0f}" if traffic else "unknown",
        f"{len(entry.filters)} of {MAX_FILTERS} {', '.join(one.name for one in entry.filters)}".rstrip(),
        "KMS" if group.kms_key else "",
    )


def human_bytes(count: float) -> str:
    """Print bytes for people.

    >>> human_bytes(0), human_bytes(1536), human_bytes(5 * 2**30)
    ('0 B', '1.5 KB', '5.0 GB')
    """
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


def _print_estimate(found: Estimate) -> None:
    click.echo()
    legs = [leg for leg in LEGS if any(line.legs.get(leg) and line.legs[leg].high for line in (*found.lines, found.pipeline))]
    rows = [_cost_row(line.group, line, legs) for line in found.lines]
    rows.append(_cost_row("(the pipeline, whatever flows)", found.pipeline, legs))
    rows.append(("total", "", *("" for _ in legs), str(found.total)))
    print_table(("log group", "5 KB factor", *legs, "US dollars a month"), rows, title="cost a month")
    click.echo()
    assumed = [(one.name, f"{one.likely:g}", _range(one.low, one.high), one.unit, one.why + (" (given)" if one.given else "")) for one in found.assumed]
    print_table(("assumed", "value", "range", "unit", "what it is"), assumed)
    _print_notes(found.notes)


def _cost_row(name: str, line: Line, legs: Sequence[str]) -> tuple[str, ...]:
    factor = "" if line.factor is None else f"{line.factor:.1f}"
    return (name, factor, *(f"{line.legs[leg].likely:,.2f}" if leg in line.legs else "" for leg in legs), str(line.total))


def _range(low: float, high: float) -> str:
    return "" if low == high else f"{min(low, high):g} to {max(low, high):g}"


def _print_notes(notes: Iterable[str]) -> None:
    for note in notes:
        click.echo(f"* {note}")


def print_closed(closed: Sequence[Closed]) -> None:
    """Say which places could not be looked at."""
    for one in closed:
        click.echo(f"! {one.place} cannot be looked at: {one.why}")


def print_steps(done: Sequence[tuple[Place, Step]]) -> None:
    """Print steps; the place only where there are several."""
    several = len({place for place, _ in done}) > 1
    rows = [(*((str(place),) if several else ()), step.group, step.action, step.why) for place, step in done]
    print_table((*(("place",) if several else ()), "log group", "action", "why"), rows)
