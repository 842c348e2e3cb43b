"""Starts parts in the order of what they need, keeps them up, and stops them cleanly.

A :class:`Part` is a command with a check that says when it is ready. Parts start as soon as the parts they come ``after`` are ready; those that do not need each
other start side by side. A part that ends is started again, after a wait that doubles from 0.5 s to 30 s; a part whose check fails for half a minute is
ended, and so started again. A part that keeps dying is told about, with the last lines of its log: while the whole is starting that ends the start,
later the others go on and it is tried again every 30 s.

Stopping goes backwards: a part is asked to end (SIGTERM) when those that come after it have ended; whoever is left after 8 s is ended (SIGKILL). The first SIGINT or
SIGTERM stops cleanly, the second at once. Exit codes: 0 stopped as asked, 3 a part kept dying.

Everything runs in the thread that calls (see ``sandbox.process`` for why children must be started from a thread that lives on).
"""

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Final, Literal, Self

from sandbox.checks import Check
from sandbox.process import Process, start
from tailrace.clock import Clock, SystemClock
from tailrace.errors import StateError, TailraceError

POLL_S: Final = 0.05
STOP_WITHIN_S: Final = 8.0
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
STEADY_AFTER_S: Final = 60.0
"""A part that was ready for so long has its deaths forgiven."""
DEATHS_TO_TELL: Final = 4
DEATHS_TO_END_START: Final = 3
CHECK_EVERY_S: Final = 5.0
FAILED_CHECKS_TO_RESTART: Final = 6
SIGNALS_TO_KILL: Final = 2

State = Literal["waiting", "starting", "ready", "dead", "done"]


class PartError(TailraceError):
    """A part does not come up, or keeps dying; the message has the last lines of its log."""


def always() -> bool:
    """Answer yes: the check of a part that is ready once it runs."""
    return True


@dataclass(frozen=True, slots=True)
class Part:
    """One process: its command, the check that says it is ready, the names of the parts that must be ready before it.

    ``once``: a task, which is ready when it has ended with 0; ``again``: it is done again when a part that it comes after had to be started again.
    """

    name: str
    command: tuple[str, ...]
    ready: Check = always
    after: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ready_within_s: float = 60.0
    once: bool = False
    again: bool = True


@dataclass(slots=True)
class _Run:
    """What became of a part so far."""

    part: Part
    state: State = "waiting"
    process: Process | None = None
    since_s: float = 0.0
    not_before_s: float = 0.0
    deaths: int = 0
    failed_checks: int = 0
    checked_s: float = 0.0


class Supervisor:
    """Runs parts; use it as a context manager, so that nothing is left when an error ends the program.

    ``logs`` is the folder of the log files, one a part; ``tell`` takes sentences for a person.
    """

    def __init__(self, parts: Sequence[Part], logs: Path, *, tell: Callable[[str], None], clock: Clock | None = None) -> None:
        self._runs = {part.name: _Run(part) for part in parts}
        self._logs, self._tell, self._clock = logs, tell, clock or SystemClock()
        self._signals = 0
        self._starting = True
        self._check_names(parts)

    def __enter__(self) -> Self:
        """Begin; nothing is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what still runs."""
        self.stop()

    @property
    def asked_to_stop(self) -> bool:
        """Whether a signal came."""
        return self._signals > 0

    def start(self) -> bool:
        """Start all parts and wait until all are ready; answer ``False`` where a signal came in between.

        Raises :class:`PartError` for a part that does not become ready in its time or dies three times.
        """
        while not self.asked_to_stop and any(run.state not in {"ready", "done"} for run in self._runs.values()):
            self.step()
            self._clock.sleep(POLL_S)
        self._starting = False
        return not self.asked_to_stop

    def tend(self, for_s: float | None = None, until: Check | None = None) -> int:
        """Keep the parts up until a signal comes, the time is over, or ``until`` says so; answer the exit code."""
        began = self._clock.monotonic_s()
        while not self.asked_to_stop and (for_s is None or self._clock.monotonic_s() - began < for_s) and not (until and until()):
            self.step()
            self._clock.sleep(POLL_S)
        return 3 if any(run.deaths >= DEATHS_TO_TELL for run in self._runs.values()) else 0

    def step(self) -> None:
        """Look once at every part, and do what is due."""
        for run in self._runs.values():
            match run.state:
                case "waiting" | "dead":
                    self._start_if_due(run)
                case "starting":
                    self._look_at_starting(run)
                case "ready":
                    self._look_at_ready(run)
                case "done":
                    pass

    def stop(self) -> None:
        """Stop everything, those that come after others first; 8 s after, or at a second signal, at once."""
        deadline = self._clock.monotonic_s() + STOP_WITHIN_S
        for wave in reversed(self._waves()):
            alive = [run.process for run in wave if run.process and run.process.exit_code is None]
            for process in alive:
                process.send(signal.SIGTERM)
            while any(process.exit_code is None for process in alive) and self._clock.monotonic_s() < deadline and self._signals < SIGNALS_TO_KILL:
                self._clock.sleep(POLL_S)
        for run in self._runs.values():
            if run.process:
                run.process.kill()
                run.process, run.state = None, "waiting"

    def processes(self) -> Mapping[str, int]:
        """Answer the process ids of the parts that run, by name."""
        return {name: run.process.pid for name, run in self._runs.items() if run.process and run.process.exit_code is None}

    def states(self) -> Mapping[str, State]:
        """Answer what each part is doing."""
        return {name: run.state for name, run in self._runs.items()}

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM: the first asks to stop, the second makes :meth:`stop` end everything at once."""
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._signals += 1

    def _start_if_due(self, run: _Run) -> None:
        now = self._clock.monotonic_s()
        if now < run.not_before_s or any(self._runs[name].state not in {"ready", "done"} for name in run.part.after):
            return
        run.process = start(run.part.command, self._logs / f"{run.part.name}.log", run.part.environment)
        run.state, run.since_s, run.checked_s, run.failed_checks = "starting", now, now, 0

    def _look_at_starting(self, run: _Run) -> None:
        if self._has_ended(run):
            return
        if not run.part.once and run.part.ready():
            run.state, run.since_s = "ready", self._clock.monotonic_s()
        elif self._clock.monotonic_s() - run.since_s > run.part.ready_within_s:
            self._give_up(run, f"is not ready after {run.part.ready_within_s:g} s")

    def _look_at_ready(self, run: _Run) -> None:
        now = self._clock.monotonic_s()
        if self._has_ended(run) or now - run.checked_s < CHECK_EVERY_S:
            return
        run.checked_s = now
        run.failed_checks = 0 if run.part.ready() else run.failed_checks + 1
        if run.failed_checks == 0 and now - run.since_s > STEADY_AFTER_S:
            run.deaths = 0
        if run.failed_checks >= FAILED_CHECKS_TO_RESTART:
            self._tell(f"{run.part.name} does not answer any more; it is started again")
            self._bury(run)

    def _has_ended(self, run: _Run) -> bool:
        code = run.process.exit_code if run.process else None
        if code is None:
            return False
        if run.part.once and code == 0:
            run.state = "done"
            return True
        self._bury(run)
        self._tell_of_death(run, f"ended ({_in_words(code)})")
        return True

    def _bury(self, run: _Run) -> None:
        if run.process:
            run.process.kill()
        wait_s = min(FIRST_WAIT_S * 2**run.deaths, LONGEST_WAIT_S)
        run.deaths += 1
        run.state, run.not_before_s = "dead", self._clock.monotonic_s() + wait_s
        for task in self._runs.values():
            if task.state == "done" and task.part.again and run.part.name in task.part.after:
                task.state = "waiting"

    def _tell_of_death(self, run: _Run, what: str) -> None:
        if self._starting and (run.part.once or run.deaths >= DEATHS_TO_END_START):
            raise PartError(self._story(run, f"{what}, {run.deaths} times while starting" if run.deaths > 1 else what))
        if run.deaths == DEATHS_TO_TELL:
            self._tell(self._story(run, f"keeps dying: it {what}; tried again every {LONGEST_WAIT_S:g} s at most"))
        elif run.deaths < DEATHS_TO_TELL:
            self._tell(f"{run.part.name} {what}; it is started again")

    def _give_up(self, run: _Run, what: str) -> None:
        if self._starting:
            raise PartError(self._story(run, what))
        self._bury(run)
        self._tell_of_death(run, what)

    def _story(self, run: _Run, what: str) -> str:
        log = self._logs / f"{run.part.name}.log"
        lines = run.process.last_lines() if run.process else []
        return "\n".join([f"{run.part.name} {what}; its log is {log}", *(f"    {line}" for line in lines)])

    def _check_names(self, parts: Sequence[Part]) -> None:
        if len(self._runs) != len(parts):
            raise StateError("two parts have the same name")
        unknown = {name for part in parts for name in part.after} - set(self._runs)
        if unknown:
            raise StateError(f"no such parts to come after: {', '.join(sorted(unknown))}")
        self._waves()

    def _waves(self) -> list[list[_Run]]:
        """Sort the parts into waves: each needs only parts of the waves before it."""
        left, waves, done = dict(self._runs), list[list[_Run]](), set[str]()
        while left:
            wave = [run for run in left.values() if set(run.part.after) <= done]
            if not wave:
                raise StateError(f"these parts wait for each other: {', '.join(sorted(left))}")
            waves.append(wave)
            done |= {run.part.name for run in wave}
            left = {name: run for name, run in left.items() if name not in done}
        return waves


def _in_words(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
