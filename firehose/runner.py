"""What moves one sink along the spool: read, seal, deliver, move the cursor; in a thread of its own, so that a sink that is down holds up no other.

A batch ends at a limit, at the end of a segment, or when its oldest frame has waited long enough; its end is written down (sealed) before it is delivered,
and after a crash the same batch is delivered again under the same names.
"""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from firehose.batches import Attempt, Batch, Sink
from firehose.cursor import Cursor, OutcomeRow
from firehose.disk import Probe, no_probe
from firehose.frame import Head, Position
from firehose.routes import tier_of
from firehose.spool import Spool
from tailrace.clock import Clock
from tailrace.errors import PermanentError, StateError, TransientError
from tailrace.tracing import UNTRACED, Tracer, traced

SERVICE: Final = "tailrace-firehose"
FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 15.0
POISON_TRIES: Final = 3
"""Unforeseen errors in a row after which a batch is taken for poison and goes to dead letters whole."""

LOOKS: Final = 5
"""How often the oldest row is looked for while the sink goes on: one that goes on so fast is not behind."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Health:
    """How a sink does: its last error (empty: none), failures in a row, and when the first of them was (monotonic)."""

    error: str = ""
    failures: int = 0
    since_s: float = 0.0


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

    def __init__(
        self, sink: Sink, spool: Spool, cursor: Cursor, clock: Clock, office: Office, *, probe: Probe = no_probe, jitter: Callable[[], float] = random.random
    ) -> None:
        self.sink, self._spool, self._cursor, self._clock, self._office = sink, spool, cursor, clock, office
        self._probe, self._jitter = probe, jitter
        self.health = Health()
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

    @property
    def failing_s(self) -> float:
        """Seconds since the first failure of those in a row; 0 where the last try was none."""
        health = self.health
        return max(self._clock.monotonic_s() - health.since_s, 0.0) if health.failures else 0.0

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
        failed_s = FIRST_WAIT_S
        while not self._stop.is_set():
            try:
                self._step()
                failed_s = FIRST_WAIT_S
            except Exception as error:  # noqa: BLE001 - the thread of a sink never ends by an error: its disk may be full for a while
                _log.error("sink %s: %s", self.sink.name, error, exc_info=not isinstance(error, OSError))
                self._failed(str(error) or type(error).__name__)
                self._stop.wait(failed_s)
                failed_s = min(2 * failed_s, LONGEST_WAIT_S)

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
        stem = f"{self._spool.producer}-{batch.start.segment:08}-{batch.start.offset:012}-{batch.end.offset:012}"
        self._cursor.write(state.sealed(batch.end, stem))
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
        seal = self._cursor.state.seal
        stem = seal.stem if seal else ""
        tracer = self._office.tracer if "logs" in batch.tables else UNTRACED  # else traces would make traces
        with tracer.segment(SERVICE, sink=self.sink.name, batch=stem, rows=batch.rows, bytes=batch.nbytes) as part:
            outcome = self._delivered(batch, self.sink.attempt(batch, stem))
            part.note(retries=self._retries)
        return outcome

    def _delivered(self, batch: Batch, attempt: Attempt) -> tuple[OutcomeRow, ...] | None:
        failures, self._retries = 0, -1
        while not self._stop.is_set() or not self.health.failures:
            self._retries += 1
            try:
                outcome = self._attempt(attempt)
            except TransientError as error:
                self._failed(str(error))
            except PermanentError as error:
                return self._buried(batch, str(error))
            except Exception as error:  # noqa: BLE001 - what no sink foresaw is poison after a few tries
                _log.exception("sink %s", self.sink.name)
                failures += 1
                if failures >= POISON_TRIES:
                    return self._buried(batch, f"{type(error).__name__}: {error}")
                self._failed(f"{type(error).__name__}: {error}")
            else:
                self.health = Health()
                return outcome
            self._stop.wait(min(FIRST_WAIT_S * 2 ** min(self.health.failures, 20), LONGEST_WAIT_S) * (0.5 + self._jitter() / 2))
        return None

    def _attempt(self, attempt: Attempt) -> tuple[OutcomeRow, ...]:
        with traced(self.sink.name, remote=True):
            outcome = attempt.run()
        self._probe("sink.delivered")
        return outcome

    def _buried(self, batch: Batch, reason: str) -> tuple[OutcomeRow, ...]:
        self._office.bury(self.sink.name, batch, reason)
        self.health = Health()
        return tuple(OutcomeRow(row.source, row.minute_us, row.unit, dead=row.out, lost=row.lost) for row in batch.outcome())

    def _finish(self, batch: Batch, rows: tuple[OutcomeRow, ...]) -> None:
        """Move the cursor; where outcomes that the ledger has not taken fill it, wait for the ledger."""
        while True:
            try:
                self._cursor.write(self._cursor.state.done(batch.end, batch.passed, rows, self._office.reported(self.sink.name)))
            except (OSError, StateError) as error:
                self._failed(str(error))
                if self._stop.is_set():
                    return
                self._stop.wait(FIRST_WAIT_S)
            else:
                self.health = Health()
                self._office.moved()
                return

    def _has_rows(self, head: Head) -> bool:
        tier = tier_of(self.sink.name) or ""
        return any(table.rows > sum(table.withheld.get(tier, {}).values()) for table in head.tables)

    def _failed(self, reason: str) -> None:
        health = self.health
        self.health = Health(reason, health.failures + 1, health.since_s if health.failures else self._clock.monotonic_s())
        self._office.moved()  # who waits for all sinks that are up waits no longer for this one
