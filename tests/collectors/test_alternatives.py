"""A line matches a pattern if it matches one of its alternatives, and only then."""

import pytest
import re2

from collectors.alternatives import alternatives
from collectors.format import Format
from tests.collectors.readers.samples import formats

LINES = tuple(dict.fromkeys(line for one in formats() for test in one.tests for line in (test.line, test.header)))


@pytest.mark.parametrize("one", [one for one in formats() if one.line], ids=lambda one: one.name)
def test_the_alternatives_of_a_format_match_what_its_pattern_matches(one: Format) -> None:
    parts, whole = alternatives(one.line), re2.compile(one.line)
    assert [any(part.search(line) for part in parts) for line in LINES] == [whole.search(line) is not None for line in LINES]


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("a", ["a"]),
        ("a|b", ["a", "b"]),
        ("^a$|(b|c)d|e", ["^a$", "(b|c)d", "e"]),
        (r"[|]a|\|b|[]|]c|[^]|]", ["[|]a", r"\|b", "[]|]c", "[^]|]"]),
        (r"\(a|b\)", [r"\(a", r"b\)"]),
        ("a|", ["a", ""]),
        ("(?i)a|b", ["(?i)a|b"]),
        ("a|(?i)b|c", ["a|(?i)b|c"]),
        ("(?i:a)|b", ["(?i:a)", "b"]),
        ("[[:alpha:]|]|b", ["[[:alpha:]|]|b"]),
        (r"\Qa|b\E", [r"\Qa|b\E"]),
    ],
)
def test_a_pattern_is_cut_at_its_outermost_bars(pattern: str, parts: list[str]) -> None:
    assert [part.pattern for part in alternatives(pattern)] == parts
