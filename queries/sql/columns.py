"""A field as a value in SQL: the column, or what is cut out of the row's JSON; null where the row has none.

:func:`raw` is the value as it is stored; :func:`indexed` the value as a search meets it: a keyword that is too long is none, an IP address is its
32 hex digits (``queries.sql.ip``), a time is its milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlglot import exp

from queries.fields import Attribute, Column, OtherAttribute
from tailrace.clock import to_datetime
from tailrace.schema import KEYWORD_MAX_CHARS, FieldType


@dataclass(frozen=True, slots=True)
class Element:
    """One value of an attribute that is a list, as a variable of a lambda sees it."""

    attribute: Attribute

    @property
    def type(self) -> FieldType:
        """The attribute's type."""
        return self.attribute.type

    @property
    def name(self) -> str:
        """The attribute's name in OpenSearch."""
        return self.attribute.name


Found = Column | Attribute | OtherAttribute | Element

ATTRIBUTES_COLUMN: Final = "attributes"
_BELOW_ALL_TIMES: Final = 3 * 10**17
_FIRST_US: Final = -62_135_596_800_000_000
_LAST_US: Final = 253_402_300_799_999_999
_JSON_TYPES: Final = {
    FieldType.LONG: ("BIGINT", "UBIGINT"),
    FieldType.DOUBLE: ("BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT", "DOUBLE"),
    FieldType.BOOLEAN: ("BOOLEAN",),
}


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Call a function of DuckDB by its name."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def text(value: str) -> exp.Expr:
    """Make a literal of a text."""
    return exp.Literal.string(value)


def whole(value: int) -> exp.Expr:
    """Make a literal of a whole number."""
    return exp.cast(exp.Literal.string(str(value)), "BIGINT", dialect="duckdb")


def real(value: float) -> exp.Expr:
    """Make a literal of a number."""
    return exp.cast(exp.Literal.string(repr(value)), "DOUBLE", dialect="duckdb")


def moment(time_us: int) -> exp.Expr:
    """Make a literal of a time; beyond the years 1 to 9999 it is the nearest of those."""
    shown = to_datetime(min(max(time_us, _FIRST_US), _LAST_US)).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    return exp.cast(exp.Literal.string(shown), "TIMESTAMP", dialect="duckdb")


def raw(found: Found) -> exp.Expr:
    """Answer the value as it is stored."""
    match found:
        case Column():
            return exp.column(found.field.column, quoted=True)
        case Attribute():
            return _typed(found.key, found.type)
        case OtherAttribute():
            return _other(found)
        case Element():
            return _converted(_element_text(), found.type)


def indexed(found: Found) -> exp.Expr:
    """Answer the value as a search meets it."""
    value = raw(found)
    match found.type:
        case FieldType.KEYWORD:
            return exp.case().when(short(value), value.copy())
        case FieldType.TIME:
            return millis(value)
        case FieldType.IP:
            return call("tailrace_ip", value)
        case _:
            return value


def short(value: exp.Expr) -> exp.Expr:
    """Whether a keyword is short enough to be indexed; its bytes are asked first, which costs nothing."""
    limit = exp.Literal.number(KEYWORD_MAX_CHARS)
    return exp.paren(exp.or_(exp.LTE(this=call("strlen", value.copy()), expression=limit), exp.LTE(this=call("length", value.copy()), expression=limit.copy())))


def millis(value: exp.Expr) -> exp.Expr:
    """Answer milliseconds of a time, rounded down also before 1970."""
    return floored(call("epoch_us", value), 1_000)


def floored(value: exp.Expr, step: int) -> exp.Expr:
    """Divide whole numbers and round down: ``//`` rounds towards zero, so the number is moved above zero first, by a multiple of the step.

    Right for times in microseconds of the years that a TIMESTAMP can hold, and all smaller numbers.
    """
    multiples = -(-_BELOW_ALL_TIMES // step)
    moved = exp.paren(exp.Add(this=value, expression=exp.Literal.number(multiples * step)), copy=False)
    return exp.paren(exp.Sub(this=exp.IntDiv(this=moved, expression=exp.Literal.number(step)), expression=exp.Literal.number(multiples)), copy=False)


def among(value: exp.Expr, choices: Sequence[exp.Expr]) -> exp.Expr:
    """Whether a value is one of some."""
    if len(choices) == 1:
        return exp.EQ(this=value, expression=choices[0])
    return exp.In(this=value, expressions=list(choices))


def pointer(key: str) -> exp.Expr:
    """Answer the JSON pointer of an attribute (RFC 6901)."""
    return text("/" + key.replace("~", "~0").replace("/", "~1"))


def _attributes() -> exp.Expr:
    return exp.column(ATTRIBUTES_COLUMN, quoted=True)


def _plain(key: str) -> exp.Expr:
    return call("json_extract_string", _attributes(), pointer(key))


def _is_typed(key: str, kind: FieldType) -> exp.Expr:
    words = [text(word) for word in _JSON_TYPES.get(kind, ("VARCHAR",))]
    return among(call("json_type", _attributes(), pointer(key)), words)


def _typed(key: str, kind: FieldType) -> exp.Expr:
    return exp.case().when(_is_typed(key, kind), _converted(_plain(key), kind))


def _converted(value: exp.Expr, kind: FieldType) -> exp.Expr:
    match kind:
        case FieldType.LONG:
            return exp.TryCast(this=value, to=exp.DataType.build("BIGINT"))
        case FieldType.DOUBLE:
            return exp.TryCast(this=value, to=exp.DataType.build("DOUBLE"))
        case FieldType.BOOLEAN:
            return exp.paren(exp.EQ(this=value, expression=text("true")), copy=False)
        case FieldType.TIME:
            return exp.TryCast(this=value, to=exp.DataType.build("TIMESTAMP"))
        case _:
            return value


def _other(found: OtherAttribute) -> exp.Expr:
    """Answer what the register does not take: everything, or what is of another type."""
    if found.typed is None:
        return _plain(found.key)
    typed = exp.or_(_is_typed(found.key, found.typed), _is_typed_list(found.key, found.typed), copy=False)
    return exp.case().when(exp.not_(exp.paren(typed, copy=False), copy=False), _plain(found.key))


def any_element(found: Attribute, holds: exp.Expr) -> exp.Expr:
    """Whether a condition on :class:`Element` holds for one value at least of an attribute that is a list."""
    some = exp.GT(this=call("len", call("list_filter", _list(found.key), _lambda(holds))), expression=exp.Literal.number(0))
    return exp.case().when(_is_typed_list(found.key, found.type), some)


def _is_typed_list(key: str, kind: FieldType) -> exp.Expr:
    """Whether an attribute is a list and all its values have the register's type; else the whole of it is of another type."""
    words = [text(word) for word in _JSON_TYPES.get(kind, ("VARCHAR",))]
    wrong = exp.not_(among(call("json_type", _variable()), words), copy=False)
    none_wrong = exp.EQ(this=call("len", call("list_filter", _list(key), _lambda(wrong))), expression=exp.Literal.number(0))
    is_list = exp.EQ(this=call("json_type", _attributes(), pointer(key)), expression=text("ARRAY"))
    return exp.paren(exp.and_(is_list, none_wrong, copy=False), copy=False)


def _list(key: str) -> exp.Expr:
    return exp.TryCast(this=call("json_extract", _attributes(), pointer(key)), to=exp.DataType.build("JSON[]", dialect="duckdb"))


def _variable() -> exp.Expr:
    return exp.column("element")


def _element_text() -> exp.Expr:
    return call("json_extract_string", _variable(), text("$"))


def _lambda(body: exp.Expr) -> exp.Expr:
    return exp.Lambda(this=body, expressions=[exp.to_identifier("element")], colon=True)
