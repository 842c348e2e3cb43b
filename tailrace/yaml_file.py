"""YAML files that people write (formats, rules, declared fields), read with care and with the place of every value.

Safe loading only; anchors and aliases are refused (306 bytes of them expand to millions of nodes), and so are duplicate keys, files over 256 kB and nesting beyond 32.
A value is plain data: ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool``, ``None``. :class:`Document` knows the line of every key.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from tailrace.errors import FileError, nearest

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32

type_names: Final = MappingProxyType({dict: "a mapping", list: "a list", str: "a text", int: "a whole number", float: "a number", bool: "true or false"})

_TEXT: Final = "tag:yaml.org,2002:str"
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it: ten times as fast, and our own formats alone are 230 kB."""

Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, and where: ``places`` maps the path of a value to its line and column, both from 1."""

    path: str
    data: Mapping[str, Any]
    places: Mapping[Path_, tuple[int, int]]

    def error(self, message: str, *where: str | int) -> FileError:
        """Make the error that names the place of a value, or of the nearest one above it."""
        for depth in range(len(where), -1, -1):
            if place := self.places.get(where[:depth]):
                return FileError(message, path=self.path, line=place[0], column=place[1])
        return FileError(message, path=self.path)

    def refuse_unknown(self, known: Iterable[str], *where: str | int) -> None:
        """Refuse keys that do not exist, with the nearest right name."""
        names = list(known)
        for key in self.at(*where):
            if key not in names:
                raise self.error(f"no such option: {key}{nearest(str(key), names)}", *where, key)

    def at(self, *where: str | int) -> Any:  # noqa: ANN401 - plain data of any shape
        """Answer the value at a path."""
        value: Any = self.data
        for step in where:
            value = value[step]
        return value


def read_yaml(path: Path) -> Document:
    """Read a file whose top is a mapping; raises :class:`FileError` with line and column."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FileError(f"longer than {MAX_BYTES} bytes", path=str(path))
        return parse_yaml(path.read_bytes(), str(path))
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror}", path=str(path)) from error


def parse_yaml(text: bytes, path: str) -> Document:
    """Read a mapping from bytes; ``path`` is the name that errors bear."""
    try:
        node = _composed(text, path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FileError(
            f"not YAML: {error.problem or error.context}",
            path=path,
            line=mark.line + 1 if mark else None,
            column=mark.column + 1 if mark else None,
        ) from error
    except (yaml.YAMLError, ValueError, UnicodeDecodeError) as error:
        raise FileError(f"not YAML: {str(error).splitlines()[0]}", path=path) from error
    places: dict[Path_, tuple[int, int]] = {}
    data = _construct(node, (), places, path) if node is not None else {}
    if not isinstance(data, dict):
        raise FileError(f"expected a mapping at the top, found {_kind(data)}", path=path)
    return Document(path, data, places)


def _composed(text: bytes, path: str) -> yaml.Node | None:
    """Read with libyaml, and what it does not take again without: the place of the error is better then."""
    try:
        _check_events(text, path, _LOADER)
        return yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError:
        _check_events(text, path, yaml.SafeLoader)
        return yaml.compose(text, Loader=yaml.SafeLoader)


def _check_events(text: bytes, path: str, loader: Any) -> None:  # noqa: ANN401 - a class of either kind
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise FileError("anchors and aliases are not taken", path=path, line=line, column=column)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise FileError(f"nested deeper than {MAX_DEPTH}", path=path, line=line, column=column)


def _construct(node: yaml.Node, where: Path_, places: dict[Path_, tuple[int, int]], path: str) -> Any:  # noqa: ANN401 - plain data
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    places.setdefault(where, (line, column))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, where, places, path)
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, (*where, number), places, path) for number, item in enumerate(node.value)]
    if node.tag == _TEXT:
        return str(node.value)
    try:
        return _plain(_Scalars().construct_object(node))
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise FileError(f"not a value: {str(error).splitlines()[0]}", path=path, line=line, column=column) from error


def _mapping(node: yaml.MappingNode, where: Path_, places: dict[Path_, tuple[int, int]], path: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
            raise FileError("a key must be a plain text", path=path, line=line, column=column)
        key = str(key_node.value)
        if key in result:
            raise FileError(f"the key {key!r} is there twice", path=path, line=line, column=column)
        places[(*where, key)] = (line, column)
        result[key] = _construct(value_node, (*where, key), places, path)
    return result


class _Scalars(yaml.constructor.SafeConstructor):
    """PyYAML's construction of single values."""


def _plain(value: Any) -> Any:  # noqa: ANN401 - plain data
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _kind(value: object) -> str:
    return type_names.get(type(value), "nothing" if value is None else type(value).__name__)
