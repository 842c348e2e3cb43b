"""A filter never denies a word that a message has, in whatever way an engine cuts it."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.lake import Part, Partition
from tailrace.text import lower, tokens
from tailrace.token_filter import TokenFilter, decode, encode, filter_key, text_column, words_of

SIGNS = "abzKZ09_ .-:/\n\x00é\u212aİΟΣ\u0301\U0001e900\U00010d4a日\ufeff"
"""Among them signs that only some engines take for letters, and signs whose lower case is ASCII."""

MESSAGES = st.lists(st.text(st.sampled_from(SIGNS), max_size=40) | st.text(max_size=30) | st.none(), max_size=8)


def column(messages: list[str | None]) -> "pa.ChunkedArray[pa.StringScalar]":
    return pa.chunked_array([pa.array(messages, pa.string())])


def made(*groups: list[str | None]) -> TokenFilter:
    found = decode(encode(words_of(column(group)) for group in groups))
    assert found is not None
    return found


@given(MESSAGES)
def test_a_word_that_is_there_is_never_denied(messages: list[str | None]) -> None:
    messages = [message.encode("utf-8", "replace").decode() if message else message for message in messages]
    words = words_of(column(messages))
    found = made(messages)
    for message in filter(None, messages):
        of_one = [word for word in tokens(message) if word.isascii()]
        assert set(of_one) <= set(words.to_pylist())
        assert found.may_hold(of_one)
        cut_elsewhere = "".join(sign if sign.isascii() and (sign.isalnum() or sign == "_") else " " for sign in lower(message)).split()
        assert found.may_hold([word[:255] for word in cut_elsewhere])


def test_words_that_are_not_there_are_denied_but_for_one_in_a_hundred() -> None:
    found = made([f"word{n} and w{n}" for n in range(5_000)])
    wrong = sum(found.may_hold([f"other{n}"]) for n in range(10_000))
    assert wrong < 150
    assert found.nbytes < 10_001 * 10 / 8 + 8


def test_words_of_one_row_lie_in_one_row_group() -> None:
    found = made(["left here"], ["right there"])
    assert found.may_hold(["left", "here"])
    assert not found.may_hold(["left", "right"])
    assert found.may_hold([])


@pytest.mark.parametrize("messages", [[], [None], ["", " .- "]])
def test_where_there_is_no_word_every_word_is_denied(messages: list[str | None]) -> None:
    assert not made(messages).may_hold(["a"])


def test_a_word_longer_than_a_token_is_cut_as_it_is_everywhere() -> None:
    assert made(["x" * 1_000]).may_hold(tokens("x" * 300))


@pytest.mark.parametrize("data", [b"", b"TRTOK1\n", b"TRTOK2\n" + b"\0" * 20, b"<xml>"])
def test_what_is_no_filter_says_nothing(data: bytes) -> None:
    assert decode(data) is None


def test_a_damaged_filter_says_nothing() -> None:
    whole = encode([pa.array(["a", "b"])])
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        assert decode(bytes(damaged)) is None
        assert decode(whole[:at]) is None


def test_only_logs_have_a_text() -> None:
    assert [text_column(table) for table in ("logs", "spans", "metrics")] == ["message", None, None]
    part = Part("logs", Partition("2026-11-24", "10"), "logs/day=2026-11-24/hour=10/m-1.parquet", 1)
    assert filter_key(part) == "logs_tokens/day=2026-11-24/hour=10/m-1.tokens"
