"""Tailrace traces itself: what a request, a payload or a batch took, and in which part of the work. X-Ray's words: a trace of segments, which hold subsegments.

A :class:`Tracer` begins segments for some of what comes (:class:`Sampler`); below one, :func:`traced` times a part as a subsegment. Where no segment is open it does nothing, which costs 0.2 us, so the steps
of the write path say ``traced`` and know nothing of where it goes:

* on one machine a document (https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html) is given to ``emit`` when its segment ends: the gateway's go into its own table ``spans``, those of
  other processes to the X-Ray daemon's port, which is the gateway's too;
* on Lambda subsegments are aws-xray-sdk's, below the segment that Lambda makes (:func:`lambda_traced`). It is imported in a call that is traced and nowhere else: it takes its time.

Names are Tailrace's own, metadata are counts and names of batches, sources and tables: no text of a log line.
"""

import random
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Final, Protocol, Self

import msgspec

from tailrace.clock import US_PER_S, Clock, SystemClock

RESERVOIR: Final = 1
RATE: Final = 0.05
"""aws-xray-sdk's local rule (https://docs.aws.amazon.com/xray/latest/devguide/xray-sdk-python-configuration.html): the first request of each second, and 5 % of the others."""

MOST: Final = 10
"""Segments of a name in a second, however many requests there are: to make one costs 20 us, and to read it into rows 140 us (four rows; one try, CPU)."""

MAX_SUBSEGMENTS: Final = 100
"""Subsegments of a segment; a document has at most 64 kB (https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html). Further ones are counted."""

NAMESPACE: Final = "tailrace"
"""Where metadata are in a document: ``metadata.tailrace.rows``."""

DATAGRAM_HEADER: Final = b'{"format": "json", "version": 1}\n'
TRACE_VARIABLE: Final = "_X_AMZN_TRACE_ID"
"""What Lambda sets for each call: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html."""

SAMPLED: Final = "Sampled=1"

_CHANCE: Final = random.SystemRandom()
Emit = Callable[[bytes], None]
"""Takes a finished document; must not wait."""


class Part(Protocol):
    """Something that is timed."""

    def note(self, **metadata: object) -> None:
        """Say something of it: counts and names."""
        ...


class _Open(Protocol):
    """A segment or subsegment that is open in this context."""

    def child(self, name: str, metadata: Mapping[str, object], *, remote: bool) -> AbstractContextManager[Part]:
        """Begin a subsegment when the context manager is entered."""
        ...


_open: ContextVar["_Open | None"] = ContextVar("tailrace.tracing", default=None)


class _Nothing:
    """What is not traced."""

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Do nothing."""

    def note(self, **metadata: object) -> None:
        """Do nothing."""


NOTHING: Final = _Nothing()


def traced(name: str, *, remote: bool = False, **metadata: object) -> AbstractContextManager[Part]:
    """Time a part of the work that is traced, if it is; ``remote``: it is a call of another service, of that name on the map."""
    here = _open.get()
    return NOTHING if here is None else here.child(name, metadata, remote=remote)


class Sampler:
    """Says which of what comes is traced: the first of each second, and a part of the others up to ``most``; for each name on its own."""

    def __init__(self, clock: Clock, draw: Callable[[], float] = _CHANCE.random, *, rate: float = RATE, most: int = MOST) -> None:
        self._clock, self._draw, self._rate, self._most = clock, draw, rate, most
        self._taken: dict[str, tuple[int, int]] = {}
        self._turn = threading.Lock()

    def takes(self, name: str) -> bool:
        """Whether the next one of a name is traced."""
        now = int(self._clock.monotonic_s())
        with self._turn:
            second, count = self._taken.get(name, (now, 0))
            count = count if second == now else 0
            takes = count < RESERVOIR or (count < self._most and self._draw() < self._rate)
            self._taken[name] = (now, count + takes)
            return takes


class _Span:
    """A segment or subsegment of a document; a context manager. ``segment`` is what it is part of, itself where it is one."""

    def __init__(self, name: str, clock: Clock, segment: "_Segment | None", metadata: Mapping[str, object]) -> None:
        self.id, self.members = secrets.token_hex(8), dict[str, Any]()
        self._name, self._clock, self._segment, self._metadata = name, clock, segment, dict(metadata)
        self._children: list[dict[str, Any]] = []
        self._token: Token[_Open | None] | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._began_us, self._began_s = self._clock.now_us(), self._clock.monotonic_s()
        self._token = _open.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End; an exception that goes through is a fault, of which the kind is told."""
        if self._token is not None:
            _open.reset(self._token)
        if kind is not None:
            self.members |= {"fault": True, "cause": {"exceptions": [{"id": secrets.token_hex(8), "type": kind.__name__, "message": ""}]}}
        self.ended(self.document())

    def note(self, **metadata: object) -> None:
        """Say something of it."""
        self._metadata |= metadata

    def child(self, name: str, metadata: Mapping[str, object], *, remote: bool) -> AbstractContextManager[Part]:
        """Begin a subsegment, or count it where there are too many."""
        segment = self._segment
        if segment is None or not segment.has_room():
            return NOTHING
        return _Subsegment(self, name, self._clock, segment, metadata, remote=remote)

    def document(self) -> dict[str, Any]:
        """Answer it as X-Ray's documents have it; times are seconds since 1970."""
        began, took_s = self._began_us / US_PER_S, self._clock.monotonic_s() - self._began_s
        told = {"name": self._name, "id": self.id, "start_time": began, "end_time": began + took_s, **self.members}
        metadata = {"metadata": {NAMESPACE: self._metadata}} if self._metadata else {}
        return {**told, **metadata, **({"subsegments": self._children} if self._children else {})}

    def adopt(self, document: dict[str, Any]) -> None:
        """Take a subsegment that has ended."""
        self._children.append(document)

    def ended(self, document: dict[str, Any]) -> None:
        """Do with the document what is to be done."""
        raise NotImplementedError


class _Subsegment(_Span):
    def __init__(self, parent: _Span, name: str, clock: Clock, segment: "_Segment", metadata: Mapping[str, object], *, remote: bool) -> None:
        super().__init__(name, clock, segment, metadata)
        self._parent = parent
        self.members |= {"namespace": "remote"} if remote else {}

    def ended(self, document: dict[str, Any]) -> None:
        """Go into the document of the parent."""
        self._parent.adopt(document)


class _Segment(_Span):
    def __init__(self, name: str, clock: Clock, emit: Emit, told: Mapping[str, Any], metadata: Mapping[str, object]) -> None:
        super().__init__(name, clock, self, metadata)
        self._emit, self._told, self._count = emit, told, 0
        self.members["trace_id"] = f"1-{clock.now_us() // US_PER_S:08x}-{secrets.token_hex(12)}"

    def has_room(self) -> bool:
        """Count one more subsegment; answer whether it is within the limit."""
        self._count += 1
        return self._count <= MAX_SUBSEGMENTS

    def ended(self, document: dict[str, Any]) -> None:
        """Give the document away, with what was told of it meanwhile."""
        document |= self._told
        if self._count > MAX_SUBSEGMENTS:
            document.setdefault("metadata", {}).setdefault(NAMESPACE, {})["subsegments_left_out"] = self._count - MAX_SUBSEGMENTS
        self._emit(msgspec.json.encode(document))


class Tracer:
    """Begins segments; shared by threads. Without ``emit`` nothing is traced, until it is given one."""

    def __init__(self, clock: Clock, emit: Emit | None = None, sampler: Sampler | None = None) -> None:
        self.emit, self._clock, self._sampler = emit, clock, sampler or Sampler(clock)

    def segment(self, name: str, members: Mapping[str, Any] | None = None, **metadata: object) -> AbstractContextManager[Part]:
        """Begin a segment of a service, if this one is to be traced; within an open one none is begun. ``members`` are the document's own, such as ``http``, as they are at its end."""
        emit = self.emit
        if emit is None or _open.get() is not None or not self._sampler.takes(name):
            return NOTHING
        return _Segment(name, self._clock, emit, members if members is not None else {}, metadata)


UNTRACED: Final = Tracer(SystemClock())
"""Traces nothing."""


def to_daemon(host: str, port: int) -> Emit:
    """Answer what sends documents to an X-Ray daemon by UDP; what does not arrive is not missed."""
    sender = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sender.setblocking(False)

    def emit(document: bytes) -> None:
        with suppress(OSError):
            sender.sendto(DATAGRAM_HEADER + document, (host, port))

    return emit


@contextmanager
def lambda_traced(environment: Mapping[str, str]) -> Iterator[None]:
    """Let :func:`traced` within make subsegments of aws-xray-sdk, where Lambda's active tracing samples this call."""
    if SAMPLED not in environment.get(TRACE_VARIABLE, ""):
        yield
        return
    token = _open.set(_Sdk())
    try:
        yield
    finally:
        _open.reset(token)


class _Sdk:
    """The segment of a call of Lambda's, as aws-xray-sdk knows it."""

    def __init__(self) -> None:
        from aws_xray_sdk.core import xray_recorder  # 200 ms, which a call that is not traced does not pay

        self._recorder = xray_recorder

    @contextmanager
    def child(self, name: str, metadata: Mapping[str, object], *, remote: bool) -> Iterator[Part]:
        """Begin a subsegment of the SDK's; one within is a child of it, as the SDK keeps it."""
        with self._recorder.in_subsegment(name, namespace="remote" if remote else "local") as made:
            part = _SdkPart(made)
            part.note(**metadata)
            yield part


class _SdkPart:
    def __init__(self, made: Any) -> None:  # noqa: ANN401 - the SDK's subsegment, or nothing
        self._made = made

    def note(self, **metadata: object) -> None:
        """Put metadata into the subsegment."""
        for name, value in metadata.items() if self._made is not None else ():
            self._made.put_metadata(name, value, NAMESPACE)
