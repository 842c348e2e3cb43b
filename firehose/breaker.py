"""A circuit breaker: a sink that fails again and again is left alone for a while, by everyone who uses it.

* ``closed``: it is used.
* ``open``: after :data:`OPEN_AFTER` failures in a row. Nobody asks it: replays and withdrawals are told so at once instead of waiting for their own time-out.
* ``half-open``: the wait is over. Its runner sends one request; that it is taken closes the circuit, that it is not opens it for longer.

Waits double from :data:`FIRST_WAIT_S` to :data:`LONGEST_WAIT_S`, less up to half by chance, so that many machines do not come back in step; a destination that says how long it wants to be left alone
(``Retry-After``) is left alone so long, at most :data:`LONGEST_ASKED_S`. Waits are of the monotonic clock: a clock that is set does not end or lengthen them.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from tailrace.clock import Clock
from tailrace.errors import TransientError

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 15.0
LONGEST_ASKED_S: Final = 120.0
OPEN_AFTER: Final = 5
"""Failures in a row: with the waits between them about three seconds, longer than a connection that is cut or a leader that is elected takes."""

_CHANCE: Final = random.SystemRandom()
Circuit = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True)
class Health:
    """How a sink does: its last error (empty: none), failures in a row, when the first of them was, and until when it is left alone (both monotonic)."""

    error: str = ""
    failures: int = 0
    since_s: float = 0.0
    until_s: float = 0.0


class CircuitBreaker:
    """The circuit of one sink. Its runner alone notes failures and successes; any thread may ask."""

    def __init__(self, name: str, clock: Clock, *, jitter: Callable[[], float] = _CHANCE.random) -> None:
        self._name, self._clock, self._jitter = name, clock, jitter
        self.health = Health()

    @property
    def circuit(self) -> Circuit:
        """The state of the moment."""
        health = self.health
        if health.failures < OPEN_AFTER:
            return "closed"
        return "open" if health.until_s > self._clock.monotonic_s() else "half-open"

    @property
    def failing_s(self) -> float:
        """Seconds since the first failure of those in a row; 0 where the last try was none."""
        health = self.health
        return max(self._clock.monotonic_s() - health.since_s, 0.0) if health.failures else 0.0

    @property
    def left_s(self) -> float:
        """Seconds until the next try."""
        return max(self.health.until_s - self._clock.monotonic_s(), 0.0)

    def failed(self, reason: str, *, asked_s: float = 0.0) -> float:
        """Note a failure; answer for how many seconds the sink is left alone. ``asked_s``: it asked for so many itself."""
        health, now_s = self.health, self._clock.monotonic_s()
        failures = health.failures + 1
        wait_s = min(FIRST_WAIT_S * 2 ** min(failures, 20), LONGEST_WAIT_S) * (0.5 + self._jitter() / 2)
        wait_s = max(wait_s, min(asked_s, LONGEST_ASKED_S))
        self.health = Health(reason, failures, health.since_s if health.failures else now_s, now_s + wait_s)
        return wait_s

    def worked(self) -> None:
        """Note a success."""
        self.health = Health()

    def ask(self) -> None:
        """Return where the sink may be used by others than its runner; raises :class:`TransientError` where the circuit is open."""
        if self.circuit == "open":
            health = self.health
            raise TransientError(f"{self._name} failed {health.failures} times in a row ({health.error}): it is left alone for {self.left_s:.0f} s more")
