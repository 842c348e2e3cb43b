"""Athena's SQL (Trino's) on DuckDB: what can be translated faithfully is, the rest is refused, never answered wrongly.

sqlglot knows most of it. The functions are those of a list; each entry was run on a real Trino and on DuckDB with the same values (``tests/queries/test_athena_dialect.py``). Some need more than
another spelling, because DuckDB silently answers something else: those are the functions of this module.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from queries.guard import refuse

Rewrite = Callable[[exp.Expression], exp.Expression]

ALLOWED: Final = frozenset(
    [
        "abs",
        "ceil",
        "floor",
        "round",
        "sqrt",
        "pow",
        "power",
        "exp",
        "ln",
        "log",
        "log10",
        "log2",
        "sign",
        "mod",
        "greatest",
        "least",
        "truncate",
        "trunc",
        "rand_",
        "coalesce",
        "nullif",
        "if",
        "case",
        "cast",
        "trycast",
        "try_cast",
        "lower",
        "upper",
        "length",
        "trim",
        "substring",
        "concat",
        "concat_ws",
        "replace",
        "reverse",
        "strposition",
        "str_position",
        "startswith",
        "starts_with",
        "split",
        "splitpart",
        "split_part",
        "lpad",
        "rpad",
        "pad",
        "contains",
        "chr",
        "codepoint_",
        "regexplike",
        "regexp_like",
        "regexpextract",
        "regexp_extract",
        "regexpreplace",
        "regexp_replace",
        "count",
        "countif",
        "count_if",
        "sum",
        "avg",
        "min",
        "max",
        "stddev",
        "stddevpop",
        "stddevsamp",
        "variance",
        "variancepop",
        "approxdistinct",
        "approxquantile",
        "argmax",
        "argmin",
        "arrayagg",
        "anyvalue",
        "any_value",
        "boolor",
        "logicalor",
        "logicaland",
        "timestamptrunc",
        "datetrunc",
        "date_trunc",
        "dateadd",
        "datediff",
        "year",
        "month",
        "week",
        "day",
        "hour",
        "minute",
        "second",
        "dayofweekiso",
        "dayofyear",
        "quarter",
        "dayofmonth",
        "extract",
        "timetostr",
        "strtotime",
        "currenttimestamp",
        "currentdate",
        "unixtotime",
        "timetounix",
        "fromiso8601timestamp",
        "date",
        "tsordstodate",
        "timestamp",
        "jsonextract",
        "jsonextractscalar",
        "parsejson",
        "array",
        "arraysize",
        "cardinality",
        "arraycontains",
        "elementat",
        "element_at",
        "unnest",
        "explode",
        "filter",
        "transform",
        "sequence",
        "generateseries",
        "rownumber",
        "rank",
        "denserank",
        "lag",
        "lead",
        "firstvalue",
        "lastvalue",
        "ntile",
        "percentrank",
        "cumedist",
        "and",
        "or",
        "xor",
        "in",
        "between",
        "like",
        "not",
        "paren",
        "exists",
        "rollup",
        "cube",
        "grouping",
        "md5",
        "tohex",
    ]
)
"""Names of sqlglot's function classes, lower case, and of functions that it has no class for."""


def to_duckdb(statement: exp.Query) -> exp.Query:
    """Answer the statement for DuckDB; raises :class:`tailrace.errors.UnsupportedError` for a function that is not translated."""
    for node in statement.find_all(exp.Func):
        name = _name(node)
        if name not in ALLOWED and name.replace("_", "") not in ALLOWED:
            raise refuse(name, sorted(ALLOWED))
    rewritten = statement.transform(_rewrite)
    assert isinstance(rewritten, exp.Query)
    return rewritten


def _name(node: exp.Func) -> str:
    return node.name.lower() if isinstance(node, exp.Anonymous) else node.key.lower()


def _rewrite(node: exp.Expression) -> exp.Expression:
    rewrite = _REWRITES.get(type(node))
    return rewrite(node) if rewrite else node


def _regexp_extract(node: exp.Expression) -> exp.Expression:
    """Without a match Trino answers NULL, DuckDB an empty text."""
    if node.parent is not None and isinstance(node.parent, exp.If):
        return node
    text, pattern = node.this, node.expression
    return exp.Case(ifs=[exp.If(this=exp.RegexpLike(this=text.copy(), expression=pattern.copy()), true=node.copy())])


def _regexp_replace(node: exp.Expression) -> exp.Expression:
    r"""Trino writes groups ``$1`` and replaces all; DuckDB writes ``\1`` and replaces the first unless told ``g``."""
    replacement = node.args.get("replacement") or exp.Literal.string("")
    if not isinstance(replacement, exp.Literal):
        raise refuse("regexp_replace with a computed replacement", ())
    text = "".join(
        f"\\{part[:1]}{part[1:]}" if number and part[:1].isdigit() else ("$" if number else "") + part
        for number, part in enumerate(replacement.this.replace("\\", "\\\\").split("$"))
    )
    arguments = [node.this, node.expression, exp.Literal.string(text), exp.Literal.string("g")]
    return exp.Anonymous(this="regexp_replace", expressions=arguments)


def _split_part(node: exp.Expression) -> exp.Expression:
    """Past the end Trino answers NULL, DuckDB an empty text; an empty part that is there stays empty."""
    delimiter, index = node.args["delimiter"], node.args["part_index"]
    parts = exp.Anonymous(this="string_split", expressions=[node.this, delimiter])
    return exp.Anonymous(this="list_extract", expressions=[parts, index])


def _json_scalar(node: exp.Expression) -> exp.Expression:
    """Objects and arrays are no scalars: Trino answers NULL for them, and for text that is no JSON; DuckDB prints the one and raises for the other."""
    text = exp.Anonymous(this="try_cast_json", expressions=[node.this])
    path = exp.Literal.string(_path(node))
    extracted = exp.Anonymous(this="json_extract_string", expressions=[text, path])
    kind = exp.Anonymous(this="json_type", expressions=[text.copy(), path.copy()])
    is_scalar = exp.In(this=kind, expressions=[exp.Literal.string("OBJECT"), exp.Literal.string("ARRAY")]).not_()
    return exp.Case(ifs=[exp.If(this=is_scalar, true=extracted)])


def _path(node: exp.Expression) -> str:
    expression = node.expression
    if isinstance(expression, exp.JSONPath):
        return expression.sql("duckdb").strip("'")
    if isinstance(expression, exp.Literal) and expression.is_string:
        return str(expression.this)
    raise refuse("json_extract with a computed path", ())


def _date_diff(node: exp.Expression) -> exp.Expression:
    """Trino counts whole units between two times, DuckDB's ``date_diff`` the borders between them; its ``date_sub`` counts as Trino does."""
    unit = exp.Literal.string(str(node.args["unit"].name if node.args.get("unit") else "day").lower())
    return exp.Anonymous(this="date_sub", expressions=[unit, node.expression, node.this])


def _max_by(node: exp.Expression) -> exp.Expression:
    """Trino takes the row of the extreme even where its value is NULL; DuckDB's ``arg_max`` passes such rows over."""
    name = "arg_max_null" if isinstance(node, exp.ArgMax) else "arg_min_null"
    return exp.Anonymous(this=name, expressions=[node.this, node.expression])


_REWRITES: Final[Mapping[type[exp.Expression], Rewrite]] = MappingProxyType(
    {
        exp.RegexpExtract: _regexp_extract,
        exp.RegexpReplace: _regexp_replace,
        exp.SplitPart: _split_part,
        exp.JSONExtractScalar: _json_scalar,
        exp.DateDiff: _date_diff,
        exp.ArgMax: _max_by,
        exp.ArgMin: _max_by,
    }
)

MACROS: Final = ("CREATE OR REPLACE MACRO try_cast_json(t) AS try_cast(t AS JSON)",)
"""What a connection must know; see ``queries.connections.duckdb``."""
