r"""Where a pattern stopped: the first of its columns that a line has no place for.

A pattern is cut before each of its outermost parts that hold a column; the longest beginning that matches a line tells how far reading came.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray

_NAME: Final = re.compile(r"\(\?P<(\w+)>")
_TOKEN: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?P<\w+>|\?[a-zA-Z]*:|\?[a-zA-Z]+\))?|\)|.", re.DOTALL)


@lru_cache(maxsize=1024)
def beginnings(pattern: str) -> tuple[tuple[str, str], ...]:
    """Answer the columns of a pattern in order, each with the pattern up to the next one.

    >>> beginnings("^(?P<a>[0-9]+) (?:x(?P<b>y))?$")
    (('a', '^(?P<a>[0-9]+) '), ('b', '^(?P<a>[0-9]+) (?:x(?P<b>y))?$'))
    """
    named = [(start, name) for start, end in _parts(pattern) if (name := _first_name(pattern[start:end]))]
    ends = [*(start for start, _ in named[1:]), len(pattern)]
    return tuple((name, pattern[:end]) for (_, name), end in zip(named, ends, strict=True))


def _parts(pattern: str) -> Iterator[tuple[int, int]]:
    depth = start = at = 0
    while found := _TOKEN.match(pattern, at):
        token, at = found[0], found.end()
        if token.startswith("(") and not token.endswith(")"):
            start = start if depth else found.start()
            depth += 1
        elif token == ")":
            depth -= 1
            if not depth:
                yield start, at


def _first_name(part: str) -> str:
    found = _NAME.search(part)
    return found[1] if found else ""


def reasons(patterns: Sequence[str], lines: AnyArray) -> AnyArray:
    """Say of lines that no pattern matches how far the pattern came that came farthest."""
    best = np.zeros(len(lines), np.int64)
    columns = np.full(len(lines), next((name for pattern in patterns for name, _ in beginnings(pattern)), "its start"), dtype=object)
    for pattern in patterns:
        parts = beginnings(pattern)
        names = [*(name for name, _ in parts), "its end"]
        came = np.zeros(len(lines), np.int64)
        for number, (_, beginning) in enumerate(parts, 1):
            matched = np.asarray(pc.match_substring_regex(lines, beginning).to_numpy(zero_copy_only=False), dtype=bool)
            came = np.where(matched, number, came)
        better = came > best
        columns[better] = np.array(names, dtype=object)[came[better]]
        best = np.maximum(best, came)
    return pa.array([f"reading stopped at {column}" for column in columns.tolist()], pa.string())
