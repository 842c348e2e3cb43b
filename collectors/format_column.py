"""A column of a format file: what a source column becomes, checked against the schema (``collectors.format_file`` tells the keys)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from collectors.format import COLUMN_TYPES, SPLIT_TYPES, Column
from tailrace.errors import nearest
from tailrace.schema import LOGS, FieldType
from tailrace.yaml_file import Document

FITTING: Final[Mapping[str, frozenset[FieldType]]] = MappingProxyType(
    {
        "keyword": frozenset({FieldType.KEYWORD}),
        "long": frozenset({FieldType.LONG, FieldType.DOUBLE}),
        "double": frozenset({FieldType.DOUBLE}),
        "ip": frozenset({FieldType.IP, FieldType.KEYWORD}),
        "trace_id": frozenset({FieldType.KEYWORD}),
        "span_id": frozenset({FieldType.KEYWORD}),
    }
)
"""Types of a column, and the types of fields that take its values; columns that are taken apart become addresses."""

GIVEN: Final = frozenset({"event_id", "revision", "log.format", "log.source", "stream.name", "parse_status", "parse_error"})
"""Fields that no format fills."""

_COLUMN_KEYS: Final = ("source", "field", "attribute", "type", "scale", "null", "port", "host", "one_of", "decode", "words")


def column_of(document: Document, number: int) -> Column:
    """Read a column of a format; raises :class:`FileError` with its place."""
    data = document.at("columns", number)
    if not isinstance(data, dict):
        raise document.error("a column is a mapping with source and field or attribute", "columns", number)
    document.refuse_unknown(_COLUMN_KEYS, "columns", number)
    kind = str(data.get("type", "keyword"))
    if kind not in COLUMN_TYPES and kind not in SPLIT_TYPES:
        raise document.error(f"no such type: {kind}{nearest(kind, (*COLUMN_TYPES, *SPLIT_TYPES))}", "columns", number, "type")
    _check_split(document, number, kind)
    if "source" not in data:
        raise document.error("a column needs a source", "columns", number)
    target = data.get("field", "")
    scale = _scale(document, number)
    if scale != 1.0 and kind != "double":
        raise document.error("a column with a scale is of type double", "columns", number, "scale")
    if target:
        check_field(document, target, FITTING.get(kind, FITTING["ip"]), "columns", number, "field")
    nulls, one_of = (_texts(document, number, key, default) for key, default in (("null", ("-",)), ("one_of", ())))
    return Column(
        source=str(data["source"]),
        field=str(target),
        attribute=str(data.get("attribute", "")) or ("" if target or kind in SPLIT_TYPES else str(data["source"])),
        type=kind,
        scale=scale,
        nulls=nulls,
        port=str(data.get("port", "")),
        one_of=one_of,
        decode=bool(data.get("decode", False)),
        plus=_decodes_plus(document, number),
        host=_host(document, number, kind),
        words=_words(document, number),
    )


def _decodes_plus(document: Document, number: int) -> bool:
    decode = document.at("columns", number).get("decode", False)
    if decode not in {True, False, "plus"}:
        raise document.error("decode is true, false or `plus`", "columns", number, "decode")
    return bool(decode == "plus")


def _words(document: Document, number: int) -> tuple[tuple[str, str], ...]:
    words = document.at("columns", number).get("words", {})
    if not isinstance(words, dict):
        raise document.error("words is a mapping of the log's words to others", "columns", number, "words")
    return tuple((str(word), str(other)) for word, other in words.items())


def _texts(document: Document, number: int, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = document.at("columns", number).get(key, default)
    if isinstance(value, dict):
        raise document.error(f"{key} is a list of texts", "columns", number, key)
    return tuple(str(one) for one in (value if isinstance(value, list | tuple) else [value]))


def _check_split(document: Document, number: int, kind: str) -> None:
    """An address needs the field that it becomes; a port, if it has one, is a field too."""
    data = document.at("columns", number)
    if kind in {"address", "address_port"} and not data.get("field"):
        raise document.error(f"a column of type {kind} needs a field", "columns", number)
    if port := data.get("port"):
        check_field(document, port, FITTING["long"], "columns", number, "port")


def _host(document: Document, number: int, kind: str) -> str:
    """Answer the attribute that names become: the one that is said, else that beside the field, such as ``client.host``."""
    data = document.at("columns", number)
    if kind != "address":
        if "host" in data:
            raise document.error("only a column of type address has a host", "columns", number, "host")
        return ""
    return str(data.get("host", "")) or f"{str(data['field']).removesuffix('.address')}.host"


def check_field(document: Document, name: object, fitting: frozenset[FieldType], *where: str | int) -> None:
    """A field must be one of the schema that a format may fill, of a type that takes the values."""
    known = {one.name: one.type for one in LOGS.fields if one.name not in GIVEN}
    if name not in known:
        raise document.error(f"no such field of the schema: {name}{nearest(str(name), known)}", *where)
    if known[str(name)] not in fitting:
        raise document.error(f"the field {name} is of type {known[str(name)].value}", *where)


def _scale(document: Document, number: int) -> float:
    value = document.at("columns", number).get("scale", 1.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value:
        raise document.error("a scale is a number", "columns", number, "scale")
    return float(value)
