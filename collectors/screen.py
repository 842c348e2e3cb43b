"""A first look at a column of lines: which of them may match any of some patterns, without looking at each by itself.

Lines are joined to runs and all patterns are looked for in a run at once. In a run, ``^`` and ``$`` match at each line's ends, so a line that matches by itself makes its run match; the other way round
a run may match where no line of it does. So the answer is: all lines of runs in which nothing is found surely match none, the others may.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import re2

from collectors.arrays import AnyArray, Mask

LINES_A_RUN: Final = 64
MAX_MEMORY: Final = 32 * 1024 * 1024
"""What the automaton of the patterns may take; with less it is made anew again and again."""

_ENDS_OF_TEXT: Final = re2.compile(r"\\[Az]|\(\?[a-zA-Z]*-[a-z]*m")
"""What in a pattern asks for the ends of the text and not for those of a line: ``\\A``, ``\\z`` and a switched off ``m``."""


class Screen:
    """Looks for patterns in columns of lines."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._blind = any(_ENDS_OF_TEXT.search(pattern) for pattern in patterns)
        self._nothing = not patterns
        options = re2.Options()
        options.max_mem = MAX_MEMORY
        options.never_capture = True
        self._pattern = re2.compile("(?m)" + "|".join(f"(?:{pattern})" for pattern in patterns), options)

    def may_match(self, lines: AnyArray) -> Mask:
        """Answer for each line whether it may match."""
        if self._nothing or self._blind:
            return np.full(len(lines), self._blind)
        starts = np.append(np.arange(0, len(lines), LINES_A_RUN), len(lines))
        runs = pc.binary_join(pa.ListArray.from_arrays(pa.array(starts, pa.int32()), lines), "\n").cast(pa.binary())
        found = np.array([self._pattern.search(run) is not None for run in runs.to_pylist()], dtype=bool)
        return found.repeat(LINES_A_RUN)[: len(lines)]
