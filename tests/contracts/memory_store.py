"""Objects in memory."""

import threading
from collections.abc import Sequence
from pathlib import Path

from tailrace.stores.port import ObjectInfo, TaggedObject, checked_key


class MemoryStore:
    """An object store that is a dictionary."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self._tags: dict[str, int] = {}
        self._lock = threading.Lock()

    def objects(self, prefix: str) -> Sequence[ObjectInfo]:
        """List the objects directly below a prefix."""
        return [ObjectInfo(key, len(data)) for key, data in sorted(self.data.items()) if key.startswith(prefix) and "/" not in key[len(prefix) :]]

    def folders(self, prefix: str) -> Sequence[str]:
        """List the folders directly below a prefix."""
        return sorted({key[len(prefix) :].split("/")[0] for key in self.data if key.startswith(prefix) and "/" in key[len(prefix) :]})

    def get(self, key: str) -> bytes | None:
        """Read an object."""
        return self.data.get(checked_key(key))

    def get_tagged(self, key: str) -> TaggedObject | None:
        """Read an object and its tag, the number of its last write."""
        return TaggedObject(self.data[key], str(self._tags[key])) if key in self.data else None

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        self.data[checked_key(key)] = data
        self._tags[key] = self._tags.get(key, 0) + 1

    def put_if(self, key: str, data: bytes, tag: str | None) -> bool:
        """Write an object if it still has that tag."""
        with self._lock:
            found = self.get_tagged(key)
            if (found.tag if found else None) != tag:
                return False
            self.put(key, data)
            return True

    def delete(self, key: str) -> None:
        """Delete an object."""
        self.data.pop(key, None)

    def local_path(self, key: str) -> Path | None:
        """No object is a file."""
        del key
        return None
