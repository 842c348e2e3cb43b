"""The attribute register: which type each attribute has, so that every engine reads it alike.

An attribute is a field beyond the schema. Its type is declared (by a format, or by the user's ``fields.yaml``), or learned at ingest: the first
type seen wins, and at most :data:`MAX_LEARNED` names are learned. What is beyond the cap, of another type than the register's, or a parent of
a known name (``user`` beside ``user.id``, which OpenSearch cannot map) stays in the row's JSON and is searchable as keywords under ``attributes_other``.

In searches an attribute is named ``attributes.<name>``.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from tailrace.durable import make_folders, replace_file
from tailrace.errors import FileError, SettingError, nearest
from tailrace.schema import FieldType, type_words

MAX_LEARNED: Final = 500
"""Names that are learned; OpenSearch's default limit of fields in an index is 1,000 (index.mapping.total_fields.limit)."""

MAX_NAME_CHARS: Final = 256
LEARNABLE: Final = frozenset({FieldType.KEYWORD, FieldType.LONG, FieldType.DOUBLE, FieldType.BOOLEAN})


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    learned: dict[str, str]
    declared: dict[str, str] = {}


class AttributeRegister:
    """The types of attributes; shared by threads, kept in one small file, read again by other processes when it changes."""

    def __init__(self, path: Path | None = None, declared: Mapping[str, FieldType] = MappingProxyType({})) -> None:
        self._path, self._declared = path, dict(declared)
        self._learned: dict[str, FieldType] = {}
        self._refused: set[str] = set()
        self._lock = threading.Lock()
        self._read_at: tuple[int, int] | None = None
        self._read()

    def types(self) -> Mapping[str, FieldType]:
        """Answer all names and their types: declared ones win over learned ones."""
        self._read()
        return MappingProxyType({**self._learned, **self._declared})

    def type_of(self, name: str) -> FieldType | None:
        """Answer the type of an attribute; ``None`` where it is searched under ``attributes_other``."""
        return self._declared.get(name) or self._learned.get(name)

    def declare(self, types: Mapping[str, FieldType]) -> None:
        """Declare the types of attributes that formats name, for the processes that read the file too; a declared type wins over a learned one."""
        with self._lock:
            if all(self._declared.get(name) is kind for name, kind in types.items()):
                return
            self._declared |= types
            self._write()

    def learn(self, seen: Mapping[str, FieldType]) -> bool:
        """Take up the types of names not known yet; answer whether anything was learned (and, with a path, is now on disk)."""
        with self._lock:
            new = {name: kind for name, kind in seen.items() if name not in self._refused and self._may_learn(name, kind)}
            for name, kind in new.items():
                if self._fits(name):
                    self._learned[name] = kind
                elif len(self._refused) < 20 * MAX_LEARNED:
                    self._refused.add(name)
            if new:
                self._write()
            return bool(new)

    def _may_learn(self, name: str, kind: FieldType) -> bool:
        return kind in LEARNABLE and self.type_of(name) is None and 0 < len(name) <= MAX_NAME_CHARS

    def _fits(self, name: str) -> bool:
        if len(self._learned) >= MAX_LEARNED or any(not part or part != part.strip() for part in name.split(".")):
            return False
        known = {*self._learned, *self._declared}
        parents = {name[:at] for at, letter in enumerate(name) if letter == "."}
        return not parents & known and not any(other.startswith(name + ".") for other in known)

    def _read(self) -> None:
        if self._path is None or not self._path.exists():
            return
        status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._read_at:
            learned, declared = _load(self._path)
            self._learned |= learned
            self._declared |= declared
            self._read_at = stamp

    def _write(self) -> None:
        if self._path is None:
            return
        make_folders(self._path.absolute().parent)
        replace_file(self._path, msgspec.json.encode(_Stored(_words(self._learned), _words(self._declared))))


def _load(path: Path) -> tuple[dict[str, FieldType], dict[str, FieldType]]:
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
    except msgspec.MsgspecError as error:
        raise FileError(f"not an attribute register: {error}", path=str(path)) from error
    learned, declared = ({name: type_word(word) for name, word in words.items()} for words in (stored.learned, stored.declared))
    return learned, declared


def _words(types: Mapping[str, FieldType]) -> dict[str, str]:
    return {name: kind.value for name, kind in sorted(types.items())}


def type_word(word: str) -> FieldType:
    """Answer the type that a word names, such as ``long``."""
    if word not in type_words:
        raise SettingError(f"no such type: {word!r}{nearest(word, type_words)}")
    return type_words[word]
