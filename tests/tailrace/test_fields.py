"""The attribute register: first type seen wins, with a cap, in every process alike."""

from pathlib import Path

import pytest

from tailrace.errors import FileError, SettingError
from tailrace.fields import MAX_LEARNED, AttributeRegister, type_word
from tailrace.schema import FieldType


def test_the_first_type_seen_wins() -> None:
    register = AttributeRegister()
    assert register.learn({"user": FieldType.LONG})
    assert not register.learn({"user": FieldType.KEYWORD})
    assert register.type_of("user") is FieldType.LONG


def test_a_declared_type_wins_over_what_is_seen() -> None:
    register = AttributeRegister(declared={"user": FieldType.KEYWORD})
    register.learn({"user": FieldType.LONG})
    assert register.types()["user"] is FieldType.KEYWORD


def test_fifty_thousand_names_explode_nothing() -> None:
    register = AttributeRegister()
    for start in range(0, 50_000, 1_000):
        register.learn({f"key{number}": FieldType.LONG for number in range(start, start + 1_000)})
    assert len(register.types()) == MAX_LEARNED


@pytest.mark.parametrize("name", ["user.id", "user"])
def test_a_name_and_its_parent_are_never_both_known(name: str) -> None:
    register = AttributeRegister()
    register.learn({name: FieldType.LONG})
    register.learn({"user": FieldType.LONG, "user.id": FieldType.LONG})
    assert list(register.types()) == [name]


@pytest.mark.parametrize("name", ["", ".", "a..b", ".a", "a.", " a", "x" * 257])
def test_a_name_that_opensearch_cannot_map_is_not_learned(name: str) -> None:
    register = AttributeRegister()
    register.learn({name: FieldType.LONG})
    assert not register.types()


def test_another_process_reads_what_was_learned(tmp_path: Path) -> None:
    path = tmp_path / "new" / "attributes.json"
    writer, reader = AttributeRegister(path), AttributeRegister(path)
    writer.learn({"user": FieldType.DOUBLE})
    assert reader.types() == {"user": FieldType.DOUBLE}
    assert AttributeRegister(path).type_of("user") is FieldType.DOUBLE


@pytest.mark.parametrize("content", [b"", b"[]", b'{"learned": 3}', b'{"learned": {}, "x": 1}'])
def test_a_file_that_is_no_register_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "attributes.json"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"attributes\.json: not an attribute register"):
        AttributeRegister(path)


def test_an_unknown_type_is_answered_with_the_nearest() -> None:
    with pytest.raises(SettingError, match="did you mean 'keyword'"):
        type_word("keywrd")
