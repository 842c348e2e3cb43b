"""Time is an argument: everything that asks what time it is takes a :class:`Clock`.

Times are integers: microseconds since 1970-01-01 UTC (``_us``), as in the lake. Searches compare in milliseconds.
"""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

US_PER_MS = 1_000
US_PER_S = 1_000_000
US_PER_MINUTE = 60 * US_PER_S
US_PER_HOUR = 3_600 * US_PER_S
US_PER_DAY = 24 * US_PER_HOUR


class Clock(Protocol):
    """What time it is, how much has passed, and waiting."""

    def now_us(self) -> int:
        """Wall time, microseconds since 1970 UTC. It may jump."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since some start; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that long."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        """Wall time, microseconds since 1970 UTC."""
        return time.time_ns() // 1_000

    def monotonic_s(self) -> float:
        """Seconds since some start; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait that long."""
        time.sleep(seconds)


class ManualClock:
    """A clock that stands still until it is told to move; sleeping moves it."""

    def __init__(self, now_us: int = 1_790_000_000 * US_PER_S) -> None:
        self._now_us = now_us
        self._elapsed_s = 0.0
        self._lock = threading.Lock()

    def now_us(self) -> int:
        """Wall time, microseconds since 1970 UTC."""
        return self._now_us

    def monotonic_s(self) -> float:
        """Seconds since it was made."""
        return self._elapsed_s

    def sleep(self, seconds: float) -> None:
        """Move on by so many seconds, at once."""
        with self._lock:
            self._elapsed_s += seconds
            self._now_us += round(seconds * US_PER_S)

    def set_us(self, now_us: int) -> None:
        """Set the wall time (also back); the monotonic time does not change."""
        self._now_us = now_us


def to_datetime(time_us: int) -> datetime:
    """Turn microseconds since 1970 into an aware UTC datetime.

    >>> to_datetime(1_000_000).isoformat()
    '1970-01-01T00:00:01+00:00'
    """
    seconds, micros = divmod(time_us, US_PER_S)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)


def from_datetime(moment: datetime) -> int:
    """Turn a datetime into microseconds since 1970; a naive one is taken for UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return delta.days * US_PER_DAY + delta.seconds * US_PER_S + delta.microseconds


def iso_ms(time_us: int) -> str:
    """Print a time as OpenSearch prints dates: milliseconds, UTC.

    >>> iso_ms(1_790_000_000_123_456)
    '2026-09-21T14:13:20.123Z'
    """
    return to_datetime(time_us).isoformat(timespec="milliseconds").replace("+00:00", "Z")
