"""Python 3.11 before 3.11.5, which Debian 12 has, gets one thing wrong in patterns: a group repeated possessively in which there is something to go back to matches nothing (https://github.com/python/cpython/issues/106052)."""

import ast
from collections.abc import Iterator
from re import _constants as codes  # type: ignore[attr-defined] # what a pattern is made of has no public name
from re import _parser as parser  # type: ignore[attr-defined] # the same
from typing import Any

import pytest

from tests.house.test_repository import ROOT, sources

GOES_BACK = {codes.BRANCH, codes.MAX_REPEAT, codes.MIN_REPEAT}


def patterns() -> Iterator[tuple[str, str | bytes]]:
    """Answer the patterns that are given to ``re.compile`` as they stand, with their places."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "re.compile"
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str | bytes)
            ):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.args[0].value


def parts(parsed: Any) -> Iterator[tuple[Any, Any]]:
    """Walk what a pattern is made of, all of it."""
    if isinstance(parsed, parser.SubPattern):
        for code, value in parsed:
            yield code, value
            yield from parts(value)
    elif isinstance(parsed, list | tuple):
        for one in parsed:
            yield from parts(one)


def goes_back(parsed: Any) -> bool:
    """Whether there is something to go back to that no atomic group holds together."""
    if isinstance(parsed, parser.SubPattern):
        return any(code in GOES_BACK or (code is not codes.ATOMIC_GROUP and goes_back(value)) for code, value in parsed)
    return isinstance(parsed, list | tuple) and any(map(goes_back, parsed))


def is_wrong(pattern: str | bytes) -> bool:
    return any(code is codes.POSSESSIVE_REPEAT and goes_back(value) for code, value in parts(parser.parse(pattern)))


def test_no_group_is_repeated_possessively_that_has_something_to_go_back_to() -> None:
    found = list(patterns())
    assert len(found) > 50
    assert [(place, pattern) for place, pattern in found if is_wrong(pattern)] == []


@pytest.mark.parametrize(
    ("pattern", "wrong"), [(r"a(?:b|c\w)*+d", True), (r"a((?:b+c)++)", True), (r"a(?:(?>b|c\w)[^d]*+)*+d", False), (r"\w++(?:a|b)*", False)]
)
def test_such_a_group_is_found(pattern: str, wrong: bool) -> None:
    assert is_wrong(pattern) is wrong
