"""What an alert says: ElastAlert's subject and text, with fields of the match put in.

Rule text is a template with ``{}``, ``{0}`` and ``{name}`` and nothing more: no attributes, no indexes, no expressions, so neither a rule nor a log line can reach anything by it. The
result is at most :data:`MAX_TEXT_CHARS`; control characters of log text are shown as escapes.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from alerts.rule import AlertText, Match, Rule
from tailrace.clock import iso_ms

MAX_TEXT_CHARS: Final = 8_192
MAX_SUBJECT_CHARS: Final = 2_048
"""ElastAlert's ``alert_subject_max_len``."""
MAX_VALUE_CHARS: Final = 2_048

_SLOT: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_CONTROLS: Final = str.maketrans({code: f"\\x{code:02x}" for code in (*range(9), 11, 12, *range(14, 32), 127)})


def subject(rule: Rule, match: Match) -> str:
    """Answer the subject: one line."""
    text = rule.text
    line = _fill(text.subject, text.subject_args, {}, rule, match, text) if text.subject else f"Tailrace: {rule.name}"
    return " ".join(line.split())[:MAX_SUBJECT_CHARS]


def body(rule: Rule, match: Match) -> str:
    """Answer the text: the rule's name, its own text, what matched, and the fields, as ``alert_text_type`` says."""
    text = rule.text
    own = _fill(text.text, text.text_args, text.text_kw, rule, match, text) if text.text else ""
    if text.text_type == "alert_text_only":
        return own[:MAX_TEXT_CHARS]
    parts = [rule.name, own, _what(match)]
    if text.text_type == "default":
        parts.append(_fields(match.document))
    return "\n\n".join(part for part in parts if part)[:MAX_TEXT_CHARS]


def resolved_body(rule: Rule, key: str, since_us: int, until_us: int) -> str:
    """Answer the text that says a rule fires no longer."""
    what = f"{rule.name} ({key})" if key else rule.name
    return f"{what}: resolved\n\nfiring from {iso_ms(since_us)} to {iso_ms(until_us)}"


def field_of(document: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - a value of a document
    """Look a field up in a document: its dotted name as it stands, then below ``attributes``, then step by step."""
    for found in (document, document.get("attributes")):
        if isinstance(found, Mapping):
            value = _walk(found, name)
            if value is not None:
                return value
    return None


def _walk(document: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - a value of a document
    if name in document:
        return document[name]
    for at in (position for position, letter in enumerate(name) if letter == "."):
        inner = document.get(name[:at])
        if isinstance(inner, Mapping):
            value = _walk(inner, name[at + 1 :])
            if value is not None:
                return value
    return None


def _fill(template: str, args: Sequence[str], names: Mapping[str, str], rule: Rule, match: Match, text: AlertText) -> str:
    values = [_value(name, rule, match, text) for name in args]
    named = {slot: _value(field, rule, match, text) for field, slot in names.items()}
    counter = iter(range(len(template)))

    def put(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0][0]
        slot = found[1] or str(next(counter))
        if slot.isdecimal():
            return values[int(slot)] if int(slot) < len(values) else text.missing_value
        return named.get(slot) or _value(slot, rule, match, text)

    return _SLOT.sub(put, template)


def _value(name: str, rule: Rule, match: Match, text: AlertText) -> str:
    extra = {"num_hits": match.count, "num_matches": 1, "rule.name": rule.name, "query_key": match.key}
    value = field_of(match.document, name)
    value = extra.get(name) if value is None else value
    return text.missing_value if value is None else _shown(value)


def _shown(value: object) -> str:
    plain = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return plain.translate(_CONTROLS)[:MAX_VALUE_CHARS]


def _what(match: Match) -> str:
    key = f" of {match.key}" if match.key else ""
    return f"{match.count} event{'s' if match.count != 1 else ''}{key}, last at {iso_ms(match.time_us)}"


def _fields(document: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {_shown(value)}" for name, value in sorted(document.items()))
