"""A document beside the mapping that refused it: which field, what stood there, and what type the index, the schema and the attribute register say it has.

The field is read from OpenSearch's reason (https://docs.opensearch.org/latest/field-types/, messages as OpenSearch 2 and 3 write them). An index keeps the type that it was made with; the register may
have learned or been told another one since.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, Protocol

import orjson

from firehose.delivery import DeadLetter
from tailrace.fields import AttributeRegister
from tailrace.schema import TABLES

ATTRIBUTES: Final = "attributes."
MAX_VALUE: Final = 1_000
NOT_MAPPED: Final = "not mapped"

_FIELD: Final = re.compile(
    r"failed to parse field \[([^\]]+)\] of type"
    r"|object mapping for \[([^\]]+)\] tried to parse"
    r"|dynamic introduction of \[([^\]]+)\] within"
    r"|immense term in field=\"([^\"]+)\""
    r"|mapper \[([^\]]+)\] cannot be changed"
)
_WHOLE: Final = frozenset({"long", "integer", "short", "byte", "unsigned_long"})
_BITS: Final = {"long": 63, "integer": 31, "short": 15, "byte": 7}
_BROKEN: Final = frozenset({"double", "float", "half_float", "scaled_float"})
_LARGEST: Final = {"float": 3.4028235e38, "half_float": 65_504.0}
_TERMS: Final = frozenset({"keyword", "wildcard", "constant_keyword"})
_IMMENSE_BYTES: Final = 32_766
"""Lucene's longest term (IndexWriter.MAX_TERM_LENGTH)."""


class Asks(Protocol):
    """The one call of opensearch-py's transport that is used."""

    def perform_request(self, method: str, url: str) -> Any:  # noqa: ANN401 - opensearch-py's own
        """Send a request, answer the JSON of the response."""
        ...


@dataclass(frozen=True, slots=True)
class Refused:
    """The field that was refused. ``value`` is its JSON; a type is empty where the register or the schema has none; ``index_type`` says in words why it is not known."""

    field: str
    value: str
    index: str
    index_type: str
    schema_type: str
    register_type: str
    fits: bool | None
    """Whether the value is one of the index's type as it is now; ``None`` where that cannot be said from here."""

    def to_json(self) -> dict[str, Any]:
        """Answer it as ``dead show --json`` prints it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def refused(letter: DeadLetter, register: AttributeRegister, opensearch: Asks | None) -> Refused | None:
    """Lay a document beside the mapping; ``None`` where the letter is no document or its reason names no field. ``opensearch`` is asked for the mapping of the letter's index."""
    field = field_of(letter.reason)
    if letter.kind != "document" or not field:
        return None
    try:
        document = orjson.loads(letter.body)
    except orjson.JSONDecodeError:
        document = None
    there, value = _at(document, field)
    index = index_of(letter)
    kind = _index_type(index, field, opensearch)
    shown = orjson.dumps(value).decode()[:MAX_VALUE] if there else "not in the document"
    known = register.types().get(field.removeprefix(ATTRIBUTES)) if field.startswith(ATTRIBUTES) else None
    return Refused(field, shown, index, kind, _schema_type(letter, field), known.value if known else "", fits(kind, value) if there else None)


def field_of(reason: str) -> str:
    """Answer the name of the field that a reason of OpenSearch is about; empty where it names none.

    >>> field_of("400 mapper_parsing_exception: failed to parse field [attributes.n] of type [long] in document with id 'e-5'")
    'attributes.n'
    """
    found = _FIELD.search(reason)
    return next(filter(None, found.groups()), "") if found else ""


def index_of(letter: DeadLetter) -> str:
    """Answer the index that a document was meant for; empty where the letter does not say."""
    if told := letter.detail.get("index"):
        return told
    try:
        action = orjson.loads(letter.detail.get("action", "null"))
    except orjson.JSONDecodeError:
        return ""
    target = next(iter(action.values()), None) if isinstance(action, dict) else None
    return str(target.get("_index", "")) if isinstance(target, dict) else ""


def fits(kind: str, value: object) -> bool | None:
    """Say whether OpenSearch reads a value as a type; ``None`` for types of which that is not known here (dates have formats of their own, for one).

    Numbers may be texts, an empty one is none, and fractions are cut off where whole numbers are asked for (``coerce``); a list fits where all of it does. Held against a real node by
    ``tests/servers/test_dead_letter_desk.py``.

    >>> fits("long", "12 ms"), fits("long", "12"), fits("keyword", {}), fits("date", "noon")
    (False, True, False, None)
    """
    if value is None:
        return True
    if isinstance(value, list):
        found = [fits(kind, one) for one in value]
        return False if False in found else None if None in found else True
    return _is_one(kind, value)


def _is_one(kind: str, value: object) -> bool | None:
    match kind:
        case "boolean":
            return isinstance(value, bool) or (isinstance(value, str) and value in {"true", "false", ""})
        case "ip":
            return _is_address(value)
        case "object" | "nested":
            return isinstance(value, dict)
        case "text" | "match_only_text":
            return not isinstance(value, dict)
        case _ if kind in _TERMS:
            return not isinstance(value, dict) and len(str(value).encode("utf-8", "replace")) <= _IMMENSE_BYTES
        case _:
            return _is_number(kind, value) if kind in _WHOLE | _BROKEN else None


def _is_number(kind: str, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    if value == "":
        return True
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return False
    if not math.isfinite(number) or "_" in str(value) or (kind == "long" and str(value) != str(value).strip()):
        return False
    bits = _BITS.get(kind)
    return -(2.0**bits) <= number <= 2.0**bits - (kind != "long") if bits else abs(number) <= _LARGEST.get(kind, math.inf)


def _is_address(value: object) -> bool:
    try:
        ip_address(str(value))
    except ValueError:
        return False
    return True


def _at(document: object, field: str) -> tuple[bool, Any]:
    """Answer whether a field is in a document, and its value; names may have dots or be nested, or both."""
    if not isinstance(document, dict):
        return False, None
    if field in document:
        return True, document[field]
    for at, letter in enumerate(field):
        if letter == "." and field[:at] in document:
            there, value = _at(document[field[:at]], field[at + 1 :])
            if there:
                return True, value
    return False, None


def _schema_type(letter: DeadLetter, field: str) -> str:
    table = next((one for name, one in TABLES.items() if name == letter.detail.get("table")), None)
    found = table.field(field) if table else None
    return found.type.value if found else ""


def _index_type(index: str, field: str, opensearch: Asks | None) -> str:
    if opensearch is None:
        return "not known: no OpenSearch is set up (setting opensearch_url)"
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,254}", index):
        return "not known: the letter names no index"
    try:
        answer = opensearch.perform_request("GET", f"/{index}/_mapping")
    except Exception as error:  # noqa: BLE001 - those of opensearch-py, which is not imported here: the letter is shown all the same
        return f"not known: {' '.join(str(error).split())[:200]}"
    mappings = next(iter(answer.values()), None) if isinstance(answer, Mapping) else None
    return _mapped(mappings.get("mappings") if isinstance(mappings, Mapping) else None, field)


def _mapped(mapping: object, field: str) -> str:
    """Walk the properties of a mapping, where names with dots are nested."""
    at = mapping
    for part in field.split("."):
        properties = at.get("properties") if isinstance(at, Mapping) else None
        at = properties.get(part) if isinstance(properties, Mapping) else None
    if not isinstance(at, Mapping):
        return NOT_MAPPED
    return str(at.get("type", "object"))
