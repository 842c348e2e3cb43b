"""What is beyond a quota waits, is sampled or is a dead letter, and the ledger has it under the quota's name."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.collector import Collector, Summary
from collectors.lines import Lines, Origin
from collectors.meter import SAVE_EVERY_S, Meter
from collectors.rules.quota import Quota
from collectors.rules.rule_file import parse_rules
from collectors.steps import Work
from firehose import LocalFirehose
from firehose.delivery import Delivery, MemoryStream
from tailrace.clock import US_PER_DAY, ManualClock
from tailrace.errors import FileError, TransientError
from tailrace.fields import AttributeRegister
from tailrace.ledger import open_ledger
from tailrace.yaml_file import parse_yaml
from tests.collectors.sources.test_files import Rows
from tests.firehose.deliveries import quick

NOON_US = 20_000 * US_PER_DAY + US_PER_DAY // 2


class Place:
    """A collector with quotas, a clock that stands still, and what was put."""

    def __init__(self, *quotas: Quota, path: Path | None = None, stream: Any = None) -> None:
        self.clock, self.stream = ManualClock(NOON_US), stream or MemoryStream()
        self.meter = Meter(quotas, self.clock, path)
        self.sut = Collector(self.stream, Work(Rows, meter=self.meter), AttributeRegister(), self.clock)
        self.number = 0

    def collect(self, count: int, source: str = "file:a", size: int = 10) -> Summary:
        ids = [f"{source}-{number}" for number in range(self.number, self.number + count)]
        self.number += count
        lines = Lines(Origin(source, "file"), self.clock.now_us(), pa.array(["x" * size] * count), pa.array(ids), pa.nulls(count, pa.timestamp("us")))
        return self.sut.collect_lines(lines)

    @property
    def dropped(self) -> Counter[str]:
        found = Counter[str]()
        for delivery in self.stream.deliveries:
            for count in delivery.counts:
                assert count.balanced
                found.update(count.dropped)
        return found


def test_events_beyond_a_rate_are_dropped_under_the_quotas_name_and_room_comes_back() -> None:
    place = Place(Quota("quota:q", events_per_s=2, over_s=5, beyond="sample"))
    assert place.collect(25).events == 10
    assert place.collect(5).events == 0
    place.clock.sleep(3)
    assert place.collect(25).events == 6
    place.clock.sleep(1_000)
    assert place.collect(25).events == 10
    assert place.dropped == {"quota:q": 80 - 26}


def test_a_sample_of_what_is_beyond_is_kept_by_the_events_ids() -> None:
    place = Place(Quota("quota:q", events_per_s=1, over_s=1, beyond="sample", keep=0.1))
    events = place.collect(4_000).events
    assert 300 < events < 500
    assert place.dropped == {"quota:q": 4_000 - events}


def test_each_source_is_counted_for_itself_and_others_not_at_all() -> None:
    place = Place(
        Quota("quota:one", "file:a*", events_per_s=1, over_s=2, beyond="sample"), Quota("quota:all", "file:*", events_per_s=1, over_s=4, beyond="sample")
    )
    found = [place.collect(9, source).events for source in ("file:a", "file:ab", "file:b", "stdin")]
    assert found == [2, 2, 4, 9]
    assert place.dropped == {"quota:one": 14, "quota:all": 5}


def test_a_delayed_source_is_told_to_come_again_and_nothing_of_it_is_taken() -> None:
    place = Place(Quota("quota:q", events_per_s=10, over_s=1))
    assert place.collect(25).events == 25
    with pytest.raises(TransientError, match="beyond its quota 'q'"):
        place.collect(1)
    place.clock.sleep(1.4)
    with pytest.raises(TransientError):
        place.collect(1)
    place.clock.sleep(0.3)
    assert place.collect(3).events == 3
    assert len(place.stream.deliveries) == 2
    assert place.meter.status()[0]["delayed"] == 2


def test_bytes_are_counted_by_the_day_and_the_count_outlives_the_process(tmp_path: Path) -> None:
    quota, path = Quota("quota:q", bytes_per_day=100, beyond="sample"), tmp_path / "home" / "quotas.json"
    place = Place(quota, path=path)
    assert place.collect(7).events == 7
    place.clock.sleep(SAVE_EVERY_S)
    assert place.collect(1).events == 1
    again = Place(quota, path=path)
    assert again.collect(5).events == 2
    again.sut.close()
    assert Place(quota, path=path).meter.status() == [{"source": "file:a", "quota": "q", "bytes_today": 100, "beyond": 0, "delayed": 0}]
    again.clock.sleep(12 * 3_600)
    assert again.collect(12).events == 10


def test_bytes_of_a_day_that_are_used_up_delay_until_the_next() -> None:
    place = Place(Quota("quota:q", bytes_per_day=100))
    place.collect(12)
    with pytest.raises(TransientError):
        place.collect(1)
    place.clock.sleep(12 * 3_600)
    assert place.collect(1).events == 1


def test_a_count_that_cannot_be_read_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "quotas.json"
    path.write_text("{")
    assert Place(Quota("quota:q", bytes_per_day=100, beyond="sample"), path=path).collect(20).events == 10


def test_what_could_not_be_put_does_not_count() -> None:
    class Full(MemoryStream):
        full = True

        def put(self, delivery: Delivery) -> None:
            if self.full:
                raise TransientError("the spool is full")
            super().put(delivery)

    stream = Full()
    place = Place(Quota("quota:q", events_per_s=1, over_s=10, bytes_per_day=100, beyond="sample"), stream=stream)
    for _ in range(3):
        with pytest.raises(TransientError):
            place.collect(10)
    stream.full = False
    assert place.collect(10).events == 10


def test_what_is_beyond_is_a_dead_letter_that_can_be_replayed_and_the_ledger_says_so(tmp_path: Path) -> None:
    with LocalFirehose(quick(tmp_path), ManualClock(NOON_US)) as stream:
        place = Place(Quota("quota:q", events_per_s=1, over_s=3, beyond="dead"), stream=stream)
        summary = place.collect(5)
        assert stream.flush()
        ledger = open_ledger(tmp_path / "ledger.sqlite")
        (row,) = [row for row in ledger.rows().to_pylist() if row["rule"] == "quota:q"]
        assert (row["hop"], row["unit"], row["count_in"], row["dead"]) == ("collect", "events", 2, 2)
        assert ledger.check().balanced
        assert (summary.events, [letter.body for letter in summary.dead]) == (3, [b"x" * 10] * 2)
        assert "beyond the quota 'q'" in summary.dead[0].reason
        assert place.sut.replay(summary.dead[0]).events == 1
        assert stream.flush()
        assert ledger.check().balanced


@given(
    beyond=st.sampled_from(["delay", "sample", "dead"]),
    rate=st.floats(0.1, 50),
    nbytes=st.floats(1, 2_000),
    batches=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 40), st.floats(0, 50)), min_size=1, max_size=12),
)
def test_whatever_comes_every_line_is_accounted_for_and_the_quota_holds(beyond: Any, rate: float, nbytes: float, batches: list[tuple[int, int, float]]) -> None:
    place = Place(Quota("quota:q", events_per_s=rate, over_s=10, bytes_per_day=nbytes, beyond=beyond))
    came, put, dead, volume, passed = 0, 0, 0, 0, 0.0
    for count, size, wait_s in batches:
        place.clock.sleep(wait_s)
        passed += wait_s
        try:
            summary = place.collect(count, size=size)
        except TransientError:
            assert beyond == "delay"
            continue
        came, put, dead, volume = came + count, put + summary.events, dead + len(summary.dead), volume + summary.events * size
    assert came == put + dead + sum(place.dropped.values())
    if beyond != "delay":
        assert put <= (passed + 10) * rate + 1
        assert volume <= nbytes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{source: x}", "a quota needs a name"),
        ("{name: q}", "limits events_per_s"),
        ("{name: q, events_per_s: 0}", "above 0"),
        ("{name: q, events_per_s: yes}", "above 0"),
        ("{name: q, events_per_s: 1, over_s: 100000}", "at most 86400"),
        ("{name: q, bytes_per_day: 5 XB}", "500 MB"),
        ("{name: q, bytes_per_day: GB}", "500 MB"),
        ("{name: q, events_per_s: 1, beyond: drop}", "delay, sample, dead"),
        ("{name: q, events_per_s: 1, keep: 0.5}", "goes with beyond: sample"),
        ("{name: q, events_per_s: 1, beyond: sample, keep: 1}", "below 1"),
        ("{name: q, evnts_per_s: 1}", "events_per_s"),
        ("{name: q, events_per_s: 1}, {name: q, events_per_s: 1}", "two quotas"),
    ],
)
def test_a_quota_that_is_wrong_is_said_with_its_place(text: str, message: str) -> None:
    with pytest.raises(FileError, match=message) as raised:
        parse_rules(parse_yaml(f"quotas: [{text}]".encode(), "pipeline.yaml"), Path())
    assert raised.value.line == 1


def test_bytes_may_be_written_with_their_unit() -> None:
    rules = parse_rules(parse_yaml(b"quotas: [{name: a, bytes_per_day: 1.5 GB}, {name: b, bytes_per_day: 2 KiB}]", "p"), Path())
    assert [quota.bytes_per_day for quota in rules.quotas] == [1.5e9, 2_048]
