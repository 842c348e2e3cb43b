"""JSON that strict decoders refuse: lone surrogates, NaN and infinities (read as null), invalid UTF-8 (read as U+FFFD), several values after one another.

The slower second reader: it is asked where msgspec refused a payload that people would still call JSON.
"""

import json
import math
from collections.abc import Iterator
from typing import Any, Final

from tailrace.errors import DecodeError

REPLACEMENT: Final = "\ufffd"


def values(data: bytes) -> Iterator[Any]:
    """Walk the JSON values in a payload, at least one; raises :class:`DecodeError` where it holds something else.

    >>> list(values(b'{"a": NaN} [1]'))
    [{'a': None}, [1]]
    """
    text = data.decode("utf-8", "replace")
    decoder = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite)
    at = _skip_space(text, 0)
    if at == len(text):
        raise DecodeError("the payload holds no JSON")
    while at < len(text):
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"not JSON: {str(error)[:200].lower()}") from error
        yield value
        at = _skip_space(text, end)


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def as_text(value: object) -> str:
    """Answer a text with its lone surrogates replaced; anything else as JSON.

    >>> as_text({"a": [1, None]})
    '{"a":[1,null]}'
    """
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError) as error:
        raise DecodeError(f"a value cannot be written as text: {str(error)[:200]}") from error
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
