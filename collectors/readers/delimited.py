r"""Fields with a separator between, in quotes where they hold one: VPC flow logs, load balancers, access logs.

The whole column goes through Arrow's CSV reader, with a number before each line that shows which lines it left out. What CSV does not mean the same by (a quote in the middle of a field, an odd
number of quotes, a backslash before one, a line break) and lines with another number of fields are cut one by one by a pattern. Fields beyond those that the format names are
kept as ``field_<n>``; fewer than ``options.least`` is no line of the format.

With ``options.header`` a line of column names says the order of the fields for the lines of its source that follow.
"""

import re
from collections.abc import Sequence
from threading import Lock
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from collectors.arrays import AnyArray
from collectors.format_file import Format
from collectors.readers.fields import Fields

MAX_REMEMBERED: Final = 10_000
_TOKEN: Final = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s|$)|\[([^\]]*)\](?=\s|$)|(\S+)')
_ODD: Final = r'\\|[^ "]"[^ "]|[^ ]"[^ ]*"|[\r\n]|\["'
_HEADERS: dict[tuple[str, str], tuple[str, ...]] = {}
_LOCK: Final = Lock()


def read(format_: Format, lines: AnyArray, source: str) -> Fields:
    """Answer a column for every source of the format, and ``field_<n>`` for fields beyond."""
    names = tuple(column.source for column in format_.columns)
    headers = _headers(format_, lines) if format_.options.get("header") else None
    if headers is not None:
        with _LOCK:
            seen = _HEADERS.get((format_.name, source))
        names = seen or names
        if pc.any(headers).as_py():
            names = _remember(format_, source, str(lines.filter(headers)[0]))
    return _read(format_, lines, names, headers)


def _headers(format_: Format, lines: AnyArray) -> AnyArray:
    """A header is a line whose first two words are names of columns."""
    known = "|".join(re.escape(column.source) for column in format_.columns)
    return pc.match_substring_regex(lines, rf"^({known}) ({known})( |$)")


def _remember(format_: Format, source: str, header: str) -> tuple[str, ...]:
    names = tuple(header.split())
    with _LOCK:
        if len(_HEADERS) >= MAX_REMEMBERED:
            _HEADERS.clear()
        _HEADERS[format_.name, source] = names
    return names


def _read(format_: Format, lines: AnyArray, names: Sequence[str], headers: AnyArray | None) -> Fields:
    least = int(format_.options.get("least", len(names)))
    width = _width(lines, headers, names)
    fast, numbers = _by_csv(lines, width)
    slow_numbers = np.setdiff1d(np.arange(len(lines)), numbers, assume_unique=True)
    slow = [_tokens(str(lines[int(number)])) for number in slow_numbers]
    widest = max([width, *(len(tokens) for tokens in slow)])
    order = np.argsort(np.concatenate([numbers, slow_numbers]), kind="stable")
    columns = {}
    for at in range(widest):
        own = fast[at] if at < len(fast) else pa.nulls(len(numbers), pa.string())
        rest = pa.array([tokens[at] if at < len(tokens) else None for tokens in slow], pa.string())
        columns[names[at] if at < len(names) else f"field_{at + 1}"] = pa.concat_arrays([own, rest]).take(pa.array(order))
    counts = np.concatenate([np.full(len(numbers), width), np.array([len(tokens) for tokens in slow], dtype=np.int64)])[order]
    return Fields(columns, _reasons(counts, least, headers), headers=headers)


def _width(lines: AnyArray, headers: AnyArray | None, names: Sequence[str]) -> int:
    """The number of fields of the first line that is no header: most lines of a batch have as many."""
    first = next((str(line) for number, line in enumerate(lines[:50]) if headers is None or not headers[number].as_py()), "")
    return len(_tokens(first)) or len(names)


def _by_csv(lines: AnyArray, width: int) -> tuple[list[AnyArray], "np.ndarray[tuple[int], np.dtype[np.int64]]"]:
    """Answer the columns of the lines that CSV reads right, and their numbers."""
    odd = pc.or_(pc.match_substring_regex(lines, _ODD), pc.equal(pc.bit_wise_and(pc.count_substring(lines, '"'), 1), 1))
    plain = pc.indices_nonzero(pc.invert(pc.or_(odd, pc.match_substring(lines, "["))))
    if not len(plain):
        return [], np.array([], dtype=np.int64)
    numbered = pc.binary_join_element_wise(plain.cast(pa.string()), lines.take(plain), " ")
    body = "\n".join(numbered.to_pylist()).encode("utf-8", "replace")
    names = [str(number) for number in range(width + 1)]
    table = csv.read_csv(
        pa.BufferReader(body),
        read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=max(len(body) + 1, 1024)),
        parse_options=csv.ParseOptions(delimiter=" ", quote_char='"', double_quote=False, invalid_row_handler=lambda _: "skip"),
        convert_options=csv.ConvertOptions(column_types={"0": pa.int64(), **dict.fromkeys(names[1:], pa.string())}, strings_can_be_null=False),
    ).combine_chunks()
    columns = [column.chunk(0) if column.num_chunks else pa.array([], column.type) for column in table.columns]
    return columns[1:], columns[0].to_numpy()


def _tokens(line: str) -> list[str]:
    return [_unescaped(found[1]) if found[1] is not None else found[2] if found[2] is not None else found[3] for found in _TOKEN.finditer(line)]


def _unescaped(text: str) -> str:
    return text.replace('\\"', '"') if "\\" in text else text


def _reasons(counts: "np.ndarray[tuple[int], np.dtype[np.int64]]", least: int, headers: AnyArray | None) -> AnyArray:
    bad = pa.array(counts < least)
    if headers is not None:
        bad = pc.and_(bad, pc.invert(headers))
    texts = pc.binary_join_element_wise("reading stopped at field ", pa.array(counts + 1).cast(pa.string()), f" of at least {least}", "")
    return pc.if_else(bad, texts, pa.nulls(len(counts), pa.string()))
