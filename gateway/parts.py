"""What the gateway stands on: the ports of the one or two calls that its doors use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from starlette.requests import Request

from collectors.collector import Collector
from collectors.desk import Desk
from collectors.rehearsal import Rehearsal
from firehose.delivery import DeadLetter, Delivery
from queries.engine import SearchEngine
from tailrace.clock import Clock
from tailrace.errors import StateError
from tailrace.fields import AttributeRegister
from tailrace.ledger import Hop, SourceSums
from tailrace.tracing import UNTRACED, Tracer


class Flushes(Protocol):
    """A delivery stream that can be asked to hurry."""

    def put(self, delivery: Delivery) -> None:
        """Return when the delivery is durable; raises :class:`tailrace.errors.TransientError` where it can take nothing now."""
        ...

    def flush(self, timeout_s: float = ...) -> bool:
        """Wait until everything that was put is in the lake; answer whether it is."""
        ...


class KeepsDeadLetters(Protocol):
    """Dead letters: bytes that could not be read or delivered, with the reason."""

    def rows(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """List the newest, without their bodies."""
        ...

    def count(self) -> int:
        """How many there are."""
        ...

    def files(self) -> Sequence[tuple[Path, int, int]]:
        """List the files there are: path, time of change and bytes."""
        ...

    def get(self, identity: str) -> DeadLetter | None:
        """Answer one whole; ``None`` where there is none."""
        ...


class Reparses(Protocol):
    """Reads stored rows again, with the formats as their files are now."""

    def __call__(self, name: str, from_us: int, to_us: int) -> Mapping[str, Any]:
        """Read the rows of a format again whose event time is in [from_us, to_us); answer what became of them."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each."""

    clock: Clock
    engine: SearchEngine
    collector: Collector
    stream: Flushes
    register: AttributeRegister
    dead: KeepsDeadLetters
    status: Callable[[], Mapping[str, Any]]
    parse_health: Callable[[], Mapping[str, Any]] = dict
    reparse: Reparses | None = None
    hops: Callable[[], Sequence[Hop]] = tuple
    """The sums of the ledger; raises :class:`tailrace.errors.StateError` where it cannot be read."""
    desk: Desk | None = None
    rehearsal: Callable[[], Rehearsal] | None = None
    tracer: Tracer = UNTRACED
    sources: Callable[[], SourceSums] = dict
    """Those sums by source and unit; raises it too."""

    @staticmethod
    def of(request: Request) -> "Parts":
        """Answer the parts of the application that a request came to."""
        parts = request.app.state.parts
        if not isinstance(parts, Parts):
            raise TypeError("the application was made without its parts")
        return parts

    def sums(self) -> Sequence[Hop] | None:
        """Answer the sums of the ledger; ``None`` where it cannot be read."""
        try:
            return self.hops()
        except StateError:
            return None

    def source_sums(self) -> SourceSums:
        """Answer the sums of the ledger by source and unit; none where it cannot be read."""
        try:
            return self.sources()
        except StateError:
            return {}

    def stream_exists(self, name: str) -> bool:
        """Whether any row was ever written to a stream of that name."""
        return self.engine.count("logs", {"query": {"term": {"stream.name": {"value": name}}}}) > 0
