"""The errors of Tailrace, one tree.

::

    TailraceError                what went wrong, where, and what to do
    ├── UsageError               the person asked for something that cannot be          (exit 2)
    │   ├── SettingError         a setting has a value that cannot be read
    │   ├── FileError            a file that a person wrote (rule, format, saved query) is wrong: file, line, column
    │   └── RequestError         a search body or a URL parameter is wrong: the path of the clause
    │       └── UnsupportedError the request is well formed, and this engine does not answer it
    ├── DecodeError              bytes from outside are not what they say they are      (to dead letters)
    ├── DeliveryError            a destination did not take what was sent
    │   ├── TransientError       it may take it later: try again
    │   └── PermanentError       it never will: to dead letters
    └── StateError               what is on disk contradicts itself                     (exit 3)

A message is lower case, has no full stop, names the place, and offers the nearest right name where there is one.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class TailraceError(Exception):
    """Base of all errors that Tailrace raises on purpose."""

    exit_code = 3


class UsageError(TailraceError):
    """A person asked for something that cannot be."""

    exit_code = 2


class SettingError(UsageError):
    """A setting has a value that cannot be read."""


class FileError(UsageError):
    """A file that a person wrote is wrong at a place."""

    def __init__(self, message: str, *, path: str, line: int | None = None, column: int | None = None) -> None:
        self.message, self.path, self.line, self.column = message, path, line, column
        place = ":".join(str(part) for part in (path, line, column) if part is not None)
        super().__init__(f"{place}: {message}")


class RequestError(UsageError):
    """A request is wrong at a clause; ``clause`` is its path, such as ``query.bool.must[0].term``."""

    def __init__(self, message: str, *, clause: str = "") -> None:
        self.message, self.clause = message, clause
        super().__init__(f"{clause}: {message}" if clause else message)


class UnsupportedError(RequestError):
    """A well-formed request that is not answered here, rather than answered wrongly."""


class DecodeError(TailraceError):
    """Bytes from outside are not what they say they are; the payload belongs in dead letters, whole."""


class DeliveryError(TailraceError):
    """A destination did not take what was sent."""


class TransientError(DeliveryError):
    """The destination may take it later; ``retry_after_s`` where it said how much later (seconds; 0: it did not)."""

    def __init__(self, message: str = "", *, retry_after_s: float = 0.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class PermanentError(DeliveryError):
    """The destination will never take it."""


class StateError(TailraceError):
    """What is on disk contradicts itself."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Answer `` (did you mean 'x'?)`` for the nearest known name, or an empty text.

    >>> nearest("frequncy", ["any", "frequency"])
    " (did you mean 'frequency'?)"
    >>> nearest("zzz", ["any", "frequency"])
    ''
    """
    found = get_close_matches(name, list(known), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""
