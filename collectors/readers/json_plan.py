"""How the objects of a shape are decoded, and what is read off them: structs made at run time.

The struct of a line has the keys seen as its fields: those that may be a column as scalars, objects as structs of their own, all others as their bytes, so that what an attribute holds is
never read. It refuses unknown keys. ``flat`` is a second struct: the attributes under their dotted names; encoded, it is the attributes of a line. An object whose members are very many and
seldom there is open: a dictionary, flattened line by line.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, text_starts, texts_bytes
from collectors.readers.json_care import REFUSED
from collectors.readers.names import Names
from collectors.readers.objects import Flat, flat_array, flatten, objects_array
from collectors.readers.paths import SCALARS, Step, named, pick
from tailrace.schema import FieldType

UNSET: Final = msgspec.UNSET
Scalar = str | int | float | bool | None
Member = msgspec.Raw | msgspec.UnsetType


class Kind(Enum):
    """What a member is, beside a leaf and an object of known members."""

    OPEN = "open"


OPEN: Final = Kind.OPEN
"""An object with members of any names."""

Node = dict[str, "Node | Literal[Kind.OPEN] | None"]
"""Members by name: those of an object, or ``None`` for a leaf."""

_DECODE: Final = msgspec.json.Decoder().decode


@dataclass(slots=True)
class Decoded:
    """Lines that were decoded: their structs (blank where a line was refused), the flat members of open objects; by their places the structs of objects in them, and lists that were decoded for paths."""

    rows: list[Any] = field(default_factory=list)
    objects: dict[str, list[Any]] = field(default_factory=dict)
    open: list[Flat] = field(default_factory=list)
    lists: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a column may be: its name there, the member that holds it, the path of fields in the struct (``at``; none: among the open members), and from there the steps through a list."""

    name: str
    member: str
    at: str
    steps: tuple[Step, ...] = ()


class Plan:
    """How objects of a shape are decoded, and what is read off them; never changed, so that threads share it without a lock."""

    def __init__(self, tree: Node, types: Mapping[str, FieldType], names: Names) -> None:
        line = _struct(tree, "", names.of)
        self.decode: Callable[[str], Any] = msgspec.json.Decoder(line).decode
        self.blank: Any = line()
        """An object without members, in the place of a line that could not be decoded."""
        self.types: Mapping[str, FieldType] = MappingProxyType(dict(types))
        self._open = tuple(_open_objects(tree, names.prefix))
        paths: dict[str, list[str]] = {}
        for name, path in _leaves(tree, "", ""):
            paths.setdefault(name, []).append(path)
        self._collisions = [own for own in paths.values() if len(own) > 1]
        columns = {column: [place for name in own for place in self._places(name, paths, names)] for column, own in names.columns.items()}
        self.columns: Mapping[str, list[_Place]] = {column: found for column, found in columns.items() if found}
        """Column: the places of its members, best first."""
        self._attributes = {name: own for name, own in paths.items() if name not in names.of}
        left = [place.name for found in self.columns.values() for place in found[1:] if place.at and not place.steps]
        flat = list(dict.fromkeys([*(names.prefix + name for name in self._attributes), *left]))
        self._flat = _flat(flat)
        self._flat_names = frozenset(name.encode() for name in flat)
        beside = [*(names.prefix + name for name in paths), *(prefix for prefix, _, _ in self._open)]
        self.is_sound = all(sum(name.startswith(prefix) for name in beside) == 1 for prefix, _, _ in self._open)
        """Whether no member beside an open object has the dotted name of one in it; a plan of which that does not hold is of no use."""

    def _places(self, name: str, paths: Mapping[str, list[str]], names: Names) -> Iterator[_Place]:
        path = names.paths.get(name)
        member, steps = (path.base, path.steps) if path else (name, ())
        yield from (_Place(names.prefix + name, names.prefix + member, at, steps) for at in paths.get(member, []))
        if any((names.prefix + member).startswith(prefix) for prefix, _, _ in self._open):
            yield _Place(names.prefix + name, names.prefix + member, "", steps)

    @property
    def has_open(self) -> bool:
        """Whether there are open objects."""
        return bool(self._open)

    def open_members(self, decoded: Decoded) -> list[Flat]:
        """Answer the members of all open objects of each row, under the names that they have as attributes."""
        found: list[Flat] = [{} for _ in decoded.rows]
        for prefix, at, depth in self._open:
            for flat, members in zip(found, self._values(decoded, at), strict=True):
                if members.__class__ is dict:
                    flatten(members, prefix, flat, depth)
        return found

    def column(self, decoded: Decoded, column: str) -> tuple[str, list[Scalar], dict[str, list[Any]]]:
        """Answer the name under which a column was found, its values, and the values of its members that are not needed for it: they are attributes."""
        first, *others = self.columns[column]
        name, values = first.name, self._found(decoded, first)
        if not first.at and not first.steps:
            _take_out(decoded.open, name, [None] * len(values), values)
        left: dict[str, list[Any]] = {}
        for place in others:
            found = self._found(decoded, place)
            if place.at and not place.steps:
                left[place.name] = [UNSET if other is None or value is None else other for value, other in zip(values, found, strict=True)]
            elif not place.steps:
                _take_out(decoded.open, place.name, values, found)
            name = place.name if values.count(None) == len(values) else name
            values = [other if value is None else value for value, other in zip(values, found, strict=True)]
        return name, values, left

    def _found(self, decoded: Decoded, place: _Place) -> list[Any]:
        if place.steps:
            return self._picked(decoded, place)
        if place.at:
            return self._values(decoded, place.at)
        members = (flat.get(place.name) for flat in decoded.open)
        return [value if value.__class__ in SCALARS else None for value in members]

    def collisions(self, decoded: Decoded) -> Iterator[int]:
        """Answer the rows in which ``{"a": {"b": 1}}`` and ``{"a.b": 2}`` meet: the last of them in the line wins, which a struct does not know."""
        for paths in self._collisions:
            for number, values in enumerate(zip(*(self._values(decoded, path) for path in paths), strict=True)):
                if sum(value is not UNSET and value is not None for value in values) > 1:
                    yield number

    def attributes(self, decoded: Decoded, left: Mapping[str, list[Any]]) -> AnyArray:
        """Answer the attributes of every row as a flat JSON object, but for the open members; null where there are none."""
        if self._flat is None:
            return pa.nulls(len(decoded.rows), pa.string())
        made = [*(self._first_set(decoded, paths) for paths in self._attributes.values()), *left.values()]
        return objects_array(list(map(self._flat, *made)))

    def filled(self, attributes: AnyArray) -> set[int]:
        """Answer the rows of attributes in which a member may be an object with members: behind the name of one, which few objects in lists have."""
        data = texts_bytes(attributes)
        braces = np.flatnonzero(data == ord("{"))
        opening = braces[(data[braces - 1] == ord(":")) & (data.take(braces + 1, mode="clip") != ord("}"))]
        texts = data.tobytes() if len(opening) else b""
        named_so = [at for at in opening.tolist() if texts[texts.rfind(b'"', 0, at - 2) + 1 : at - 2] in self._flat_names]
        return set((np.searchsorted(text_starts(attributes), named_so, "right") - 1).tolist())

    def _values(self, decoded: Decoded, path: str) -> list[Any]:
        """Answer what a field holds in each row; where an object on the way is null, it is as if the object had no members."""
        holder, _, last = path.rpartition(".")
        return list(map(attrgetter(last), self._objects(decoded, holder)))

    def _objects(self, decoded: Decoded, path: str) -> list[Any]:
        """Answer the structs that stand at a path of each row, found once for all their fields."""
        if not path:
            return decoded.rows
        if path not in decoded.objects:
            blank = attrgetter(path)(self.blank)
            decoded.objects[path] = [blank if one is None else one for one in self._values(decoded, path)]
        return decoded.objects[path]

    def _first_set(self, decoded: Decoded, paths: Sequence[str]) -> list[Any]:
        """``{"a": {"b": 1}}`` and ``{"a.b": 1}`` are one attribute."""
        *others, last = (self._values(decoded, path) for path in paths)
        for values in reversed(others):
            last = [other if value is UNSET else value for value, other in zip(last, values, strict=True)]
        return last

    def _picked(self, decoded: Decoded, place: _Place) -> list[Any]:
        """Walk from the lists of a member; they are decoded, and their elements sorted by name, once for all paths through them."""
        lists, first, *rest = decoded.lists, *place.steps
        here = f"{place.at} {place.member}"
        if here not in lists:
            members = self._values(decoded, place.at) if place.at else [flat.get(place.member) for flat in decoded.open]
            lists[here] = list(map(_decoded, members)) if place.at else members
        if not isinstance(first, tuple):
            return [pick(value, place.steps) if value is not None else None for value in lists[here]]
        by_name = f"{here}[{first[0]}"
        if by_name not in lists:
            lists[by_name] = [named(value, first[0]) for value in lists[here]]
        steps = tuple(rest)
        return [pick(elements.get(first[1]), steps) for elements in lists[by_name]]


def with_open(one: AnyArray, open_members: Sequence[Flat]) -> AnyArray:
    """Put open members into the JSON objects of their rows."""
    other = flat_array(open_members)
    members = (pc.utf8_slice_codeunits(objects, 1, -1) for objects in (one, other))
    inner = pc.binary_join_element_wise(*members, ",", null_handling="emit_null")
    return pc.coalesce(pc.binary_join_element_wise("{", inner, "}", "", null_handling="emit_null"), one, other)


def _take_out(rows: Sequence[Flat], name: str, known: Sequence[Any], found: Sequence[Any]) -> None:
    for row, value, other in zip(rows, known, found, strict=True):
        if other is not None and value is None:
            del row[name]


def _decoded(member: Any) -> Any:  # noqa: ANN401 - what a member holds
    if member.__class__ is not msgspec.Raw:
        return None
    try:
        return _DECODE(member)
    except REFUSED:
        return None


def _struct(node: Node, prefix: str, columns: Container[str]) -> Callable[[], Any]:
    fields: list[tuple[str, Any, Any]] = []
    for number, (name, members) in enumerate(node.items()):
        path = f"{prefix}{name}"
        if members is OPEN:
            fields.append((f"f{number}", dict[str, Any] | None, None))
        elif members is not None:
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
        elif members is not OPEN:
            yield from _leaves(members, f"{prefix}{name}.", f"{path}f{number}.")


def _open_objects(node: Node, prefix: str, path: str = "", depth: int = 1) -> Iterator[tuple[str, str, int]]:
    """Walk the open objects: what stands before the names of their members, path of fields, depth of their members."""
    for number, (name, members) in enumerate(node.items()):
        if members is OPEN:
            yield f"{prefix}{name}.", f"{path}f{number}", depth + 1
        elif members is not None:
            yield from _open_objects(members, f"{prefix}{name}.", f"{path}f{number}.", depth + 1)
