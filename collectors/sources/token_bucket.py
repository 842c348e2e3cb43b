"""A limit of so many calls a second, kept on this side; shared by threads."""

import threading

from tailrace.clock import Clock


class TokenBucket:
    """Holds up to ``burst`` tokens, and gets ``per_s`` new ones a second; a call takes one, and waits where there is none."""

    def __init__(self, clock: Clock, per_s: float, burst: int = 1) -> None:
        self._clock, self._per_s, self._burst = clock, per_s, burst
        self._tokens, self._since_s = float(burst), clock.monotonic_s()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Take a token; return when it is there."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            self._tokens = min(float(self._burst), self._tokens + (now_s - self._since_s) * self._per_s) - 1
            self._since_s = now_s
            wait_s = -self._tokens / self._per_s
        if wait_s > 0:
            self._clock.sleep(wait_s)
