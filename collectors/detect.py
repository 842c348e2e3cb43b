"""Finds the format of each line: what the user said, else the first format whose pattern it matches; plain text is everybody's last.

Formats are asked in the order of their ranks; a log group that a format is written to, or a key of an object or a path of a file that it is known by, makes it ten ranks better, which tells look-alikes apart and lets nothing general go before what is
unmistakable. A line's format never depends on its neighbours. They only decide what is asked first: a few lines of a batch are looked at, and whether the others are of the format that most of these
have is asked of the whole column: they match its pattern (or the one of its alternatives that most do), and, where it is not unmistakable (a rank from 40), surely none of the patterns that come before it (``collectors.screen``). The lines that
are left are looked at one by one, with all patterns in one pass (``re2.Set``).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import pyarrow as pa
import re2

from collectors.alternatives import alternatives
from collectors.arrays import AnyArray, Mask, matching
from collectors.format import Format, FormatSet
from collectors.lines import Origin
from collectors.screen import Screen

FALLBACK: Final = "text.plain"
GENERAL: Final = 40
"""From this rank on a format's pattern may match a line that is another format's."""

BONUS: Final = 10
"""Ranks that a format is better by where the log group is its own, or the key."""

LOOKED_AT: Final = 8
MAX_REMEMBERED: Final = 10_000
MAX_SCREENS: Final = 8
"""A set of patterns that come before a format is used for all log groups that have the same; there are few."""

MAY_DIFFER: Final = 0.02
"""Part of a batch that may match another alternative of its format's pattern than most lines: to ask each of them costs less than to compile the whole pattern."""

MAX_MEMORY: Final = 64 * 1024 * 1024
"""What the automaton of all patterns may take; with less it is made anew again and again."""


@dataclass(frozen=True, slots=True)
class Group:
    """The lines of one format: their numbers, and why it was chosen."""

    format: Format
    numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    why: str


class Detector:
    """Knows the patterns of all formats, and the order of each log group; shared by threads."""

    def __init__(self, formats: FormatSet) -> None:
        self._formats = formats
        self._asked = [one for one in formats if one.line and one.name != FALLBACK]
        options = re2.Options()
        options.max_mem = MAX_MEMORY
        self._favoured: dict[str, frozenset[int]] = {}
        self._orders: dict[frozenset[int], Sequence[int]] = {}
        self._screens: dict[frozenset[int], Screen] = {}
        self._patterns = re2.Set.SearchSet(options)
        for one in self._asked:
            self._patterns.Add(one.line)
        self._patterns.Compile()

    def groups(self, origin: Origin, lines: AnyArray) -> list[Group]:
        """Part lines into groups by format; every line is in one."""
        everything = np.arange(len(lines))
        if origin.format:
            return [Group(self._formats.get(origin.format), everything, "the format was said")]
        order = self._order(origin)
        most = self._most(order, lines)
        mine = self._column_of(most, order, lines)
        one = self._formats.get(FALLBACK) if most is None else self._asked[most]
        groups = [Group(one, everything[mine], _why(one, origin))] if mine.any() else []
        left = everything[~mine]
        return [*groups, *self._one_by_one(order, origin, left, lines.take(pa.array(left)))] if len(left) else groups

    def candidates(self, origin: Origin) -> list[Format]:
        """List the formats in the order in which they are asked."""
        order = self._order(origin)
        return [self._asked[number] for number in np.argsort(order).tolist()]

    def _order(self, origin: Origin) -> Sequence[int]:
        """Answer the place of each format in the order in which they are asked."""
        better = self._of_group(origin.log_group)
        if origin.key:
            better |= {number for number, one in enumerate(self._asked) if of_key(one, origin.key)}
        if better not in self._orders:
            if len(self._orders) >= MAX_REMEMBERED:
                self._orders.clear()
            ranks = [one.rank - BONUS * (number in better) for number, one in enumerate(self._asked)]
            self._orders[better] = np.argsort(np.argsort(ranks, kind="stable"), kind="stable").tolist()
        return self._orders[better]

    def _of_group(self, log_group: str) -> frozenset[int]:
        """Answer the formats that are written to a log group; groups are remembered, there are few."""
        if log_group not in self._favoured:
            if len(self._favoured) >= MAX_REMEMBERED:
                self._favoured.clear()
            self._favoured[log_group] = frozenset(number for number, one in enumerate(self._asked) if of_group(one, log_group))
        return self._favoured[log_group]

    def _most(self, order: Sequence[int], lines: AnyArray) -> int | None:
        """Answer the format that most of a few lines have."""
        step = max(len(lines) // LOOKED_AT, 1)
        return Counter(self._find(order, str(text)) for text in lines[::step]).most_common(1)[0][0] if len(lines) else None

    def _column_of(self, number: int | None, order: Sequence[int], lines: AnyArray) -> Mask:
        """Answer which lines are surely of a format."""
        if number is None:
            return ~self._screen(frozenset(range(len(self._asked)))).may_match(lines)
        if self._asked[number].rank < GENERAL:
            return self._of_one_alternative(self._asked[number], lines)
        own = matching(lines, self._asked[number].line)
        before = frozenset(other for other in range(len(self._asked)) if order[other] < order[number])
        return own & ~self._screen(before).may_match(lines)

    def _of_one_alternative(self, one: Format, lines: AnyArray) -> Mask:
        """Answer which lines match the alternative of a format's pattern that most of a few lines do; where many do not, which match the pattern."""
        few = [str(text) for text in lines[:: max(len(lines) // LOOKED_AT, 1)]]
        counts = [sum(part.search(text) is not None for text in few) for part in alternatives(one.line)]
        own = matching(lines, alternatives(one.line)[counts.index(max(counts))].pattern)
        return own if len(counts) == 1 or np.count_nonzero(~own) <= len(lines) * MAY_DIFFER else matching(lines, one.line)

    def _screen(self, numbers: frozenset[int]) -> Screen:
        if numbers not in self._screens:
            if len(self._screens) >= MAX_SCREENS:
                self._screens.clear()
            self._screens[numbers] = Screen([self._asked[number].line for number in sorted(numbers)])
        return self._screens[numbers]

    def _one_by_one(self, order: Sequence[int], origin: Origin, left: "np.ndarray[tuple[int], np.dtype[np.int64]]", texts: AnyArray) -> list[Group]:
        found: dict[int | None, list[int]] = {}
        for number, text in zip(left.tolist(), texts.to_pylist(), strict=True):
            found.setdefault(self._find(order, str(text)), []).append(number)
        groups: list[Group] = []
        for format_number, numbers in found.items():
            one = self._formats.get(FALLBACK) if format_number is None else self._asked[format_number]
            groups.append(Group(one, np.array(numbers), _why(one, origin)))
        return groups

    def _find(self, order: Sequence[int], text: str) -> int | None:
        """Answer the number of a line's format."""
        matching = self._patterns.Match(text)
        return min(matching, key=order.__getitem__) if matching else None


@lru_cache(maxsize=16)
def detector_of(formats: FormatSet) -> Detector:
    """Answer the one detector of a set of formats."""
    return Detector(formats)


def of_group(one: Format, log_group: str) -> bool:
    """Whether a log group is one that the format is written to."""
    return bool(log_group) and any(_compiled(pattern).search(log_group) for pattern in one.log_groups)


def of_key(one: Format, key: str) -> bool:
    """Whether a format is known by the key of an object or the path of a file."""
    return any(_compiled(pattern).search(key) for pattern in one.keys)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> "re2._Regexp[str]":
    return re2.compile(pattern)


def _why(one: Format, origin: Origin) -> str:
    if one.name == FALLBACK:
        return "no other format's pattern matches"
    group = f"the log group {origin.log_group} is its own and " if of_group(one, origin.log_group) else ""
    key = f"the key {origin.key} is one of its own and " if origin.key and of_key(one, origin.key) else ""
    return f"{group}{key}the line matches its pattern"


def explain(formats: FormatSet, line: str, log_group: str = "", key: str = "") -> Sequence[tuple[Format, bool, str]]:
    """Answer for each format that is asked, in that order, whether a line is its own, and why; the last one is the line's."""
    origin = Origin("explain", "explain", log_group=log_group, key=key)
    texts = pa.array([line], pa.string())
    asked = []
    for one in detector_of(formats).candidates(origin):
        matches = bool(matching(texts, one.line)[0])
        asked.append((one, matches, _why(one, origin) if matches else f"the line does not match {one.line}"))
        if matches:
            return asked
    fallback = formats.get(FALLBACK)
    return [*asked, (fallback, True, _why(fallback, origin))]
