"""Usual lines, cut at their blanks, give what the patterns of their format give; so does every line that is a little different."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.format import Format
from collectors.format_file import load_formats, parse_format
from collectors.readers import pattern
from collectors.readers.usual import usual_of
from tailrace.errors import FileError
from tailrace.yaml_file import parse_yaml

FORMATS = [one for one in load_formats() if "usual" in one.options]
WORDS = [
    "-",
    "a",
    "200",
    "404",
    "12",
    "0.5",
    "10.0.0.1",
    "::1",
    "host",
    "a:1",
    "c d",
    "",
    'q"q',
    "\\",
    '\\"x\\"',
    "GET /a?b=c HTTP/1.1",
    "[x",
    "x]",
    "[a b]",
    "é",
    "\t",
    "\x00",
    "NoSuchKey",
    '"-"',
    '"in quotes"',
]
TIME = "10/Oct/2026:13:55:36 +0000"


def _columns(one: Format, lines: list[str]) -> dict[str, list[Any]]:
    found = pattern.read(one, pa.array(lines, pa.string()), "test")
    columns = {name: values.to_pylist() for name, values in found.columns.items() if values.null_count < len(values)}
    return columns | {"the reason": found.reason.to_pylist()}


def _without_usual(one: Format) -> Format:
    return replace(one, options=MappingProxyType({name: value for name, value in one.options.items() if name != "usual"}))


@st.composite
def _lines(draw: st.DrawFn) -> tuple[Format, list[str]]:
    one = draw(st.sampled_from(FORMATS))
    lines = list[str]()
    for _ in range(draw(st.integers(0, 40))):
        shown = draw(st.sampled_from(one.options["usual"]))
        parts = []
        for part in shown.split(" "):
            word = TIME if part.startswith("[") else draw(st.sampled_from(["10.0.0.1", "200", "-", *draw(st.sampled_from([[], WORDS]))]))
            parts.append(f'"{word}"' if part.startswith('"') else f"[{word}]" if part.startswith("[") else word)
        lines.append(
            " ".join(parts[: draw(st.sampled_from([len(parts)] * 6 + list(range(len(parts)))))]) + draw(st.sampled_from(["", "", "", " ", " more", "\n"]))
        )
    return one, lines


@given(_lines())
def test_lines_cut_at_blanks_are_what_the_patterns_say(given_: tuple[Format, list[str]]) -> None:
    one, lines = given_
    assert _columns(one, lines) == _columns(_without_usual(one), lines)


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_the_lines_of_its_file_too(one: Format) -> None:
    lines = [test.line for test in one.tests]
    assert _columns(one, lines) == _columns(_without_usual(one), lines)
    cut = sum(len(usual_of(form).read(pa.array(lines, pa.string()), one.options["patterns"])[1]) for form in one.options["usual"])
    assert cut, "no line of its file is a usual one"


FORMAT = """
name: mine.access
description: Mine.
detect: {line: '^x ', rank: 50}
reader: pattern
options:
  patterns: ['^x (?P<a>\\S+) "(?P<b>[^"]*)"$']
  usual: [%s]
columns: [{source: a, attribute: a}, {source: b, attribute: b}]
tests: [{line: 'x 1 "2"', row: {}}]
"""


@pytest.mark.parametrize(
    ("usual", "told"),
    [
        ("'{a} \"{c}\"'", "no pattern has a group 'c'"),
        ("'x {a}'", "a usual line is made of"),
        ("'{a} \"{b}]'", "a usual line is made of"),
        ("5", "usual is a list of texts"),
    ],
)
def test_a_usual_line_that_is_wrong_is_refused(usual: str, told: str) -> None:
    with pytest.raises(FileError, match=told):
        parse_format(parse_yaml((FORMAT % usual).encode(), "mine.yaml"))
