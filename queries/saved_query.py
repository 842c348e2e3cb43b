"""A saved query: a ``.sql`` file in Athena's dialect, with a header in comments.

::

    -- title: Errors by service
    -- description: How many errors each service logged per minute.
    -- parameter: start_time timestamp = now-1h
    -- parameter: service string = %
    -- chart: line x=minute y=errors colour=service
    SELECT ... WHERE event_time >= :start_time AND service_name LIKE :service

Parameters are named in the file; they become literals of their type in the syntax tree (here), or ``?`` of an execution (Athena). A ``start_time`` and an ``end_time`` of type timestamp also choose
which parts of the lake are read.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from sqlglot import exp

from queries.dsl.dates import DateReader
from queries.guard import MAX_ROWS, limited, read_sql
from tailrace.clock import US_PER_MS, to_datetime
from tailrace.errors import FileError, RequestError, TailraceError, nearest

Value = str | int | float | bool
ChartKind = Literal["line", "bar", "none"]
MAX_FILE_BYTES: Final = 64 * 1024

_HEADER: Final = re.compile(r"--\s*(\w+):\s*(.*)")
_PARAMETER: Final = re.compile(r"(\w+)\s+(\w+)\s*(?:=\s*(.*))?")
_KEYS: Final = ("title", "description", "parameter", "chart")
_CHARTS: Final = ("line", "bar")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: ``default`` is its text, ``None`` where it must be given."""

    name: str
    type: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Chart:
    """How a result is best drawn: columns for the axes and the colour."""

    kind: ChartKind = "none"
    x: str = ""
    y: str = ""
    colour: str = ""


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """One saved query, read and checked."""

    name: str
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    chart: Chart
    sql: str
    statement: exp.Query
    path: str

    def values(self, given: Mapping[str, str], now_us: int) -> dict[str, Value]:
        """Answer the value of each parameter; raises :class:`RequestError` for one that is unknown, missing or of another type."""
        names = [parameter.name for parameter in self.parameters]
        for name in given:
            if name not in names:
                raise RequestError(f"{self.name} has no such parameter{nearest(name, names)}", clause=name)
        return {parameter.name: _value(parameter, given.get(parameter.name), now_us) for parameter in self.parameters}

    def bound(self, values: Mapping[str, Value]) -> exp.Query:
        """Answer the statement with literals in the place of its parameters, and with a limit."""
        types = {parameter.name: parameter.type for parameter in self.parameters}

        def bind(node: exp.Expression) -> exp.Expression:
            return _LITERALS[types[node.name]](values[node.name]) if isinstance(node, exp.Placeholder) else node

        statement = self.statement.transform(bind)
        assert isinstance(statement, exp.Query)
        return limited(statement, MAX_ROWS)

    def for_athena(self, values: Mapping[str, Value]) -> tuple[str, list[str]]:
        """Answer the text with ``?`` for each use of a parameter, and the execution parameters in that order, as Athena takes them."""
        types = {parameter.name: parameter.type for parameter in self.parameters}
        used = [node.name for node in self.statement.find_all(exp.Placeholder, bfs=False)]
        statement = self.statement.transform(lambda node: exp.Placeholder() if isinstance(node, exp.Placeholder) else node)
        return statement.sql("athena"), [_LITERALS[types[name]](values[name]).sql("athena") for name in used]


def read_query(path: Path) -> SavedQuery:
    """Read one file; raises :class:`FileError` with the line."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FileError(f"longer than {MAX_FILE_BYTES} bytes", path=str(path))
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"cannot be read: {error}", path=str(path)) from error
    return parse_query(text, path.stem, str(path))


def parse_query(text: str, name: str, path: str) -> SavedQuery:
    """Make a saved query of a file's text."""
    lines = text.splitlines()
    header = [(number, found) for number, line in enumerate(lines, 1) if (found := _HEADER.fullmatch(line.strip()))]
    keys: dict[str, str] = {}
    parameters: list[Parameter] = []
    for number, found in header:
        key, value = found[1], found[2].strip()
        if key not in _KEYS:
            raise FileError(f"no such key: {key}{nearest(key, _KEYS)}", path=path, line=number)
        if key == "parameter":
            parameters.append(_parameter(value, path, number))
        elif key in keys:
            raise FileError(f"the key {key} is there twice", path=path, line=number)
        keys[key] = value
    sql = "\n".join("" if _HEADER.fullmatch(line.strip()) else line for line in lines)
    if "title" not in keys:
        raise FileError("the header has no `-- title:`", path=path, line=1)
    chart = _chart(keys.get("chart", ""), path, next((number for number, found in header if found[1] == "chart"), 1))
    return SavedQuery(name, keys["title"], keys.get("description", ""), tuple(parameters), chart, sql.strip(), _statement(sql, parameters, path), path)


def _parameter(text: str, path: str, line: int) -> Parameter:
    found = _PARAMETER.fullmatch(text)
    if not found:
        raise FileError("a parameter is written `name type = default`", path=path, line=line)
    if found[2] not in _READERS:
        raise FileError(f"no such type: {found[2]}{nearest(found[2], _READERS)}", path=path, line=line)
    parameter = Parameter(found[1], found[2], found[3].strip() if found[3] is not None else None)
    if parameter.default is not None:
        try:
            _value(parameter, None, 0)
        except RequestError as error:
            raise FileError(f"the default is wrong: {error}", path=path, line=line) from error
    return parameter


def _chart(text: str, path: str, line: int) -> Chart:
    if not text:
        return Chart()
    kind, *options = text.split()
    if kind not in _CHARTS:
        raise FileError(f"no such chart: {kind}{nearest(kind, _CHARTS)}", path=path, line=line)
    values = dict(option.split("=", 1) for option in options if "=" in option)
    if len(values) != len(options) or not {"x", "y"} <= set(values) <= {"x", "y", "colour"}:
        raise FileError("a chart is written `line x=column y=column colour=column`", path=path, line=line)
    return Chart("line" if kind == "line" else "bar", values["x"], values["y"], values.get("colour", ""))


def _statement(sql: str, parameters: list[Parameter], path: str) -> exp.Query:
    try:
        statement = read_sql(sql)
    except RequestError as error:
        place = re.search(r"line (\d+), column (\d+)", str(error))
        line, column = (int(place[1]), int(place[2])) if place else (None, None)
        raise FileError(str(error), path=path, line=line, column=column) from error
    known = [parameter.name for parameter in parameters]
    for node in statement.find_all(exp.Placeholder):
        if node.name not in known:
            raise FileError(f"no such parameter: :{node.name}{nearest(node.name, known)}", path=path)
    return statement


def _value(parameter: Parameter, given: str | None, now_us: int) -> Value:
    text = parameter.default if given is None else given
    if text is None:
        raise RequestError("the parameter has no default and must be given", clause=parameter.name)
    try:
        return _READERS[parameter.type](text, now_us)
    except (ValueError, OverflowError, TailraceError) as error:
        raise RequestError(f"{text[:80]!r} is no {parameter.type}", clause=parameter.name) from error


def _whole(text: str, now_us: int) -> int:
    del now_us
    value = int(text)
    if abs(value) >= 2**63:
        raise ValueError(text)
    return value


def _double(text: str, now_us: int) -> float:
    del now_us
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _boolean(text: str, now_us: int) -> bool:
    del now_us
    if text.lower() not in {"true", "false"}:
        raise ValueError(text)
    return text.lower() == "true"


def _text(text: str, now_us: int) -> str:
    del now_us
    if len(text) > 2_000 or "\0" in text:
        raise ValueError(text)
    return text


def _timestamp(text: str, now_us: int) -> str:
    milliseconds = DateReader(now_us, "").read_ms(text.strip().replace(" ", "T"), round_up=False)
    return to_datetime(milliseconds * US_PER_MS).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _date(text: str, now_us: int) -> str:
    del now_us
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).strftime("%Y-%m-%d")


_READERS: Final[Mapping[str, Callable[[str, int], Value]]] = MappingProxyType(
    {"timestamp": _timestamp, "string": _text, "bigint": _whole, "double": _double, "boolean": _boolean, "date": _date}
)
_LITERALS: Final[Mapping[str, Callable[[Value], exp.Expression]]] = MappingProxyType(
    {
        "timestamp": lambda value: exp.cast(exp.Literal.string(str(value)), "TIMESTAMP"),
        "string": lambda value: exp.Literal.string(str(value)),
        "bigint": lambda value: exp.Literal.number(int(value)) if int(value) >= 0 else exp.Neg(this=exp.Literal.number(-int(value))),
        "double": lambda value: exp.cast(exp.Literal.string(repr(float(value))), "DOUBLE"),
        "boolean": lambda value: exp.Boolean(this=bool(value)),
        "date": lambda value: exp.cast(exp.Literal.string(str(value)), "DATE"),
    }
)
