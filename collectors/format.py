"""What a format is: how its lines are known, which reader reads them, which columns they have. Made of files by ``collectors.format_file``."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from tailrace.errors import FileError, nearest
from tailrace.schema import FieldType

TIME_FORMS: Final = ("auto", "iso", "epoch_s", "epoch_ms", "clf", "syslog")
SEVERITY_FORMS: Final = ("word", "priority", "threshold")
COLUMN_TYPES: Final[Mapping[str, FieldType]] = MappingProxyType(
    {
        "keyword": FieldType.KEYWORD,
        "long": FieldType.LONG,
        "double": FieldType.DOUBLE,
        "ip": FieldType.IP,
        "trace_id": FieldType.KEYWORD,
        "span_id": FieldType.KEYWORD,
    }
)
SPLIT_TYPES: Final = ("address", "address_port", "request", "url")
"""A column of these types becomes several fields: see ``collectors.splits``."""

INNER_FORMAT: Final = "log.inner_format"
"""The attribute that says which format the line has that a message holds."""

SPLIT_FIELDS: Final = "http.request.method, url.full, url.domain, url.path, url.query"


@dataclass(frozen=True, slots=True)
class Column:
    """What a source column becomes: a ``field`` of the schema or an ``attribute``; numbers times ``scale``; texts in ``nulls`` are none, others must be in ``one_of``, if it says something; with ``decode`` they are percent-encoded as in a URL, and with ``plus`` a plus sign is a blank.

    Of what is an address or else a host's name, names become the attribute ``host``. ``words`` are the log's own words and what they become (``*``: all others); without ``*`` the others stay.
    """

    source: str
    field: str = ""
    attribute: str = ""
    type: str = "keyword"
    scale: float = 1.0
    nulls: tuple[str, ...] = ("-",)
    port: str = ""
    one_of: tuple[str, ...] = ()
    decode: bool = False
    plus: bool = False
    host: str = ""
    words: tuple[tuple[str, str], ...] = ()

    @property
    def target(self) -> str:
        """What it becomes, as searches name it."""
        if self.type in SPLIT_TYPES:
            host = f"attributes.{self.host}" if self.host else ""
            return ", ".join(name for name in (self.field, self.port, host) if name) or SPLIT_FIELDS
        return self.field or f"attributes.{self.attribute}"


@dataclass(frozen=True, slots=True)
class FormatTest:
    """One test: a line (after a header, where the format has one), the fields of its row that must be so, and its parse status; ``at`` is its place in the file."""

    line: str
    row: Mapping[str, Any]
    status: str = "parsed"
    header: str = ""
    at: int = 0


@dataclass(frozen=True, eq=False)
class Format:
    """One format, read and checked. Two are equal if they are the same one."""

    name: str
    description: str
    specification: str
    reader: str
    options: Mapping[str, Any]
    columns: tuple[Column, ...]
    log_groups: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    line: str = ""
    rank: int = 50
    time_sources: tuple[str, ...] = ()
    time_form: str = "auto"
    time_else: str = ""
    severity_sources: tuple[str, ...] = ()
    severity_from_status: bool = False
    severity_form: str = "word"
    severity_words: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    message: str = "line"
    inner: bool = False
    names: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    constants: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    tests: tuple[FormatTest, ...] = ()
    path: str = ""

    @property
    def sources(self) -> tuple[str, ...]:
        """What the reader must find: the sources of the columns, of the time, the severity and the message, each once."""
        message = "" if self.message == "line" else self.message
        named = (*(column.source for column in self.columns), *self.time_sources, self.time_else, *self.severity_sources, message)
        return tuple(dict.fromkeys(name for name in named if name))


@dataclass(frozen=True, eq=False)
class FormatSet:
    """All formats by name, in the order in which they are asked whether a line is theirs."""

    formats: Mapping[str, Format]

    def __iter__(self) -> Iterator[Format]:
        """Walk the formats in order."""
        return iter(self.formats.values())

    def get(self, name: str) -> Format:
        """Answer a format; raises :class:`FileError` with the nearest name."""
        if name not in self.formats:
            raise FileError(f"no such format{nearest(name, self.formats)}", path=name)
        return self.formats[name]

    def having(self, one: Format) -> "FormatSet":
        """Answer the formats with one more, or with another one of that name."""
        return ordered([*(other for other in self if other.name != one.name), one])

    def declared(self) -> dict[str, FieldType]:
        """Answer the attributes that the formats declare, and their types."""
        found = [column for one in self for column in one.columns if column.attribute]
        hosts = {column.host: FieldType.KEYWORD for one in self for column in one.columns if column.host}
        inner = {INNER_FORMAT: FieldType.KEYWORD} if any(one.inner for one in self) else {}
        return {**hosts, **inner, **{column.attribute: COLUMN_TYPES.get(column.type, FieldType.KEYWORD) for column in found}}


def ordered(formats: Iterable[Format]) -> FormatSet:
    """Put formats in the order of their ranks."""
    return FormatSet(MappingProxyType({one.name: one for one in sorted(formats, key=lambda one: (one.rank, one.name))}))
