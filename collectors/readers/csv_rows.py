"""Comma-separated values with a header (RFC 4180, https://www.rfc-editor.org/rfc/rfc4180): a cell is in quotes where it holds a comma, a quote in it is doubled.

The first line of a source that looks like a header, a list of different names, says what the cells are; where it comes again it is one again. Before any header the cells are ``field_<n>``, and so are
those beyond its last. Names are those of the format in whatever case. An empty cell is nothing. A line with fewer cells than the header, or a quote that is not closed, is read in part.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Final

import pyarrow as pa

from collectors.arrays import AnyArray
from collectors.format import Format
from collectors.readers.fields import Fields
from collectors.readers.json_care import Care
from collectors.readers.key_value import with_numbers
from collectors.readers.names import names_of
from collectors.readers.objects import Flat, fields_of

MAX_REMEMBERED: Final = 10_000
MAX_NAME: Final = 64
TIMES: Final = frozenset({"@timestamp", "date", "datetime", "event_time", "eventtime", "time", "timestamp", "ts"})
OTHERS: Final = frozenset({"event", "level", "log", "message", "msg", "severity"})
"""A header of logs names a time, and one of these."""

_NAME: Final = re.compile(r"[A-Za-z_@#$][\w .:/()%@#$\-]*")
_HEADERS: dict[tuple[Format, str], tuple[str, ...]] = {}
_LOCK: Final = Lock()


def read(format_: Format, lines: AnyArray, source: str) -> Fields:
    """Answer the columns and attributes of lines, and which of them are headers."""
    names, care, rows, headers = names_of(format_), Care(), list[Flat](), list[bool]()
    separator, numbers = str(format_.options.get("separator", ",")), bool(format_.options.get("numbers"))
    known = {name.lower(): name for name in names.of}
    with _LOCK:
        header = _HEADERS.get((format_, source), ())
    for number, text in enumerate(lines.to_pylist()):
        cells, is_whole = cells_of(str(text).removeprefix("\ufeff"), separator)
        is_header = is_whole and is_names(cells) and (not header or tuple(cells) == header)
        header = tuple(cells) if is_header else header
        headers.append(is_header)
        row = {} if is_header else _row(cells, header, known)
        rows.append(with_numbers(row) if numbers else row)
        if not is_whole:
            care.faults[number] = "a quote is not closed"
        elif len(cells) < len(header):
            care.faults[number] = f"reading stopped at {header[len(cells)]} (field {len(cells) + 1} of {len(header)})"
    _remember(format_, source, header)
    return replace(fields_of(rows, names, {}, care), headers=pa.array(headers, pa.bool_()))


def _remember(format_: Format, source: str, header: tuple[str, ...]) -> None:
    with _LOCK:
        if len(_HEADERS) >= MAX_REMEMBERED:
            _HEADERS.clear()
        _HEADERS[format_, source] = header


def _row(cells: Sequence[str], header: Sequence[str], known: Mapping[str, str]) -> Flat:
    names = [known.get(name.strip().lower(), name.strip()) for name in header]
    called = [*names, *(f"field_{at + 1}" for at in range(len(names), len(cells)))]
    return {name: cell for name, cell in zip(called, cells, strict=False) if cell}


def cells_of(line: str, separator: str) -> tuple[list[str], bool]:
    """Cut a line into cells; whether all quotes are closed."""
    if '"' not in line:
        return line.split(separator), True
    cells, at, is_whole = list[str](), 0, True
    while at <= len(line):
        end = line.find(separator, at)
        if line.startswith('"', at):
            close = _closing(line, at + 1)
            is_whole = is_whole and close >= 0
            close = len(line) if close < 0 else close
            end = line.find(separator, close)
            rest = line[close + 1 : end if end >= 0 else len(line)]
            cells.append(line[at + 1 : close].replace('""', '"') + rest)
        else:
            cells.append(line[at : end if end >= 0 else len(line)])
        at = len(line) + 1 if end < 0 else end + len(separator)
    return cells, is_whole


def _closing(line: str, at: int) -> int:
    """Answer where the quote is that closes a cell; -1 where there is none."""
    while (close := line.find('"', at)) >= 0:
        if not line.startswith('""', close):
            return close
        at = close + 2
    return -1


def is_names(cells: Sequence[str]) -> bool:
    """Whether cells look like those of a header: at least two different names."""
    return len(cells) > 1 and len(set(cells)) == len(cells) and all(len(cell) <= MAX_NAME and _NAME.fullmatch(cell.strip()) for cell in cells)


def is_log_table(first: bytes) -> bool:
    """Whether a stream that begins so is unmistakably CSV of log events: its first line names a time and a message or a level, and the second has as many cells."""
    head, _, rest = first.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    names, is_whole = cells_of(head.decode("utf-8", "replace").strip(), ",")
    lowered = {name.strip().lower() for name in names}
    if not (is_whole and len(names) > 2 and is_names(names) and lowered & TIMES and lowered & OTHERS):
        return False
    second, is_whole = cells_of(rest.partition(b"\n")[0].decode("utf-8", "replace").strip("\r"), ",")
    return len(second) == len(names) or not is_whole
