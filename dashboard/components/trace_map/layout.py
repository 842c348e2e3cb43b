"""Where the nodes of a trace map stand: layers from left to right, the order in a layer such that few arrows cross.

The way of Sugiyama, Tagawa and Toda (1981): cycles are cut by a depth-first walk, layers are longest paths from the roots, long arrows get a place in every layer that they cross,
and sweeps of barycentres order the layers. Deterministic: the same graph is always drawn alike, and nodes keep their places when only numbers change.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

LAYER_WIDTH: Final = 240
ROW_HEIGHT: Final = 128
SWEEPS: Final = 8

Edge = tuple[str, str]


def place(nodes: Sequence[str], edges: Iterable[Edge]) -> dict[str, tuple[float, float]]:
    """Answer the centre of every node, in pixels; ``nodes`` in the order that breaks ties (roots first, then by name)."""
    known = set(nodes)
    forward = _without_cycles(nodes, sorted({edge for edge in edges if edge[0] != edge[1] and set(edge) <= known}))
    layer_of = _layers(nodes, forward)
    chains = _with_waypoints(layer_of, forward)
    rows = _ordered(nodes, layer_of, chains)
    return _coordinates(nodes, layer_of, rows)


def _without_cycles(nodes: Sequence[str], edges: Sequence[Edge]) -> list[Edge]:
    after: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in edges:
        after[source].append(target)
    done: set[str] = set()
    forward: list[Edge] = []
    for root in nodes:
        _walk(root, after, done, forward)
    return forward


def _walk(root: str, after: Mapping[str, list[str]], done: set[str], forward: list[Edge]) -> None:
    """Depth first without recursion; an arrow back to a node that is still open closes a cycle and is left out."""
    if root in done:
        return
    is_open = {root}
    stack = [(root, iter(after[root]))]
    while stack:
        node, rest = stack[-1]
        target = next(rest, None)
        if target is None:
            stack.pop()
            is_open.discard(node)
            done.add(node)
        elif target not in is_open:
            forward.append((node, target))
            if target not in done:
                is_open.add(target)
                stack.append((target, iter(after[target])))


def _layers(nodes: Sequence[str], forward: Sequence[Edge]) -> dict[str, int]:
    layer_of = dict.fromkeys(nodes, 0)
    for _ in nodes:
        moved = False
        for source, target in forward:
            if layer_of[target] <= layer_of[source]:
                layer_of[target] = layer_of[source] + 1
                moved = True
        if not moved:
            break
    return layer_of


def _with_waypoints(layer_of: dict[str, int], forward: Sequence[Edge]) -> list[Edge]:
    chains: list[Edge] = []
    for source, target in forward:
        last = source
        for layer in range(layer_of[source] + 1, layer_of[target]):
            waypoint = f"\0{source}\0{target}\0{layer}"
            layer_of[waypoint] = layer
            chains.append((last, waypoint))
            last = waypoint
        chains.append((last, target))
    return chains


def _ordered(nodes: Sequence[str], layer_of: Mapping[str, int], chains: Sequence[Edge]) -> list[list[str]]:
    rows: list[list[str]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    rank = {node: number for number, node in enumerate(nodes)}
    for node in sorted(layer_of, key=lambda name: (rank.get(name, len(rank)), name)):
        rows[layer_of[node]].append(node)
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for source, target in chains:
        after.setdefault(source, []).append(target)
        before.setdefault(target, []).append(source)
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        for layer in range(1, len(rows)) if downwards else range(len(rows) - 2, -1, -1):
            beside = rows[layer - 1] if downwards else rows[layer + 1]
            _sort_by_barycentre(rows[layer], beside, before if downwards else after)
    return rows


def _sort_by_barycentre(row: list[str], beside: Sequence[str], neighbours: Mapping[str, list[str]]) -> None:
    height = {node: number - (len(beside) - 1) / 2 for number, node in enumerate(beside)}
    own = {node: number - (len(row) - 1) / 2 for number, node in enumerate(row)}

    def centre(node: str) -> float:
        places = [height[other] for other in neighbours.get(node, ()) if other in height]
        return sum(places) / len(places) if places else own[node]

    row.sort(key=lambda node: (centre(node), own[node]))


def _coordinates(nodes: Sequence[str], layer_of: Mapping[str, int], rows: Sequence[Sequence[str]]) -> dict[str, tuple[float, float]]:
    tallest = max((len(row) for row in rows), default=0)
    places = {
        node: (layer * LAYER_WIDTH, (number + (tallest - len(row)) / 2) * ROW_HEIGHT) for layer, row in enumerate(rows) for number, node in enumerate(row)
    }
    del layer_of
    return {node: places[node] for node in nodes}
