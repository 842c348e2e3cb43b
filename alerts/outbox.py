"""Delivers the messages of the outbox: each channel on its own, tried again with a growing pause, none lost because another channel succeeded.

Pauses double from 5 s to 15 minutes; after :data:`MAX_ATTEMPTS` (about a day) a message is ``failed`` and stays to be seen and sent again by hand. A message that a channel refuses for good
(a wrong address) fails at once. Every message has an id, the same in every attempt, that channels pass on so that a receiver can drop a second copy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from alerts.channels import Channel
from alerts.state import AlertState, Notice
from tailrace.clock import US_PER_MINUTE, US_PER_S, Clock
from tailrace.errors import PermanentError, TailraceError

FIRST_PAUSE_US: Final = 5 * US_PER_S
LONGEST_PAUSE_US: Final = 15 * US_PER_MINUTE
MAX_ATTEMPTS: Final = 100


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one round did."""

    sent: int = 0
    retried: int = 0
    failed: int = 0


def deliver(state: AlertState, channels: Mapping[str, Channel], clock: Clock) -> Delivered:
    """Try every message that is due, once."""
    outcomes = [_try(state, channels, notice, clock) for notice in state.due(clock.now_us())]
    return Delivered(outcomes.count("sent"), outcomes.count("waiting"), outcomes.count("failed"))


def _try(state: AlertState, channels: Mapping[str, Channel], notice: Notice, clock: Clock) -> str:
    try:
        channels[notice.channel].send(notice)
    except PermanentError as error:
        state.not_sent(notice.id, str(error), None)
        return "failed"
    except (TailraceError, OSError) as error:
        last = notice.attempts + 1 >= MAX_ATTEMPTS
        state.not_sent(notice.id, str(error), None if last else clock.now_us() + pause_us(notice.attempts))
        return "failed" if last else "waiting"
    state.sent(notice.id, clock.now_us())
    return "sent"


def pause_us(attempts: int) -> int:
    """Answer the pause after so many failed attempts before this one, in microseconds.

    >>> [pause_us(attempts) // 1_000_000 for attempts in (0, 1, 2, 20)]
    [5, 10, 20, 900]
    """
    return min(FIRST_PAUSE_US << min(attempts, 20), LONGEST_PAUSE_US)
