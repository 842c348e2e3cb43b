"""What the trace map draws, made from a service graph in the shape of X-Ray's GetServiceGraph.

https://docs.aws.amazon.com/xray/latest/api/API_GetServiceGraph.html. A node is (name, type, account): a client and a service may share a name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from dashboard.components.trace_map.layout import place

MAX_NODES: Final = 300
"""More cannot be read; those with the least traffic are left out, and the map says how many."""


@dataclass(frozen=True, slots=True)
class Node:
    """One ring: shares of ok, error, throttle and fault, and two lines below its name."""

    id: str
    x: float
    y: float
    name: str
    type: str
    ok: int
    error: int
    throttle: int
    fault: int
    latency: str
    rate: str
    is_client: bool


@dataclass(frozen=True, slots=True)
class Arrow:
    """One arrow; ``share`` is its part of the busiest arrow's traffic, ``state`` its worst colour."""

    id: str
    source: str
    target: str
    share: float
    state: str
    label: str
    is_link: bool


@dataclass(frozen=True, slots=True)
class MapData:
    """All that is drawn."""

    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]
    left_out: int

    def to_json(self) -> dict[str, Any]:
        """Answer it as plain data."""
        return asdict(self)


def map_of(graph: Mapping[str, Any], minutes: float) -> MapData:
    """Make the map of a service graph over so many minutes (for the rates)."""
    services = sorted(graph.get("Services", ()), key=_traffic, reverse=True)
    kept = sorted(
        services[:MAX_NODES], key=lambda service: (service.get("Type") != "client", not service.get("Root"), _name(service), str(service.get("Type")))
    )
    ids = {service["ReferenceId"]: str(service["ReferenceId"]) for service in kept}
    edges = [(service, edge) for service in kept for edge in service.get("Edges", ()) if edge["ReferenceId"] in ids]
    places = place([ids[service["ReferenceId"]] for service in kept], [(ids[service["ReferenceId"]], ids[edge["ReferenceId"]]) for service, edge in edges])
    busiest = max((_total(edge) for _, edge in edges), default=0) or 1
    nodes = tuple(_node(service, places[ids[service["ReferenceId"]]], minutes) for service in kept)
    return MapData(nodes, tuple(_arrow(service, edge, busiest) for service, edge in edges), len(services) - len(kept))


def _node(service: Mapping[str, Any], at: tuple[float, float], minutes: float) -> Node:
    statistics = service.get("SummaryStatistics") or _client_statistics(service)
    total = int(statistics.get("TotalCount", 0))
    throttle = int(statistics.get("ErrorStatistics", {}).get("ThrottleCount", 0))
    mean_s = statistics.get("TotalResponseTime", 0.0) / total if total else None
    return Node(
        id=str(service["ReferenceId"]),
        x=at[0],
        y=at[1],
        name=_name(service),
        type=str(service.get("Type") or "service"),
        ok=int(statistics.get("OkCount", 0)),
        error=int(statistics.get("ErrorStatistics", {}).get("TotalCount", 0)) - throttle,
        throttle=throttle,
        fault=int(statistics.get("FaultStatistics", {}).get("TotalCount", 0)),
        latency="" if mean_s is None or service.get("Type") == "client" else f"avg {duration(mean_s)}",
        rate=f"{rate(total / minutes)}/min" if total and minutes > 0 else "",
        is_client=service.get("Type") == "client",
    )


def _arrow(service: Mapping[str, Any], edge: Mapping[str, Any], busiest: int) -> Arrow:
    statistics = edge.get("SummaryStatistics", {})
    total = _total(edge)
    mean = f"{duration(statistics.get('TotalResponseTime', 0.0) / total)}" if total else ""
    source, target = str(service["ReferenceId"]), str(edge["ReferenceId"])
    return Arrow(f"{source}>{target}", source, target, total / busiest, state_of(statistics), mean, edge.get("EdgeType") == "link")


def state_of(statistics: Mapping[str, Any]) -> str:
    """Answer the worst of what happened in at least a hundredth of the calls: fault, throttle, error or ok."""
    total = statistics.get("TotalCount") or 0
    errors = statistics.get("ErrorStatistics", {})
    throttled = errors.get("ThrottleCount", 0)
    counts = {"fault": statistics.get("FaultStatistics", {}).get("TotalCount", 0), "throttle": throttled, "error": errors.get("TotalCount", 0) - throttled}
    return next((name for name, count in counts.items() if count and count * 100 >= total), "ok")


def duration(seconds: float) -> str:
    """Print a duration as people read it.

    >>> duration(0.0004), duration(0.0215), duration(3.2), duration(75)
    ('<1 ms', '22 ms', '3.20 s', '1.2 min')
    """
    if seconds < 0.0005:
        return "<1 ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def rate(per_minute: float) -> str:
    """Print a rate.

    >>> rate(0.25), rate(12.3), rate(4321)
    ('0.25', '12', '4,321')
    """
    return f"{per_minute:.2f}" if per_minute < 1 else f"{per_minute:,.0f}"


def _name(service: Mapping[str, Any]) -> str:
    return str(service.get("Name") or next(iter(service.get("Names") or ()), "client"))


def _traffic(service: Mapping[str, Any]) -> int:
    return int((service.get("SummaryStatistics") or _client_statistics(service)).get("TotalCount", 0))


def _client_statistics(service: Mapping[str, Any]) -> Mapping[str, Any]:
    edges: Sequence[Mapping[str, Any]] = service.get("Edges", ())
    return edges[0].get("SummaryStatistics", {}) if edges else {}


def _total(edge: Mapping[str, Any]) -> int:
    return int(edge.get("SummaryStatistics", {}).get("TotalCount", 0))
