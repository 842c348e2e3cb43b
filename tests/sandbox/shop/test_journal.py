"""The journal keeps to the limits of PutLogEvents, in order, and loses nothing that it can hold."""

from collections.abc import Sequence

import orjson
from botocore.exceptions import EndpointConnectionError

from sandbox.shop import journal
from sandbox.shop.journal import MAX_BYTES, MAX_EVENTS, Event, Journal, LogStream, first_batch
from tailrace.aws import client
from tailrace.clock import US_PER_S, ManualClock, SystemClock
from tailrace.settings import Settings
from tests.sandbox.conftest import wait_until


class Taken:
    """A log stream in memory, that may refuse."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.refuses = 0

    def send(self, events: Sequence[Event]) -> bool:
        if self.refuses:
            self.refuses -= 1
            return False
        self.events.extend(events)
        return True


def test_a_batch_ends_at_the_limit_of_bytes() -> None:
    events = [(1, "x" * (MAX_BYTES // 4))] * 5
    assert len(first_batch(events)) == 3


def test_a_batch_ends_at_the_limit_of_events() -> None:
    assert len(first_batch([(1, "x")] * (MAX_EVENTS + 5))) == MAX_EVENTS


def test_a_batch_is_in_chronological_order() -> None:
    assert first_batch([(2, "b"), (1, "a")]) == [(1, "a"), (2, "b")]


def test_lines_are_sent_in_order_also_after_a_refusal() -> None:
    stream, clock = Taken(), ManualClock()
    stream.refuses = 1
    written = Journal("web", stream, clock)
    for number in range(5):
        clock.sleep(0.001)
        written.write(str(number))
    assert not written.send_waiting()
    assert written.send_waiting()
    assert not written.send_waiting()
    assert [line for _, line in stream.events] == ["0", "1", "2", "3", "4"]


def test_beyond_what_it_holds_the_oldest_are_given_up_and_counted() -> None:
    written = Journal("web", Taken(), ManualClock())
    for number in range(journal.MAX_WAITING + 3):
        written.write(str(number))
    assert written.given_up == 3


def test_a_line_is_json_with_the_time_of_the_clock() -> None:
    line = Journal("web", Taken(), ManualClock(1_790_000_000 * US_PER_S)).line("INFO", "hello", {"n": 1})
    assert orjson.loads(line) == {"timestamp": "2026-09-21T14:13:20.000Z", "level": "INFO", "service": "web", "message": "hello", "n": 1}


def test_a_log_stream_that_is_not_there_is_made(emulator: Settings) -> None:
    logs = client("logs", emulator)
    stream = LogStream(logs, "/shop/web", "new-one")
    now_ms = SystemClock().now_us() // 1_000
    assert not stream.send([(now_ms, "a")])
    assert stream.send([(now_ms, "a")])
    assert [event["message"] for event in logs.get_log_events(logGroupName="/shop/web", logStreamName="new-one")["events"]] == ["a"]


def test_no_answer_is_no_error() -> None:
    class Nobody:
        def put_log_events(self, **_: object) -> None:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    assert not LogStream(Nobody(), "g", "s").send([(1, "a")])  # type: ignore[arg-type]


def test_the_thread_sends_what_is_written() -> None:
    stream = Taken()
    stream.refuses = 1
    written = Journal("web", stream, SystemClock())
    written.start()
    written.write("a")
    wait_until(lambda: len(stream.events) == 1, 5)
