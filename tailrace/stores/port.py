"""Objects by key: the smallest port that the lake needs.

A key is a relative path with ``/``; no part of it may be ``..`` or begin with a dot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from tailrace.errors import StateError


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object: its key and its size in bytes."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class TaggedObject:
    """The bytes of an object and the tag that a conditional PUT names."""

    data: bytes
    tag: str


class ObjectStore(Protocol):
    """Where objects are kept."""

    def objects(self, prefix: str) -> Sequence[ObjectInfo]:
        """List the objects directly below a prefix that ends in ``/``, by key."""
        ...

    def folders(self, prefix: str) -> Sequence[str]:
        """List the names of the folders directly below a prefix that ends in ``/``."""
        ...

    def get(self, key: str) -> bytes | None:
        """Read an object whole; ``None`` where there is none."""
        ...

    def get_tagged(self, key: str) -> TaggedObject | None:
        """Read an object and its tag."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Write an object whole and durably; a reader sees the old one or the new one, never a piece."""
        ...

    def put_if(self, key: str, data: bytes, tag: str | None) -> bool:
        """Write an object if it still has that tag (``None``: if there is none); answer whether it was written."""
        ...

    def delete(self, key: str) -> None:
        """Delete an object; none there is no error."""
        ...

    def local_path(self, key: str) -> Path | None:
        """Answer the file that holds an object, where it is one on this machine."""
        ...


@runtime_checkable
class Sweeps(Protocol):
    """A store in which a writer that is killed leaves something behind."""

    def sweep(self, before_s: float) -> int:
        """Delete what was left behind before a time (seconds since 1970); answer how many there were."""
        ...


def checked_key(key: str) -> str:
    """Answer the key, or prefix; raises :class:`StateError` where it would lead out of the store."""
    if any(part in {"", "."} or part.startswith("..") for part in key.rstrip("/").split("/")) or "\0" in key:
        raise StateError(f"not a key of the lake: {key!r}")
    return key
