"""A format is a file: how its lines are known, which reader reads them, which columns they have, and its tests.

Ours lie in ``collectors/formats/<family>/<name>.yaml``, a user's in a folder of theirs; both are read here. The keys::

    name: aws.alb                      family and name
    description, specification         a sentence, and a link to what defines the format
    detect: {log_groups: [pattern], line: pattern, rank: n}      RE2; lower ranks are asked first
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

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import re2

from collectors.format import SEVERITY_FORMS, TIME_FORMS, Format, FormatSet, FormatTest, ordered
from collectors.format_column import FITTING, check_field, column_of
from collectors.readers.paths import is_path, parse_path
from tailrace.errors import FileError, nearest
from tailrace.schema import LOGS, SEVERITIES
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
        "pattern": ("patterns", "ids"),
        "xml": ("prefix",),
        "plain": (),
    }
)
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
_MAX_PATTERN: Final = 4_000


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
    name = _text(document, "name")
    if name.count(".") != 1 or not name.replace(".", "").replace("_", "").isalnum():
        raise document.error("a name is `<family>.<name>` of letters, digits and _", "name")
    reader = _text(document, "reader")
    if reader not in READER_NAMES:
        raise document.error(f"no such reader: {reader}{nearest(reader, READER_NAMES)}", "reader")
    detect = _mapping(document, "detect", ("log_groups", "line", "rank"))
    time = _mapping(document, "time", ("source", "form", "else"))
    severity = _mapping(document, "severity", ("source", "from_status", "form", "words"))
    return Format(
        name=name,
        description=_text(document, "description"),
        specification=_text(document, "specification", ""),
        reader=reader,
        options=_options(document, reader),
        columns=tuple(column_of(document, number) for number in range(len(_list(document, "columns")))),
        log_groups=_log_groups(document, detect),
        line=_pattern(document, detect["line"], "detect", "line") if "line" in detect else "",
        rank=_whole(document, detect, "rank", 50, "detect"),
        time_sources=_sources(document, time, "time"),
        time_form=_time_form(document, time),
        time_else=str(time.get("else", "")),
        severity_sources=_sources(document, severity, "severity"),
        severity_from_status=bool(severity.get("from_status", False)),
        severity_words=_severity_words(document, severity),
        severity_form=_one_of(document, severity, "form", SEVERITY_FORMS, "severity"),
        message=_text(document, "message", "line"),
        inner=_inner(document),
        names=_names(document, reader),
        constants=_constants(document),
        tests=tuple(_test(document, number) for number in range(len(_list(document, "tests")))),
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
    return "|".join(form if "%" in form else _one_of(document, {"form": form} if form else {}, "form", TIME_FORMS, "time") for form in forms)


def _log_groups(document: Document, detect: Mapping[str, Any]) -> tuple[str, ...]:
    groups = detect.get("log_groups", [])
    if not isinstance(groups, list):
        raise document.error("log_groups is a list", "detect", "log_groups")
    return tuple(_pattern(document, text, "detect", "log_groups") for text in groups)


def _inner(document: Document) -> bool:
    """Whether messages are lines of their own; they are if there is a message beside the line."""
    inner = document.data.get("inner", False)
    if not isinstance(inner, bool):
        raise document.error("inner is true or false", "inner")
    if inner and document.data.get("message", "line") == "line":
        raise document.error("with inner, the message is a source", "inner")
    return inner


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
    options = _mapping(document, "options", OPTIONS[reader])
    _check_marks(document, options)
    if "head" in options:
        head = re2.compile(_pattern(document, options["head"], "options", "head"))
        if "rest" not in head.groupindex or head.groups != len(head.groupindex):
            raise document.error("all groups of a head have names, and one is (?P<rest>...), which holds the pairs", "options", "head")
    for name in ("least", "whole"):
        _whole(document, options, name, 1, "options")
    patterns = options.get("patterns", [])
    if not isinstance(patterns, list):
        raise document.error("patterns is a list", "options", "patterns")
    if reader == "pattern" and not patterns:
        raise document.error("the reader `pattern` needs options.patterns", *(["options"] if options else []))
    for number, text in enumerate(patterns):
        compiled = re2.compile(_pattern(document, text, "options", "patterns", number))
        if compiled.groups != len(compiled.groupindex) or not compiled.groups:
            raise document.error("all groups of a pattern have names: (?P<name>...), or are none: (?:...)", "options", "patterns", number)
    return MappingProxyType(options)


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
        check_field(document, name, FITTING["keyword"], "constants", name)
    if (severity := data.get("severity_text", "INFO")) not in SEVERITIES:
        raise document.error(f"no such severity: {severity}{nearest(str(severity), SEVERITIES)}", "constants", "severity_text")
    return MappingProxyType({str(name): str(value) for name, value in data.items()})


def _whole(document: Document, data: Mapping[str, Any], key: str, default: int, where: str) -> int:
    value = data.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise document.error(f"{key} is a whole number", where, key)
    return value


def _one_of(document: Document, data: Mapping[str, Any], key: str, known: tuple[str, ...], where: str) -> str:
    """Answer a word of a list; the first where there is none."""
    value = str(data.get(key, known[0]))
    if value not in known:
        raise document.error(f"no such {key} of {where}: {value}{nearest(value, known)}", where, key)
    return value


def _pattern(document: Document, text: object, *where: str | int) -> str:
    if not isinstance(text, str) or len(text) > _MAX_PATTERN:
        raise document.error(f"a pattern is a text of at most {_MAX_PATTERN} characters", *where)
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


def _mapping(document: Document, key: str, known: tuple[str, ...]) -> dict[str, Any]:
    value = document.data.get(key, {})
    if not isinstance(value, dict):
        raise document.error(f"{key} is a mapping", key)
    if key in document.data:
        document.refuse_unknown(known, key)
    return value


def _list(document: Document, key: str) -> list[Any]:
    value = document.data.get(key, [])
    if not isinstance(value, list):
        raise document.error(f"{key} is a list", key)
    return value


def _text(document: Document, key: str, default: str | None = None) -> str:
    value = document.data.get(key, default)
    if value is None:
        raise document.error(f"the key `{key}` is missing")
    if isinstance(value, dict | list):
        raise document.error(f"{key} is a text", key)
    return str(value)
