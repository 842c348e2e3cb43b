"""The attribute register: which type each attribute has, so that every engine reads it alike.

An attribute is a field beyond the schema. Its type is declared (by a format, or by the user's ``fields.yaml``), or learned at ingest: the first
type seen wins, and at most :data:`MAX_LEARNED` names are learned. What is beyond the cap, of another type than the register's, or a parent of
a known name (``user`` beside ``user.id``, which OpenSearch cannot map) stays in the row's JSON and is searchable as keywords under ``attributes_other``.

No one fills it for all others. Each name counts for the format and for the source that it was learned of, and the fewer names are free, the fewer one may have: a format at most twice as many as are free, a
source at most as many (a dynamic threshold, as in Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998). So one that is alone gets half of them, a
second one a quarter, and something is free for whoever comes next.

In searches an attribute is named ``attributes.<name>``.
"""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from tailrace.durable import make_folders, replace_file
from tailrace.errors import FileError, SettingError, nearest
from tailrace.schema import FieldType, type_words

MAX_LEARNED: Final = 500
"""Names that are learned."""

MAX_PATHS: Final = 1_500
"""Fields of a mapping that learned names make: OpenSearch counts ``a`` and ``a.b`` of ``a.b.c`` too (``tailrace.forms.fields_limit``)."""

MAX_PARTS: Final = 16
"""Parts of a name, between dots; OpenSearch takes objects 20 deep (index.mapping.depth.limit)."""

MAX_NAME_CHARS: Final = 256
LEARNABLE: Final = frozenset({FieldType.KEYWORD, FieldType.LONG, FieldType.DOUBLE, FieldType.BOOLEAN})


class Holder(NamedTuple):
    """Of what a name is learned: lines of a format, from a source."""

    format: str = ""
    source: str = ""


NOBODY: Final = Holder()


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    learned: dict[str, str]
    declared: dict[str, str] = {}
    holders: dict[str, Holder] = {}


class AttributeRegister:
    """The types of attributes; shared by threads, kept in one small file, read again by other processes when it changes."""

    def __init__(self, path: Path | None = None, declared: Mapping[str, FieldType] = MappingProxyType({})) -> None:
        self._path, self._declared = path, dict(declared)
        self._learned: dict[str, FieldType] = {}
        self._holders: dict[str, Holder] = {}
        self._refused: set[str] = set()
        self._types: Mapping[str, FieldType] | None = None
        self._lock = threading.Lock()
        self._read_at: tuple[int, int] | None = None
        self._read()

    def types(self) -> Mapping[str, FieldType]:
        """Answer all names and their types: declared ones win over learned ones, also where one is a part of the other's path."""
        self._read()
        if self._types is None:
            objects = {parent for name in self._declared for parent in _parents(name)}
            fitting = {name: kind for name, kind in self._learned.items() if name not in objects and self._declared.keys().isdisjoint(_parents(name))}
            self._types = MappingProxyType({**fitting, **self._declared})
        return self._types

    def type_of(self, name: str) -> FieldType | None:
        """Answer the type of an attribute; ``None`` where it is searched under ``attributes_other``."""
        return self._declared.get(name) or self._learned.get(name)

    def declare(self, types: Mapping[str, FieldType]) -> None:
        """Declare the types of attributes that formats name, for the processes that read the file too; a declared type wins over a learned one."""
        with self._lock:
            if all(self._declared.get(name) is kind for name, kind in types.items()):
                return
            self._declared |= types
            self._types = None
            self._write()

    def learn(self, seen: Mapping[str, FieldType], holder: Holder = NOBODY) -> bool:
        """Take up the types of names not known yet, as far as the holder's share goes; answer whether anything was learned (and, with a path, is now on disk)."""
        with self._lock:
            new = [name for name, kind in seen.items() if name not in self._refused and self._may_learn(name, kind)]
            share = self._share(holder) if new else 0
            learned = self._fitting(new, share) if share else ()  # a holder that has its share brings the same names with every batch
            for name in learned:
                self._learned[name], self._holders[name] = seen[name], holder
            if learned:
                self._types = None
                self._write()
            return bool(learned)

    def _share(self, holder: Holder) -> int:
        """Answer how many names more a holder may have learned, of those that are free now."""
        free = MAX_LEARNED - len(self._learned)
        of_format = sum(one.format == holder.format for one in self._holders.values())
        of_source = sum(one.source == holder.source for one in self._holders.values())
        return max(0, min((2 * free - of_format) // 3, (free - of_source) // 2))

    def _fitting(self, names: Sequence[str], share: int) -> list[str]:
        """Choose names that OpenSearch can map beside those that are known; those that it never can are noted."""
        found, known = list[str](), {*self._learned, *self._declared}
        objects = {parent for name in known for parent in _parents(name)}
        paths = {path for name in self._learned for path in (name, *_parents(name))}
        for name in names:
            parents = _parents(name)
            if not _is_path(name) or name in objects or not known.isdisjoint(parents):
                if len(self._refused) < 20 * MAX_LEARNED:
                    self._refused.add(name)
            elif len(found) < share and len(paths | {name, *parents}) <= MAX_PATHS:
                found.append(name)
                known.add(name)
                objects.update(parents)
                paths |= {name, *parents}
        return found

    def _may_learn(self, name: str, kind: FieldType) -> bool:
        return kind in LEARNABLE and self.type_of(name) is None and 0 < len(name) <= MAX_NAME_CHARS

    def _read(self) -> None:
        if self._path is None or not self._path.exists():
            return
        status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._read_at:
            learned, declared, holders = _load(self._path)
            self._learned |= learned
            self._declared |= declared
            self._holders |= holders
            self._types = None
            self._read_at = stamp

    def _write(self) -> None:
        if self._path is None:
            return
        make_folders(self._path.absolute().parent)
        replace_file(self._path, msgspec.json.encode(_Stored(_words(self._learned), _words(self._declared), dict(sorted(self._holders.items())))))


def _load(path: Path) -> tuple[dict[str, FieldType], dict[str, FieldType], dict[str, Holder]]:
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
    except msgspec.MsgspecError as error:
        raise FileError(f"not an attribute register: {error}", path=str(path)) from error
    learned, declared = ({name: type_word(word) for name, word in words.items()} for words in (stored.learned, stored.declared))
    return learned, declared, stored.holders


def _is_path(name: str) -> bool:
    """Whether OpenSearch takes a name as a path: no part of it is empty, and there are not too many."""
    parts = name.split(".")
    return len(parts) <= MAX_PARTS and all(part and part == part.strip() for part in parts)


def _parents(name: str) -> set[str]:
    return {name[:at] for at, letter in enumerate(name) if letter == "."}


def _words(types: Mapping[str, FieldType]) -> dict[str, str]:
    return {name: kind.value for name, kind in sorted(types.items())}


def type_word(word: str) -> FieldType:
    """Answer the type that a word names, such as ``long``."""
    if word not in type_words:
        raise SettingError(f"no such type: {word!r}{nearest(word, type_words)}")
    return type_words[word]
