"""Inflating: several members, the end of each, a cap."""

import contextlib
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.envelopes.inflate import inflate, inflate_blocks
from tailrace.errors import DecodeError

ROOM = 1 << 20


@given(parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4), as_zlib=st.booleans())
def test_members_that_follow_one_another_are_all_inflated(parts: list[bytes], *, as_zlib: bool) -> None:
    press = zlib.compress if as_zlib else gzip.compress
    assert inflate(b"".join(map(press, parts)), ROOM) == b"".join(parts)


def test_plain_bytes_stay_as_they_are() -> None:
    assert inflate(b'{"a": 1}', ROOM) == b'{"a": 1}'


@given(text=st.binary(min_size=1, max_size=200), cut=st.integers(1, 500))
def test_a_truncated_member_is_an_error_and_never_a_shorter_text(text: bytes, cut: int) -> None:
    data = gzip.compress(text)
    with pytest.raises(DecodeError, match="truncated"):
        inflate(data[: max(2, len(data) - cut)], ROOM)


def test_a_truncated_second_member_is_an_error() -> None:
    with pytest.raises(DecodeError, match="truncated"):
        inflate(gzip.compress(b"a") + gzip.compress(b"b")[:-3], ROOM)


@pytest.mark.parametrize("tail", [b"garbage", b"\0\0\0\0", b"\x1f", b"{}"])
def test_bytes_behind_the_last_member_are_an_error(tail: bytes) -> None:
    with pytest.raises(DecodeError, match="follow the compressed data"):
        inflate(gzip.compress(b"a") + tail, ROOM)


def test_a_wrong_checksum_is_an_error() -> None:
    data = bytearray(gzip.compress(b"abc" * 100))
    data[-5] ^= 1
    with pytest.raises(DecodeError, match="damaged"):
        inflate(bytes(data), ROOM)


def test_a_bomb_is_refused_once_it_passes_the_cap() -> None:
    bomb = gzip.compress(bytes(8 * ROOM))
    with pytest.raises(DecodeError, match="inflate_max_bytes"):
        inflate(bomb, ROOM)
    assert len(inflate(gzip.compress(bytes(ROOM)), ROOM)) == ROOM


def test_the_cap_counts_all_members_together_and_plain_bytes_too() -> None:
    half = gzip.compress(bytes(ROOM // 2))
    assert len(inflate(half + half, ROOM)) == ROOM
    with pytest.raises(DecodeError, match="inflate_max_bytes"):
        inflate(half + half + gzip.compress(b"x"), ROOM)
    with pytest.raises(DecodeError, match="inflate_max_bytes"):
        inflate(bytes(ROOM + 1), ROOM)


@given(data=st.binary(max_size=60), head=st.sampled_from([b"\x1f\x8b", b"\x1f\x8b\x08", b"\x78\x9c", b"\x78\x01"]))
def test_any_bytes_are_inflated_or_a_decode_error(data: bytes, head: bytes) -> None:
    with contextlib.suppress(DecodeError):
        inflate(head + data, ROOM)


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(parts=st.lists(st.binary(max_size=3_000), min_size=1, max_size=4), size=st.integers(1, 700), room=st.integers(1, 700), packed=st.booleans())
def test_a_stream_is_inflated_block_by_block_to_the_same_bytes(parts: list[bytes], size: int, room: int, *, packed: bool) -> None:
    data = b"".join(map(gzip.compress, parts)) if packed else b"#" + b"".join(parts)
    blocks = list(inflate_blocks(chunks(data, size), room))
    assert b"".join(blocks) == (b"".join(parts) if packed else data)
    assert not packed or all(0 < len(block) <= room for block in blocks)


@given(size=st.integers(1, 400), room=st.integers(1, 400), cut=st.integers(1, 60))
def test_a_truncated_stream_is_an_error_after_what_could_be_read(size: int, room: int, cut: int) -> None:
    data = gzip.compress(b"one line\n" * 90)
    with pytest.raises(DecodeError, match="truncated"):
        list(inflate_blocks(chunks(data[: max(2, len(data) - cut)], size), room))


@given(size=st.integers(1, 200), tail=st.sampled_from([b"x", b"xyz", b"\0" * 9, b"\x1fx"]))
def test_a_stream_followed_by_something_else_is_an_error(size: int, tail: bytes) -> None:
    with pytest.raises(DecodeError, match="follow"):
        list(inflate_blocks(chunks(gzip.compress(b"a" * 500) + tail, size), 100))


def test_a_damaged_stream_and_an_empty_one() -> None:
    data = bytearray(gzip.compress(b"abc" * 100))
    data[-5] ^= 1
    with pytest.raises(DecodeError, match="damaged"):
        list(inflate_blocks([bytes(data)]))
    assert b"".join(inflate_blocks([])) == b""
    assert b"".join(inflate_blocks([b"\x1f"])) == b"\x1f"
