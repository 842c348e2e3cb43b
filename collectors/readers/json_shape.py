"""The shape of the objects of one source: which keys were seen, and the structs made of them.

A shape grows as keys are learned, and makes a :class:`Plan` anew each time; with more than :data:`WIDE_KEYS` it is wide, and learns only types. A plan is never changed, so that threads
share it without a lock.
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from threading import Lock
from types import MappingProxyType
from typing import Any, Final

import msgspec
import pyarrow as pa

from collectors.arrays import AnyArray
from collectors.readers.names import MAX_DEPTH, Names
from collectors.readers.objects import note_type, objects_array
from tailrace.schema import FieldType

WIDE_KEYS: Final = 150
"""Members of a source with which a struct takes longer than a dictionary a line: see ``benchmarks``."""

UNSET: Final = msgspec.UNSET
Scalar = str | int | float | bool | None
Member = msgspec.Raw | msgspec.UnsetType
Node = dict[str, "Node | None"]
"""Members by name: those of an object, or ``None`` for a leaf."""

_UNNAMEABLE: Final = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
"""What msgspec takes in no name of a field."""

_KINDS: Final = ((bool, FieldType.BOOLEAN), (int, FieldType.LONG), (float, FieldType.DOUBLE), (str, FieldType.KEYWORD))


class Shape:
    """What is known of the objects of one source; shared by threads."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._tree: Node = {}
        self._keys = self._changes = 0
        self.types: dict[str, FieldType] = {}
        self._lock = Lock()
        self.plan = Plan({}, {}, names)

    @property
    def is_wide(self) -> bool:
        """Whether there are too many members for a struct."""
        return self._keys > WIDE_KEYS

    def learn(self, values: Iterable[Mapping[str, Any]]) -> bool:
        """Take up the keys of objects; answer whether there was something new, and with it a new plan."""
        with self._lock:
            before = self._changes
            for value in values:
                self._take_up(self._tree, value, "", 1)
            if self._changes == before or self.is_wide:
                return False
            self.plan = Plan(self._tree, self.types, self.names)
            return True

    def _take_up(self, node: Node, value: Mapping[str, Any], prefix: str, depth: int) -> None:
        for name, member in value.items():
            path = f"{prefix}{name}"
            if _UNNAMEABLE.search(name):
                continue
            nested = isinstance(member, dict) and bool(member) and depth < MAX_DEPTH
            if name not in node:
                self._keys += 1
                self._put(node, name, nested=nested)
                if not nested and path not in self.names.of:
                    note_type(self.types, self.names.prefix + path, member)
            elif (node[name] is None) is nested and member is not None and nested is (path not in self.names.of):
                self._put(node, name, nested=nested)
            known = node[name]
            if nested and known is not None:
                self._take_up(known, member, f"{path}.", depth + 1)

    def _put(self, node: Node, name: str, *, nested: bool) -> None:
        """Make a member an object or a leaf. Of a member that is now this and now that, what may be a column is a leaf and all else an object; the other lines go the long way."""
        node[name] = {} if nested else None
        self._changes += 1


class Plan:
    """How objects of a shape are decoded, and what is read off them.

    The struct of a line has the keys seen as its fields: those that may be a column as scalars, objects as structs of their own, all others as their bytes, so that what an attribute
    holds is never read. It refuses unknown keys. ``flat`` is a second struct: the attributes under their dotted names; encoded, it is the attributes of a line.
    """

    def __init__(self, tree: Node, types: Mapping[str, FieldType], names: Names) -> None:
        line = _struct(tree, "", names.of)
        self.decode: Callable[[str], Any] = msgspec.json.Decoder(line).decode
        self.blank: Any = line()
        """An object without members, in the place of a line that could not be decoded."""
        self.types: Mapping[str, FieldType] = MappingProxyType(dict(types))
        paths: dict[str, list[str]] = {}
        for name, path in _leaves(tree, "", ""):
            paths.setdefault(name, []).append(path)
        self._collisions = [own for own in paths.values() if len(own) > 1]
        columns = {column: [(name, at) for name in own for at in paths.get(name, [])] for column, own in names.columns.items()}
        self.columns: Mapping[str, list[tuple[str, str]]] = {column: found for column, found in columns.items() if found}
        """Column: the names and paths of its members, best first."""
        self._attributes = {name: own for name, own in paths.items() if name not in names.of}
        left = [*self._attributes, *(name for found in self.columns.values() for name, _ in found[1:])]
        self._flat = _flat([names.prefix + name for name in dict.fromkeys(left)])

    def column(self, rows: Sequence[Any], column: str) -> tuple[list[Scalar], dict[str, list[Any]]]:
        """Answer a column's values, and the values of its members that are not needed for it: they are attributes."""
        (_, first), *others = self.columns[column]
        values = _values(rows, first)
        left: dict[str, list[Any]] = {}
        for name, path in others:
            found = _values(rows, path)
            left[name] = [UNSET if other is None or value is None else other for value, other in zip(values, found, strict=True)]
            values = [other if value is None else value for value, other in zip(values, found, strict=True)]
        return values, left

    def collisions(self, rows: Sequence[Any]) -> Iterator[int]:
        """Answer the rows in which ``{"a": {"b": 1}}`` and ``{"a.b": 2}`` meet: the last of them in the line wins, which a struct does not know."""
        for paths in self._collisions:
            for number, values in enumerate(zip(*(_values(rows, path) for path in paths), strict=True)):
                if sum(value is not UNSET and value is not None for value in values) > 1:
                    yield number

    def attributes(self, rows: Sequence[Any], left: Mapping[str, list[Any]]) -> AnyArray:
        """Answer the attributes of every row as a flat JSON object; null where there are none."""
        if self._flat is None:
            return pa.nulls(len(rows), pa.string())
        made = [*(_first_set(rows, paths) for paths in self._attributes.values()), *left.values()]
        return objects_array(list(map(self._flat, *made)))


def _struct(node: Node, prefix: str, columns: Container[str]) -> Callable[[], Any]:
    fields: list[tuple[str, Any, Any]] = []
    for number, (name, members) in enumerate(node.items()):
        path = f"{prefix}{name}"
        if members is not None:
            inner = _struct(members, f"{path}.", columns)
            fields.append((f"f{number}", inner | None, inner()))  # type: ignore[operator] # a class made at run time
        elif path in columns:
            fields.append((f"f{number}", Scalar, None))
        else:
            fields.append((f"f{number}", Member, UNSET))
    names = {f"f{number}": name for number, name in enumerate(node)}
    return msgspec.defstruct("Line", fields, rename=names, forbid_unknown_fields=True, gc=False, frozen=True)


def _flat(names: Sequence[str]) -> Callable[..., Any] | None:
    fields = [(f"f{number}", Any, UNSET) for number in range(len(names))]
    return msgspec.defstruct("Flat", fields, rename={f"f{number}": name for number, name in enumerate(names)}, gc=False) if names else None


def _leaves(node: Node, prefix: str, path: str) -> Iterator[tuple[str, str]]:
    """Walk the leaves: dotted name, and path of fields."""
    for number, (name, members) in enumerate(node.items()):
        if members is None:
            yield f"{prefix}{name}", f"{path}f{number}"
        else:
            yield from _leaves(members, f"{prefix}{name}.", f"{path}f{number}.")


def _values(rows: Sequence[Any], path: str) -> list[Any]:
    try:
        return list(map(attrgetter(path), rows))
    except AttributeError:  # an object on the way is null
        return [_reach(row, path) for row in rows]


def _reach(row: object, path: str) -> Any:  # noqa: ANN401 - what a member holds
    *holders, last = path.split(".")
    for holder in holders:
        row = getattr(row, holder)
        if row is None:
            return UNSET
    return getattr(row, last)


def _first_set(rows: Sequence[Any], paths: Sequence[str]) -> list[Any]:
    """``{"a": {"b": 1}}`` and ``{"a.b": 1}`` are one attribute."""
    *others, last = (_values(rows, path) for path in paths)
    for values in reversed(others):
        last = [other if value is UNSET else value for value, other in zip(last, values, strict=True)]
    return last
