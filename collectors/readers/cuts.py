r"""Ways of cutting a line into fields: which lines Arrow's CSV reader cuts right, with which options, and how any line is cut alone.

``words``: blanks between, quotes around a field that holds some, brackets around a time (load balancers, S3). ``plain``: a separator and nothing else (W3C files of CloudFront, tab-separated). ``csv``:
RFC 4180, a quote inside a field is doubled, or escaped by a backslash.
"""

import csv as csv_module
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import lru_cache, reduce
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from collectors.arrays import AnyArray, Bytes, Mask, text_starts, texts_bytes

csv_module.field_size_limit(2**31 - 1)
"""The module takes no field longer than 128 KiB if nobody says otherwise; it is only used on single lines here."""

_BLANK, _QUOTE = ord(" "), ord('"')
BLOCK: Final = 64 * 1024
"""Bytes that are looked through at a go: they stay in the cache of the processor, and memory for them needs not be had from the system each time."""

Places: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
_BREAKS: Final[Mapping[bytes, str]] = MappingProxyType({b"\r": r"\r", b"\n": r"\n"})


class Cut(ABC):
    """A way of cutting."""

    separator: str

    @abstractmethod
    def odd(self, lines: AnyArray) -> AnyArray | None:
        """Find the lines that are not for Arrow's CSV reader; ``None`` where there are none."""

    @abstractmethod
    def tokens(self, line: str) -> list[str]:
        """Cut one line up; where a quote is not closed the rest is no token."""

    @abstractmethod
    def options(self) -> csv.ParseOptions:
        """Answer the options of Arrow's CSV reader."""


def cut_of(separator: str, quote: str) -> Cut:
    """Answer the way of cutting of a format: its separator, and its quote (empty: none)."""
    return _cut(separator, quote)


@lru_cache(maxsize=64)
def _cut(separator: str, quote: str) -> Cut:
    if separator == " ":
        return Words()
    return Quoted(separator, quote) if quote else Plain(separator)


def _masked(masks: list[AnyArray]) -> AnyArray | None:
    if not masks:
        return None
    odd = reduce(pc.or_, masks)
    return odd if pc.any(odd, min_count=0).as_py() else None


def _matching(lines: AnyArray, patterns: Mapping[bytes, str], data: bytes | set[bytes]) -> list[AnyArray]:
    """Look for patterns, each only where its byte is there at all."""
    return [pc.match_substring_regex(lines, pattern) for byte, pattern in patterns.items() if byte in data]


class Words(Cut):
    """Blanks between fields, however many; quotes around a whole field; brackets around what holds a blank."""

    separator = " "
    _TOKEN: Final = re.compile(r'\s*+(?:"([^"\\]*+(?:(?>\\.|"(?!\s|\Z))[^"\\]*+)*+)"|([^"\s\[]\S*+)|(\[))', re.DOTALL)
    """A field in quotes, one without, or the beginning of what may be one in brackets. What was matched is never tried again otherwise: a line costs as much as it is long, whatever it holds."""
    _WORD: Final = re.compile(r"\S++")
    _ODD: Final[Mapping[bytes, str]] = MappingProxyType(
        {b"[": r"(^| )\[[^\]]* ", b"\\": r"\\", b"\r": r"\r", b"\n": r"\n", b"\t": r"\t", b"\x0b": r"\v", b"\x0c": r"\f"}
    )
    """What CSV reads otherwise than we do."""

    _BLANKS_STAND_BETWEEN_FIELDS: Final = r'^(?:[^ "]+|"[^"]*")(?: (?:[^ "]+|"[^"]*"))*$'

    def odd(self, lines: AnyArray) -> AnyArray | None:
        """Find the lines that are not for CSV."""
        texts, starts = texts_bytes(lines), text_starts(lines)
        found, quotes, doubled = _looked_through(texts, self._ODD)
        masks = _matching(lines, self._ODD, found)
        if doubled or not len(texts):
            return _masked([*masks, pc.invert(pc.match_substring_regex(lines, self._BLANKS_STAND_BETWEEN_FIELDS))])
        first, last = (texts[np.clip(places, 0, len(texts) - 1)] for places in (starts[:-1], starts[1:] - 1))
        masks.append(pa.array((first == _BLANK) | (last == _BLANK) | (starts[1:] == starts[:-1])))
        if len(quotes):
            masks.append(pa.array(_quoted_oddly(texts, starts, quotes)))
        return _masked(masks)

    def tokens(self, line: str) -> list[str]:
        """Cut a line up."""
        tokens: list[str] = []
        at, after = 0, Next(line)
        while found := self._TOKEN.match(line, at):
            at = found.end()
            if found[3] is None:
                tokens.append(_unescaped(found[1]) if found[1] is not None else found[2])
                continue
            end = after.bracket(at)
            if end < 0:
                word = self._WORD.match(line, at - 1)
                at = word.end() if word else at
                tokens.append(line[found.start(3) : at])
            else:
                tokens.append(line[at:end])
                at = end + 1
        return tokens

    def options(self) -> csv.ParseOptions:
        """Answer Arrow's options."""
        return csv.ParseOptions(delimiter=" ", quote_char='"', double_quote=False, invalid_row_handler=lambda _: "skip")


def _looked_through(texts: Bytes, wanted: Iterable[bytes]) -> tuple[set[bytes], Places, bool]:
    """Answer which bytes there are, where the quotes are, and whether there are two blanks in a row; block by block, so that nothing is as large as a batch."""
    found, quotes, doubled = set[bytes](), [np.zeros(0, np.int64)], False
    for at in range(0, len(texts), BLOCK):
        block = texts[at : at + BLOCK]
        data, blanks = block.tobytes(), texts[at : at + BLOCK + 1] == _BLANK
        has_control = bool((block < _BLANK).any())
        found.update(byte for byte in wanted if (has_control or ord(byte) > _BLANK) and byte in data)
        doubled = doubled or bool((blanks[1:] & blanks[:-1]).any())
        if b'"' in data:
            quotes.append(np.flatnonzero(block == _QUOTE) + at)
    return found, np.concatenate(quotes), doubled


def _quoted_oddly(texts: Bytes, starts: Places, quotes: Places) -> Mask:
    """Find the lines in which quotes do not stand around whole fields: the first, third, ... opens one, behind a blank or at the start, and the others close one, before a blank or at the end."""
    counts = np.diff(np.searchsorted(quotes, starts))
    odd = counts % 2 == 1
    if odd.any():
        quotes = quotes[~np.repeat(odd, counts)]
    opening, closing = quotes[::2], quotes[1::2]
    opening = opening[texts[opening - 1] != _BLANK]
    closing = closing[texts[np.minimum(closing + 1, len(texts) - 1)] != _BLANK]
    for places, edges in ((opening, starts[:-1]), (closing, starts[1:] - 1)):
        lines = np.searchsorted(starts, places, "right") - 1
        odd[lines[places != edges[lines]]] = True
    return odd


class Next:
    """Looks ahead in a line without looking at any part of it twice."""

    def __init__(self, line: str) -> None:
        self._line = line
        self._found = {" ": -1, "]": -1}

    def bracket(self, at: int) -> int:
        """Answer where the bracket ends that was opened before ``at``, if it holds a blank and stands around a whole field; else -1."""
        end = self._place("]", at)
        if end == len(self._line) or self._place(" ", at) > end:
            return -1
        return end if end + 1 == len(self._line) or self._line[end + 1].isspace() else -1

    def _place(self, mark: str, at: int) -> int:
        if self._found[mark] < at:
            found = self._line.find(mark, at)
            self._found[mark] = found if found >= 0 else len(self._line)
        return self._found[mark]


def _unescaped(text: str) -> str:
    return text.replace('\\"', '"') if "\\" in text else text


class Plain(Cut):
    """A separator between fields, and nothing else."""

    def __init__(self, separator: str) -> None:
        self.separator = separator

    def odd(self, lines: AnyArray) -> AnyArray | None:
        """Only line breaks are odd, and lines without anything."""
        return _masked([pc.equal(lines, ""), *_matching(lines, _BREAKS, texts_bytes(lines).tobytes())])

    def tokens(self, line: str) -> list[str]:
        """Cut a line up."""
        return line.split(self.separator)

    def options(self) -> csv.ParseOptions:
        """Answer Arrow's options."""
        return csv.ParseOptions(delimiter=self.separator, quote_char=False, double_quote=False, invalid_row_handler=lambda _: "skip")


class Quoted(Cut):
    """A separator between fields, quotes around those that hold one, doubled where they are meant, or behind a backslash."""

    def __init__(self, separator: str, quote: str) -> None:
        self.separator, self._quote = separator, quote
        field = rf"(?:[^{re.escape(separator + quote)}]*|{quote}[^{quote}]*{quote})"
        self._quotes_stand_around_fields = rf"^{field}(?:{re.escape(separator)}{field})*$"

    def odd(self, lines: AnyArray) -> AnyArray | None:
        """Find the lines in which a quote does not stand around a whole field, is doubled, or escaped."""
        data = texts_bytes(lines).tobytes()
        masks = [pc.equal(lines, ""), *_matching(lines, {**_BREAKS, b"\\": r"\\"}, data)]
        if self._quote.encode() in data:
            masks.append(pc.invert(pc.match_substring_regex(lines, self._quotes_stand_around_fields)))
        return _masked(masks)

    def tokens(self, line: str) -> list[str]:
        """Cut a line up."""
        escape = "\\" if "\\" in line else None
        try:
            rows = list(csv_module.reader([line], delimiter=self.separator, quotechar=self._quote, escapechar=escape, strict=True))
        except csv_module.Error:
            return line.split(self._quote, 1)[0].split(self.separator)[:-1]
        return rows[0] if rows else []

    def options(self) -> csv.ParseOptions:
        """Answer Arrow's options."""
        return csv.ParseOptions(delimiter=self.separator, quote_char=self._quote, double_quote=False, invalid_row_handler=lambda _: "skip")
