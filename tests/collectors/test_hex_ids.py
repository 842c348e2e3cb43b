"""Columns of ids of one form are read as each id is alone."""

from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.arrays import AnyArray
from collectors.columns import to_span_id, to_trace_id
from collectors.hex_ids import whole_span_ids, whole_trace_ids

HEX = "6b02b77763f651453a9bbc6c80be111a"
FORMS = (HEX, f"1-{HEX[:8]}-{HEX[8:]}", f"Root=1-{HEX[:8]}-{HEX[8:]}", HEX[:16])
NEARLY = st.tuples(st.sampled_from(FORMS), st.integers(0, 39), st.sampled_from(["", "0", "-", "A", "g", "é", "="])).map(
    lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + 1 :]
)
OTHERS = st.sampled_from(["0" * 32, "0" * 16, "1-00000000-" + "0" * 24, "Root=1-00000000-" + "0" * 24, ""])


@st.composite
def columns(draw: st.DrawFn) -> AnyArray:
    """Mostly of one form, a few of others, cut out of a longer column."""
    form = st.just(draw(st.sampled_from(FORMS)))
    odd = st.one_of(st.none(), NEARLY, OTHERS) if draw(st.booleans()) else st.none()
    texts = draw(st.lists(st.one_of(form, form, odd), min_size=1, max_size=8))
    start = draw(st.integers(0, len(texts) - 1))
    return pa.array(texts, pa.string()).slice(start)


@pytest.mark.parametrize("read", [to_trace_id, to_span_id])
@given(texts=columns())
def test_a_column_is_read_as_each_id_alone(read: Callable[[AnyArray], tuple[AnyArray, AnyArray | None]], texts: AnyArray) -> None:
    values, bad = read(texts)
    values.validate(full=True)
    alone = [read(pa.array([text, "~"], pa.string())) for text in texts.to_pylist()]
    assert values.to_pylist() == [one[0].as_py() for one, _ in alone]
    assert (bad.to_pylist() if bad is not None else [False] * len(texts)) == [no is not None and bool(no[0].as_py()) for _, no in alone]


def test_ids_of_one_form_are_read_at_once() -> None:
    for form in FORMS[:3]:
        found = whole_trace_ids(pa.array([form, None, form], pa.string()))
        assert found is not None
        assert found.to_pylist() == [HEX, None, HEX]
    assert whole_span_ids(pa.array([FORMS[3]], pa.string())) is not None


@pytest.mark.parametrize("texts", [[HEX, HEX[:31]], [FORMS[1], FORMS[2]], ["0" * 32], [None], [HEX.upper()], [FORMS[2].replace("R", "r")]])
def test_others_are_not(texts: list[str | None]) -> None:
    assert whole_trace_ids(pa.array(texts, pa.string())) is None
