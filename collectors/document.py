"""What a document of a user's must be: texts, numbers, lists, words of a list, patterns; each error has its place."""

from collections.abc import Mapping
from typing import Any, Final

import re2

from tailrace.errors import nearest
from tailrace.yaml_file import Document

MAX_PATTERN: Final = 4_000


def text(document: Document, key: str, default: str | None = None) -> str:
    """Answer a text at the top; without a default it must be there."""
    value = document.data.get(key, default)
    if value is None:
        raise document.error(f"the key `{key}` is missing")
    if isinstance(value, dict | list):
        raise document.error(f"{key} is a text", key)
    return str(value)


def mapping(document: Document, key: str, known: tuple[str, ...]) -> dict[str, Any]:
    """Answer a mapping at the top, which has none but known keys."""
    value = document.data.get(key, {})
    if not isinstance(value, dict):
        raise document.error(f"{key} is a mapping", key)
    if key in document.data:
        document.refuse_unknown(known, key)
    return value


def entries(document: Document, key: str) -> list[Any]:
    """Answer a list at the top."""
    value = document.data.get(key, [])
    if not isinstance(value, list):
        raise document.error(f"{key} is a list", key)
    return value


def whole_number(document: Document, data: Mapping[str, Any], key: str, default: int, where: str) -> int:
    """Answer a whole number."""
    value = data.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise document.error(f"{key} is a whole number", where, key)
    return value


def one_word(document: Document, data: Mapping[str, Any], key: str, known: tuple[str, ...], where: str) -> str:
    """Answer a word of a list; the first where there is none."""
    value = str(data.get(key, known[0]))
    if value not in known:
        raise document.error(f"no such {key} of {where}: {value}{nearest(value, known)}", where, key)
    return value


def pattern(document: Document, text: object, *where: str | int) -> str:
    """Answer a pattern that RE2 takes."""
    if not isinstance(text, str) or len(text) > MAX_PATTERN:
        raise document.error(f"a pattern is a text of at most {MAX_PATTERN} characters", *where)
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options)
    except re2.error as error:
        raise document.error(f"not a pattern of RE2: {_reason(error)}", *where) from error
    return text


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
