"""Fields with a separator between, in quotes where they hold one: VPC flow logs, load balancers, S3, CloudFront.

The whole column goes through Arrow's CSV reader, with a number before each line that shows which lines it left out, and numbers are read as such; if one is none, all is read again as texts. What
CSV does not mean the same by, and lines with another number of fields, are cut one by one (``collectors.readers.cuts``). Fields beyond those that the format names are kept as ``field_<n>``,
the last of :data:`MORE_FIELDS` with all that follow it; a line with fewer than ``options.least`` is none of the format, one with fewer than ``options.whole`` is read in part. ``-`` is null.

``options.separator`` is a blank where it is not said; ``options.quote`` is for other separators. With ``options.header`` a line of column names says the order of the fields for the lines of
its source that follow, and ``whole`` counts no more fields than it names; with ``header: fields`` that line begins with ``#Fields:``, and others that begin with ``#`` are no events either (W3C).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from threading import Lock
from types import MappingProxyType
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from collectors.arrays import AnyArray, Numbers, concatenated, first_bytes, in_order, one_array, texts_bytes
from collectors.format import Format
from collectors.readers.cuts import Cut, cut_of
from collectors.readers.fields import Fields

MAX_REMEMBERED: Final = 10_000
FIELDS: Final = "#Fields:"
MAX_PARTS: Final = 100
"""Headers in one run of lines that say another order; those beyond count for nothing."""
MORE_FIELDS: Final = 64
"""Fields beyond those that have names; a line with very many would cost a column each."""

LOOKED_AT: Final = 9
"""First lines that are looked at for how many fields a line has."""

_TYPES: Final[Mapping[str, pa.DataType]] = MappingProxyType({"long": pa.int64(), "double": pa.float64()})
_HEADERS: dict[tuple[Format, str], tuple[str, ...]] = {}
_LOCK: Final = Lock()


def read(format_: Format, lines: AnyArray, source: str) -> Fields:
    """Answer a column for every source of the format, and ``field_<n>`` for fields beyond."""
    usual = tuple(column.source for column in format_.columns)
    if not format_.options.get("header"):
        return _read(format_, lines, usual, None)
    headers = _headers(format_, lines)
    with _LOCK:
        seen = _HEADERS.get((format_, source), ())
    parts = _parts(format_, lines, headers, seen)
    _remember(format_, source, parts[-1][1])
    ends = [*(start for start, _ in parts), len(lines)][1:]
    read_parts = [
        _read(format_, lines.slice(start, end - start), said or usual, headers.slice(start, end - start), is_said=bool(said))
        for (start, said), end in zip(parts, ends, strict=True)
    ]
    return read_parts[0] if len(read_parts) == 1 else joined(read_parts)


def _parts(format_: Format, lines: AnyArray, headers: AnyArray, seen: tuple[str, ...]) -> list[tuple[int, tuple[str, ...]]]:
    """Part lines by the headers that say another order than the one before: where each part begins, and its names. Lines before the first header that is known of a source are read by it."""
    parts = [(0, seen)]
    for number in pc.indices_nonzero(headers).to_pylist():
        said = _said(format_, str(lines[number]))
        if said and said != parts[-1][1] and len(parts) < MAX_PARTS:
            parts = [*parts, (number, said)] if number and parts[-1][1] else [(0, said)]
    return parts


def _headers(format_: Format, lines: AnyArray) -> AnyArray:
    """A header is a line whose first two words are names of columns; or one that begins with ``#``, where the format says so."""
    if format_.options["header"] == "fields":
        return pc.starts_with(lines, "#")
    may = np.zeros(256, bool)
    may[[column.source.encode()[0] for column in format_.columns]] = True
    if not may[first_bytes(lines)].any():
        return pa.array(np.zeros(len(lines), bool))
    known = "|".join(re.escape(column.source) for column in format_.columns)
    return pc.match_substring_regex(lines, rf"^({known}) ({known})( |$)")


def _said(format_: Format, header: str) -> tuple[str, ...]:
    """Answer the names that a header says; of those that begin with ``#`` only one does."""
    if format_.options["header"] == "fields" and not header.startswith(FIELDS):
        return ()
    return tuple(header.removeprefix(FIELDS).split())


def _remember(format_: Format, source: str, names: tuple[str, ...]) -> None:
    with _LOCK:
        if len(_HEADERS) >= MAX_REMEMBERED:
            _HEADERS.clear()
        _HEADERS[format_, source] = names


def _read(format_: Format, lines: AnyArray, names: Sequence[str], headers: AnyArray | None, *, is_said: bool = False) -> Fields:
    cut = cut_of(str(format_.options.get("separator", " ")), str(format_.options.get("quote", "")))
    width = min(_width(cut, lines, headers) or len(names), len(names) + MORE_FIELDS)
    kinds: dict[str, pa.DataType] = {column.source: _TYPES[column.type] for column in format_.columns if column.type in _TYPES}
    nulls = ("-",) if all("-" in column.nulls for column in format_.columns) else ()
    called = [names[at] if at < len(names) else f"field_{at + 1}" for at in range(width)]
    fast, numbers = _by_csv(cut, lines, [kinds.get(name, pa.string()) for name in called], nulls)
    counts = np.full(len(lines), width)
    columns = dict(zip(called, fast, strict=False))
    if len(numbers) < len(lines):
        columns, counts = _with_slow(cut, lines, names, columns, numbers, counts, nulls)
    least = min(int(format_.options.get("least", len(names))), len(names))
    whole = int(format_.options.get("whole", least))
    if headers is not None:
        whole = min(whole, len(names)) if is_said else least
    reason = _stopped(counts, 0, least, names, headers)
    faults = _stopped(counts, least, whole, names, headers)
    return Fields(columns, reason, headers=headers, nulls=nulls, faults=faults)


def _width(cut: Cut, lines: AnyArray, headers: AnyArray | None) -> int:
    """The number of fields that most of the first lines have which are no headers."""
    bodies = lines if headers is None else lines.filter(pc.invert(headers))
    widths = Counter(len(cut.tokens(str(line))) for line in islice(bodies, LOOKED_AT))
    return widths.most_common(1)[0][0] if widths else 0


def _by_csv(cut: Cut, lines: AnyArray, kinds: Sequence[pa.DataType], nulls: Sequence[str]) -> tuple[list[AnyArray], Numbers]:
    """Answer the columns of the lines that CSV reads right, and their numbers."""
    numbers: AnyArray = pa.array(np.arange(len(lines)))
    odd = cut.odd(lines)
    if odd is not None:
        numbers = pc.indices_nonzero(pc.invert(odd))
        lines = lines.take(numbers)
    if not len(lines):
        return [pa.array([], kind) for kind in kinds], np.array([], dtype=np.int64)
    numbered = pc.binary_join_element_wise(numbers.cast(pa.string()), cut.separator, lines, "\n", "")
    body = pa.py_buffer(texts_bytes(numbered))  # type: ignore[arg-type] # the stub does not know numpy's arrays
    try:
        table = _csv(cut, body, kinds, nulls)
    except pa.ArrowInvalid:
        table = _csv(cut, body, [pa.string()] * len(kinds), nulls)
    read: list[AnyArray] = [one_array(column) for column in table.columns]
    return read[1:], read[0].to_numpy()


def _csv(cut: Cut, body: pa.Buffer, kinds: Sequence[pa.DataType], nulls: Sequence[str]) -> pa.Table:
    names = [str(number) for number in range(len(kinds) + 1)]
    return csv.read_csv(
        pa.BufferReader(body),
        read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=body.size + 1),
        parse_options=cut.options(),
        convert_options=csv.ConvertOptions(
            column_types=dict(zip(names, (pa.int64(), *kinds), strict=True)), null_values=list(nulls), strings_can_be_null=True, quoted_strings_can_be_null=True
        ),
    )


def _with_slow(
    cut: Cut,
    lines: AnyArray,
    names: Sequence[str],
    fast: Mapping[str, AnyArray],
    numbers: Numbers,
    counts: Numbers,
    nulls: Sequence[str],
) -> "tuple[dict[str, AnyArray], np.ndarray[tuple[int], np.dtype[np.int64]]]":
    """Put lines that are cut one by one between those that CSV read."""
    slow_numbers = np.setdiff1d(np.arange(len(lines)), numbers, assume_unique=True)
    most = len(names) + MORE_FIELDS
    slow = [[None if token in nulls else token for token in _capped(cut, cut.tokens(str(lines[int(number)])), most)] for number in slow_numbers]
    counts[slow_numbers] = [len(tokens) for tokens in slow]
    widest = max(len(fast), *(len(tokens) for tokens in slow))
    put = in_order(numbers, slow_numbers)
    columns: dict[str, AnyArray] = {}
    for at in range(widest):
        name = names[at] if at < len(names) else f"field_{at + 1}"
        own = fast.get(name, pa.nulls(len(numbers), pa.string()))
        columns[name] = put(*_of_one_type(own, pa.array([tokens[at] if at < len(tokens) else None for tokens in slow], pa.string())))
    return columns, counts


def _capped(cut: Cut, tokens: list[str], most: int) -> list[str]:
    """Put what is beyond the last field together with it."""
    return tokens if len(tokens) <= most else [*tokens[: most - 1], cut.separator.join(tokens[most - 1 :])]


def _of_one_type(typed: AnyArray, texts: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Make values and texts of one type: the values', if the texts are."""
    try:
        return typed, texts.cast(typed.type)
    except pa.ArrowInvalid:
        return typed.cast(pa.string()), texts


def joined(parts: Sequence[Fields]) -> Fields:
    """Put what was read of the parts of a run together."""
    names = dict.fromkeys(name for part in parts for name in part.columns)
    columns = {name: concatenated([part.columns.get(name, pa.nulls(len(part.reason), pa.string())) for part in parts]) for name in names}
    reason = pa.concat_arrays([part.reason for part in parts])
    faults = pa.concat_arrays([part.faults for part in parts if part.faults is not None])
    headers = pa.concat_arrays([part.headers for part in parts if part.headers is not None])
    return Fields(columns, reason, headers=headers, nulls=parts[0].nulls, faults=faults)


def _stopped(counts: Numbers, low: int, high: int, names: Sequence[str], headers: AnyArray | None) -> AnyArray:
    """Say at which column reading stopped, of lines with at least ``low`` and less than ``high`` fields."""
    bad = (counts >= low) & (counts < high)
    if headers is not None and bad.any():
        bad &= ~np.asarray(headers.to_numpy(zero_copy_only=False), dtype=bool)
    none: AnyArray = pa.nulls(len(counts), pa.string())
    if not bad.any():
        return none
    told = pa.array([f"reading stopped at {name} (field {at} of {high})" for at, name in enumerate([*names, "the end"], 1)], pa.string())
    return pc.replace_with_mask(none, pa.array(bad), told.take(pa.array(np.minimum(counts[bad], len(names)))))
