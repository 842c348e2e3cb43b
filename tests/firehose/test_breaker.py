"""A sink that fails is left alone for longer and longer, by everybody, until one try of its own is taken."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from firehose import LocalFirehose
from firehose.breaker import FIRST_WAIT_S, LONGEST_ASKED_S, LONGEST_WAIT_S, OPEN_AFTER, CircuitBreaker
from firehose.delivery import DeadLetter
from tailrace.clock import ManualClock
from tailrace.errors import TransientError
from tailrace.schema import TableName
from tests.firehose.deliveries import events, numbered
from tests.firehose.test_delivery_stream import MemorySink, open_stream, wait_for


def broken(failures: int, *, jitter: float = 1.0) -> tuple[CircuitBreaker, ManualClock, list[float]]:
    """A breaker after so many failures, each tried again as soon as it was allowed; the waits."""
    clock = ManualClock()
    breaker = CircuitBreaker("opensearch", clock, jitter=lambda: jitter)
    waits = list[float]()
    for number in range(failures):
        clock.sleep(waits[-1] if waits else 0.0)
        waits.append(breaker.failed(f"503 ({number})"))
    return breaker, clock, waits


def test_waits_double_up_to_a_bound_and_chance_takes_at_most_half() -> None:
    longest, shortest = broken(12)[2], broken(12, jitter=0.0)[2]
    assert longest == [min(FIRST_WAIT_S * 2**n, LONGEST_WAIT_S) for n in range(1, 13)]
    assert shortest == [wait / 2 for wait in longest]


def state(breaker: CircuitBreaker) -> tuple[str, float]:
    return breaker.circuit, round(breaker.left_s, 6)


def test_it_opens_after_some_failures_and_one_try_that_is_taken_closes_it() -> None:
    breaker, clock, waits = broken(OPEN_AFTER - 1)
    states = [state(breaker)]
    clock.sleep(waits[-1])
    breaker.failed("503")
    states.append(state(breaker))
    clock.sleep(breaker.left_s)
    states.append(state(breaker))
    breaker.failed("503")
    states.append(state(breaker))
    breaker.worked()
    assert states == [("closed", 1.6), ("open", 3.2), ("half-open", 0.0), ("open", 6.4)]
    assert (state(breaker), breaker.failing_s, breaker.health.error) == (("closed", 0.0), 0.0, "")


def test_others_are_told_at_once_while_it_is_open_and_let_through_before_and_after() -> None:
    broken(OPEN_AFTER - 1)[0].ask()
    breaker, clock, waits = broken(OPEN_AFTER)
    with pytest.raises(TransientError, match=r"opensearch failed 5 times in a row \(503 \(4\)\): it is left alone for 3 s more"):
        breaker.ask()
    clock.sleep(waits[-1])
    breaker.ask()


def test_a_destination_that_says_how_long_is_left_alone_so_long_within_reason() -> None:
    breaker, _, _ = broken(0)
    assert breaker.failed("429", asked_s=30.0) == 30.0
    assert breaker.failed("429", asked_s=86_400.0) == LONGEST_ASKED_S
    assert breaker.failed("429", asked_s=0.01) == FIRST_WAIT_S * 2**3


def test_how_long_it_fails_counts_from_the_first_failure_of_those_in_a_row() -> None:
    breaker, clock, _ = broken(3)
    clock.sleep(10.0)
    assert breaker.failing_s == pytest.approx(10.0 + 0.2 + 0.4)


class Resending(MemorySink):
    """A sink that is down, and counts who asks it all the same."""

    asked = 0

    def resend(self, letter: DeadLetter) -> None:
        self.asked += 1

    def withdraw(self, name: TableName, rows: pa.Table) -> None:
        self.asked += 1


def test_replays_and_withdrawals_do_not_ask_a_sink_whose_circuit_is_open_and_the_status_says_so(tmp_path: Path) -> None:
    sink = Resending(down=True)
    letter = DeadLetter("document", "mapping", b"{}", {"sink": "memory"})
    with open_stream(tmp_path, sink) as stream:
        stream.replay(letter, "one")
        assert sink.asked == 1
        stream.put(events(0, 5))
        assert wait_for(lambda: told(stream, "memory")["circuit"] == "open")
        assert 0 < told(stream, "memory")["next_try_s"] <= LONGEST_WAIT_S
        for ask in (lambda: stream.replay(letter, "one"), lambda: stream.withdraw("logs", numbered(0, 1))):
            with pytest.raises(TransientError, match=r"memory failed . times in a row"):
                ask()
        assert sink.asked == 1
        sink.down = False
        assert wait_for(lambda: told(stream, "memory")["circuit"] == "closed")
        assert told(stream, "lake")["circuit"] == "closed"
        stream.replay(letter, "one")
    assert sink.asked == 2


def told(stream: LocalFirehose, name: str) -> dict[str, Any]:
    (found,) = (sink for sink in stream.status()["sinks"] if sink["name"] == name)
    return dict(found)
