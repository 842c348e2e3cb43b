"""Waiting until a delivery stream takes something again: pressure is passed back to the source, which reads no further meanwhile."""

import math
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from tailrace.clock import Clock
from tailrace.errors import TransientError

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 5.0

T = TypeVar("T")


class StoppedError(Exception):
    """The source was told to stop while the delivery stream took nothing; what was at hand is not acknowledged."""


def patiently(call: Callable[[], T], clock: Clock, stop: threading.Event, limit_s: float = math.inf) -> T:
    """Make a call again and again, with longer and longer waits, while it raises :class:`TransientError`.

    Raises :class:`StoppedError` when ``stop`` is set before it succeeded, and the error itself once ``limit_s`` is over.
    """
    wait_s, began_s = FIRST_WAIT_S, clock.monotonic_s()
    while True:
        try:
            return call()
        except TransientError as error:
            if stop.is_set():
                raise StoppedError("stopped while the delivery stream took nothing") from error
            if clock.monotonic_s() - began_s >= limit_s:
                raise
        clock.sleep(wait_s)
        wait_s = min(LONGEST_WAIT_S, 2 * wait_s)
