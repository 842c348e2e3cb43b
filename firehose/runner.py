"""What moves one sink along the spool: read, seal, deliver, move the cursor; in a thread of its own, so that a sink that is down holds up no other.

A batch ends at a limit, at the end of a segment, or when its oldest frame has waited long enough; its end is written down (sealed) before it is delivered,
and after a crash the same batch is delivered again under the same names.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from firehose.batches import Attempt, Batch, Sink, Undoes
from firehose.breaker import CircuitBreaker
from firehose.cursor import Cursor, OutcomeRow, Seal
from firehose.disk import Probe, no_probe
from firehose.frame import Head, Position
from firehose.isolation import PoisonError, isolated
from firehose.routes import tier_of
from firehose.spool import Spool
from tailrace.clock import Clock
from tailrace.errors import PermanentError, StateError, TransientError
from tailrace.tracing import UNTRACED, Tracer, traced

SERVICE: Final = "tailrace-firehose"
POISON_TRIES: Final = 3
"""Unforeseen errors in a row after which a batch is taken for poison."""

FINISH_EVERY_S: Final = 0.1
"""Between two tries to write the cursor of a batch that is delivered: the disk or the ledger is in the way, not the sink."""

LOOKS: Final = 5
"""How often the oldest row is looked for while the sink goes on: one that goes on so fast is not behind."""

_Done = TypeVar("_Done")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Office:
    """What a runner reports to.

    ``bury`` writes a batch into dead letters (sink, batch, reason), ``reported`` answers the number of the last batch of a sink that is in the ledger,
    ``moved`` is called when a sink has moved, or has failed to; ``tracer`` times deliveries.
    """

    bury: Callable[[str, Batch, str], None]
    reported: Callable[[str], int]
    moved: Callable[[], None]
    tracer: Tracer = UNTRACED


class Runner:
    """One sink's way along the spool."""

    def __init__(self, sink: Sink, spool: Spool, cursor: Cursor, clock: Clock, office: Office, *, probe: Probe = no_probe) -> None:
        self.sink, self._spool, self._cursor, self._clock, self._office, self._probe = sink, spool, cursor, clock, office, probe
        self.breaker = CircuitBreaker(sink.name, clock)
        self._wake, self._stop = threading.Event(), threading.Event()
        self._flush_to, self._retries = Position(0, 0), 0
        self._oldest: tuple[Position, int] | None = None
        self._thread = threading.Thread(target=self._run, name=f"sink-{sink.name}", daemon=True)

    @property
    def position(self) -> Position:
        """Everything before it is delivered, durably."""
        return self._cursor.state.position

    @property
    def cursor(self) -> Cursor:
        """The sink's cursor."""
        return self._cursor

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def oldest_us(self) -> int | None:
        """Answer when the oldest row that the sink has not passed was received; ``None`` where nothing waits for it.

        It is in the head of a frame, which is read once: it stays the oldest until the sink has passed it. Frames without a row for the sink do not count, nor what cannot be read.
        """
        for _ in range(LOOKS):
            position, known = self.position, self._oldest
            if known is not None and known[0] >= position:
                return known[1]
            self._oldest = self._spool.first(position, self._has_rows)
            if self._oldest is None and self.position == position:
                break  # where the sink went on meanwhile, what was found may be passed
        return None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self, flush_to: Position | None = None) -> None:
        """Say that there is something new, or that everything before a position shall not wait."""
        self._flush_to = max(self._flush_to, flush_to or self._flush_to)
        self._wake.set()

    def ask_to_stop(self) -> None:
        """Say that it is to end after the batch that is being delivered."""
        self._stop.set()
        self._wake.set()

    def stop(self, timeout_s: float) -> bool:
        """Finish the batch that is being delivered, and end; answer whether the thread ended in time."""
        self.ask_to_stop()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._step()
            except Exception as error:  # noqa: BLE001 - the thread of a sink never ends by an error: its disk may be full for a while
                _log.error("sink %s: %s", self.sink.name, error, exc_info=not isinstance(error, OSError))
                self._stop.wait(self._failed(str(error) or type(error).__name__))

    def _step(self) -> None:
        batch = self._sealed_batch() or self._new_batch()
        if batch is None:
            return
        outcome = self._deliver(batch)
        if outcome is not None:
            self._finish(batch, outcome)

    def _sealed_batch(self) -> Batch | None:
        state = self._cursor.state
        if state.seal is None:
            return None
        batch = Batch(state.position, state.position, state.passed, retried=True, tier=tier_of(self.sink.name))
        for item in self._spool.read(state.position, state.passed):
            if item.start >= state.seal.end:
                break
            batch.add(item)
        batch.end = max(batch.end, state.seal.end)
        return batch

    def _new_batch(self) -> Batch | None:
        batch = self._collect()
        if batch is None:
            return None
        state = self._cursor.state
        self._cursor.write(state.sealed(batch.end, batch.stem(self._spool.producer)))
        self._probe("sink.sealed")
        return batch

    def _collect(self) -> Batch | None:
        """Gather frames until a limit is met; ``None`` where there are none, or the sink was stopped: then nothing is sealed."""
        state, limits = self._cursor.state, self.sink.limits
        batch = Batch(state.position, state.position, state.passed, tier=tier_of(self.sink.name))
        oldest_s = 0.0
        while not self._stop.is_set():
            self._wake.clear()
            if self._take(batch):
                return batch
            now_s = self._clock.monotonic_s()
            oldest_s = oldest_s or (now_s if batch.frames else 0.0)
            left_s = limits.after_s - (now_s - oldest_s) if batch.frames else 60.0
            if batch.frames and (left_s <= 0 or self._flush_to >= batch.end):
                return batch
            self._wake.wait(left_s)
        return None

    def _take(self, batch: Batch) -> bool:
        """Take what there is; answer whether the batch can take no more."""
        for item in self._spool.read(batch.end, batch.passed):
            if batch.frames and item.next.segment != batch.start.segment:
                return True
            if not batch.frames:
                batch.start = item.start
            batch.add(item)
            if self.sink.limits.full(batch):
                return True
        return False

    def _deliver(self, batch: Batch) -> tuple[OutcomeRow, ...] | None:
        """Deliver a sealed batch, as a whole or, where that cannot be, without the rows that are the cause; ``None`` where the sink is being stopped."""
        seal = self._cursor.state.seal
        assert seal is not None
        tracer = self._office.tracer if "logs" in batch.tables else UNTRACED  # else traces would make traces
        with tracer.segment(SERVICE, sink=self.sink.name, batch=seal.stem, rows=batch.rows, bytes=batch.nbytes) as part:
            self._retries = 0
            outcome = self._delivered(batch, seal)
            part.note(retries=self._retries)
        return outcome

    def _delivered(self, batch: Batch, seal: Seal) -> tuple[OutcomeRow, ...] | None:
        reason = "the reason is in the log of an earlier process"
        if not seal.poisoned:
            try:
                return self._persist(self._attempt(batch, seal.stem), POISON_TRIES)
            except PoisonError as error:
                reason = str(error)
            self._cursor.write(self._cursor.state.poisoned())
            self._probe("sink.poisoned")
        return isolated(batch, reason, self._deliver_part, self._bury) if self._undone(batch, seal.stem) else None

    def _deliver_part(self, part: Batch) -> tuple[OutcomeRow, ...] | None:
        stem = part.stem(self._spool.producer)
        try:
            return self._persist(self._attempt(part, stem), 1)
        except PoisonError:
            if self._undone(part, stem):
                raise
            return None

    def _undone(self, batch: Batch, stem: str) -> bool:
        """Take back what was done of rows that are going to be divided; answer whether the sink goes on. What cannot be told of them was not done either."""

        def undo() -> bool:
            attempt = self.sink.attempt(batch, stem)
            if isinstance(attempt, Undoes):
                attempt.undo()
            return True

        try:
            return self._persist(undo, POISON_TRIES) is not None
        except PoisonError:
            return True

    def _attempt(self, batch: Batch, stem: str) -> Callable[[], tuple[OutcomeRow, ...]]:
        """Answer what delivers rows, and goes on where it was when it is called again."""
        attempts = list[Attempt]()

        def run() -> tuple[OutcomeRow, ...]:
            if not attempts:
                attempts.append(self.sink.attempt(batch, stem))
            with traced(self.sink.name, remote=True):
                outcome = attempts[0].run()
            self._probe("sink.delivered")
            return outcome

        return run

    def _persist(self, work: Callable[[], _Done], tries: int) -> _Done | None:
        """Do it until it is done; ``None`` where the sink is being stopped. Raises :class:`PoisonError` where it never can be, or what no sink foresaw came ``tries`` times."""
        failures = 0
        while not self._stop.is_set() or not self.breaker.health.failures:
            try:
                done = work()
            except TransientError as error:
                wait_s = self._failed(str(error), error.retry_after_s)
            except PermanentError as error:
                raise PoisonError(str(error)) from error
            except Exception as error:
                _log.exception("sink %s", self.sink.name)
                failures += 1
                if failures >= tries:
                    raise PoisonError(f"{type(error).__name__}: {error}") from error
                wait_s = self._failed(f"{type(error).__name__}: {error}")
            else:
                self.breaker.worked()
                return done
            self._retries += 1
            self._stop.wait(wait_s)
        return None

    def _bury(self, part: Batch, reason: str) -> tuple[OutcomeRow, ...]:
        self._office.bury(self.sink.name, part, reason)
        self.breaker.worked()
        return tuple(OutcomeRow(row.source, row.minute_us, row.unit, dead=row.out, lost=row.lost) for row in part.outcome())

    def _finish(self, batch: Batch, rows: tuple[OutcomeRow, ...]) -> None:
        """Move the cursor; where outcomes that the ledger has not taken fill it, wait for the ledger."""
        while True:
            try:
                self._cursor.write(self._cursor.state.done(batch.end, batch.passed, rows, self._office.reported(self.sink.name)))
            except (OSError, StateError) as error:
                self._failed(str(error))
                if self._stop.wait(FINISH_EVERY_S):
                    return
            else:
                self.breaker.worked()
                self._office.moved()
                return

    def _has_rows(self, head: Head) -> bool:
        tier = tier_of(self.sink.name) or ""
        return any(table.rows > sum(table.withheld.get(tier, {}).values()) for table in head.tables)

    def _failed(self, reason: str, asked_s: float = 0.0) -> float:
        """Note a failure; answer how long to wait."""
        wait_s = self.breaker.failed(reason, asked_s=asked_s)
        self._office.moved()  # who waits for all sinks that are up waits no longer for this one
        return wait_s
