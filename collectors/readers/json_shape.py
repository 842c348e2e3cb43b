"""The shape of the objects of one source: which keys were seen, and the struct made of them.

A node is a key's members by name, or ``None`` for a leaf. Leaves that may be a column are scalars; all other leaves are kept as their bytes (``msgspec.Raw``), so
that what an attribute holds is never read. The struct is made anew when a key is learned, at most :data:`MAX_KEYS` of them.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from threading import Lock
from typing import Any, Final

import msgspec

from collectors.readers.json_names import COLUMN_OF, NAMES, as_text
from tailrace.schema import FieldType

MAX_KEYS: Final = 400
MAX_NESTED: Final = 4
UNSET: Final = msgspec.UNSET
Scalar = str | int | float | bool | None | msgspec.UnsetType
Node = dict[str, Any]
_ENCODE: Final = msgspec.json.Encoder().encode_lines


class Shape:
    """What is known of the objects of one source; shared by threads."""

    def __init__(self) -> None:
        self._tree: Node = {}
        self._keys = 0
        self._types: dict[str, FieldType] = {}
        self._lock = Lock()
        self._plans: dict[type, _Plan] = {}
        self.decode: Callable[[str], Any] = self._build()

    def learn(self, value: Mapping[str, Any]) -> bool:
        """Take up the keys of an object; answer whether there were new ones."""
        with self._lock:
            before = self._keys
            self._take_up(self._tree, value, "", 1)
            if self._keys == before:
                return False
            self.decode = self._build()
            return True

    def harvest(self, kind: type, rows: Sequence[Any]) -> tuple[dict[str, list[str | None]], list[str | None], Mapping[str, FieldType]]:
        """Read the columns off structs of one type (which are cleared of them), and the attributes of what is left."""
        plan = self._plans[kind]
        columns = {name: _column(rows, leaves) for name, leaves in plan.columns.items()}
        return columns, plan.attributes(rows), dict(self._types)

    def _take_up(self, node: Node, value: Mapping[str, Any], prefix: str, depth: int) -> None:
        for name, member in value.items():
            if not isinstance(name, str) or self._keys >= MAX_KEYS:
                return
            path = f"{prefix}{name}"
            nested = isinstance(member, dict) and bool(member) and depth < MAX_NESTED
            if name not in node:
                node[name] = {} if nested else None
                self._keys += 1
                if not nested and path not in COLUMN_OF:
                    self._note_type(path, member)
            if nested and node[name] is not None:
                self._take_up(node[name], member, f"{path}.", depth + 1)

    def _note_type(self, path: str, member: object) -> None:
        kinds = ((bool, FieldType.BOOLEAN), (int, FieldType.LONG), (float, FieldType.DOUBLE), (str, FieldType.KEYWORD))
        found = next((kind for python, kind in kinds if isinstance(member, python)), None)
        if found:
            self._types[path] = found

    def _build(self) -> Callable[[str], Any]:
        kind = _struct(self._tree, "")
        self._plans[kind] = _Plan(self._tree)
        return msgspec.json.Decoder(kind, strict=True).decode


def _struct(node: Node, prefix: str) -> type:
    fields: list[tuple[str, Any, Any]] = []
    names = {}
    for number, (name, members) in enumerate(node.items()):
        attribute = f"f{number}"
        names[attribute] = name
        if members is not None:
            fields.append((attribute, _struct(members, f"{prefix}{name}.") | msgspec.UnsetType, UNSET))
        elif f"{prefix}{name}" in COLUMN_OF:
            fields.append((attribute, Scalar, UNSET))
        else:
            fields.append((attribute, msgspec.Raw | msgspec.UnsetType, UNSET))
    return msgspec.defstruct("Line", fields, rename=names, forbid_unknown_fields=True, gc=False)


class _Leaf:
    """One leaf of a shape: how it is reached, and its dotted name."""

    __slots__ = ("attribute", "get", "name", "parents")

    def __init__(self, parents: tuple[str, ...], attribute: str, name: str) -> None:
        self.parents, self.attribute, self.name = parents, attribute, name
        self.get = attrgetter(attribute)

    def values(self, rows: Sequence[Any]) -> list[Any]:
        """Answer the leaf's value in every row; unset where a parent is."""
        holders: list[Any] = list(rows)
        for parent in self.parents:
            step = attrgetter(parent)
            holders = [UNSET if holder is UNSET else step(holder) for holder in holders]
        if not self.parents:
            return list(map(self.get, holders))
        return [UNSET if holder is UNSET else self.get(holder) for holder in holders]

    def clear(self, rows: Sequence[Any]) -> None:
        """Unset the leaf in rows that have it."""
        holders: list[Any] = list(rows)
        for parent in self.parents:
            step = attrgetter(parent)
            holders = [UNSET if holder is UNSET else step(holder) for holder in holders]
        attribute = self.attribute
        for holder in holders:
            if holder is not UNSET:
                setattr(holder, attribute, UNSET)


class _Plan:
    """What is done with the structs of one build of a shape."""

    def __init__(self, tree: Node) -> None:
        leaves = list(_leaves(tree, (), ""))
        by_name = {leaf.name: leaf for leaf in leaves}
        found = {column: [by_name[name] for name in names if name in by_name] for column, names in NAMES.items()}
        self.columns = {column: own for column, own in found.items() if own}
        self._nested = [leaf for leaf in leaves if leaf.parents]
        self._branches = [f"f{number}" for number, members in enumerate(tree.values()) if members is not None]

    def attributes(self, rows: Sequence[Any]) -> list[str | None]:
        """Answer what is left of every row as a flat JSON object; ``None`` where nothing is."""
        pieces = [(f'"{_escaped(leaf.name)}":', leaf.values(rows)) for leaf in self._nested]
        for branch in self._branches:
            for row in rows:
                setattr(row, branch, UNSET)
        flat = _ENCODE(rows).decode("utf-8", "replace").split("\n")[:-1]
        if len(flat) != len(rows):
            flat = [msgspec.json.encode(row).decode("utf-8", "replace").replace("\n", " ") for row in rows]
        if not pieces:
            return [None if text == "{}" else text for text in flat]
        joined = [_joined(text, [f"{key}{_json(values[number])}" for key, values in pieces if values[number] is not UNSET]) for number, text in enumerate(flat)]
        return [None if text == "{}" else text for text in joined]


def _leaves(node: Node, parents: tuple[str, ...], prefix: str) -> "list[_Leaf]":
    found = []
    for number, (name, members) in enumerate(node.items()):
        if members is None:
            found.append(_Leaf(parents, f"f{number}", f"{prefix}{name}"))
        else:
            found.extend(_leaves(members, (*parents, f"f{number}"), f"{prefix}{name}."))
    return found


def _column(rows: Sequence[Any], leaves: Sequence[_Leaf]) -> list[str | None]:
    """Take a column from the first of its leaves that a row has, and clear it there; the others stay attributes."""
    first, *others = leaves
    values = first.values(rows)
    if not others:
        first.clear(rows)
        return [_text(value) for value in values]
    texts = [_text(value) for value in values]
    first.clear([row for row, text in zip(rows, texts, strict=True) if text is not None])
    for leaf in others:
        missing = [number for number, text in enumerate(texts) if text is None]
        if not missing:
            break
        for number, value in zip(missing, leaf.values([rows[number] for number in missing]), strict=True):
            texts[number] = _text(value)
        leaf.clear([rows[number] for number in missing if texts[number] is not None])
    return texts


def _text(value: object) -> str | None:
    if value is UNSET or value is None or value == "":
        return None
    return value if isinstance(value, str) else as_text(value)


def _json(value: object) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, msgspec.Raw) else msgspec.json.encode(value).decode("utf-8", "replace")


def _joined(text: str, pieces: Sequence[str]) -> str:
    if not pieces:
        return text
    body = ",".join(pieces)
    return f"{{{body}}}" if text == "{}" else f"{text[:-1]},{body}}}"


def _escaped(name: str) -> str:
    return msgspec.json.encode(name).decode()[1:-1]
