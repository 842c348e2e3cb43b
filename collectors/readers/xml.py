"""XML, one document a line: Windows events.

Elements become dotted names below the root, without namespaces; an attribute is a member of its element, a text beside attributes is its member ``text``. Of elements that are named by an
attribute ``Name`` (``<Data Name="User">jo</Data>``) that is the name. What comes more than once is an array. A document type is refused: entities of its own are what XML is attacked by.
"""

from collections.abc import Mapping
from typing import Any, Final
from xml.parsers import expat

from collectors.arrays import AnyArray
from collectors.format import Format
from collectors.readers.fields import Fields
from collectors.readers.json_care import Care
from collectors.readers.names import names_of
from collectors.readers.objects import Flat, fields_of, flatten

MAX_DEPTH: Final = 32
TEXT: Final = "text"


class _RefusedError(Exception):
    """What is XML, and yet not read."""


class _Reader:
    """Builds dictionaries of a document."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}
        self._open: list[tuple[str, dict[str, Any], list[str]]] = [("", self.root, [])]
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype

    def read(self, text: str) -> dict[str, Any]:
        """Answer the members of the root element."""
        self._parser.Parse(text.encode("utf-8", "replace"), True)
        inner: Any = next(iter(self.root.values()), {})
        return inner if isinstance(inner, dict) else {TEXT: inner}

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if len(self._open) > MAX_DEPTH:
            raise _RefusedError("nested too deep")
        own = {name.rpartition(" ")[2]: value for name, value in attributes.items()}
        name = own.pop("Name", "") if tag.endswith("Data") else ""
        self._open.append((name or tag.rpartition(" ")[2], own, []))

    def _end(self, tag: str) -> None:
        del tag
        name, members, texts = self._open.pop()
        text = "".join(texts).strip()
        value: Any = {**members, TEXT: text} if members and text else members or text
        holder = self._open[-1][1]
        if name not in holder:
            holder[name] = value
        elif isinstance(holder[name], list):
            holder[name].append(value)
        else:
            holder[name] = [holder[name], value]

    def _text(self, text: str) -> None:
        self._open[-1][2].append(text)

    def _doctype(self, *_: object) -> None:
        raise _RefusedError("it has a document type")


def read(format_: Format, lines: AnyArray, source: str) -> Fields:
    """Answer the columns and attributes of lines."""
    del source
    names, care, rows = names_of(format_), Care(), list[Flat]()
    for number, text in enumerate(lines.to_pylist()):
        flat: Flat = {}
        rows.append(flat)
        try:
            flatten(_Reader().read(str(text).removeprefix("\ufeff")), names.prefix, flat)
        except (expat.ExpatError, _RefusedError) as error:
            care.reasons[number] = f"no XML that is read: {error}"
    return fields_of(rows, names, {}, care)
