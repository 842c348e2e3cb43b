"""Attributes that are joined from columns are the JSON that json.dumps would write."""

import json
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from collectors.attributes import json_objects
from tailrace.schema import FieldType

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
KINDS: dict[FieldType, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    FieldType.KEYWORD: (pa.string(), TEXTS),
    FieldType.LONG: (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    FieldType.DOUBLE: (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    FieldType.BOOLEAN: (pa.bool_(), st.booleans()),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, tuple[FieldType, list[Any]]], list[dict[str, Any] | None]]:
    rows = draw(st.integers(1, 6))
    names = draw(st.lists(st.sampled_from(["a", "b.c", 'q"', "back\\", "é", "line\n"]), unique=True, min_size=1, max_size=4))
    columns = {}
    for name in names:
        kind = draw(st.sampled_from(list(KINDS)))
        columns[name] = (kind, draw(st.lists(st.one_of(st.none(), KINDS[kind][1]), min_size=rows, max_size=rows)))
    objects = draw(st.lists(st.one_of(st.none(), st.dictionaries(st.sampled_from(["x", "y"]), TEXTS, min_size=1)), min_size=rows, max_size=rows))
    return columns, objects


@given(table=tables(), beside=st.booleans())
def test_objects_are_what_json_would_write(table: tuple[dict[str, tuple[FieldType, list[Any]]], list[dict[str, Any] | None]], beside: bool) -> None:
    columns, objects = table
    arrays = {name: (kind, pa.array(values, KINDS[kind][0])) for name, (kind, values) in columns.items()}
    texts = pa.array([None if value is None else json.dumps(value) for value in objects], pa.string()) if beside else None
    for number, found in enumerate(json_objects(arrays, texts).to_pylist()):
        own = {name: values[number] for name, (_, values) in columns.items() if values[number] is not None}
        expected = own | ((objects[number] or {}) if beside else {})
        assert (json.loads(found) if found is not None else {}) == expected
        assert expected or found is None


@given(
    st.lists(st.tuples(st.sampled_from([1, 1, 1, 2, None]), st.sampled_from(["x", "x", 'y"', None])), min_size=1, max_size=80),
    st.integers(20, 1_500),
    st.sampled_from([1, None]),
)
def test_few_rows_without_a_member_are_made_anew(odd: list[tuple[int | None, str | None]], many: int, last: int | None) -> None:
    rows = [*((7, "same") for _ in range(many)), *odd, *((7, "same") for _ in range(many)), (last, "same")]
    numbers, texts = (list(values) for values in zip(*rows, strict=True))
    arrays: dict[str, tuple[FieldType, Any]] = {
        "n": (FieldType.LONG, pa.array(numbers, pa.int64())),
        "t": (FieldType.KEYWORD, pa.array(texts, pa.string())),
        "d": (FieldType.KEYWORD, pa.array(texts[::-1], pa.string())),
    }
    expected = [
        {name: value for name, value in (("n", n), ("t", t), ("d", d)) if value is not None} for n, t, d in zip(numbers, texts, texts[::-1], strict=True)
    ]
    found = json_objects(arrays, None).to_pylist()
    assert [json.loads(str(text)) if text is not None else {} for text in found] == expected
