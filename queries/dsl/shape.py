"""Reading JSON of a request: each value with its place, and an error that names the place and the nearest right name."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from queries.dsl.nodes import Scalar
from tailrace.errors import RequestError, UnsupportedError, nearest

MAX_TEXT_CHARS = 32_768
"""A longer text in a request is refused."""


@dataclass(frozen=True, slots=True)
class Place:
    """A value in the body of a request, and its path."""

    value: Any
    path: str

    def error(self, message: str) -> RequestError:
        """Make the error that names this place."""
        return RequestError(message, clause=self.path)

    def unsupported(self, message: str) -> UnsupportedError:
        """Make the error that says that this is not answered here."""
        return UnsupportedError(message, clause=self.path)

    def at(self, key: str) -> "Place":
        """Answer the value of a key."""
        return Place(self.mapping()[key], f"{self.path}.{key}" if self.path else key)

    def get(self, key: str) -> "Place | None":
        """Answer the value of a key, where it is there and not null."""
        return self.at(key) if self.mapping().get(key) is not None else None

    def mapping(self) -> Mapping[str, Any]:
        """Answer the value as an object."""
        if not isinstance(self.value, Mapping) or not all(isinstance(key, str) for key in self.value):
            raise self.error(f"is {_word(self.value)}, an object is needed")
        return self.value

    def only(self, *known: str) -> Mapping[str, Any]:
        """Answer the value as an object that has no other keys."""
        found = self.mapping()
        for key in found:
            if key not in known:
                raise Place(None, f"{self.path}.{key}" if self.path else key).unsupported(f"is not supported{nearest(key, known)}")
        return found

    def single(self, what: str) -> "tuple[str, Place]":
        """Answer the one key of an object, and its value."""
        found = self.mapping()
        if len(found) != 1:
            raise self.error(f"has {len(found)} keys, one {what} is needed")
        key = next(iter(found))
        return key, self.at(key)

    def items(self) -> "list[Place]":
        """Answer the values of a list; one value is a list of one."""
        if not isinstance(self.value, list):
            return [self]
        return [Place(value, f"{self.path}[{number}]") for number, value in enumerate(self.value)]

    def sequence(self, most: int) -> "list[Place]":
        """Answer the values of what must be a list."""
        if not isinstance(self.value, list):
            raise self.error(f"is {_word(self.value)}, a list is needed")
        if len(self.value) > most:
            raise self.error(f"has {len(self.value):,} values, {most:,} are the most")
        return self.items()

    def text(self, most: int = MAX_TEXT_CHARS) -> str:
        """Answer the value as a text."""
        if not isinstance(self.value, str):
            raise self.error(f"is {_word(self.value)}, a text is needed")
        if len(self.value) > most:
            raise self.error(f"has {len(self.value):,} characters, {most:,} are the most")
        if any("\ud800" <= letter <= "\udfff" for letter in self.value):
            raise self.error("has half of a surrogate pair, which is no text")
        return self.value

    def choice(self, known: Iterable[str]) -> str:
        """Answer the value as one of the words."""
        word, words = self.text(), list(known)
        if word not in words:
            raise self.error(f"is {word!r}, one of {', '.join(words)} is needed{nearest(word, words)}")
        return word

    def flag(self) -> bool:
        """Answer the value as true or false; OpenSearch takes the words as well."""
        if self.value in ("true", "false"):
            return bool(self.value == "true")
        if not isinstance(self.value, bool):
            raise self.error(f"is {_word(self.value)}, true or false is needed")
        return self.value

    def whole(self, least: int, most: int) -> int:
        """Answer the value as a whole number."""
        value = self.value
        if isinstance(value, str) and value.isascii() and value.lstrip("-").isdigit() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(f"is {_word(value)}, a whole number is needed")
        if not least <= value <= most:
            raise self.error(f"is {value}, {least:,} to {most:,} is possible")
        return value

    def number(self) -> float:
        """Answer the value as a number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.error(f"is {_word(self.value)}, a number is needed")
        try:
            number = float(self.value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.error("is not a finite number")
        return number

    def scalar(self) -> Scalar:
        """Answer the value as a text, a number, true or false."""
        if isinstance(self.value, str):
            return self.text()
        if isinstance(self.value, bool):
            return self.value
        if isinstance(self.value, int):
            if abs(self.value) >= 2**64:
                raise self.error("is a number of more than 64 bits")
            return self.value
        if isinstance(self.value, float):
            return self.number()
        raise self.error(f"is {_word(self.value)}, a text, a number, true or false is needed")


def _word(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the text {value[:40]!r}"
        case int() | float():
            return f"the number {str(value)[:40]}" if not isinstance(value, int) or value.bit_length() < 128 else "a very long number"
        case list():
            return "a list"
        case _:
            return "an object"
