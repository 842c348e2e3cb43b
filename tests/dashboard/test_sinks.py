"""Of each sink it is said how it is, and why."""

from typing import Any

import pytest

from dashboard.panels.sinks import frame, state_of

UP: dict[str, Any] = {"name": "lake", "state": "up", "error": "", "behind_rows": 0, "oldest_age_s": 0.0, "alive": True, "circuit": "closed", "next_try_s": 0.0}


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({}, "up"),
        ({"state": "failing", "next_try_s": 0.4}, "failing"),
        ({"state": "failing", "circuit": "open", "next_try_s": 11.6}, "failing, tried again in 12 s"),
        ({"state": "failing", "circuit": "half-open"}, "failing"),
        ({"alive": False}, "its thread has died"),
    ],
)
def test_the_state_of_a_sink_is_a_few_words(told: dict[str, Any], state: str) -> None:
    assert state_of({**UP, **told}) == state


def test_a_sink_is_a_row_with_what_went_wrong() -> None:
    failing = {**UP, "name": "opensearch", "state": "failing", "error": "503 " + "x" * 1_000, "behind_rows": 12_000, "oldest_age_s": 31.4}
    found = frame([UP, failing])
    assert found["Sink"].tolist() == ["lake", "opensearch"]
    assert (found["Rows behind"][1], found["Oldest waits"][1], len(found["Why"][1])) == (12_000, 31.4, 500)
