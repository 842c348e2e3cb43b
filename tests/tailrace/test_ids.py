"""Trace ids are one number in every notation; event ids come from positions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.ids import normal_span_id, normal_trace_id, position_event_id, xray_trace_id

HEX32 = "6b02b77763f651453a9bbc6c80be111a"


@pytest.mark.parametrize(
    "text",
    [
        HEX32,
        HEX32.upper(),
        "1-6b02b777-63f651453a9bbc6c80be111a",
        "Root=1-6b02b777-63f651453a9bbc6c80be111a;Parent=53995c3f42cd8ad8;Sampled=1",
        "Self=1-0-0;Root=1-6b02b777-63f651453a9bbc6c80be111a",
        f"00-{HEX32}-53995c3f42cd8ad8-01",
        f" {HEX32}\n",
    ],
)
def test_every_notation_is_the_same_trace(text: str) -> None:
    assert normal_trace_id(text) == HEX32


@pytest.mark.parametrize("text", ["", "-", "0" * 32, "1-6b02b777-xyz", HEX32 + "0", "Root="])
def test_what_is_no_trace_id_is_none(text: str) -> None:
    assert normal_trace_id(text) is None


@given(st.text())
def test_any_text_is_a_trace_id_or_none(text: str) -> None:
    found = normal_trace_id(text)
    assert found is None or normal_trace_id(xray_trace_id(found)) == found


def test_span_ids_are_sixteen_hex_digits() -> None:
    assert normal_span_id("53995C3F42CD8AD8") == "53995c3f42cd8ad8"
    assert normal_span_id("0" * 16) is None
    assert normal_span_id("53995c3f") is None


def test_an_event_id_depends_on_every_part_and_their_borders() -> None:
    assert position_event_id("a", 1) == position_event_id("a", "1")
    assert position_event_id("ab", "c") != position_event_id("a", "bc")
    assert len(position_event_id("\ud800")) == 32
