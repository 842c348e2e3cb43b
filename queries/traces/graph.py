"""The service graph, in the shape of X-Ray's GetServiceGraph.

https://docs.aws.amazon.com/xray/latest/api/API_GetServiceGraph.html. A node is (name, type, account). Its statistics come from its own segments, real ones or inferred; those of an arrow from
the caller's subsegment (the round trip as the caller saw it), or, where a segment's parent is a segment, from the callee. Each root service has a client node before it, with the root
segments' statistics on the arrow. One request is counted once: fault before throttle before error before ok.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from queries.traces.assemble import newest, owner
from queries.traces.infer import inferred_segments
from queries.traces.model import Span

NodeKey = tuple[str, str, str]
CLIENT = "client"


@dataclass(slots=True)
class _Statistics:
    """Counts and times of requests; response times in seconds, binned to milliseconds as X-Ray does."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("ok", "error", "throttle", "fault"), 0))
    total_s: float = 0.0
    bins: dict[float, int] = field(default_factory=dict)
    first_us: int = 2**62
    last_us: int = 0

    def add(self, span: Span) -> None:
        self.counts[span.state] += 1
        self.total_s += span.duration_s
        value = round(span.duration_s, 3)
        self.bins[value] = self.bins.get(value, 0) + 1
        self.first_us = min(self.first_us, span.start_us)
        self.last_us = max(self.last_us, span.end_us if span.end_us is not None else span.start_us)

    def summary(self) -> dict[str, Any]:
        counts = self.counts
        errors = {"ThrottleCount": counts["throttle"], "OtherCount": counts["error"], "TotalCount": counts["throttle"] + counts["error"]}
        faults = {"OtherCount": counts["fault"], "TotalCount": counts["fault"]}
        total = sum(counts.values())
        return {"OkCount": counts["ok"], "ErrorStatistics": errors, "FaultStatistics": faults, "TotalCount": total, "TotalResponseTime": round(self.total_s, 3)}

    def histogram(self) -> list[dict[str, Any]]:
        return [{"Value": value, "Count": count} for value, count in sorted(self.bins.items())]

    def window(self) -> dict[str, int]:
        return {"StartTime": self.first_us // 1_000_000, "EndTime": -(-self.last_us // 1_000_000)}


@dataclass(slots=True)
class _Node:
    key: NodeKey
    statistics: _Statistics = field(default_factory=_Statistics)
    edges: dict[NodeKey, _Statistics] = field(default_factory=dict)
    links: set[NodeKey] = field(default_factory=set)
    aliases: dict[NodeKey, set[str]] = field(default_factory=dict)
    is_root: bool = False
    is_active: bool = False


class ServiceGraph:
    """Takes traces, one at a time, and answers the graph of all of them."""

    def __init__(self) -> None:
        self._nodes: dict[NodeKey, _Node] = {}

    def add(self, spans: Iterable[Span]) -> None:
        """Take all spans of one trace, in any order; documents of one span that are replaced count for nothing."""
        own = newest(spans)
        by_id = own | {span.id: span for span in inferred_segments(own.values())}
        for span in by_id.values():
            if span.is_segment:
                self._add_segment(span, by_id)

    def answer(self) -> dict[str, Any]:
        """Answer the graph; ids are in the order of names, so that a graph of the same services is numbered alike."""
        keys = sorted(self._nodes, key=lambda key: (key[1] != CLIENT, key))
        ids = {key: number for number, key in enumerate(keys)}
        return {"Services": [_service(self._nodes[key], ids) for key in keys]}

    def _add_segment(self, segment: Span, by_id: Mapping[str, Span]) -> None:
        node = self._node(node_key(segment))
        node.statistics.add(segment)
        node.is_active = node.is_active or not segment.is_inferred
        parent = by_id.get(segment.parent_id or "")
        if segment.parent_id is None:
            node.is_root = True
            self._edge(self._node((node.key[0], CLIENT, node.key[2])), node.key, segment)
        elif parent is not None:
            self._connect(parent, segment, node, by_id)

    def _connect(self, parent: Span, segment: Span, node: _Node, by_id: Mapping[str, Span]) -> None:
        above = owner(parent, by_id)
        if above is None:
            return
        caller = self._node(node_key(above))
        self._edge(caller, node.key, segment if parent.is_segment else parent)
        if not parent.is_segment and not segment.is_inferred and parent.name != segment.name:
            caller.aliases.setdefault(node.key, set()).add(parent.name)

    def _edge(self, caller: _Node, target: NodeKey, request: Span) -> None:
        caller.edges.setdefault(target, _Statistics()).add(request)

    def _node(self, key: NodeKey) -> _Node:
        if key not in self._nodes:
            self._nodes[key] = _Node(key)
        return self._nodes[key]


def node_key(segment: Span) -> NodeKey:
    """Answer the node that a segment belongs to."""
    return (segment.service or segment.name, segment.origin or "", segment.account or "")


def _service(node: _Node, ids: Mapping[NodeKey, int]) -> dict[str, Any]:
    name, kind, account = node.key
    told: dict[str, Any] = {"ReferenceId": ids[node.key], "Name": name, "Names": [name]}
    if node.is_root:
        told["Root"] = True
    if account:
        told["AccountId"] = account
    if kind:
        told["Type"] = kind
    told["State"] = "active" if node.is_active else "unknown"
    window = node.statistics if kind != CLIENT else next(iter(node.edges.values()))
    told |= window.window()
    told["Edges"] = [_edge(node, target, ids) for target in sorted(node.edges, key=lambda key: ids[key])]
    if kind != CLIENT:
        histogram = node.statistics.histogram()
        told |= {"SummaryStatistics": node.statistics.summary(), "DurationHistogram": histogram, "ResponseTimeHistogram": histogram}
    return told


def _edge(node: _Node, target: NodeKey, ids: Mapping[NodeKey, int]) -> dict[str, Any]:
    statistics = node.edges[target]
    aliases = [{"Name": name, "Names": [name]} for name in sorted(node.aliases.get(target, ()))]
    numbers = {"SummaryStatistics": statistics.summary(), "ResponseTimeHistogram": statistics.histogram()}
    return {"ReferenceId": ids[target], **statistics.window(), **numbers, "Aliases": aliases}
