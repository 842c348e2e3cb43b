"""Whose turn it is to commit: one thread at a time does it for all that wait, then wakes them and hands the turn to the first that came meanwhile.

Threads whose work was done by another go through no lock that the rest wait at. Behind one lock they would queue up, each for a turn that it does not need, and groups would stay small.
"""

import threading
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Waiter:
    """What a thread waits for; who commits it sets ``done``."""

    done: bool = False
    gate: threading.Lock = field(default_factory=threading.Lock)
    """Held while its thread sleeps."""


class Turns:
    """The turn to commit, and those that wait for it in the order in which they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: list[Waiter] = []

    def leads(self, waiter: Waiter) -> bool:
        """Sleep until a waiter is done (answer ``False``) or has the turn (``True``): then :meth:`hand_over` must follow."""
        with self._lock:
            if waiter.done:
                return False
            if not self._taken:
                self._taken = True
                return True
            waiter.gate.acquire()
            self._waiting.append(waiter)
        try:
            waiter.gate.acquire()  # until hand_over lets go of it
        except BaseException:
            self.leave(waiter)
            raise
        return not waiter.done

    def leave(self, waiter: Waiter) -> None:
        """Wait no longer: the thread was interrupted. If the turn was handed to it meanwhile, the next one has it."""
        with self._lock:
            there = len(self._waiting)
            self._waiting = [one for one in self._waiting if one is not waiter]
            handed = len(self._waiting) == there and not waiter.done
        if handed:
            self.hand_over()

    def hand_over(self) -> None:
        """Wake those that are done, and the first that is not: it has the turn."""
        with self._lock:
            left = [one for one in self._waiting if not one.done]
            awake = [one for one in self._waiting if one.done] + left[:1]
            self._taken, self._waiting = bool(left), left[1:]
            for one in awake:
                one.gate.release()
