"""Names that lead through lists: ``resources[0].ARN``, ``httpRequest.headers[name=Host].value``.

What stands before the first bracket is the dotted name of a list. In brackets is which element of it: a number from 0, or a member and its text, in any letter case, of which the first element
counts. Behind them may stand members of that element, and lists in them. The list itself stays an attribute.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

Step = int | str | tuple[str, str]
"""An element by its number, a member by its name, or the first element that has a member of such a text."""

SCALARS: Final = frozenset({str, int, float, bool})
"""What a column can take."""

MAX_NUMBER_DIGITS: Final = 6
_BRACKET: Final = re.compile(r"\[([^\[\]]*)\]")
_NUMBER: Final = re.compile(rf"[0-9]{{1,{MAX_NUMBER_DIGITS}}}")


@dataclass(frozen=True, slots=True)
class Path:
    """A way through lists: the dotted name of the first list, and the steps from there."""

    base: str
    steps: tuple[Step, ...]


def is_path(name: str) -> bool:
    """Whether a name leads through a list."""
    return "[" in name or "]" in name


def parse_path(name: str) -> Path:
    """Read a path; raises ``ValueError`` that says what is wrong with it."""
    base, steps = name.partition("[")[0], list[Step]()
    if not base or "]" in base:
        raise ValueError(f"a path begins with the name of a list: {name}")
    at = len(base)
    while at < len(name):
        found = _BRACKET.match(name, at)
        if not found:
            raise ValueError(f"no bracket that is closed at character {at + 1} of {name}")
        steps.append(_element(found[1], name))
        at = name.find("[", found.end())
        at = len(name) if at < 0 else at
        steps += _members(name[found.end() : at], name)
    return Path(base, tuple(steps))


def _element(text: str, name: str) -> Step:
    member, mark, wanted = text.partition("=")
    if mark and member and wanted:
        return member, wanted.lower()
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"in brackets is a number, or a member and its text with = between, and not `{text}`: {name}")
    return int(text)


def _members(text: str, name: str) -> list[Step]:
    first, *members = text.split(".")
    if first or "]" in text or (text and not all(members)):
        raise ValueError(f"behind a bracket stands a point and a member, and not `{text}`: {name}")
    return [*members]


def pick(value: object, steps: tuple[Step, ...]) -> Any:  # noqa: ANN401 - a scalar
    """Walk from a list to a scalar; ``None`` where there is none."""
    current: Any = value
    for step in steps:
        if isinstance(step, str):
            current = current.get(step) if isinstance(current, dict) else None
        elif isinstance(step, tuple):
            current = named(current, step[0]).get(step[1])
        else:
            current = current[step] if isinstance(current, list) and step < len(current) else None
    return current if current.__class__ in SCALARS else None


def named(value: object, member: str) -> dict[str, Any]:
    """Answer the elements of a list by the text of a member of theirs, in lower case; of those with the same the first."""
    found: dict[str, Any] = {}
    for element in reversed(value) if isinstance(value, list) else ():
        if isinstance(element, dict) and isinstance(text := element.get(member), str):
            found[text.lower()] = element
    return found
