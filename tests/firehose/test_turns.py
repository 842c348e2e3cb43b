"""The turn to commit: those whose work is done wake together, the others one after the other in the order in which they came."""

import queue
import threading

from firehose.turns import Turns, Waiter

WITHIN_S = 10.0


def waiting(turns: Turns, waiters: list[Waiter]) -> "queue.SimpleQueue[tuple[int, bool]]":
    answers: queue.SimpleQueue[tuple[int, bool]] = queue.SimpleQueue()
    for number, waiter in enumerate(waiters):
        threading.Thread(target=lambda number=number, waiter=waiter: answers.put((number, turns.leads(waiter))), daemon=True).start()
        while len(turns._waiting) <= number:
            pass
    return answers


def test_who_is_done_does_not_lead_and_who_comes_first_does() -> None:
    turns = Turns()
    assert not turns.leads(Waiter(done=True))
    assert turns.leads(Waiter())


def test_those_that_are_done_wake_together_with_the_first_that_is_not() -> None:
    turns, waiters = Turns(), [Waiter() for _ in range(6)]
    assert turns.leads(Waiter())
    answers = waiting(turns, waiters)
    for number in (0, 2, 5):
        waiters[number].done = True
    turns.hand_over()
    assert sorted(answers.get(timeout=WITHIN_S) for _ in range(4)) == [(0, False), (1, True), (2, False), (5, False)]
    assert answers.empty()
    turns.hand_over()
    assert answers.get(timeout=WITHIN_S) == (3, True)
    turns.hand_over()
    assert answers.get(timeout=WITHIN_S) == (4, True)
    turns.hand_over()
    assert turns.leads(Waiter())


def test_who_is_interrupted_holds_up_nobody() -> None:
    turns, waiters = Turns(), [Waiter() for _ in range(3)]
    assert turns.leads(Waiter())
    answers = waiting(turns, waiters)
    turns.leave(waiters[0])
    turns.hand_over()
    assert answers.get(timeout=WITHIN_S) == (1, True)
    turns.leave(waiters[1])
    assert answers.get(timeout=WITHIN_S) == (2, True)
