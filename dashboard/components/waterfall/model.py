"""What the waterfall draws: the rows of one trace, in the order of a tree, with offset and length against the whole trace."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

MAX_ROWS: Final = 5_000


@dataclass(frozen=True, slots=True)
class SpanBar:
    """One span, before it is placed: times in microseconds; ``end_us`` is ``None`` while it is in progress."""

    id: str
    parent_id: str | None
    name: str
    service: str
    kind: str
    start_us: int
    end_us: int | None
    state: str
    status: int | None = None
    is_inferred: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ``offset`` and ``length`` are shares of the trace, from 0 to 1."""

    id: str
    depth: int
    children: int
    name: str
    service: str
    kind: str
    offset: float
    length: float
    duration_ms: float | None
    state: str
    status: int | None
    is_inferred: bool
    is_early: bool


@dataclass(frozen=True, slots=True)
class WaterfallData:
    """All that is drawn; ``total_ms`` is the width of the axis."""

    total_ms: float
    rows: tuple[Row, ...]
    left_out: int

    def to_json(self) -> dict[str, Any]:
        """Answer it as plain data."""
        return asdict(self)


def waterfall_of(bars: Iterable[SpanBar]) -> WaterfallData:
    """Place the spans of one trace; a span whose parent is not there stands at the left, and a cycle of parents is cut."""
    spans = sorted(bars, key=lambda bar: (bar.start_us, bar.id))
    if not spans:
        return WaterfallData(0.0, (), 0)
    start = spans[0].start_us
    end = max(start + 1, *(max(bar.start_us, bar.end_us or 0) for bar in spans))
    children = _children(spans)
    walked = list(_walk(spans, children))
    by_id = {bar.id: bar for bar in spans}
    rows = tuple(_row(bar, depth, len(children.get(bar.id, ())), by_id, start, end) for bar, depth in walked[:MAX_ROWS])
    return WaterfallData((end - start) / 1_000, rows, len(walked) - len(rows))


def _children(spans: Sequence[SpanBar]) -> dict[str, list[SpanBar]]:
    known = {bar.id for bar in spans}
    children: dict[str, list[SpanBar]] = {}
    for bar in spans:
        if bar.parent_id in known and bar.parent_id != bar.id:
            children.setdefault(str(bar.parent_id), []).append(bar)
    return children


def _walk(spans: Sequence[SpanBar], children: Mapping[str, Sequence[SpanBar]]) -> Iterable[tuple[SpanBar, int]]:
    placed: set[str] = set()
    below = {bar.id for group in children.values() for bar in group}
    roots = [bar for bar in spans if bar.id not in below]
    for root in [*roots, *spans]:
        stack = [(root, 0)]
        while stack:
            bar, depth = stack.pop()
            if bar.id in placed:
                continue
            placed.add(bar.id)
            yield bar, depth
            stack.extend((child, depth + 1) for child in reversed(children.get(bar.id, ())))


def _row(bar: SpanBar, depth: int, children: int, by_id: Mapping[str, SpanBar], start_us: int, end_us: int) -> Row:
    parent = by_id.get(bar.parent_id or "")
    width = end_us - start_us
    return Row(
        id=bar.id,
        depth=depth,
        children=children,
        name=bar.name,
        service=bar.service,
        kind=bar.kind,
        offset=(bar.start_us - start_us) / width,
        length=max(0, (bar.end_us if bar.end_us is not None else end_us) - bar.start_us) / width,
        duration_ms=None if bar.end_us is None else max(0, bar.end_us - bar.start_us) / 1_000,
        state=bar.state,
        status=bar.status,
        is_inferred=bar.is_inferred,
        is_early=parent is not None and bar.start_us < parent.start_us,
    )
