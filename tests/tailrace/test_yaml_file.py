"""YAML with places: safe, bounded, and every error where it is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.errors import FileError
from tailrace.yaml_file import MAX_BYTES, parse_yaml, read_yaml


def test_every_value_has_its_place() -> None:
    document = parse_yaml(b"a: 1\nb:\n- x: [2, 3]\n", "f.yaml")
    assert document.data == {"a": 1, "b": [{"x": [2, 3]}]}
    assert document.places["b", 0, "x"] == (3, 3)
    assert str(document.error("wrong", "b", 0, "x", 1)) == "f.yaml:3:10: wrong"
    assert str(document.error("wrong", "b", 7, "z")) == "f.yaml:2:1: wrong"


def test_values_are_plain_data() -> None:
    document = parse_yaml(b"d: 2026-01-02\nt: 2026-01-02T03:04:05Z\ny: yes\nn: null\nf: 1.5\nb: !!binary aGk=\ns: '1'\n", "f.yaml")
    assert document.data == {"d": "2026-01-02", "t": "2026-01-02T03:04:05+00:00", "y": True, "n": None, "f": 1.5, "b": "hi", "s": "1"}


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert parse_yaml(b"", "f.yaml").data == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a: 1\na: 2", "f.yaml:2:1: the key 'a' is there twice"),
        (b"a: &x 1\nb: *x", "f.yaml:1:4: anchors and aliases are not taken"),
        (b"- 1", "f.yaml: expected a mapping at the top, found a list"),
        (b"a: [", "f.yaml:1:5: not YAML"),
        (b"a: \xff", "f.yaml: not YAML"),
        (b"a: " + b"[" * 40, "nested deeper than 32"),
        (b"a: !!python/object:os.system x", "f.yaml:1:4: not a value"),
        (b"? [1]\n: 2", "a key must be a plain text"),
        (b"<<: {a: 1}", "a key must be a plain text"),
        (b"a: 1\n---\nb: 2", "f.yaml:2:1: not YAML"),
        (b"a: 2026-99-99", "f.yaml:1:4: not a value"),
    ],
)
def test_what_is_not_taken_is_said_with_its_place(text: bytes, message: str) -> None:
    with pytest.raises(FileError, match=message):
        parse_yaml(text, "f.yaml")


def test_unknown_keys_are_answered_with_the_nearest() -> None:
    document = parse_yaml(b"a:\n  colour: 1\n", "f.yaml")
    with pytest.raises(FileError, match=r"f.yaml:2:3: no such option: colour \(did you mean 'color'\?\)"):
        document.refuse_unknown(["color"], "a")


def test_a_long_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(FileError, match="longer than"):
        read_yaml(path)
    with pytest.raises(FileError, match="cannot be read"):
        read_yaml(tmp_path)


@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!?|>\n #'\"", max_size=60).map(str.encode))
def test_any_bytes_are_a_document_or_one_clear_error(text: bytes) -> None:
    try:
        parse_yaml(text, "f.yaml")
    except FileError as error:
        assert str(error).startswith("f.yaml")
