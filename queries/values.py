"""Values of a request to values of a field's type, as OpenSearch reads them.

A value that a field of that type can never have (``status: 5.5``) answers ``None``: it matches nothing. One that cannot be read at all
(``status: abc``) raises :class:`tailrace.errors.RequestError`, as OpenSearch answers 400.
"""

import re
from decimal import Decimal
from typing import Final

from queries.dsl.nodes import Scalar
from tailrace.errors import RequestError

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
MIN_LONG: Final = -(2**63)
MAX_LONG: Final = 2**63 - 1


def keyword_text(value: Scalar) -> str:
    """Print a value as a keyword, as Java prints it.

    >>> keyword_text(True), keyword_text(5), keyword_text(0.5), keyword_text(1e7)
    ('true', '5', '0.5', '1.0E7')
    """
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return _java_double(value)
        case _:
            return str(value)


def _java_double(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0") or "0"
    power = len(digits) - 1 + int(exponent)
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{power}"


def number(value: Scalar, clause: str, what: str) -> Decimal:
    """Read a number; a text may hold one."""
    if isinstance(value, bool) or not _NUMBER.fullmatch(str(value)):
        raise RequestError(f"{str(value)[:80]!r} is not a {what}", clause=clause)
    return Decimal(str(value))


def long_value(value: Scalar, clause: str) -> int | None:
    """Read a whole number; ``None`` where it has a fraction."""
    found = number(value, clause, "whole number")
    _check_long(found, clause)
    return int(found) if found == int(found) else None


def long_floor(value: Scalar, clause: str) -> tuple[int, bool]:
    """Answer the whole number below or at a bound, and whether it is the bound itself."""
    found = number(value, clause, "whole number")
    _check_long(found, clause)
    floor = int(found // 1) - (1 if found < 0 and found != int(found) else 0)
    return floor, found == floor


def _check_long(found: Decimal, clause: str) -> None:
    if not MIN_LONG <= found <= MAX_LONG:
        raise RequestError(f"{str(found)[:40]} is out of range for a long", clause=clause)


def double_value(value: Scalar, clause: str) -> float:
    """Read a number of any kind."""
    found = float(number(value, clause, "number"))
    if found in (float("inf"), float("-inf")):
        raise RequestError(f"{str(value)[:40]} is not a finite number", clause=clause)
    return found


def boolean_value(value: Scalar, clause: str) -> bool:
    """Read true or false."""
    text = keyword_text(value)
    if text not in {"true", "false"}:
        raise RequestError(f"can't parse boolean value [{text[:80]}], expected [true] or [false]", clause=clause)
    return text == "true"
