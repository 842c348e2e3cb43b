"""A format is a file: how its lines are known, which reader reads them, which columns they have, and its tests.

Ours lie in ``collectors/formats/<family>/<name>.yaml``, a user's in a folder of theirs; both are read here. The keys::

    name: aws.alb                      family and name
    description, specification         a sentence, and a link to what defines the format
    detect: {log_groups: [pattern], keys: [pattern], line: pattern, rank: n}      RE2; keys of objects and paths of files; lower ranks are asked first
    reader: delimited | csv | json | otlp | key_value | pattern | xml | plain
    options: {...}                     of the reader
    columns: [{source, field | attribute, type, scale, null, one_of, words, decode, port, host}]     what a source column becomes
    time: {source, form, else}         the line's own time; several sources are joined by blanks; a form with % is one of strptime, forms with | between are tried in turn; `else` is a
                                       source of form `auto` for lines without them
    severity: {source, form, words | from_status}   where the severity comes from, of several sources the first that has one; form `priority` is syslog's number; `words` are the log's own
                                        (`*`: all others), with form `threshold` numbers from which on a severity holds; where there is none, it is that of the constants
    message: line | SOURCE             what the event says; with `line` there is no `raw`
    inner: true                        the message is a line of its own, of whatever format: its columns join the row's
    names: {source: [member, ...]}     of readers of objects: the dotted names under which a source is found, the first that is there wins; without any, under its own. A name may be a path
                                        through lists: `resources[0].ARN` (an element by its number), `headers[name=Host].value` (the first whose member has that text, in any letter case)
    constants: {field: value}
    tests: [{line, header, row, status}]
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import re2

from collectors.document import entries, mapping, one_word, pattern, text, whole_number
from collectors.format import COLUMN_TYPES, SEVERITY_FORMS, SPLIT_TYPES, TIME_FORMS, Column, Format, FormatSet, FormatTest, ordered
from collectors.readers.paths import is_path, parse_path
from collectors.readers.usual import usual_of
from tailrace.errors import FileError, nearest
from tailrace.schema import LOGS, SEVERITIES, FieldType
from tailrace.yaml_file import Document, read_yaml

OURS: Final = Path(__file__).parent / "formats"
READER_NAMES: Final = ("json", "otlp", "delimited", "csv", "key_value", "pattern", "xml", "plain")
PAIR_FORMS: Final = ("spaced", "listed", "cef", "tabbed", "audit")
OBJECT_READERS: Final = ("json", "otlp", "csv", "key_value", "xml")
OPTIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "json": ("prefix",),
        "otlp": (),
        "csv": ("separator", "numbers"),
        "delimited": ("separator", "quote", "header", "least", "whole"),
        "key_value": ("prefix", "head", "pairs", "separator", "numbers"),
        "pattern": ("patterns", "usual", "ids"),
        "xml": ("prefix",),
        "plain": (),
    }
)
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

_TOP: Final = (
    "name",
    "description",
    "specification",
    "detect",
    "reader",
    "options",
    "names",
    "columns",
    "time",
    "severity",
    "message",
    "inner",
    "constants",
    "tests",
)
_COLUMN_KEYS: Final = ("source", "field", "attribute", "type", "scale", "null", "port", "host", "one_of", "decode", "words")


def load_formats(folder: Path | None = None) -> FormatSet:
    """Read our formats and those of a user's folder, whose names win; raises :class:`FileError`."""
    if folder is not None and not folder.is_dir():
        raise FileError("no such folder of formats", path=str(folder))
    paths = [path for root in (OURS, folder) if root for path in sorted(root.rglob("*.yaml"))]
    return ordered({one.name: one for one in map(read_format, paths)}.values())


def read_format(path: Path) -> Format:
    """Read one file; raises :class:`FileError` with line and column."""
    return parse_format(read_yaml(path))


def parse_format(document: Document) -> Format:
    """Make a format of a document that was read."""
    document.refuse_unknown(_TOP)
    name = text(document, "name")
    if name.count(".") != 1 or not name.replace(".", "").replace("_", "").isalnum():
        raise document.error("a name is `<family>.<name>` of letters, digits and _", "name")
    reader = text(document, "reader")
    if reader not in READER_NAMES:
        raise document.error(f"no such reader: {reader}{nearest(reader, READER_NAMES)}", "reader")
    detect = mapping(document, "detect", ("log_groups", "keys", "line", "rank"))
    time = mapping(document, "time", ("source", "form", "else"))
    severity = mapping(document, "severity", ("source", "from_status", "form", "words"))
    return Format(
        name=name,
        description=text(document, "description"),
        specification=text(document, "specification", ""),
        reader=reader,
        options=_options(document, reader),
        columns=tuple(_column(document, number) for number in range(len(entries(document, "columns")))),
        log_groups=_patterns(document, detect, "log_groups"),
        keys=_patterns(document, detect, "keys"),
        line=pattern(document, detect["line"], "detect", "line") if "line" in detect else "",
        rank=whole_number(document, detect, "rank", 50, "detect"),
        time_sources=_sources(document, time, "time"),
        time_form=_time_form(document, time),
        time_else=str(time.get("else", "")),
        severity_sources=_sources(document, severity, "severity"),
        severity_from_status=bool(severity.get("from_status", False)),
        severity_words=_severity_words(document, severity),
        severity_form=one_word(document, severity, "form", SEVERITY_FORMS, "severity"),
        message=text(document, "message", "line"),
        inner=_inner(document),
        names=_names(document, reader),
        constants=_constants(document),
        tests=tuple(_test(document, number) for number in range(len(entries(document, "tests")))),
        path=document.path,
    )


def _sources(document: Document, data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    source = data.get("source", [])
    if isinstance(source, dict):
        how = "joined by blanks" if key == "time" else "asked one after another"
        raise document.error(f"the source of the {key} is a text, or a list of texts that are {how}", key, "source")
    return tuple(str(one) for one in (source if isinstance(source, list) else [source]) if one)


def _time_form(document: Document, time: Mapping[str, Any]) -> str:
    forms = str(time.get("form", "")).split("|")
    return "|".join(form if "%" in form else one_word(document, {"form": form} if form else {}, "form", TIME_FORMS, "time") for form in forms)


def _patterns(document: Document, detect: Mapping[str, Any], name: str) -> tuple[str, ...]:
    patterns = detect.get(name, [])
    if not isinstance(patterns, list):
        raise document.error(f"{name} is a list", "detect", name)
    return tuple(pattern(document, text, "detect", name) for text in patterns)


def _column(document: Document, number: int) -> Column:
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
        _check_field(document, target, FITTING.get(kind, FITTING["ip"]), "columns", number, "field")
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


def _inner(document: Document) -> bool:
    """Whether messages are lines of their own; they are if there is a message beside the line."""
    inner = document.data.get("inner", False)
    if not isinstance(inner, bool):
        raise document.error("inner is true or false", "inner")
    if inner and document.data.get("message", "line") == "line":
        raise document.error("with inner, the message is a source", "inner")
    return inner


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
        _check_field(document, port, FITTING["long"], "columns", number, "port")


def _host(document: Document, number: int, kind: str) -> str:
    """Answer the attribute that names become: the one that is said, else that beside the field, such as ``client.host``."""
    data = document.at("columns", number)
    if kind != "address":
        if "host" in data:
            raise document.error("only a column of type address has a host", "columns", number, "host")
        return ""
    return str(data.get("host", "")) or f"{str(data['field']).removesuffix('.address')}.host"


def _check_field(document: Document, name: object, fitting: frozenset[FieldType], *where: str | int) -> None:
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


def _test(document: Document, number: int) -> FormatTest:
    data = document.at("tests", number)
    if not isinstance(data, dict) or not isinstance(data.get("line"), str):
        raise document.error("a test is a mapping with a line and a row", "tests", number)
    document.refuse_unknown(("line", "row", "status", "header"), "tests", number)
    row = data.get("row", {})
    if not isinstance(row, dict):
        raise document.error("a row is a mapping of fields to values", "tests", number, "row")
    known = (*(one.name for one in LOGS.fields), "attributes")
    for name in row:
        if name not in known:
            raise document.error(f"no such field of the schema: {name}{nearest(name, known)}", "tests", number, "row", name)
    line, _ = document.places.get(("tests", number), (0, 0))
    return FormatTest(data["line"], MappingProxyType(row), str(data.get("status", "parsed")), str(data.get("header", "")), line)


def _options(document: Document, reader: str) -> Mapping[str, Any]:
    options = mapping(document, "options", OPTIONS[reader])
    _check_marks(document, options)
    if "head" in options:
        head = re2.compile(pattern(document, options["head"], "options", "head"))
        if "rest" not in head.groupindex or head.groups != len(head.groupindex):
            raise document.error("all groups of a head have names, and one is (?P<rest>...), which holds the pairs", "options", "head")
    for name in ("least", "whole"):
        whole_number(document, options, name, 1, "options")
    patterns = options.get("patterns", [])
    if not isinstance(patterns, list):
        raise document.error("patterns is a list", "options", "patterns")
    if reader == "pattern" and not patterns:
        raise document.error("the reader `pattern` needs options.patterns", *(["options"] if options else []))
    for number, one in enumerate(patterns):
        compiled = re2.compile(pattern(document, one, "options", "patterns", number))
        if compiled.groups != len(compiled.groupindex) or not compiled.groups:
            raise document.error("all groups of a pattern have names: (?P<name>...), or are none: (?:...)", "options", "patterns", number)
    _check_usual(document, options, patterns)
    return MappingProxyType(options)


def _check_usual(document: Document, options: Mapping[str, Any], patterns: Sequence[str]) -> None:
    """A usual line names columns of the patterns."""
    known = {name for one in patterns for name in re2.compile(one).groupindex}
    usual = options.get("usual", [])
    if not isinstance(usual, list) or not all(isinstance(one, str) for one in usual):
        raise document.error("usual is a list of texts", "options", "usual")
    for number, one in enumerate(usual):
        try:
            names = usual_of(one).names
        except ValueError as error:
            raise document.error(str(error), "options", "usual", number) from None
        if unknown := [name for name in names if name and name not in known]:
            raise document.error(f"no pattern has a group {unknown[0]!r}{nearest(unknown[0], known)}", "options", "usual", number)


def _check_marks(document: Document, options: Mapping[str, Any]) -> None:
    for name in ("separator", "quote"):
        if name in options and (not isinstance(options[name], str) or len(options[name].encode()) != 1):
            raise document.error(f"{name} is one character", "options", name)
    if options.get("pairs", "spaced") not in PAIR_FORMS:
        raise document.error(f"no such form of pairs: {options['pairs']}{nearest(str(options['pairs']), PAIR_FORMS)}", "options", "pairs")
    if options.get("header", False) not in {True, False, "fields"}:
        raise document.error("header is true, false or `fields`", "options", "header")


def _severity_words(document: Document, severity: Mapping[str, Any]) -> Mapping[str, str]:
    words = severity.get("words", {})
    if not isinstance(words, dict):
        raise document.error("words is a mapping of the log's words to severities", "severity", "words")
    for word, name in words.items():
        if name and name not in SEVERITIES:
            raise document.error(f"no such severity: {name}{nearest(str(name), SEVERITIES)}", "severity", "words", word)
    return MappingProxyType({str(word).upper(): str(name) for word, name in words.items()})


def _names(document: Document, reader: str) -> Mapping[str, tuple[str, ...]]:
    data = document.data.get("names", {})
    if not isinstance(data, dict):
        raise document.error("names is a mapping of sources to lists of names", "names")
    if data and reader not in OBJECT_READERS:
        raise document.error(f"the reader `{reader}` has no names; those that have some are {', '.join(OBJECT_READERS)}", "names")
    for source, names in data.items():
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise document.error("the names of a source are a list of texts", "names", source)
        for number, name in enumerate(names):
            _check_path(document, name, "names", source, number)
    return MappingProxyType({str(source): tuple(names) for source, names in data.items()})


def _check_path(document: Document, name: str, *where: str | int) -> None:
    try:
        if is_path(name):
            parse_path(name)
    except ValueError as error:
        raise document.error(str(error), *where) from error


def _constants(document: Document) -> Mapping[str, str]:
    data = document.data.get("constants", {})
    if not isinstance(data, dict):
        raise document.error("constants is a mapping of fields to values", "constants")
    for name in data:
        _check_field(document, name, FITTING["keyword"], "constants", name)
    if (severity := data.get("severity_text", "INFO")) not in SEVERITIES:
        raise document.error(f"no such severity: {severity}{nearest(str(severity), SEVERITIES)}", "constants", "severity_text")
    return MappingProxyType({str(name): str(value) for name, value in data.items()})
