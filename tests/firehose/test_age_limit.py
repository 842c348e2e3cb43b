"""Input is refused while a row waits longer for a sink than it may, and taken again when the sink has it."""

from pathlib import Path

import pytest

from firehose import LocalFirehose
from firehose.age_limit import LOOK_EVERY_S, AgeLimit
from tailrace.clock import US_PER_S, ManualClock, SystemClock
from tailrace.errors import TransientError
from tests.firehose.deliveries import events
from tests.firehose.test_delivery_stream import MemorySink, open_stream, wait_for


class Rows:
    """When the oldest row of a sink was received, and how often that was asked."""

    def __init__(self, oldest_us: int | None) -> None:
        self.oldest_us, self.asked = oldest_us, 0

    def __call__(self) -> list[tuple[str, int | None]]:
        self.asked += 1
        return [("lake", None), ("opensearch", self.oldest_us)]


@pytest.mark.parametrize(("max_age_s", "age_s", "taken"), [(60, 59, True), (60, 61, False), (0, 1_000_000, True), (60, -5, True)])
def test_it_refuses_beyond_the_age_and_not_before(max_age_s: float, age_s: float, taken: bool) -> None:
    clock = ManualClock()
    limit = AgeLimit(max_age_s, clock, Rows(clock.now_us() - int(age_s * US_PER_S)))
    if taken:
        limit.check()
    else:
        with pytest.raises(TransientError, match="a row waits for opensearch since 61 s, and may for 60") as raised:
            limit.check()
        assert raised.value.retry_after_s == LOOK_EVERY_S


def test_it_looks_once_a_second_however_many_puts_there_are_and_takes_again() -> None:
    clock = ManualClock()
    rows = Rows(clock.now_us() - 100 * US_PER_S)
    limit = AgeLimit(60, clock, rows)
    for _ in range(5):
        with pytest.raises(TransientError):
            limit.check()
    assert (rows.asked, limit.refused) == (1, 5)
    rows.oldest_us = None
    clock.sleep(LOOK_EVERY_S)
    limit.check()
    assert rows.asked == 2


def test_a_stream_refuses_while_a_sink_is_down_says_why_and_loses_nothing(tmp_path: Path) -> None:
    sink = MemorySink(down=True)
    with open_stream(tmp_path, sink, spool_max_age_s=3_600.0) as stream:
        stream.put(events(0, 5))  # its receipt is long ago
        assert wait_for(lambda: _refused(stream))
        spool = stream.status()["spool"]
        assert spool["refused"] >= 1
        assert "a row waits for memory" in spool["error"]
        sink.down = False
        assert wait_for(lambda: not _refused(stream))
        assert stream.status()["spool"]["error"] == ""
        assert stream.flush()
    assert sorted(set(sink.ids)) == sorted(f"e-{n}" for n in (*range(5), 100))


def _refused(stream: LocalFirehose) -> bool:
    try:
        stream.put(events(100, 1, received_us=SystemClock().now_us()))
    except TransientError:
        return True
    return False
