"""LocalFirehose: the delivery stream of one machine.

``put`` answers after the delivery is in the spool and synced. From there each sink takes it at its own pace: one that is down, slow or refuses holds up no other and loses
nothing. Memory is bounded by what a batch of each sink may hold, the disk by ``spool_max_bytes``, the wait by ``spool_max_age_s``: then ``put`` raises :class:`TransientError`.

A sink that is switched on later begins with what is put from then on; what is on its way to one that is switched off counts as dropped.
"""

import secrets
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import pyarrow as pa

from firehose.admission import Admission
from firehose.age_limit import AgeLimit
from firehose.batches import Batch, Resends, Sink, Withdraws
from firehose.clerk import Clerk, Reports
from firehose.cursor import Cursor, Outcome, SinkState, load
from firehose.dead_letters import DeadLetters
from firehose.delivery import DeadLetter, Delivery
from firehose.disk import Machine
from firehose.frame import NO_ROWS, START, Position, Totals
from firehose.home_format import bring_up
from firehose.lock import held
from firehose.recent_ids import RecentIds
from firehose.remembered import Remembered
from firehose.routes import LAKE
from firehose.runner import Office, Runner
from firehose.sinks.registry import Parts, made_sinks
from firehose.spool import Spool
from tailrace.clock import US_PER_S, Clock
from tailrace.errors import TransientError
from tailrace.fields import AttributeRegister
from tailrace.ledger import Hop, LedgerWriter, Progress, SourceSums
from tailrace.schema import TableName
from tailrace.settings import Settings
from tailrace.stores.port import ObjectStore
from tailrace.tracing import UNTRACED, Tracer

STOP_WITHIN_S: Final = 4.0
"""What all sinks together have to finish the batch that they are delivering, and the ledger after them."""

_PREFIX, _SUFFIX = "cursor-", ".bin"


class LocalFirehose:
    """A spool, its sinks, the ledger and dead letters, in the folder ``settings.home``; a context manager.

    ``sinks`` are by default those that the settings ask for (``firehose.sinks.registry``): the lake, with ``opensearch_url`` OpenSearch, and others. Raises :class:`tailrace.errors.StateError` where another process has the folder.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        register: AttributeRegister | None = None,
        store: ObjectStore | None = None,
        sinks: Sequence[Sink] | None = None,
        machine: Machine | None = None,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._settings, self._clock, self._machine, self._tracer = settings, clock, machine or Machine(), tracer
        self._disk, probe = self._machine.disk, self._machine.probe
        self._moved, self._flushing, self._closed = threading.Condition(), 0, False
        self._runners: list[Runner] = []
        self._refused_s: float | None = None
        self._refusal = ""
        self.dead = DeadLetters(settings.dead_folder, probe=probe)
        with ExitStack() as stack:
            stack.enter_context(held(settings.spool_folder))
            bring_up(settings.home)
            made = sinks if sinks is not None else made_sinks(Parts(settings, self.dead, clock, register, store, probe))
            states = self._states()
            self._spool = self._open_spool(states)
            stack.callback(self._spool.close)
            self._remembered = Remembered(settings.spool_folder, self._disk, self._machine.remembered_ids)
            recent = RecentIds(self._machine.remembered_ids)
            self._remembered.rebuild(self._spool, recent)
            self._admission = Admission(self._spool, recent)
            self._age = AgeLimit(settings.spool_max_age_s, clock, lambda: ((runner.sink.name, runner.oldest_us()) for runner in self._runners))
            self._clerk = self._open_clerk(stack, states)
            self._retire({name: state.unreported for name, state in states.items() if name not in {sink.name for sink in made}})
            for sink in made:
                self._runners.append(self._open_runner(sink, states, stack))
            self._stack = stack.pop_all()
        self._clerk.start()
        for runner in self._runners:
            runner.start()

    def __enter__(self) -> Self:
        """Answer itself; it runs already."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it."""
        self.close()

    def put(self, delivery: Delivery) -> None:
        """Return when the delivery is durable.

        Raises :class:`tailrace.errors.TransientError` where it can take nothing now (spool or disk full): nothing was taken, try again.
        """
        if not (delivery.tables or delivery.counts or delivery.dead):
            return
        try:
            self._age.check()
            self._admission.put(delivery)
        except TransientError as error:
            self._refused_s, self._refusal = self._clock.monotonic_s(), str(error)
            raise
        self._refusal = ""
        for runner in self._runners:
            runner.wake()
        self._clerk.wake()

    def replay(self, letter: DeadLetter, identity: str) -> bool:
        """Deliver again what a sink refused; answer whether the letter is one of a sink's (others are replayed by the collector). Done twice it adds nothing.

        Raises :class:`tailrace.errors.DeliveryError` where it is refused again.
        """
        if letter.detail.get("envelope") == "arrow":
            self._admission.put_again(letter, identity, self._clock.now_us())
            return True
        for runner in self._runners:
            if letter.detail.get("sink") == runner.sink.name and isinstance(runner.sink, Resends):
                runner.breaker.ask()
                runner.sink.resend(letter)
                return True
        return False

    def withdraw(self, name: TableName, rows: pa.Table) -> None:
        """Take rows away from every sink that they were meant for, because their newer revision, which is there, lies in another partition or index.

        Raises :class:`tailrace.errors.DeliveryError` where a sink cannot do it now: call it again later.
        """
        for runner in sorted(self._runners, key=lambda one: one.sink.name == LAKE):  # the lake last: what is still there is found again
            if isinstance(runner.sink, Withdraws):
                runner.breaker.ask()
                runner.sink.withdraw(name, rows)

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Wait until everything that was put is in the lake, in all other sinks that are up, and in the ledger; answer whether it is."""
        target = self._spool.end
        for runner in self._runners:
            runner.wake(target)
        with self._moved:
            self._flushing += 1
            self._clerk.wake(hurry=True)
            try:
                return self._moved.wait_for(lambda: "flushed" if self._flushed(target) else "closed" if self._closed else "", timeout_s) == "flushed"
            finally:
                self._flushing -= 1

    def status(self) -> dict[str, Any]:
        """Answer the state of the spool, of each sink and of the ledger, as JSON shows it."""
        spool, counts = self._spool, self._spool.counts
        return {
            "spool": {
                "bytes": spool.bytes_on_disk,
                "max_bytes": self._settings.spool_max_bytes,
                "segments": len(spool.segments),
                "rows": sum(spool.totals),
                "torn_bytes": counts.torn_bytes,
                "holes": counts.holes,
                "refused": counts.refused + self._age.refused,
                "duplicates": self._admission.duplicates,
                "waiting_rows": max((self._behind(runner) for runner in self._runners), default=0),
                "error": self._refusal or counts.error,
                "refused_ago_s": None if self._refused_s is None else self._clock.monotonic_s() - self._refused_s,
            },
            "sinks": [self._sink_status(runner) for runner in self._runners],
            "ledger": {"error": self._clerk.error, "alive": self._clerk.alive},
        }

    def hops(self) -> Sequence[Hop]:
        """Answer the sums of the ledger, which cost the same however long it is; raises :class:`tailrace.errors.StateError` where it cannot be read."""
        return self._clerk.sums.hops()

    def sources(self) -> SourceSums:
        """Answer the sums of the ledger by source and unit, in the same way."""
        return self._clerk.sums.sources()

    def close(self) -> None:
        """Let sinks finish the batch that they are delivering, write the ledger, and let go of the folder. One that hangs is left: its batch is delivered again under the same names."""
        if self._closed:
            return
        self._closed = True
        self._tell()
        for runner in self._runners:
            runner.ask_to_stop()
        until_s = self._clock.monotonic_s() + STOP_WITHIN_S
        for runner in self._runners:
            runner.stop(max(until_s - self._clock.monotonic_s(), 0.0))
        self._clerk.stop(STOP_WITHIN_S)
        self._stack.close()

    def _flushed(self, target: Position) -> bool:
        there = [runner for runner in self._runners if runner.sink.name == LAKE or not runner.breaker.health.failures]
        delivered = all(runner.position >= target for runner in there)
        return delivered and self._clerk.position >= target and all(self._clerk.reported(r.sink.name) >= r.cursor.state.number for r in there)

    def _sink_status(self, runner: Runner) -> dict[str, Any]:
        position, breaker, oldest_us = runner.position, runner.breaker, runner.oldest_us()
        health = breaker.health
        return {
            "name": runner.sink.name,
            "state": "failing" if health.failures else "up",
            "error": health.error,
            "failures": health.failures,
            "failing_s": breaker.failing_s,
            "circuit": breaker.circuit,
            "next_try_s": breaker.left_s,
            "behind_rows": self._behind(runner),
            "oldest_age_s": 0.0 if oldest_us is None else max(self._clock.now_us() - oldest_us, 0) / US_PER_S,
            "alive": runner.alive,
            "segment": position.segment,
            "offset": position.offset,
        }

    def _behind(self, runner: Runner) -> int:
        return sum(self._spool.totals) - sum(runner.cursor.state.passed)

    def _states(self) -> dict[str, SinkState]:
        folder = self._settings.spool_folder
        names = [name[len(_PREFIX) : -len(_SUFFIX)] for name in self._disk.names(folder) if name.startswith(_PREFIX) and name.endswith(_SUFFIX)]
        found = {name: load(self._cursor_path(name), self._disk) for name in names}
        return {name: state[1] for name, state in found.items() if state is not None}

    def _open_spool(self, states: Mapping[str, SinkState]) -> Spool:
        return Spool(
            self._settings.spool_folder,
            self._machine,
            max_bytes=self._settings.spool_max_bytes,
            new_identity=lambda: secrets.token_hex(8),
            floor=max((state.position for state in states.values()), default=START),
            passed=max((state.passed for state in states.values()), default=NO_ROWS),
        )

    def _open_clerk(self, stack: ExitStack, states: Mapping[str, SinkState]) -> Clerk:
        ledger = LedgerWriter(self._settings.ledger_path)
        stack.callback(ledger.close)
        clerk = Clerk(
            self._spool,
            ledger,
            self.dead,
            reports=self._reports,
            moved=self._let_go,
            ballast=self._settings.ledger_path.with_suffix(".ballast"),
            probe=self._machine.probe,
        )
        first = min(states.values(), key=lambda state: state.position, default=None)
        clerk.begin(*((first.position, first.passed) if first else self._spool.start()))
        return clerk

    def _retire(self, gone: Mapping[str, Sequence[Outcome]]) -> None:
        for name, outcomes in gone.items():
            if self._clerk.progress(name) is not None:
                self._clerk.retire(name, outcomes)
            self._disk.remove(self._cursor_path(name))

    def _open_runner(self, sink: Sink, states: Mapping[str, SinkState], stack: ExitStack) -> Runner:
        start = self._start_of(sink.name, states)
        cursor = Cursor(self._cursor_path(sink.name), self._disk, start, self._machine.probe)
        stack.callback(cursor.close)
        office = Office(self._bury, self._clerk.reported, self._sink_moved, self._tracer)
        return Runner(sink, self._spool, cursor, self._clock, office, probe=self._machine.probe)

    def _start_of(self, name: str, states: Mapping[str, SinkState]) -> SinkState:
        """Where a sink begins, or goes on; from now on the ledger counts it."""
        known, state = self._clerk.progress(name), states.get(name)
        if known is not None:
            return state or SinkState(Position(known.segment, known.offset), Totals(*known.rows), known.number)
        if state is None or state.position < self._clerk.position:
            self._disk.remove(self._cursor_path(name))
            state = SinkState(*(self._spool.start() if not states else (self._spool.end, self._spool.totals)))
        self._clerk.enrol(name, Progress(*state.position, state.number, state.passed))
        return state

    def _bury(self, sink: str, batch: Batch, reason: str) -> None:
        """Write a batch that a sink can never take into dead letters: the rows of each frame as Arrow."""
        letters = []
        for name, tables in batch.tables.items():
            for table, (source, _, _) in zip(tables, batch.keys[name], strict=True):
                stream = pa.BufferOutputStream()
                with pa.ipc.new_stream(stream, table.schema) as writer:
                    writer.write_table(table)
                letters.append(
                    DeadLetter("payload", reason, stream.getvalue().to_pybytes(), {"envelope": "arrow", "table": name, "source": source, "sink": sink})
                )
        place = f"{sink}-{self._spool.producer}-{batch.start.segment}-{batch.start.offset}"
        self.dead.write(place, letters, time_us=self._clock.now_us(), sink=sink)

    def _reports(self) -> Reports:
        return {runner.sink.name: runner.cursor.state.unreported for runner in self._runners}

    def _sink_moved(self) -> None:
        self._clerk.wake(hurry=self._flushing > 0)
        self._tell()

    def _let_go(self) -> None:
        """Delete the segments that every sink and the ledger have."""
        passed = min([self._clerk.position, *(runner.position for runner in self._runners)])
        for number in [one for one in self._spool.segments if one < passed.segment]:
            self._remembered.keep(self._spool, number)
        self._spool.remove_before(passed)
        self._tell()

    def _tell(self) -> None:
        with self._moved:
            self._moved.notify_all()

    def _cursor_path(self, sink: str) -> Path:
        return self._settings.spool_folder / f"{_PREFIX}{sink}{_SUFFIX}"
