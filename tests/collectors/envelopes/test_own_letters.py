"""Dead letters of the function come back from its stream's objects as they were: in any order of their pieces, twice, and not where one is missing or forged."""

import base64
import json
import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from collectors.envelopes.failed_objects import WHOLE, FailedObject, read_failed
from firehose.delivery import DeadLetter, Delivery
from firehose.sinks.amazon_firehose.stream import DEAD_PIECE_BYTES, letter_records

KEY = "dead/tailrace-dead-1-2026-11-27-10-00-00-abcdef01-2345-6789-abcd-ef0123456789"


def records(letter: DeadLetter) -> list[bytes]:
    return list(letter_records(letter, Delivery("cloudwatch:/shop", 1_790_000_000_000_000)))


def read(pieces: Sequence[bytes]) -> FailedObject:
    return read_failed(b"".join(pieces), KEY, received_us=1, inflate_max_bytes=1 << 30)


@given(st.lists(st.integers(0, 2 * DEAD_PIECE_BYTES + 5), min_size=1, max_size=3, unique=True), st.randoms(use_true_random=False))
def test_letters_come_back_as_they_were_in_whatever_order(sizes: list[int], draw: random.Random) -> None:
    letters = [DeadLetter("payload", f"broken {size}", bytes([size % 251]) * size, {"envelope": "cloudwatch", "at": str(size)}) for size in sizes]
    pieces = [piece for letter in letters for piece in records(letter)]
    pieces += draw.sample(pieces, draw.randint(0, len(pieces)))  # Firehose delivers at least once
    draw.shuffle(pieces)
    found = read(pieces)
    assert (found.problem, found.time_us) == ("", 1_790_000_000_000_000)
    assert sorted(found.letters, key=lambda one: one.reason) == sorted(
        (DeadLetter("payload", one.reason, one.body, {"source": "cloudwatch:/shop", **one.detail, "object": KEY}) for one in letters),
        key=lambda one: one.reason,
    )


def test_two_letters_of_one_body_are_two() -> None:
    letter = DeadLetter("payload", "r", b"same", {"envelope": "cloudwatch"})
    pieces = [piece for at in (1, 2, 2) for piece in letter_records(letter, Delivery("s", at))]
    assert len(read(pieces).letters) == 2


def test_a_letter_of_which_a_piece_is_missing_stays_in_its_object_and_the_others_are_read() -> None:
    long, short = DeadLetter("payload", "long", b"x" * (DEAD_PIECE_BYTES + 1)), DeadLetter("document", "short", b"y")
    found = read([records(long)[0], *records(short)])
    assert [(one.reason[:5], one.detail.get("envelope")) for one in found.letters] == [("short", None), ("1 of ", WHOLE)]
    assert "1 of 2 pieces of a dead letter (long) are here" in found.problem


def test_what_no_function_of_ours_wrote_is_kept_whole_and_never_replayed() -> None:
    good = json.loads(records(DeadLetter("payload", "r", b"body"))[0])
    for change in (
        {"body": base64.b64encode(b"other").decode()},
        {"piece": 2},
        {"pieces": 10**9},
        {"detail": {"envelope": "file"}},
        {"body": "%"},
        {"detail": 7},
    ):
        (letter,) = read([json.dumps(good | change).encode()]).letters
        assert letter.detail["envelope"] == WHOLE
