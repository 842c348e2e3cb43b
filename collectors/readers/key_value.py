r"""Pairs of a name and a value: logfmt, Linux audit, CEF, LEEF.

``options.head`` is a pattern (RE2) of what stands before the pairs; its named groups are members too, and the group ``rest`` holds the pairs. ``options.pairs`` says how they are written:

``spaced``  blanks between, quotes around a value that holds some, a backslash before a quote in it; a word without a value is true
``cef``     a value ends before the next name; a backslash before ``=``, ``\``, ``n`` and ``r``
``tabbed``  tabs between (or ``options.separator``), no quotes
``listed``  commas, semicolons, bars or tabs between, ``=`` or ``:`` behind a name; a value may hold blanks
``audit``   the records of Linux's audit (``collectors.readers.audit``)

A line without any pair is none of the format. With ``options.numbers`` values that are written as numbers are numbers.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import pyarrow.compute as pc

from collectors.arrays import AnyArray
from collectors.format import Format
from collectors.readers.audit import audited
from collectors.readers.fields import Fields
from collectors.readers.json_care import Care
from collectors.readers.names import names_of
from collectors.readers.objects import Flat, fields_of

REST: Final = "rest"
_SPACED: Final = re.compile(r"""([^\s=]+)(?:(=)(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|'([^']*)'|(\S*)))?""")
_CEF_NAME: Final = re.compile(r"(?:^|(?<=\s))([A-Za-z0-9_.\-\[\]]+)=")
_LISTED_NAME: Final = re.compile(r"(?:^|(?<=[,;|\t]))\s*[\"']?([A-Za-z_@][\w.@/-]*)[\"']?\s?(?:=|:(?=[\s\"'\w(\[{-]))")
_CEF_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,15})?")
_BREAKS: Final[Mapping[str, str]] = MappingProxyType({"n": "\n", "r": "\r"})

Pairs = Callable[[str, str], Flat]


def read(format_: Format, lines: AnyArray, source: str) -> Fields:
    """Answer the columns and attributes of lines."""
    del source
    names, care, rows = names_of(format_), Care(), list[Flat]()
    pairs, separator, numbers = (
        PAIRS[str(format_.options.get("pairs", "spaced"))],
        str(format_.options.get("separator", "\t")),
        bool(format_.options.get("numbers")),
    )
    for number, (head, rest) in enumerate(_heads(format_, lines)):
        found = pairs(rest, separator) if rest is not None else {}
        if rest is None or not (found or head):
            care.reasons[number] = "reading stopped at its head" if rest is None else "there is no pair of a name and a value"
        values = with_numbers(found) if numbers else found
        rows.append({names.prefix + name: value for name, value in {**head, **values}.items()})
    return fields_of(rows, names, {}, care)


def _heads(format_: Format, lines: AnyArray) -> list[tuple[Flat, str | None]]:
    """Answer what stands before the pairs, and the pairs; ``None`` where the head is not there."""
    head = format_.options.get("head")
    if not head:
        return [({}, text) for text in lines.to_pylist()]
    found = pc.extract_regex(lines, str(head))
    return [_parted(value) if value is not None else ({}, None) for value in _objects(found)]


def _objects(found: AnyArray) -> list[dict[str, Any] | None]:
    return found.to_pylist()


def _parted(value: dict[str, Any]) -> tuple[Flat, str]:
    rest = value.pop(REST, "")
    return {name: text for name, text in value.items() if text}, rest


def spaced(text: str, separator: str) -> Flat:
    """``level=info msg="it is" done``."""
    del separator
    found: Flat = {}
    for name, mark, double, single, bare in _SPACED.findall(text):
        value = double.replace('\\"', '"').replace("\\\\", "\\") if double else single or bare
        found[name] = value if mark else True
    return found


def cef(text: str, separator: str) -> Flat:
    r"""``src=10.0.0.1 msg=a b\=c``."""
    del separator
    marks = [mark for mark in _CEF_NAME.finditer(text) if text[mark.end() - 2 : mark.end() - 1] != "\\"]
    ends = [*(mark.start() for mark in marks), len(text)][1:]
    return {mark[1]: _CEF_ESCAPE.sub(_unescape, text[mark.end() : end].strip()) for mark, end in zip(marks, ends, strict=True)}


def listed(text: str, separator: str) -> Flat:
    """``user: jo, state=paid; note: two words``."""
    del separator
    marks = list(_LISTED_NAME.finditer(text))
    ends = [*(mark.start() for mark in marks), len(text)][1:]
    return {mark[1]: text[mark.end() : end].strip().rstrip(",;|").strip().strip("\"'") for mark, end in zip(marks, ends, strict=True)}


def _unescape(found: re.Match[str]) -> str:
    return _BREAKS.get(found[1], found[1])


def tabbed(text: str, separator: str) -> Flat:
    """``src=10.0.0.1<TAB>usrName=jo``."""
    parts = (part.partition("=") for part in text.split(separator))
    return {name.strip(): value for name, mark, value in parts if mark and name.strip()}


def with_numbers(found: Flat) -> Flat:
    """Make numbers of texts that are written as one."""
    return {name: _number(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value for name, value in found.items()}


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


PAIRS: Final[Mapping[str, Pairs]] = MappingProxyType({"spaced": spaced, "listed": listed, "cef": cef, "tabbed": tabbed, "audit": audited})
"""How pairs are written."""
