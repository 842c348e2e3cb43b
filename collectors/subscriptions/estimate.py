"""The estimate of a plan: a range for each group and for the pipeline, with everything that it rests on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from collectors.subscriptions.assumptions import CASES, Assumption, Case, assumptions, values
from collectors.subscriptions.cost import Flow, Route, document_sizes, flow_of, group_cost, pipeline_cost, rounding_factor
from collectors.subscriptions.inventory import Entry, Inventory
from collectors.subscriptions.plan import Plan
from collectors.subscriptions.prices import Price, price_notes, prices


@dataclass(frozen=True, slots=True)
class Money:
    """US dollars a month, as a range."""

    low: float
    likely: float
    high: float

    def __add__(self, other: "Money") -> "Money":
        return Money(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __str__(self) -> str:
        return f"{self.likely:,.2f} ({self.low:,.2f} to {self.high:,.2f})" if self.high - self.low >= 0.005 else f"{self.likely:,.2f}"


NOTHING = Money(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Line:
    """What one group costs, or the pipeline (``group`` is empty), by service; ``factor`` is how many times the size of a line is billed on its way to OpenSearch, ``None``: not known."""

    group: str
    legs: Mapping[str, Money]
    factor: float | None = None
    sampled: int = 0

    @property
    def total(self) -> Money:
        """The sum of the services."""
        return total(self.legs.values())


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan costs; ``unknown`` are groups of which the traffic is not known: they are in no sum."""

    lines: tuple[Line, ...]
    pipeline: Line
    unknown: tuple[str, ...]
    assumed: tuple[Assumption, ...]
    prices: Mapping[str, Price]
    notes: tuple[str, ...]

    @property
    def total(self) -> Money:
        """The sum of all lines."""
        return total(line.total for line in (*self.lines, self.pipeline))


def total(parts: Iterable[Money]) -> Money:
    """Add up."""
    return sum(parts, start=NOTHING)


def estimate(
    plan: Plan,
    inventory: Inventory,
    route: Route,
    guesses: Mapping[str, float] = MappingProxyType({}),
    given_prices: Mapping[str, float] = MappingProxyType({}),
    *,
    sample_bytes: int = 0,
) -> Estimate:
    """Estimate what a plan adds; ``sample_bytes`` is the size of every event, where the user says it."""
    assumed, found = assumptions(guesses), prices(plan.place.region, given_prices)
    unit = {name: price.usd for name, price in found.items()}
    entries = [entry for entry in inventory.entries if entry.group.name in plan.new]
    known = [entry for entry in entries if entry.traffic is not None]
    if route.service == "logs":
        pipeline, lines = Line("", {}), []
    else:
        lines = [_line(entry, route, assumed, unit, sample_bytes) for entry in known]
        flows = {case: [_flow(entry, values(assumed, case), sample_bytes) for entry in known] for case in CASES}
        pipeline = Line("", _ranges({case: pipeline_cost(flows[case], route, values(assumed, case), unit) for case in CASES}))
    unknown = tuple(entry.group.name for entry in entries if entry.traffic is None)
    return Estimate(tuple(lines), pipeline, unknown, assumed, found, tuple(_notes(plan, route, found, unknown)))


def _line(entry: Entry, route: Route, assumed: Sequence[Assumption], unit: Mapping[str, float], sample_bytes: int) -> Line:
    costs = {}
    for case in CASES:
        a = values(assumed, case)
        costs[case] = group_cost(_flow(entry, a, sample_bytes), route, a, unit)
    likely = values(assumed, "likely")
    sizes = _flow(entry, likely, sample_bytes).sizes
    factor = rounding_factor(sizes, document_sizes(sizes, likely)) if sizes and route.search == "firehose" else None
    return Line(entry.group.name, _ranges(costs), factor, len(entry.sizes))


def _flow(entry: Entry, a: Mapping[str, float], sample_bytes: int) -> Flow:
    if entry.traffic is None:
        raise ValueError(entry.group.name)
    return flow_of(entry.traffic, (sample_bytes,) if sample_bytes else entry.sizes, a["filter_share"])


def _ranges(costs: Mapping[Case, Mapping[str, float]]) -> Mapping[str, Money]:
    return {leg: Money(*(costs[case][leg] for case in CASES)) for leg in costs["likely"]}


def _notes(plan: Plan, route: Route, found: Mapping[str, Price], unknown: Sequence[str]) -> Iterable[str]:
    yield "CloudWatch goes on charging what groups take in and keep, with or without this; only the collector's own log group is new"
    if route.service == "logs":
        yield "what is behind a logs destination is paid by the account that it is in, and not estimated here"
    if route.service == "firehose" and route.search == "firehose":
        yield "Firehose cannot send events of CloudWatch Logs to OpenSearch, for a record holds many: a function must split them, as is counted here"
    if unknown:
        yield f"of {len(unknown)} groups it is not known how much comes in: they are in no sum"
    kept = len(plan.flowing - plan.new)
    if kept:
        yield f"{kept} groups are sent already: they are in no sum"
    yield from price_notes(found, plan.place.region)


def estimate_document(found: Estimate) -> Mapping[str, object]:
    """Answer an estimate as JSON has it."""
    return {
        "currency": "USD",
        "per": "month",
        "groups": [
            {"group": line.group, "services": line.legs, "total": line.total, "rounding_factor": line.factor, "sampled_events": line.sampled}
            for line in found.lines
        ],
        "pipeline": {"services": found.pipeline.legs, "total": found.pipeline.total},
        "total": found.total,
        "unknown": found.unknown,
        "assumptions": found.assumed,
        "prices": list(found.prices.values()),
        "notes": found.notes,
    }
