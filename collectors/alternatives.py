r"""The alternatives of a pattern: a line that matches one of them matches the pattern.

Compiling a long pattern costs as much as asking thousands of lines for it, and pyarrow compiles anew in every call; most lines of a batch match the same alternative, which is short.
"""

import re
from functools import lru_cache
from typing import Final

import re2

_TOKEN: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_UNSPLIT: Final = re.compile(r"\[:|\\[QE]|\(\?[a-zA-Z-]+\)")
"""What reaches over a bar, or hides one: classes by name, quoted text, flags for what follows."""


@lru_cache(maxsize=1024)
def alternatives(pattern: str) -> "tuple[re2._Regexp[str], ...]":
    r"""Answer the outermost alternatives of a pattern, compiled; one that has none is its own.

    >>> [one.pattern for one in alternatives(r"^a(b|c)$|[|]|\|x")]
    ['^a(b|c)$', '[|]', '\\|x']
    >>> [one.pattern for one in alternatives("(?i)a|b")]
    ['(?i)a|b']
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return tuple(re2.compile(part, options) for part in _parts(pattern))
    except re2.error:
        return (re2.compile(pattern, options),)


def _parts(pattern: str) -> list[str]:
    if _UNSPLIT.search(pattern):
        return [pattern]
    parts, depth = [""], 0
    for token in _TOKEN.findall(pattern):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += token
    return parts
