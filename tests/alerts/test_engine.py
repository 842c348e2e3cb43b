"""Runs of rules: what fires, what is silent, what survives a restart."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from alerts.engine import Run, run_all, run_rule
from alerts.rule import AlertText, AnyType, ChannelOptions, FrequencyType, Rule
from alerts.state import AlertState
from queries.targets import resolve
from tailrace.clock import US_PER_S
from tests.alerts.memory_engine import MemoryEngine

NOW = 1_790_000_000 * US_PER_S
MINUTE = 60 * US_PER_S


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine()


@pytest.fixture
def state(tmp_path: Path) -> AlertState:
    return AlertState(tmp_path / "alerts.sqlite")


def rule_of(kind: AnyType | FrequencyType, **changes: Any) -> Rule:
    channel = ChannelOptions("console", MappingProxyType({}))
    rule = Rule("r", "r.yaml", resolve("logs*"), kind, ({"term": {"severity_text": "ERROR"}},), (channel,), AlertText(subject="{}", subject_args=("message",)))
    return replace(rule, **changes)


def errors(engine: MemoryEngine, count: int, first_us: int, *, every_us: int = US_PER_S, fields: Mapping[str, str] = MappingProxyType({})) -> None:
    for number in range(count):
        time_us = first_us + number * every_us
        engine.add(f"{dict(fields)}-{time_us}", time_us, severity_text="ERROR", message=f"m{number}", **fields)


ANY = rule_of(AnyType(), realert_us=0)
THREE = rule_of(FrequencyType(3, MINUTE), realert_us=0)


def test_every_hit_of_an_any_rule_is_a_match_once(engine: MemoryEngine, state: AlertState) -> None:
    errors(engine, 3, NOW - MINUTE)
    engine.add("fine", NOW - MINUTE, severity_text="INFO")
    assert run_rule(engine, state, ANY, NOW) == Run("r", hits=3, matches=3, notices=3)
    assert run_rule(engine, state, ANY, NOW + US_PER_S) == Run("r")


def test_rows_beyond_one_page_are_all_judged(engine: MemoryEngine, state: AlertState) -> None:
    errors(engine, 2_500, NOW - 2_600 * 1_000, every_us=1_000)
    assert run_rule(engine, state, rule_of(AnyType()), NOW).matches == 2_500


def test_a_row_that_comes_late_is_judged_once(engine: MemoryEngine, state: AlertState) -> None:
    run_rule(engine, state, ANY, NOW)
    engine.add("late", NOW - 5 * MINUTE, observed_us=NOW + US_PER_S, severity_text="ERROR", message="late")
    assert run_rule(engine, state, ANY, NOW + 2 * US_PER_S).matches == 1
    assert run_rule(engine, state, ANY, NOW + 4 * US_PER_S).matches == 0


def test_a_row_that_becomes_searchable_late_is_judged(engine: MemoryEngine, state: AlertState) -> None:
    run_rule(engine, state, ANY, NOW)
    engine.add("slow", NOW - US_PER_S, observed_us=NOW - US_PER_S, severity_text="ERROR", message="slow")
    assert run_rule(engine, state, ANY, NOW + US_PER_S).matches == 1


def test_frequency_counts_across_runs(engine: MemoryEngine, state: AlertState) -> None:
    errors(engine, 2, NOW)
    assert run_rule(engine, state, THREE, NOW + 2 * US_PER_S).matches == 0
    errors(engine, 1, NOW + 10 * US_PER_S)
    assert run_rule(engine, state, THREE, NOW + 11 * US_PER_S).matches == 1


def test_a_window_survives_a_restart(engine: MemoryEngine, tmp_path: Path) -> None:
    errors(engine, 2, NOW)
    before = AlertState(tmp_path / "a.sqlite")
    run_rule(engine, before, THREE, NOW + 2 * US_PER_S)
    before.close()
    after = AlertState(tmp_path / "a.sqlite")
    errors(engine, 1, NOW + 10 * US_PER_S)
    assert run_rule(engine, after, THREE, NOW + 11 * US_PER_S).matches == 1


def test_a_changed_rule_starts_with_empty_windows(engine: MemoryEngine, state: AlertState) -> None:
    errors(engine, 2, NOW)
    run_rule(engine, state, THREE, NOW + 2 * US_PER_S)
    errors(engine, 1, NOW + 10 * US_PER_S)
    changed = replace(THREE, type=FrequencyType(3, 2 * MINUTE))
    assert run_rule(engine, state, changed, NOW + 11 * US_PER_S).matches == 0


def test_keys_count_apart(engine: MemoryEngine, state: AlertState) -> None:
    rule = replace(THREE, query_key=("service.name",))
    errors(engine, 2, NOW, fields={"service.name": "cart"})
    errors(engine, 3, NOW, fields={"service.name": "mail"})
    assert run_rule(engine, state, rule, NOW + 4 * US_PER_S).matches == 1
    (alert,) = state.alerts()
    assert (alert.key, alert.state, alert.matches) == ("mail", "firing", 1)


def test_a_key_of_several_fields_joins_them_and_names_what_is_missing(engine: MemoryEngine, state: AlertState) -> None:
    errors(engine, 1, NOW, fields={"service.name": "cart"})
    run_rule(engine, state, replace(ANY, query_key=("service.name", "host.name")), NOW + US_PER_S)
    assert state.alerts()[0].key == "cart, None"


def test_realert_silences_the_same_key_and_counts_what_it_swallows(engine: MemoryEngine, state: AlertState) -> None:
    rule = replace(ANY, realert_us=MINUTE)
    errors(engine, 3, NOW)
    assert run_rule(engine, state, rule, NOW + 3 * US_PER_S) == Run("r", hits=3, matches=3, suppressed=2, notices=1)
    (alert,) = state.alerts()
    assert (alert.matches, alert.suppressed) == (3, 2)
    errors(engine, 1, NOW + 2 * MINUTE)
    assert run_rule(engine, state, rule, NOW + 2 * MINUTE + US_PER_S).notices == 1


def test_a_person_can_silence_all_keys_of_a_rule(engine: MemoryEngine, state: AlertState) -> None:
    state.silence("r", "", NOW + MINUTE, "ada")
    errors(engine, 1, NOW)
    assert run_rule(engine, state, replace(ANY, query_key=("message",)), NOW + US_PER_S).suppressed == 1
    assert state.silences(NOW) == [("r", "", NOW + MINUTE, "ada")]


def test_an_alert_is_resolved_after_quiet_and_says_so_if_asked(engine: MemoryEngine, state: AlertState) -> None:
    rule = replace(ANY, resolve_after_us=5 * MINUTE, alert_on_resolve=True)
    errors(engine, 1, NOW)
    run_rule(engine, state, rule, NOW + US_PER_S)
    assert run_rule(engine, state, rule, NOW + 3 * MINUTE).resolved == 0
    assert run_rule(engine, state, rule, NOW + 6 * MINUTE).resolved == 1
    (alert,) = state.alerts(state="resolved")
    assert alert.resolved_us == NOW + 6 * MINUTE
    assert [notice.kind for notice in state.notices()] == ["resolved", "firing"]
    errors(engine, 1, NOW + 7 * MINUTE)
    run_rule(engine, state, rule, NOW + 7 * MINUTE + US_PER_S)
    assert len(state.alerts(state="firing")) == 1
    assert len(state.alerts()) == 2


def test_a_rule_whose_search_fails_reads_from_the_same_place_next_time(engine: MemoryEngine, state: AlertState) -> None:
    run_rule(engine, state, ANY, NOW)
    engine.is_down = True
    errors(engine, 1, NOW + US_PER_S)
    (run,) = run_all(engine, state, [ANY, replace(ANY, name="off", is_enabled=False)], _At(NOW + 2 * US_PER_S))
    assert run.error == "the engine is down"
    assert state.rule_runs()["r"] == (NOW + 2 * US_PER_S, "the engine is down")
    engine.is_down = False
    assert run_rule(engine, state, ANY, NOW + 3 * US_PER_S).matches == 1
    assert state.rule_runs()["r"][1] == ""


def test_a_window_whose_time_is_over_is_forgotten(engine: MemoryEngine, state: AlertState) -> None:
    errors(engine, 1, NOW)
    run_rule(engine, state, THREE, NOW + US_PER_S)
    assert state.window_keys("r") == [""]
    run_rule(engine, state, THREE, NOW + 2 * MINUTE)
    assert state.window_keys("r") == []


class _At:
    def __init__(self, now_us: int) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        return self._now_us

    def monotonic_s(self) -> float:
        return self._now_us / US_PER_S

    def sleep(self, seconds: float) -> None:
        self._now_us += round(seconds * US_PER_S)
