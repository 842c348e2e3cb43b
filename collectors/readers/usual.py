r"""Lines as they usually are, cut at their blanks instead of matched with a pattern of many groups, which takes two to five times as long.

``options.usual`` of a format of patterns shows such lines: ``{client:[0-9.]+} {user} [{time}] "{request}" {status}``. What stands alone is a word without quotes, and of the characters that are said
behind the colon; what stands in quotes holds no quote and no backslash, or is ``-`` without them; what stands in brackets holds one blank. A line is cut so only if it is of that form *and* matches one of the
format's patterns; all others are read by the patterns alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from collectors.arrays import AnyArray, Numbers, one_array, texts_bytes

_PART: Final = re.compile(r'(?P<open>["\[]?)\{(?P<name>\w+)(?::(?P<body>[^{}" ]+))?\}(?P<close>["\]]?)')
_CLOSES: Final = {"": "", '"': '"', "[": "]"}
_GROUP: Final = re.compile(r"\(\?P<\w+>")


@dataclass(frozen=True, slots=True)
class Usual:
    """The form of a usual line: the pattern it matches as a whole, and the names of what stands between its blanks; of what stands in brackets there are two, the second is empty."""

    line: str
    names: tuple[str, ...]

    def read(self, lines: AnyArray, patterns: Sequence[str]) -> tuple[dict[str, AnyArray], Numbers]:
        """Answer the columns of the lines that are of this form and match one of the patterns, and their numbers."""
        is_usual = pc.match_substring_regex(lines, self.line)
        if not pc.any(is_usual, min_count=0).as_py():
            return {}, np.zeros(0, np.int64)
        whole = "|".join(f"(?:{_GROUP.sub('(?:', pattern)})" for pattern in patterns)
        numbers = np.flatnonzero(np.asarray(pc.and_(is_usual, pc.match_substring_regex(lines, whole)).fill_null(False).to_numpy(zero_copy_only=False)))
        if not len(numbers):
            return {}, numbers
        return self._columns(lines if len(numbers) == len(lines) else lines.take(pa.array(numbers))), numbers

    def _columns(self, lines: AnyArray) -> dict[str, AnyArray]:
        ended = pc.binary_join_element_wise(lines, "\n", "")
        names = [str(number) for number in range(len(self.names))]
        table = csv.read_csv(
            pa.BufferReader(pa.py_buffer(texts_bytes(ended))),  # type: ignore[arg-type] # the stub does not know numpy's arrays
            read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=ended.nbytes + 1),
            parse_options=csv.ParseOptions(delimiter=" ", quote_char='"', double_quote=False),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True
            ),
        )
        parts = [one_array(column) for column in table.columns]
        return {name: _bracketed(parts[at], parts[at + 1]) if self.names[at + 1 : at + 2] == ("",) else parts[at] for at, name in enumerate(self.names) if name}


def _bracketed(first: AnyArray, second: AnyArray) -> AnyArray:
    return pc.binary_join_element_wise(pc.utf8_slice_codeunits(first, 1), pc.utf8_slice_codeunits(second, 0, -1), " ")


@lru_cache(maxsize=1024)
def usual_of(shown: str) -> Usual:
    """Read what shows a line; raises ``ValueError`` that says what is wrong.

    >>> usual_of('{a:[0-9]+} [{b}] "{c}"').names
    ('a', 'b', '', 'c')
    """
    patterns, names = list[str](), list[str]()
    for part in shown.split(" "):
        found = _PART.fullmatch(part)
        if not found or _CLOSES[found["open"]] != found["close"] or (found["open"] and found["body"]):
            raise ValueError(f'a usual line is made of {{name}}, {{name:characters}}, "{{name}}" and [{{name}}] with one blank between: {part!r}')
        names += [found["name"], ""] if found["open"] == "[" else [found["name"]]
        patterns.append({"": f"(?:{found['body'] or NO_QUOTE})", '"': r'(?:"[^"\\\r\n]*"|-)', "[": r'\[[^\s\]"]+ [^\s\]"]+\]'}[found["open"]])
    return Usual(rf"\A{' '.join(patterns)}\z", tuple(names))


NO_QUOTE: Final = r'[^\s"]+'
