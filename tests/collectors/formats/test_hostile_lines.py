"""Lines that nobody wrote: the formats' own test lines, damaged in every way that we know, and splices of them. None raises, none is lost, none moves, and what cannot be read says why.

All is made from seeds, the same every time, and parsed in batches.
"""

import random
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import pytest

from collectors.detect import FALLBACK
from collectors.parse import ParsedLines
from tests.collectors.readers.samples import formats, parsed

SPLICES: Final = 10_000
SPLICES_A_BATCH: Final = 2_000
LONGEST: Final = 1_500
"""Characters of a line that is cut off at each byte; longer ones are cut at as many places."""

ENCODINGS: Final = ("utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "cp500", "shift_jis")
PIECES: Final = (
    "",
    " ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\x00",
    "\x0b\x0c",
    "\x1b[31m",
    "\x7f",
    "\u2028",
    "\u202e",
    "\ufeff",
    "\ufffd",
    "\U0001f6aa",
    "e\u0301",
    '"',
    '""',
    '\\"',
    "\\",
    "\\u0000",
    "\\ud800",
)
"""What is put between; the last one is half a character in JSON."""

VALUES: Final = (
    "-",
    "9" * 400,
    "-9223372036854775809",
    "1e999",
    "NaN",
    "[::1",
    "999.1.1.1",
    "1-00000000-000000000000000000000000",
    "0000-00-00T00:00:00Z",
    "31/Feb/2026:25:61:61 +9999",
    "{",
    "[" * 200,
    "]}" * 50,
    "<a>" * 60,
    "&x;",
    "=" * 30,
)
ENDLESS: Final = (" [a", '" "b', "\\", 'a="', "a=\\", "[{", "<a>", ",,", "9", "x: ")
"""What a long line is made of, so that a reader that goes back over what it has read takes hours."""

LONG: Final = 128 * 1024
_FIELD: Final = re.compile(r"[^\s\",:=\[\]{}<>|]+")
_NAMES: Final = [one.name for one in formats() if one.name != FALLBACK]


def lines_of_format(name: str) -> list[str]:
    return [line for test in formats().get(name).tests for line in (test.header, test.line) if line]


def damaged(line: str, rng: random.Random) -> Iterator[str]:
    """Answer a line damaged in every way."""
    yield from swapped(line, rng)
    yield from (f"{line}{more}" for more in (" new", ' "a new one" 1 -', "\tnew", ",new", "}", '"', f" {line}", line))
    yield from quotes(line, rng)
    yield from (wrong(line, encoding) for encoding in ENCODINGS)
    for piece in PIECES:
        at = rng.randrange(len(line) + 1)
        yield line[:at] + piece + line[at:]
        yield piece + line
    fields = list(_FIELD.finditer(line))
    for value in VALUES if fields else ():
        field = rng.choice(fields)
        yield line[: field.start()] + value + line[field.end() :]


def cut_off(line: str) -> Iterator[str]:
    """Cut a line at each of its bytes."""
    data = line.encode()
    yield from (data[:at].decode("utf-8", "replace") for at in range(0, len(data), max(len(data) // LONGEST, 1)))


def swapped(line: str, rng: random.Random) -> Iterator[str]:
    """Swap two fields, again and again."""
    for _ in range(8):
        fields = list(_FIELD.finditer(line))
        if len(fields) < 2:
            return
        one, other = sorted(rng.sample(fields, 2), key=re.Match.start)
        yield line[: one.start()] + other[0] + line[one.end() : other.start()] + one[0] + line[other.end() :]


def quotes(line: str, rng: random.Random) -> Iterator[str]:
    """Take a quote away, double it, and put a backslash before it."""
    places = [place.start() for place in re.finditer("[\"']", line)]
    for at in rng.sample(places, min(len(places), 4)):
        yield from (line[:at] + new + line[at + 1 :] for new in ("", line[at] * 2, f"\\{line[at]}", f"{line[at]} "))


def wrong(line: str, encoding: str) -> str:
    """Write a line in another encoding, and read it as UTF-8."""
    return f"{line}é".encode(encoding, "replace").decode("utf-8", "replace")


def spliced(rng: random.Random, lines: Sequence[str]) -> Iterator[str]:
    """Put beginnings and ends of lines together, with something between."""
    while True:
        one, other = rng.choice(lines), rng.choice(lines)
        begin, end = one[: rng.randrange(len(one) + 1)], other[rng.randrange(len(other) + 1) :]
        yield f"{begin}{rng.choice((*PIECES, *VALUES))}{end}"


def check(lines: Sequence[str], found: ParsedLines) -> None:
    """Every line is a row in its place or was joined; a row holds its line; what failed has it as its message, and a reason."""
    rows = found.logs.select(["event_id", "message", "raw", "parse_status", "parse_error"]).to_pylist()
    assert len(rows) + found.joined == len(lines)
    texts = {f"id-{number}": line for number, line in enumerate(lines)}
    ids = [row["event_id"] for row in rows]
    assert ids == sorted(ids, key=lambda one: int(str(one).removeprefix("id-")))
    for row in rows:
        line = texts.pop(str(row["event_id"]))
        assert line == (row["message"] if row["raw"] is None else row["raw"])
        if row["parse_status"] == "failed":
            assert (row["message"], row["raw"]) == (line, None)
        assert (row["parse_error"] is None) is (row["parse_status"] == "parsed")
    assert len(texts) == found.joined
    assert found.logs["event_time"].null_count == found.logs["log_format"].null_count == 0


@pytest.mark.parametrize("name", _NAMES)
def test_damaged_lines_of_a_format_are_rows(name: str) -> None:
    rng = random.Random(name)
    own = lines_of_format(name)
    lines = [*cut_off(own[0]), *(one for line in own for one in damaged(line, rng))]
    check(lines, parsed(lines, name))


@pytest.mark.parametrize("seed", range(SPLICES // SPLICES_A_BATCH))
def test_lines_that_are_made_of_others_are_rows_of_whatever_format_they_have(seed: int) -> None:
    lines = list(islice(spliced(random.Random(seed), [line for name in _NAMES for line in lines_of_format(name)]), SPLICES_A_BATCH))
    check(lines, parsed(lines))


@pytest.mark.parametrize("name", _NAMES)
def test_a_line_of_another_format_is_a_row_too(name: str) -> None:
    lines = [line for other in _NAMES for line in lines_of_format(other)[:1]]
    check(lines, parsed(lines, name))


@pytest.mark.parametrize("name", _NAMES)
def test_a_line_costs_what_it_is_long_whatever_it_holds(name: str) -> None:
    """With twice the work for each character before, these lines would take minutes and not a moment."""
    (own, *_), rng = lines_of_format(name), random.Random(name)
    long = [f"{begin}{piece * (LONG // len(piece))}" for piece in rng.sample(ENDLESS, 3) for begin in (own[: len(own) // 2], "")]
    check([own, *long], parsed([own, *long], name))
