"""The spool's limit of age: while a row waits longer for a sink than it may, no more is taken in, though there is room.

Whoever sends keeps it then (HTTP 503 with ``Retry-After``, a message stays in SQS, a file is read on later), where it is not hidden behind an hour of backlog. Ages are by the clock of the wall, as rows
have the time of their receipt: a clock that is set forward makes rows older than they are until they are delivered.
"""

from collections.abc import Callable, Iterable
from typing import Final

from tailrace.clock import US_PER_S, Clock
from tailrace.errors import TransientError

LOOK_EVERY_S: Final = 1.0
"""The oldest row is looked for so often, however many puts there are."""

Oldest = Callable[[], Iterable[tuple[str, int | None]]]
"""Answers each sink's name and when the oldest row that waits for it was received (microseconds since 1970; ``None``: none waits)."""


class AgeLimit:
    """Refuses while the oldest row is older than ``max_age_s``; 0: never."""

    def __init__(self, max_age_s: float, clock: Clock, oldest: Oldest) -> None:
        self._max_age_s, self._clock, self._oldest = max_age_s, clock, oldest
        self._looked_s, self._refusal = -LOOK_EVERY_S, ""
        self.refused = 0

    def check(self) -> None:
        """Return where more may be taken; raises :class:`TransientError` where a row waits too long."""
        if not self._max_age_s:
            return
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s, self._refusal = now_s, self._look()
        if self._refusal:
            self.refused += 1
            raise TransientError(self._refusal, retry_after_s=LOOK_EVERY_S)

    def _look(self) -> str:
        now_us = self._clock.now_us()
        for name, oldest_us in self._oldest():
            age_s = 0.0 if oldest_us is None else (now_us - oldest_us) / US_PER_S
            if age_s > self._max_age_s:
                return f"the spool takes no more: a row waits for {name} since {age_s:,.0f} s, and may for {self._max_age_s:,.0f}"
        return ""
