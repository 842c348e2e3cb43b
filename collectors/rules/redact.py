"""Personal data and secrets are taken out of texts before anything is stored.

A pass over a column finds the rows in which something may have to go, a second one the addresses of version 4, which are cut in the whole column; only the other rows are looked at with care (a card number must pass Luhn's check, a text of JSON stays JSON). Attributes and JSON objects
also lose the values of members whose name says that they are secret. What was taken out is counted by rule, and leaves the rule's name in brackets, or a keyed hash, by which equal values stay equal.
Addresses of machines lose their last part instead, in texts and in columns of addresses alike.
"""

import hashlib
import hmac
import ipaddress
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import re2

from collectors.arrays import AnyArray, Mask, one_array, with_column
from tailrace.schema import LOGS, FieldType

_IPV6: Final = r"(?i:\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b|\b(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6}\b|\b(?:[0-9a-f]{1,4}:){1,7}:)"
PATTERNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "email": r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}",
        "card": r"\b[2-6][0-9]{3}(?:[ -]?[0-9]){9,15}\b",
        "aws_key": r"\b(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}\b",
        "token": (
            r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*|\b(?:gh[pousr]_[A-Za-z0-9]{36,}|xox[abprs]-[A-Za-z0-9-]{10,}|sk_live_[A-Za-z0-9]{16,})|"
            r"(?i:bearer|basic) [A-Za-z0-9._~+/-]{16,}=*|(?i:password|passwd|secret|api[_-]?key|access[_-]?token)\s?[=:]\s?[^\s\"'\\,;&}]{4,}"
        ),
        "ip": r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b|" + _IPV6,
    }
)
"""What can be asked for by name: addresses of people, card numbers, ids of AWS's access keys, tokens (JWT, GitHub, Slack, Stripe, HTTP's Authorization, ``password=...``), addresses of machines."""

IP: Final = "ip"
CARD: Final = "card"

SECRET_MEMBER: Final = r"(?i)(?:password|passwd|secret|api[_-]?key|access[_-]?token|authorization|private[_-]?key)"
"""Members of an object that are secret by their name; they go with ``token``."""

NEVER: Final = frozenset({"event_id", "log.source", "stream.name", "log.format", "parse_status", "trace_id", "span_id", "cloud.account.id", "cloud.region"})
"""Columns that are ours, or ids."""

_TEXTS: Final = frozenset({FieldType.KEYWORD, FieldType.TEXT, FieldType.ATTRIBUTES, FieldType.STORED})
_COLUMNS: Final = tuple(one.column for one in LOGS.fields if one.type in _TEXTS and one.name not in NEVER)
_ADDRESSES: Final = tuple(one.column for one in LOGS.fields if one.type is FieldType.IP)
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HOST_IN_NETWORK: Final = rf"\b((?:{_OCTET}\.){{3}})(?:25[0-5]|2[0-4][0-9]|1[0-9]{{2}}|[1-9][0-9]?)\b"
"""An address of version 4 with a last part to lose. In JSON it stands inside a text, which stays one without it."""

_PREFIX_BITS: Final = MappingProxyType({4: 24, 6: 48})
_HASH_CHARS: Final = 16


@dataclass(frozen=True, slots=True)
class Redaction:
    """One rule: what it is called in the counts, its pattern, and what stands in the place of what it finds (empty: its name in brackets; ``hash``: a keyed hash)."""

    name: str
    pattern: str
    replacement: str = ""


@dataclass(frozen=True)
class Redactor:
    """All rules of a user; ``key`` is that of the hashes."""

    rules: tuple[Redaction, ...] = ()
    key: bytes = b""

    def redact(self, rows: pa.Table) -> tuple[pa.Table, Mapping[str, int]]:
        """Answer the rows without what is to go, and how often each rule took something out."""
        counts: Counter[str] = Counter()
        for column in _COLUMNS if self.rules else ():
            rows = self._column(rows, column, counts)
        of_addresses = Redactor(tuple(rule for rule in self.rules if rule.name == IP))
        for column in _ADDRESSES if of_addresses.rules else ():
            rows = of_addresses._column(rows, column, counts)
        return rows, counts

    def _column(self, rows: pa.Table, column: str, counts: Counter[str]) -> pa.Table:
        texts = one_array(rows[column])
        if texts.null_count == len(texts):
            return rows
        careful = _matching(texts, _union(tuple(_without_v4(rule) for rule in self.rules if rule.name != CARD)))
        careful |= self._with_cards(texts, careful)
        texts = self._cut_v4(texts, careful, counts)
        hits = np.flatnonzero(careful)
        mended = [self.mended_text(str(text), counts) for text in texts.take(pa.array(hits)).to_pylist()]
        return with_column(rows, column, pc.replace_with_mask(texts, pa.array(careful), pa.array(mended, pa.string())) if len(hits) else texts)

    def _with_cards(self, texts: AnyArray, careful: Mask) -> Mask:
        """Find the other texts that hold a card number; most of what looks like one (the numbers of a flow log) does not pass Luhn's check."""
        rule = next((rule for rule in self.rules if rule.name == CARD), None)
        found = np.zeros(len(texts), bool)
        if rule is not None:
            may = np.flatnonzero(_matching(texts, rule.pattern) & ~careful)
            pattern = _compiled(rule.pattern)
            found[may] = [any(is_card(str(one[0])) for one in pattern.finditer(str(text))) for text in texts.take(pa.array(may)).to_pylist()]
        return found

    def _cut_v4(self, texts: AnyArray, careful: Mask, counts: Counter[str]) -> AnyArray:
        """Cut addresses of version 4 in the texts that need no more than that."""
        if not any(rule.name == IP for rule in self.rules):
            return texts
        with_hosts = _matching(texts, _HOST_IN_NETWORK) & ~careful
        if not with_hosts.any():
            return texts
        mask = pa.array(with_hosts)
        found = texts.filter(mask)
        counts[IP] += pc.sum(pc.count_substring_regex(found, _HOST_IN_NETWORK)).as_py()
        return pc.replace_with_mask(texts, mask, pc.replace_substring_regex(found, _HOST_IN_NETWORK, r"\10"))

    @property
    def _secrets(self) -> Redaction | None:
        """The rule for secrets, if it was asked for."""
        return next((rule for rule in self.rules if rule.name == "token"), None)

    def mended_text(self, text: str, counts: Counter[str]) -> str:
        """Answer a text without what is to go; an object stays one, and loses its secret members too."""
        own = Counter[str]()
        try:
            mended = (
                json.dumps(self._mended(json.loads(text), own), ensure_ascii=False, separators=(",", ":"), allow_nan=False) if text.startswith("{") else None
            )
        except (ValueError, RecursionError):
            own, mended = Counter(), None
        mended = self._plainly(text, own) if mended is None else mended
        counts.update(own)
        return mended if own else text

    def _plainly(self, text: str, counts: Counter[str]) -> str:
        for rule in self.rules:
            text = _compiled(rule.pattern).sub(self._replacing(rule, counts), text)
        return text

    def _mended(self, value: Any, counts: Counter[str]) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            return self._members(value, counts)
        if isinstance(value, list):
            return [self._mended(member, counts) for member in value]
        if isinstance(value, str):
            return self._plainly(value, counts)
        if isinstance(value, int) and not isinstance(value, bool):
            mended = self._plainly(str(value), counts)
            return value if mended == str(value) else mended
        return value

    def _members(self, members: Mapping[str, Any], counts: Counter[str]) -> Mapping[str, Any]:
        mended: dict[str, Any] = {}
        for name, member in members.items():
            written = self._plainly(name, counts)
            while written in mended:
                written += "_"
            mended[written] = self._member(name, member, counts)
        return mended

    def _member(self, name: str, member: Any, counts: Counter[str]) -> Any:  # noqa: ANN401 - any JSON
        rule = self._secrets
        if rule and isinstance(member, str) and member and not member.startswith("[") and _compiled(SECRET_MEMBER).search(name):
            counts[rule.name] += 1
            return self._written(rule, member)
        return self._mended(member, counts)

    def _replacing(self, rule: Redaction, counts: Counter[str]) -> Callable[[Any], str]:
        def replace(found: Any) -> str:  # noqa: ANN401 - a match of re2
            text = str(found[0])
            if rule.name == CARD and not is_card(text):
                return text
            written = _network(text) if rule.name == IP else self._written(rule, text)
            counts[rule.name] += written != text
            return written

        return replace

    def _written(self, rule: Redaction, text: str) -> str:
        if rule.replacement == "hash":
            return f"[{rule.name}:{hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()[:_HASH_CHARS]}]"
        return rule.replacement or f"[{rule.name}]"


def is_card(text: str) -> bool:
    """Whether digits pass the check of card numbers (ISO/IEC 7812-1, Luhn)."""
    digits = [int(digit) for digit in text if digit.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _matching(texts: AnyArray, pattern: str) -> Mask:
    return np.array(pc.fill_null(pc.match_substring_regex(texts, pattern), False).to_numpy(zero_copy_only=False), dtype=bool)


def _without_v4(rule: Redaction) -> Redaction:
    return Redaction(IP, _IPV6) if rule.name == IP else rule


@lru_cache(maxsize=64)
def _union(rules: Sequence[Redaction]) -> str:
    """Join the patterns of rules; of none, one that matches nothing."""
    if not rules:
        return r"[^\s\S]"
    patterns = [rule.pattern for rule in rules]
    members = [rf'"[^"]*{SECRET_MEMBER}[^"]*":'] if any(rule.name == "token" for rule in rules) else []
    return "|".join(f"(?:{pattern})" for pattern in (*patterns, *members))


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> "re2._Regexp[str]":
    return re2.compile(pattern)


@lru_cache(maxsize=65_536)
def _network(address: str) -> str:
    """Cut an address to its network; what only looks like one stays as it is."""
    try:
        own = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((own, _PREFIX_BITS[own.version]), strict=False).network_address)
