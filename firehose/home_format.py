"""The form of what is kept in the home folder (spool, cursors, ledger, dead letters), as a number in the file ``format``.

A folder without the file is one of form 1: it was made before forms were noted, or is new. One that a newer Tailrace wrote is refused before anything in it is touched; an older one is brought up step by step, each step
durable before its number is, so that one that was killed is done again: a step must be harmless twice.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tailrace.durable import make_folders, replace_file
from tailrace.errors import StateError

NAME: Final = "format"
CURRENT: Final = 1
"""Raised by whoever changes what is on disk so that an older Tailrace could not read it, with a step in :data:`STEPS` and a home of the form before in ``tests/golden/homes``."""

Step = Callable[[Path], None]
STEPS: Final[Mapping[int, Step]] = MappingProxyType({})
"""What brings a home from a form to the next."""


def bring_up(home: Path, *, current: int = CURRENT, steps: Mapping[int, Step] = STEPS) -> None:
    """Bring a home to the current form; nobody else may have it. Raises :class:`StateError` where it is of a newer one, or of none."""
    path = home / NAME
    there = _read(path)
    if there > current:
        raise StateError(f"{home} was written by a newer Tailrace (form {there}); this one knows forms up to {current}: install the newer one again")
    for form in range(there, current):
        steps[form](home)
        _write(path, form + 1)
    if not path.exists():
        with suppress(OSError):  # the disk may be full: a home that drains is worth more than its number
            _write(path, current)


def _read(path: Path) -> int:
    try:
        text = path.read_text("ascii").strip()
    except FileNotFoundError:
        return 1
    except UnicodeDecodeError:
        text = ""
    if not (text.isdecimal() and 0 < len(text) < 6 and int(text)):
        raise StateError(f"{path}: not the number of a form")
    return int(text)


def _write(path: Path, form: int) -> None:
    make_folders(path.parent.absolute())
    replace_file(path, f"{form}\n".encode())
