"""Pairs: lists of them, and the records of Linux's audit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.readers.audit import audited
from collectors.readers.key_value import listed
from tests.collectors.readers.samples import parsed


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a=1, b=two words; c: three", {"a": "1", "b": "two words", "c": "three"}),
        ("a: 10:00:00, b=", {"a": "10:00:00", "b": ""}),
        ("'a': 'x', \"b\": \"y\"", {"a": "x", "b": "y"}),
        ("a=1|b.c=2|", {"a": "1", "b.c": "2"}),
        ("a=1\tb=2", {"a": "1", "b": "2"}),
        ("no pairs, of any kind", {}),
        ("", {}),
    ],
)
def test_lists_of_pairs_are_cut_before_the_next_name(text: str, pairs: dict[str, str]) -> None:
    assert listed(text, "") == pairs


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("type=EXECVE a0=6C73 a1=2D6C", {"type": "EXECVE", "a0": "ls", "a1": "-l"}),
        ("type=SYSCALL a0=6C73 comm=6C73", {"type": "SYSCALL", "a0": "6C73", "comm": "ls"}),
        ('comm="6C73" exe=7 cwd=6C7', {"comm": "6C73", "exe": "7", "cwd": "6C7"}),
        ("name=(null) key=(none) hostname=?", {}),
        ("name=FFFE", {"name": "\ufffd\ufffd"}),
        ("proctitle=6100620063", {"proctitle": "a b c"}),
        ("msg='a text without pairs'", {"msg": "a text without pairs"}),
        ("msg=audit(1.5:7): a=b", {"time": "1.5", "event_id": "7", "a": "b"}),
    ],
)
def test_texts_of_the_audit_are_readable(text: str, pairs: dict[str, str]) -> None:
    assert audited(text, "") == pairs


@given(st.text(st.sampled_from("ab=\"' ,;:|\t\x1d()0Ff?"), max_size=60))
def test_nothing_makes_the_pairs_raise(text: str) -> None:
    for found in (listed(text, ""), audited(text, "")):
        assert all(isinstance(name, str) and name for name in found)
    assert parsed([text, f"type=SYSCALL msg=audit(1.5:7): {text}"], "host.auditd").logs.num_rows == 2
