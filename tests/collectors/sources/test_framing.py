"""Messages in a stream of syslog: the same whatever the pieces that they arrive in, whole or counted as cut, and never lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.sources.framing import Framer


def framed(data: bytes, piece: int = 1 << 20, max_bytes: int = 64) -> tuple[list[bytes], Framer]:
    framer = Framer(max_bytes)
    out = [text for at in range(0, len(data), piece) for text in framer.feed(data[at : at + piece])]
    return out + framer.end(), framer


@pytest.mark.parametrize(
    ("data", "messages", "cut", "faults"),
    [
        (b"", [], 0, 0),
        (b"<1>a\n<2>b\n", [b"<1>a", b"<2>b"], 0, 0),
        (b"<1>a\r\n<2>b", [b"<1>a\r", b"<2>b"], 0, 0),
        (b"4 <1>a6 <2>b\nc", [b"<1>a", b"<2>b\nc"], 0, 0),
        (b"4 <1>a\n4 <2>b\n", [b"<1>a", b"<2>b"], 0, 0),
        (b"4 <1>a3 b c", [b"<1>a", b"b c"], 0, 0),
        (b"12 apples\n", [b"12 apples"], 0, 0),
        (b"2026 <x>\n", [b"<x>\n"], 0, 1),
        (b"4", [b"4"], 0, 0),
        (b"9 <1>a", [b"<1>a"], 0, 1),
        (b"4 <1>ano count\nmore\n", [b"<1>a", b"no count", b"more"], 0, 1),
        (b"4 <1>a0 x\n", [b"<1>a", b"0 x"], 0, 1),
        (b"4 <1>a99999999999 x\n", [b"<1>a", b"99999999999 x"], 0, 1),
        (b"x" * 100 + b"\ny\n", [b"x" * 64, b"x" * 36, b"y"], 1, 0),
        (b"100 <" + b"x" * 99 + b"4 <1>a", [b"<" + b"x" * 63, b"x" * 36, b"<1>a"], 1, 0),
        (b"9999999999 <" + b"x" * 200, [b"<" + b"x" * 63, b"x" * 64, b"x" * 64, b"x" * 9], 1, 1),
        (b"\n\n<1>a\n", [b"", b"", b"<1>a"], 0, 0),
        (b"\x00\xff\n", [b"\x00\xff"], 0, 0),
    ],
)
def test_messages_are_found_in_whatever_pieces_they_arrive(data: bytes, messages: list[bytes], cut: int, faults: int) -> None:
    for piece in (1 << 20, 1, 3, 7):
        found, framer = framed(data, piece)
        assert b"".join(found) == b"".join(messages)
        if cut == 0:
            assert found == messages
        assert (framer.cut, framer.faults) == (cut, faults)
    assert framed(data)[0] == messages


@given(st.lists(st.binary(min_size=1, max_size=60).filter(lambda text: b"\n" not in text), min_size=1, max_size=8), st.integers(1, 20))
def test_what_is_framed_either_way_is_found_again(texts: list[bytes], piece: int) -> None:
    messages = [b"<13>" + text for text in texts]
    counted = b"".join(b"%d %b" % (len(text), text) for text in messages)
    assert framed(counted, piece)[0] == messages
    assert framed(b"".join(text + b"\n" for text in messages), piece)[0] == messages


@given(st.binary(max_size=400), st.integers(1, 50))
def test_of_any_bytes_nothing_is_lost_but_counts_and_line_feeds(data: bytes, piece: int) -> None:
    found, _ = framed(data, piece)
    assert all(len(text) <= 64 for text in found)
    if data[:1] not in b"123456789" or b" <" not in data[:12]:
        assert b"".join(found).strip(b"\r\0 ") == data.replace(b"\n", b"").strip(b"\r\0 ")
