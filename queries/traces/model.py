"""What a trace is made of: spans, assembled into trees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

State = Literal["ok", "error", "throttle", "fault"]


@dataclass(frozen=True, slots=True)
class Span:
    """One segment, subsegment or OpenTelemetry span; times in microseconds since 1970 UTC.

    ``resource`` is what an AWS or SQL call went to (a table, a queue, a bucket), where the document says it. ``is_inferred``: nobody sent it; it stands for a service
    that sends no segments, and was made from the caller's subsegment. ``is_foreign``: X-Ray itself had inferred it; it
    is left out and inferred anew.
    """

    trace_id: str
    id: str
    parent_id: str | None
    name: str
    service: str | None
    kind: str
    document: str
    start_us: int
    end_us: int | None
    fault: bool = False
    error: bool = False
    throttle: bool = False
    status: int | None = None
    origin: str | None = None
    namespace: str | None = None
    account: str | None = None
    resource: str | None = None
    is_sql: bool = False
    is_traced: bool = False
    is_inferred: bool = False
    is_foreign: bool = False
    revision: int = 0
    observed_us: int = 0
    url: str | None = None
    method: str | None = None
    attributes: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_segment(self) -> bool:
        """Whether it stands for a request that a service served."""
        return self.document == "segment"

    @property
    def in_progress(self) -> bool:
        """Whether it has not ended."""
        return self.end_us is None

    @property
    def duration_s(self) -> float:
        """How long it took in seconds; 0 while in progress, never negative (clocks of two machines)."""
        return max(0, (self.end_us if self.end_us is not None else self.start_us) - self.start_us) / 1_000_000

    @property
    def state(self) -> State:
        """One word for its flags: fault before throttle before error, as X-Ray's published counts add up."""
        if self.fault:
            return "fault"
        if self.throttle:
            return "throttle"
        return "error" if self.error else "ok"


@dataclass(frozen=True, slots=True)
class Trace:
    """All spans of one trace, parents before children where there are parents; inferred ones too.

    ``is_partial``: something is in progress, or a parent is missing.
    """

    id: str
    spans: tuple[Span, ...]
    is_partial: bool

    @property
    def root(self) -> Span:
        """The span that the trace begins with: the first of those without a parent."""
        known = {span.id for span in self.spans}
        return next((span for span in self.spans if span.parent_id is None or span.parent_id not in known), self.spans[0])

    @property
    def start_us(self) -> int:
        """When its first span began."""
        return min(span.start_us for span in self.spans)

    @property
    def end_us(self) -> int:
        """When its last span ended."""
        return max(span.end_us if span.end_us is not None else span.start_us for span in self.spans)


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """One line of a list of traces; durations in seconds."""

    id: str
    start_us: int
    duration_s: float
    root_service: str
    root_name: str
    method: str | None
    url: str | None
    status: int | None
    state: State
    spans: int
    services: Sequence[str]
    has_fault: bool
    has_error: bool
    has_throttle: bool
    is_partial: bool
