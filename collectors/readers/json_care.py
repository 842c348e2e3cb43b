"""What the fast decoder refuses, read with care.

NaN, infinities, control characters in texts and lone surrogates are no JSON, yet loggers write them: such a line is partial. A line that is no JSON object, or is nested too deep to be
read, gets a reason; nothing a line can hold makes this raise.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import msgspec
import pyarrow as pa

from collectors.arrays import AnyArray

REFUSED: Final = (msgspec.MsgspecError, RecursionError, UnicodeEncodeError)
"""What the fast decoder raises for a line that it does not take."""


@dataclass(slots=True)
class Care:
    """What was wrong with lines, by their number: why one could not be read (``reasons``), or in part only (``faults``)."""

    reasons: dict[int, str] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)

    def read(self, text: str, number: int) -> dict[str, Any] | None:
        """Answer the object of a line; ``None``, and a reason, where it has none."""
        odd: list[str] = []
        stripped = text.removeprefix("\ufeff")
        try:
            value = json.loads(stripped, parse_constant=partial(_note, odd))
        except (ValueError, RecursionError) as error:
            return self._read_on(stripped, number, error)
        if odd:
            self.faults[number] = f"no JSON: a value is {odd[0]}"
        return self.object_of(value, number)

    def _read_on(self, text: str, number: int, error: ValueError | RecursionError) -> dict[str, Any] | None:
        """Read once more, if all that is wrong is a control character in a text."""
        if isinstance(error, json.JSONDecodeError) and error.msg.startswith("Invalid control character"):
            try:
                value = json.loads(text, strict=False, parse_constant=str)
            except (ValueError, RecursionError) as other:
                return self._read_on(text, number, other)
            self.faults[number] = f"no JSON: a control character in a text at column {error.colno}"
            return self.object_of(value, number)
        if isinstance(error, RecursionError):
            self.reasons[number] = "no JSON that can be read: nested too deep"
        elif isinstance(error, json.JSONDecodeError):
            self.reasons[number] = f"no JSON: {error.msg} at column {error.pos + 1}"
        else:
            self.reasons[number] = "no JSON that can be read: a number has too many digits"
        return None

    def object_of(self, value: object, number: int) -> dict[str, Any] | None:
        """Answer the value if it is an object."""
        if isinstance(value, dict):
            return value
        self.reasons[number] = f"no JSON object but {type(value).__name__}"
        return None

    def keep(self, numbers: Collection[int]) -> None:
        """Forget what was wrong with all other lines: they were read without care after all."""
        for found in (self.reasons, self.faults):
            for number in found.keys() - set(numbers):
                del found[number]

    def write(self, rest: Mapping[str, Any], number: int) -> str | None:
        """Write attributes of a line that was read with care."""
        try:
            return clean(json.dumps(rest, ensure_ascii=False, separators=(",", ":"))) if rest else None
        except RecursionError:
            self.faults[number] = "the attributes are nested too deep"
            return None

    def columns(self, length: int) -> tuple[AnyArray, AnyArray]:
        """Answer reasons and faults of so many lines."""
        return _texts(self.reasons, length), _texts(self.faults, length)


def clean(text: str) -> str:
    """Make lone surrogates, which no column can hold, question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _note(odd: list[str], word: str) -> str:
    odd.append(word)
    return word


def _texts(found: Mapping[int, str], length: int) -> AnyArray:
    return pa.array(map(found.get, range(length)), pa.string(), size=length) if found else pa.nulls(length, pa.string())
