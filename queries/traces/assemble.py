"""Spans in any order, sent twice, children first, become one trace.

Of several documents of one span the highest revision counts (complete over in progress), of equals the last received. A subsegment that was sent alone learns its service from the
segment above it. A span whose parent never came stays, and makes the trace partial.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from queries.traces.infer import inferred_segments
from queries.traces.model import Span, Trace


def assemble(spans: Iterable[Span]) -> Trace | None:
    """Make one trace of its spans; ``None`` where there are none."""
    latest = newest(spans)
    if not latest:
        return None
    named = [_with_service(span, latest) for span in latest.values()]
    ordered = _parents_first([*named, *inferred_segments(named)])
    known = {span.id for span in ordered}
    orphans = any(span.parent_id is not None and span.parent_id not in known for span in ordered)
    return Trace(ordered[0].trace_id, tuple(ordered), orphans or any(span.in_progress for span in ordered))


def newest(spans: Iterable[Span]) -> dict[str, Span]:
    """Answer the one document that counts of each span, by id."""
    latest: dict[str, Span] = {}
    for span in spans:
        if span.is_foreign:
            continue
        known = latest.get(span.id)
        if known is None or (span.revision, span.observed_us) >= (known.revision, known.observed_us):
            latest[span.id] = span
    return latest


def owner(span: Span, by_id: Mapping[str, Span]) -> Span | None:
    """Answer the segment that a span belongs to: itself, or the nearest segment above it."""
    seen: set[str] = set()
    at: Span | None = span
    while at is not None and at.id not in seen:
        if at.is_segment:
            return at
        seen.add(at.id)
        at = by_id.get(at.parent_id or "")
    return None


def _with_service(span: Span, by_id: Mapping[str, Span]) -> Span:
    if span.service is not None:
        return span
    above = owner(span, by_id)
    return replace(span, service=above.service if above and above.service else span.name)


def _parents_first(spans: Sequence[Span]) -> list[Span]:
    """Depth first from the roots, siblings by time; what a cycle of parents hides comes at the end."""
    known = {span.id for span in spans}
    children: dict[str, list[Span]] = {}
    roots = []
    for span in sorted(spans, key=lambda one: (one.start_us, one.id)):
        if span.parent_id in known and span.parent_id != span.id:
            children.setdefault(str(span.parent_id), []).append(span)
        else:
            roots.append(span)
    ordered: dict[str, Span] = {}
    stack = [*reversed(roots)]
    while stack:
        span = stack.pop()
        if span.id not in ordered:
            ordered[span.id] = span
            stack.extend(reversed(children.get(span.id, ())))
    hidden = [span for span in spans if span.id not in ordered]
    return [*ordered.values(), *sorted(hidden, key=lambda one: (one.start_us, one.id))]
