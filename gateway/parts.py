"""What the gateway stands on: the ports of the one or two calls that its doors use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request

from collectors.collector import Collector
from queries.engine import SearchEngine
from tailrace.clock import Clock
from tailrace.fields import AttributeRegister


class Flushes(Protocol):
    """A delivery stream that can be asked to hurry."""

    def flush(self, timeout_s: float = ...) -> bool:
        """Wait until everything that was put is in the lake; answer whether it is."""
        ...


class KeepsDeadLetters(Protocol):
    """Dead letters, as rows that can be printed."""

    def list(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """The newest dead letters."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each."""

    clock: Clock
    engine: SearchEngine
    collector: Collector
    stream: Flushes
    register: AttributeRegister
    status: Callable[[], Mapping[str, Any]]

    @staticmethod
    def of(request: Request) -> "Parts":
        """Answer the parts of the application that a request came to."""
        parts = request.app.state.parts
        if not isinstance(parts, Parts):
            raise TypeError("the application was made without its parts")
        return parts

    def stream_exists(self, name: str) -> bool:
        """Whether any row was ever written to a stream of that name."""
        return self.engine.count("logs", {"query": {"term": {"stream.name": {"value": name}}}}) > 0
