"""The window of a frequency rule: half open, late hits in their place, 2N hits are two matches."""

from hypothesis import given
from hypothesis import strategies as st

from alerts.rule import FrequencyType, Hit
from alerts.rules import frequency
from alerts.rules.frequency import Window

HOUR = 3_600_000_000
RULE = FrequencyType(3, HOUR)


def hits(*times: int) -> list[Hit]:
    return [Hit(f"{number}", time_us, {"n": number}) for number, time_us in enumerate(times)]


def test_hits_exactly_a_timeframe_apart_do_not_count_together() -> None:
    assert not frequency.step(RULE, "", Window(), hits(0, 1, HOUR))
    assert len(frequency.step(RULE, "", Window(), hits(0, 1, HOUR - 1))) == 1


def test_twice_as_many_hits_are_two_matches_and_one_less_is_one() -> None:
    assert len(frequency.step(RULE, "", Window(), hits(*range(6)))) == 2
    assert len(frequency.step(RULE, "", Window(), hits(*range(5)))) == 1


def test_the_match_is_the_newest_hit_by_its_time_not_the_last_to_come() -> None:
    (match,) = frequency.step(RULE, "k", Window(), hits(10, 30, 20))
    assert (match.time_us, match.document, match.key, match.count) == (30, {"n": 1}, "k", 3)


def test_a_hit_older_than_the_window_forgets_itself() -> None:
    window = Window()
    frequency.step(RULE, "", window, hits(5 * HOUR, HOUR))
    assert window.times == [5 * HOUR]


def test_a_window_is_over_when_nothing_in_it_can_count() -> None:
    window = Window()
    assert frequency.is_over(RULE, window, 0)
    frequency.step(RULE, "", window, hits(0))
    assert not frequency.is_over(RULE, window, HOUR)
    assert frequency.is_over(RULE, window, HOUR + 1)


@given(st.lists(st.integers(0, 3 * HOUR), max_size=60), st.data())
def test_where_batches_are_cut_does_not_change_the_matches(times: list[int], data: st.DataObject) -> None:
    whole = frequency.step(RULE, "", Window(), hits(*times))
    window, cut = Window(), data.draw(st.integers(0, len(times)))
    parts = hits(*times)
    assert frequency.step(RULE, "", window, parts[:cut]) + frequency.step(RULE, "", window, parts[cut:]) == whole
    assert len(whole) <= len(times) // RULE.num_events
