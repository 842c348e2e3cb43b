"""Texts escaped for JSON are what an encoder of JSON writes, wherever in a column they stand."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose.json_text import escaped

LETTERS = st.text(alphabet='ab"\\\n\r\t\x00\x1f\x7f\u00e9\u20ac\U0001f600\u2028/', max_size=12)


@given(st.lists(st.one_of(st.none(), LETTERS, st.text(max_size=6)), max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_each_text_is_escaped_and_nulls_stay(texts: list[str | None], start: int, count: int) -> None:
    column = pa.array(texts, pa.string()).slice(start, count)
    found = escaped(column)
    found.validate(full=True)
    assert [None if text is None else json.loads(f'"{text}"') for text in found.to_pylist()] == column.to_pylist()


@pytest.mark.parametrize("text", ["plain", 'quo"te', "back\\slash", "tab\t feed\n return\r", "nul\x00 esc\x1b", "\u00fcn\u00ef \u2028"])
def test_a_text_is_escaped_where_it_must_be_and_nothing_else(text: str) -> None:
    assert escaped(pa.array(["a", None, text, ""]).slice(1)).to_pylist() == [None, json.dumps(text, ensure_ascii=False)[1:-1], ""]
