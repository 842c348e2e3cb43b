"""Finds the format of each line: what the user said, else the formats of its log group, else whose pattern it matches; plain text is everybody's last.

Formats are asked in the order of their ranks. Most batches are of one format: the one that the source had last is asked first, and if all lines are its own nobody else is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import re2

from collectors.arrays import AnyArray
from collectors.format import Format, FormatSet
from collectors.lines import Origin

FALLBACK: Final = "text.plain"
MAX_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Group:
    """The lines of one format: their numbers, and why it was chosen."""

    format: Format
    numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    why: str


class Detector:
    """Remembers the last format of each source; shared by threads."""

    def __init__(self, formats: FormatSet) -> None:
        self._formats = formats
        self._last: dict[str, str] = {}
        self._lock = Lock()

    def groups(self, origin: Origin, lines: AnyArray) -> list[Group]:
        """Part lines into groups by format; every line is in one."""
        everything = np.arange(len(lines))
        if origin.format:
            return [Group(self._formats.get(origin.format), everything, "the format was said")]
        candidates = self.candidates(origin)
        groups: list[Group] = []
        left, texts = everything, lines
        for one in candidates:
            if not len(left):
                break
            mine = _matches(one, texts)
            if mine.any():
                groups.append(Group(one, left[mine], _why(one, origin)))
                left = left[~mine]
                texts = lines.take(pa.array(left)) if len(left) else texts
        if len(left):
            groups.append(Group(self._formats.get(FALLBACK), left, "no other format's pattern matches"))
        self._remember(origin.source, max(groups, key=lambda group: len(group.numbers)).format.name if groups else FALLBACK)
        return groups

    def candidates(self, origin: Origin) -> list[Format]:
        """List the formats in the order in which they are asked: those of the log group first, then the one that the source had last."""
        with self._lock:
            last = self._last.get(origin.source)
        asked = [one for one in self._formats if one.line and one.name != FALLBACK]
        return sorted(asked, key=lambda one: (not of_group(one, origin.log_group), one.name != last or one.rank >= 90))

    def _remember(self, source: str, name: str) -> None:
        with self._lock:
            if len(self._last) >= MAX_REMEMBERED:
                self._last.clear()
            self._last[source] = name


def of_group(one: Format, log_group: str) -> bool:
    """Whether a log group is one that the format is written to."""
    return bool(log_group) and any(_compiled(pattern).search(log_group) for pattern in one.log_groups)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> "re2._Regexp[str]":
    return re2.compile(pattern)


def _matches(one: Format, texts: AnyArray) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    found = pc.match_substring_regex(texts, one.line)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def _why(one: Format, origin: Origin) -> str:
    group = f"the log group {origin.log_group} is its own and " if of_group(one, origin.log_group) else ""
    return f"{group}the line matches its pattern"


def explain(formats: FormatSet, line: str, log_group: str = "") -> Sequence[tuple[Format, bool, str]]:
    """Answer for each format that is asked, in that order, whether a line is its own, and why; the last one is the line's."""
    detector = Detector(formats)
    origin = Origin("explain", "explain", log_group=log_group)
    texts = pa.array([line], pa.string())
    asked = []
    for one in detector.candidates(origin):
        matches = bool(_matches(one, texts)[0])
        asked.append((one, matches, _why(one, origin) if matches else f"the line does not match {one.line}"))
        if matches:
            return asked
    return [*asked, (formats.get(FALLBACK), True, "no other format's pattern matches")]
