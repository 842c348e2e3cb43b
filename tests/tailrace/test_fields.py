"""The attribute register: first type seen wins, with a cap, in every process alike."""

from pathlib import Path

import pytest

from tailrace.errors import FileError, SettingError
from tailrace.fields import MAX_LEARNED, MAX_PATHS, AttributeRegister, Holder, type_word
from tailrace.forms import fields_limit
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
    assert len(register.types()) == MAX_LEARNED // 2


def of(prefix: str, count: int, kind: FieldType = FieldType.KEYWORD) -> dict[str, FieldType]:
    return {f"{prefix}.{number}": kind for number in range(count)}


def test_a_noisy_format_leaves_room_for_the_numbers_of_others() -> None:
    register = AttributeRegister()
    for account in range(20):
        register.learn(of(f"cloudtrail.{account}", 2_000), Holder("aws.cloudtrail", f"s3:trail-{account}"))
    assert len(register.types()) == MAX_LEARNED * 2 // 3
    register.learn(of("cart", 40, FieldType.DOUBLE), Holder("app.json", "cloudwatch:/aws/lambda/cart"))
    assert sum(kind is FieldType.DOUBLE for kind in register.types().values()) == 40


def test_a_noisy_source_leaves_room_for_others_of_its_format_and_for_other_formats() -> None:
    register = AttributeRegister()
    taken = []
    for source in range(8):
        before = len(register.types())
        for start in range(0, 3_000, 100):
            register.learn(of(f"{source}.{start}", 100), Holder("app.json", f"file:{source}"))
        taken.append(len(register.types()) - before)
    assert (taken[0], sum(taken)) == (MAX_LEARNED // 2, MAX_LEARNED * 2 // 3)
    assert taken == sorted(taken, reverse=True)
    register.learn(of("other", 1_000), Holder("app.logfmt", "file:other"))
    assert len(register.types()) - sum(taken) > 50


def test_shares_are_those_of_before_after_a_restart(tmp_path: Path) -> None:
    path, holder = tmp_path / "attributes.json", Holder("app.json", "file:a")
    AttributeRegister(path).learn(of("a", 1_000), holder)
    again = AttributeRegister(path)
    assert not again.learn(of("b", 1_000), holder)
    assert again.learn(of("b", 1_000), Holder("app.csv", "file:b"))


def test_a_register_that_was_written_before_there_were_shares_is_read(tmp_path: Path) -> None:
    path = tmp_path / "attributes.json"
    path.write_bytes(b'{"learned":{"user":"long"},"declared":{"x":"keyword"}}')
    assert AttributeRegister(path).types() == {"user": FieldType.LONG, "x": FieldType.KEYWORD}


@pytest.mark.parametrize(("learned", "declared"), [("tls", "tls.cipher"), ("tls.cipher", "tls"), ("a.b.c", "a")])
def test_a_learned_name_gives_way_to_a_declared_one_that_opensearch_cannot_map_beside_it(learned: str, declared: str) -> None:
    register = AttributeRegister()
    register.learn({learned: FieldType.LONG, "user": FieldType.LONG})
    register.declare({declared: FieldType.KEYWORD})
    assert register.types() == {"user": FieldType.LONG, declared: FieldType.KEYWORD}


def test_the_fields_of_a_mapping_stay_bounded_however_deep_the_names_are() -> None:
    register = AttributeRegister()
    for number in range(2_000):
        register.learn({".".join(f"{number}{letter}" for letter in "abcdefghijklmnop"): FieldType.LONG}, Holder(f"f{number}", f"s{number}"))
    assert len(register.types()) == MAX_PATHS // 16
    assert fields_limit(register.types()) == 2_000
    register.learn({"a" + ".a" * 16: FieldType.LONG}, Holder("new", "new"))
    assert not any(name.startswith("a.") for name in register.types())


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
