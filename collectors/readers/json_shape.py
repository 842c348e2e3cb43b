"""The shape of the objects of one source: which keys were seen.

A shape grows as keys are learned, rare ones when they were seen often enough, and makes a :class:`Plan` anew each time. With more than :data:`OPEN_KEYS` the objects that hold most of them are opened: their keys are not learned, and what
is in them is flattened line by line. Where more than :data:`WIDE_KEYS` are left the shape is wide, and learns only types.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, Final

from collectors.readers.json_plan import OPEN, Node, Plan
from collectors.readers.names import MAX_DEPTH, Names, flat_object
from collectors.readers.objects import MAX_TYPES, Flat, note_type
from tailrace.schema import FieldType

WIDE_KEYS: Final = 150
"""Members of a source with which a struct takes longer than a dictionary a line: see ``benchmarks``."""

OPEN_KEYS: Final = 150
"""Members of a source with which objects are opened."""

KEPT_KEYS: Final = 60
"""Members that are left to the struct when objects are opened: each costs every line a little, whether it has it or not."""

RARE: Final = 8
"""Objects that may have a member before it is taken up, where few have members that were never seen; a line may come twice."""

MAX_RARE: Final = 10_000
"""Rare members of a source, as many as are counted."""

_UNNAMEABLE: Final = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
"""What msgspec takes in no name of a field."""


class Shape:
    """What is known of the objects of one source; shared by threads."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._tree: Node = {}
        self._keys = self._changes = 0
        self._rare: Counter[str] = Counter()
        self._seen: set[str] = set()
        self._is_mixed_up = False
        self.types: dict[str, FieldType] = {}
        self._lock = Lock()
        self.plan = Plan({}, {}, names)

    @property
    def is_new(self) -> bool:
        """Whether nothing was learned yet."""
        return not self._keys

    @property
    def is_wide(self) -> bool:
        """Whether there are too many members for a struct."""
        return self._keys > WIDE_KEYS or self._is_mixed_up

    def learn(self, values: Iterable[Mapping[str, Any]], *, few: bool = False) -> bool:
        """Take up the keys of objects; answer whether there was something new, and with it a new plan. With ``few`` a key is taken up when :data:`RARE` objects had it."""
        with self._lock:
            before = self._changes
            for value in values:
                self._take_up(self._tree, value, "", 1, few=few)
            if self._changes == before:
                return False
            if self._keys > OPEN_KEYS:
                self._open_some()
            if self.is_wide:
                return False
            plan = Plan(self._tree, self.types, self.names)
            self._is_mixed_up = not plan.is_sound
            self.plan = plan
            return plan.is_sound

    def note_open(self, rows: Sequence[Flat]) -> None:
        """Note the types of open members, each by the first row that has it."""
        if len(self._seen) >= MAX_TYPES or not (new := set[str]().union(*rows) - self._seen):
            return
        with self._lock:
            for row in rows:
                for name in row.keys() & new:
                    note_type(self.types, name, row[name])
                    new.discard(name)
                    self._seen.add(name)

    def _take_up(self, node: Node, value: Mapping[str, Any], prefix: str, depth: int, *, few: bool) -> None:
        for name, member in value.items():
            path = f"{prefix}{name}"
            if node.get(name) is OPEN or _UNNAMEABLE.search(name):
                continue
            nested = isinstance(member, dict) and bool(member) and depth < MAX_DEPTH
            if few and name not in node and self._is_rare(path, member):
                continue
            if name not in node:
                del self._rare[path]
                self._keys += 1
                self._put(node, name, nested=nested)
                if not nested and path not in self.names.of:
                    note_type(self.types, self.names.prefix + path, member)
            elif (node[name] is None) is nested and member is not None and nested is (path not in self.names.values):
                self._put(node, name, nested=nested)
            known = node[name]
            if nested and isinstance(known, dict):
                self._take_up(known, member, f"{path}.", depth + 1, few=few)

    def _is_rare(self, path: str, member: object) -> bool:
        """Count a member that is not taken up: there may never be another line with it, and it would cost all others a little. Types are noted all the same."""
        if len(self._rare) >= MAX_RARE:
            self._rare.clear()
        self._rare[path] += 1
        if self._rare[path] > RARE:
            return False
        for name, value in flat_object({path: member}).items():
            if name not in self.names.of and self.names.prefix + name not in self.types and len(self.types) < MAX_TYPES:
                note_type(self.types, self.names.prefix + name, value)
        return True

    def _put(self, node: Node, name: str, *, nested: bool) -> None:
        """Make a member an object or a leaf. Of a member that is now this and now that, what may be a column or a path's list is a leaf and all else an object; the other lines go the long way."""
        node[name] = {} if nested else None
        self._changes += 1

    def _open_some(self) -> None:
        """Open the objects that hold most members, until those that are left are few enough."""
        while _count(self._tree) > KEPT_KEYS and (widest := _widest(self._tree, "", self.names)):
            node, name = widest
            node[name] = OPEN
        self._keys = _count(self._tree)


def _count(node: Node) -> int:
    return sum(1 + (_count(member) if isinstance(member, dict) else 0) for member in node.values())


def _widest(node: Node, prefix: str, names: Names) -> tuple[Node, str] | None:
    """Find the object to be opened: that with most members, or one in it that holds more than half of them. What may itself be a column or a path's list is none."""
    counts = {name: _count(member) for name, member in node.items() if isinstance(member, dict) and f"{prefix}{name}" not in names.values}
    if not counts:
        return None
    name = max(counts, key=counts.__getitem__)
    member = node[name]
    inner = _widest(member, f"{prefix}{name}.", names) if isinstance(member, dict) else None
    if inner and _size(inner) * 2 > counts[name]:
        return inner
    return node, name


def _size(place: tuple[Node, str]) -> int:
    member = place[0][place[1]]
    return _count(member) if isinstance(member, dict) else 0
