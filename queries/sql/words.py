r"""Words of a text in SQL: the log analyzer (``tailrace.text``) without an index.

A word is found by a regular expression over the lower-cased text, with a plain search for the word before it: most rows do not have it, and a plain search
costs a tenth. Tokens are cut at :data:`tailrace.text.MAX_TOKEN_CHARS`, so a word of that length is the beginning of a token.
"""

from collections.abc import Sequence
from typing import Final

from sqlglot import exp

from queries.sql.columns import call, text
from tailrace.text import MAX_TOKEN_CHARS, SEPARATOR_PATTERN, TOKEN_PATTERN, lower, tokens

_SIGN: Final = TOKEN_PATTERN.removesuffix("+")
_START: Final = rf"(?:^|{SEPARATOR_PATTERN.removesuffix('+')})"
_END: Final = rf"(?:$|{SEPARATOR_PATTERN.removesuffix('+')})"


def has_phrase(value: exp.Expr, words: Sequence[str]) -> exp.Expr:
    """Whether the words stand in the text one after the other; one word: whether it stands there."""
    lowered = call("lower", value)
    pattern = _START + SEPARATOR_PATTERN.join(_word(word) for word in words) + _END
    return _guarded(lowered, max(words, key=len), pattern, f" {words[0]} " if len(words) == 1 else "")


def _word(word: str) -> str:
    return quoted(word) + (f"{_SIGN}*" if len(word) >= MAX_TOKEN_CHARS else "")


def _guarded(lowered: exp.Expr, needle: str, pattern: str, sure: str = "") -> exp.Expr:
    """Ask for the needle first, then for what is surely a match, then for the pattern."""
    cases = exp.case().when(exp.not_(call("contains", lowered, text(needle)), copy=False), exp.false(), copy=False)
    if sure:
        cases = cases.when(call("contains", lowered.copy(), text(sure)), exp.true(), copy=False)
    return cases.else_(call("regexp_matches", lowered.copy(), text(pattern)), copy=False)


def has_token_like(value: exp.Expr, pieces: Sequence["Wild | str"], *, any_case: bool = False) -> exp.Expr:
    """Whether a token of the text is so; ``pieces`` are plain texts and wildcards."""
    plain = [piece for piece in pieces if isinstance(piece, str)]
    if any(not is_token_part(piece) for piece in plain):
        return exp.false()
    inner = "".join(quoted(piece, any_case=any_case) if isinstance(piece, str) else f"{_SIGN}{piece.repeat}" for piece in pieces)
    lowered = call("lower", value)
    needle = max(plain, key=len, default="")
    if not needle or any_case:
        return call("regexp_matches", lowered, text(_START + inner + _END))
    return _guarded(lowered, needle, _START + inner + _END)


def is_token_part(piece: str) -> bool:
    """Whether all signs of a text can stand in one token."""
    return not piece or tokens(piece) == [lower(piece)] or len(piece) > MAX_TOKEN_CHARS


class Wild:
    """A wildcard: ``*`` or ``?``."""

    def __init__(self, sign: str) -> None:
        self.sign = sign

    @property
    def repeat(self) -> str:
        """What follows a sign's class in a regular expression."""
        return "*" if self.sign == "*" else ""


def split_wildcards(pattern: str) -> list["Wild | str"]:
    r"""Cut a pattern into plain texts and wildcards; a backslash makes the next sign plain.

    >>> [piece if isinstance(piece, str) else piece.sign for piece in split_wildcards(r"a*b\\?c")]
    ['a', '*', 'b\\', '?', 'c']
    """
    pieces: list[Wild | str] = []
    at = 0
    while at < len(pattern):
        sign = pattern[at]
        if sign in "*?":
            pieces.append(Wild(sign))
        else:
            if sign == "\\" and at + 1 < len(pattern):
                at += 1
                sign = pattern[at]
            if pieces and isinstance(pieces[-1], str):
                pieces[-1] += sign
            else:
                pieces.append(sign)
        at += 1
    return pieces


def wildcard_regex(pieces: Sequence["Wild | str"], *, any_case: bool = False) -> str:
    """Answer the regular expression (RE2) that matches a whole value."""
    return "(?s)" + "".join(quoted(piece, any_case=any_case) if isinstance(piece, str) else f".{piece.repeat}" for piece in pieces)


def quoted(plain: str, *, any_case: bool = False) -> str:
    """Answer a regular expression that matches a text; ``any_case`` is for ASCII letters, as in Lucene."""
    return "".join(_quoted_sign(sign, any_case=any_case) for sign in plain)


def _quoted_sign(sign: str, *, any_case: bool) -> str:
    if any_case and sign.isascii() and sign.isalpha():
        return f"[{sign.lower()}{sign.upper()}]"
    if sign.isalnum() or sign == "_" or not sign.isascii():
        return sign
    return rf"\x{ord(sign):02x}"
