"""JSON that is not one object a line: the objects are those of the json module, however the blocks are cut and wherever the stream ends."""

import json
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from collectors.sources import json_records
from collectors.sources.json_records import is_records, records
from tailrace.errors import DecodeError

TEXTS = st.text(st.sampled_from('a"\\{}[],:\né'), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
RECORDS = st.lists(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3), min_size=1, max_size=6)
INDENTS = st.sampled_from([None, 0, 2])


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def read(data: bytes, size: int = 7) -> list[Any]:
    found = list(records(cut(data, size)))
    assert all(data[start : start + len(piece)] == piece for start, piece in found if start)
    return [json.loads(piece) for _, piece in found]


@given(found=RECORDS, indent=INDENTS, size=st.integers(1, 60), mark=st.booleans())
def test_the_records_of_a_list_are_those_of_the_json_module(found: list[Any], indent: int | None, size: int, *, mark: bool) -> None:
    for whole in ({"Records": found}, found):
        data = b"\xef\xbb\xbf" * mark + json.dumps(whole, indent=indent).encode()
        assert is_records(data)
        assert read(data, size) == found


@given(found=RECORDS, size=st.integers(1, 60))
def test_objects_over_several_lines_follow_one_another(found: list[Any], size: int) -> None:
    data = "\n".join(json.dumps(one, indent=1) for one in found).encode()
    assert is_records(data)
    assert read(data, size) == found


@given(found=RECORDS, indent=INDENTS, size=st.integers(1, 60))
def test_what_stands_beside_the_list_is_a_record_too(found: list[Any], indent: int | None, size: int) -> None:
    whole = {"fileVersion": "1.0", "n": 3, "configurationItems": found, "after": {"x": [1]}}
    data = json.dumps(whole, indent=indent).encode()
    assert [json.loads(piece) for _, piece in records(cut(data, size))] == [{"fileVersion": "1.0", "n": 3}, *found, {"after": {"x": [1]}}]


@given(found=RECORDS, at=st.floats(0, 1), size=st.integers(1, 60))
@example(found=[{"a": "\\"}], at=0.9, size=1)
def test_a_stream_that_ends_too_early_gives_what_was_whole_and_an_error(found: list[Any], at: float, size: int) -> None:
    data = json.dumps({"Records": found}).encode()
    data = data[: int(at * (len(data) - 2))]
    assume(is_records(data))
    answered: list[Any] = []
    with pytest.raises(DecodeError, match=r"ends within JSON"):
        answered.extend(json.loads(piece) for _, piece in records(cut(data, size)))
    assert answered == found[: len(answered)]


@pytest.mark.parametrize(
    "data",
    [b'{"level":"info"}\n{"level":"info"}', b"plain", b"", b"[INFO] it is up", b'["a"]', b'{"Records":"none"}', b'{"Record":[{}]}', b"[1, 2]", b'{"a": 1}'],
)
def test_lines_are_no_records(data: bytes) -> None:
    assert not is_records(data)


def test_something_between_records_is_an_error() -> None:
    with pytest.raises(DecodeError, match="stops being JSON records near byte"):
        list(records([b'[{"a":1}, 2, {"b":1}]']))
    with pytest.raises(DecodeError, match="stops being JSON records"):
        list(records([b'{\n"a":1}\nText\n{\n"b":1}']))


def test_memory_is_bounded_by_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "MAX_RECORD_BYTES", 1_000)
    with pytest.raises(DecodeError, match="longer than 1000 bytes"):
        list(records(cut(b'[{"a":"' + b"x" * 9_000, 100)))
    with pytest.raises(DecodeError, match="longer than 1000 bytes"):
        list(records(cut(b'{"Records":[{"a":1}],"b":"' + b"x" * 9_000, 100)))
    assert len(list(records(cut(b"[" + b",".join([b'{"a":1}'] * 5_000) + b"]", 100)))) == 5_000
