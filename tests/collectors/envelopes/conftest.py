"""Ways in which bytes go wrong, for the hostile-input tests of every envelope."""

from collections.abc import Callable

import pytest
from hypothesis import strategies as st

Mutate = Callable[[bytes, st.DataObject], bytes]
FILLINGS = (b"NaN", b"null", b"{", b"]", b'"', b"\xff", b"\\ud800", b"1e999", b"-1", b"[" * 2_000, b"\0", b"true", b"9" * 400)


@pytest.fixture(scope="session")
def mutate() -> Mutate:
    """Cut, flip, insert, repeat and drop, up to four times."""

    def mutated(seed: bytes, data: st.DataObject) -> bytes:
        mutant = bytearray(seed)
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, max(len(mutant) - 1, 0)))
            match data.draw(st.sampled_from(["cut", "flip", "insert", "repeat", "drop"])):
                case "cut":
                    del mutant[at:]
                case "flip" if mutant:
                    mutant[at] ^= 1 << data.draw(st.integers(0, 7))
                case "insert":
                    mutant[at:at] = data.draw(st.sampled_from(FILLINGS))
                case "repeat":
                    mutant += mutant[at:]
                case _:
                    del mutant[at : at + data.draw(st.integers(1, 20))]
        return bytes(mutant)

    return mutated
