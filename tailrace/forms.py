"""The schema in the forms that others read: Arrow, OpenSearch, Athena, and the resolver of search fields.

All of them are made from ``tailrace.schema``; nothing here names a field, except to tell tables apart.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa

from tailrace.schema import KEYWORD_MAX_CHARS, TABLES, Field, FieldType, Table, TableName
from tailrace.text import ANALYSIS_SETTINGS, LOG_ANALYZER

ARROW_TYPES: Final[Mapping[FieldType, pa.DataType]] = MappingProxyType(
    {
        FieldType.TIME: pa.timestamp("us"),
        FieldType.KEYWORD: pa.string(),
        FieldType.TEXT: pa.string(),
        FieldType.LONG: pa.int64(),
        FieldType.DOUBLE: pa.float64(),
        FieldType.BOOLEAN: pa.bool_(),
        FieldType.IP: pa.string(),
        FieldType.ATTRIBUTES: pa.string(),
        FieldType.STORED: pa.string(),
    }
)
"""Times are UTC without a zone: Hive, Athena and Trino know no other column type, and DuckDB needs no zone data for it."""

GLUE_TYPES: Final[Mapping[FieldType, str]] = MappingProxyType(
    {
        FieldType.TIME: "timestamp",
        FieldType.LONG: "bigint",
        FieldType.DOUBLE: "double",
        FieldType.BOOLEAN: "boolean",
    }
)
"""Types that are not named here are ``string``."""

OPENSEARCH_MAPPINGS: Final[Mapping[FieldType, Mapping[str, Any]]] = MappingProxyType(
    {
        FieldType.TIME: {"type": "date", "format": "strict_date_optional_time||epoch_millis"},
        FieldType.KEYWORD: {"type": "keyword", "ignore_above": KEYWORD_MAX_CHARS},
        FieldType.TEXT: {"type": "text", "analyzer": LOG_ANALYZER},
        FieldType.LONG: {"type": "long"},
        FieldType.DOUBLE: {"type": "double"},
        FieldType.BOOLEAN: {"type": "boolean"},
        FieldType.IP: {"type": "ip", "ignore_malformed": True},
        FieldType.ATTRIBUTES: {"type": "object", "dynamic": False},
        FieldType.STORED: {"type": "keyword", "index": False, "doc_values": False},
    }
)

INDEX_SETTINGS: Final[Mapping[str, Any]] = MappingProxyType(
    {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "1s", "codec": "best_compression"}
)
"""Of an index on servers that leave them to us."""

FIELDS_STEP: Final = 1_000

INDEX_PREFIX: Final = "tailrace-"
"""Indices are named ``tailrace-logs-2026.11.24``: table and day of the event time."""


def arrow_schema(table: TableName) -> pa.Schema:
    """Answer the Arrow schema of a table, columns in the schema's order, all nullable."""
    return _ARROW_SCHEMAS[table]


def _make_arrow_schema(table: Table) -> pa.Schema:
    return pa.schema([pa.field(field.column, ARROW_TYPES[field.type]) for field in table.fields])


_ARROW_SCHEMAS: Final[Mapping[str, pa.Schema]] = MappingProxyType({t.name: _make_arrow_schema(t) for t in TABLES.values()})


def opensearch_template(table: TableName, attributes: Mapping[str, FieldType] = MappingProxyType({}), *, serverless: bool = False) -> dict[str, Any]:
    """Answer the body of ``PUT /_index_template/tailrace-<table>``.

    ``attributes`` are the typed names of the attribute register; what is beyond them goes to ``attributes_other``, a ``flat_object``.
    Unknown fields are kept in the document and not indexed (``dynamic: false``). ``serverless``: OpenSearch Serverless, where shards, replicas, refreshing and codec are its own affair.
    """
    properties = _properties(TABLES[table], attributes)
    index = {**({} if serverless else INDEX_SETTINGS), "mapping": {"total_fields": {"limit": fields_limit(attributes)}}}
    return {
        "index_patterns": [f"{INDEX_PREFIX}{table}-*"],
        "priority": 500,
        "template": {
            "settings": {"index": index, "analysis": ANALYSIS_SETTINGS},
            "mappings": {"dynamic": False, "properties": properties},
        },
    }


def fields_limit(attributes: Mapping[str, FieldType]) -> int:
    """Answer the limit of fields (``index.mapping.total_fields.limit``) that indices need with these attributes, in steps of 1,000, which is OpenSearch's default.

    OpenSearch counts every object on a path, and aliases: ``attributes.aws.elb.type`` is four. What the register takes bounds it (``tailrace.fields``).
    """
    paths = {path for name in attributes for path in _paths(f"attributes.{name}")}
    own = max(len({path for field in table.fields for name in (field.name, *field.aliases) for path in _paths(name)}) for table in TABLES.values())
    return -(-(own + 1 + len(paths)) // FIELDS_STEP) * FIELDS_STEP


def _paths(name: str) -> set[str]:
    return {name, *(name[:at] for at, letter in enumerate(name) if letter == ".")}


def _properties(table: Table, attributes: Mapping[str, FieldType]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field in table.fields:
        mapping = dict(OPENSEARCH_MAPPINGS[field.type])
        if field.type is FieldType.ATTRIBUTES:
            mapping["properties"] = {name: dict(OPENSEARCH_MAPPINGS[kind]) for name, kind in sorted(attributes.items())}
            properties[f"{field.name}_other"] = {"type": "flat_object"}
        properties[field.name] = mapping
        for alias in field.aliases:
            properties[alias] = {"type": "alias", "path": field.name}
    return properties


def index_name(table: TableName, day: str) -> str:
    """Name the index of a day (``YYYY-MM-DD``) by event time, never a rollover alias: a replay must meet the same index.

    >>> index_name("logs", "2026-11-24")
    'tailrace-logs-2026.11.24'
    """
    return f"{INDEX_PREFIX}{table}-{day.replace('-', '.')}"


def parts_ddl(table: TableName, location: str) -> str:
    """Answer Athena's ``CREATE EXTERNAL TABLE`` for the parts of a table, with partition projection.

    ``location`` is the folder above the tables, such as ``s3://bucket/lake``. Users query the view, :func:`view_ddl`.
    """
    columns = ",\n".join(f"  `{f.column}` {GLUE_TYPES.get(f.type, 'string')}" for f in TABLES[table].fields)
    return (
        f"CREATE EXTERNAL TABLE `{table}_parts` (\n{columns}\n)\n{_PARTITIONS}\nSTORED AS PARQUET\n"
        f"LOCATION '{location}/{table}/'\nTBLPROPERTIES ({_projection(location, table)}\n)"
    )


def state_ddl(table: TableName, location: str) -> str:
    """Answer Athena's ``CREATE EXTERNAL TABLE`` for the objects that say which parts count (``tailrace.lake``)."""
    return (
        f"CREATE EXTERNAL TABLE `{table}_state` (\n  `part` string,\n  `counts` boolean\n)\n{_PARTITIONS}\n"
        "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'\n"
        f"LOCATION '{location}/{table}_state/'\nTBLPROPERTIES ({_projection(location, f'{table}_state')}\n)"
    )


def view_ddl(table: TableName) -> str:
    """Answer the view that users query: the rows of the parts that count; the same SQL for Athena and Trino."""
    columns = ", ".join(f"p.{f.column}" for f in TABLES[table].fields)
    return (
        f"CREATE OR REPLACE VIEW {table} AS\nSELECT {columns}, p.day, p.hour\nFROM {table}_parts p\n"
        f"LEFT JOIN {table}_state s\n  ON p.day = s.day AND p.hour = s.hour AND s.part = regexp_extract(p.\"$path\", '[^/]+$')\n"
        "WHERE coalesce(s.counts, regexp_extract(p.\"$path\", '[^/]+$') NOT LIKE 'm-%')"
    )


TRINO_TYPES: Final[Mapping[FieldType, str]] = MappingProxyType(
    {FieldType.TIME: "timestamp(6)", FieldType.LONG: "bigint", FieldType.DOUBLE: "double", FieldType.BOOLEAN: "boolean"}
)
"""Types that are not named here are ``varchar``."""


def trino_ddl(table: TableName, location: str) -> tuple[str, str, str]:
    """Answer what makes the parts, the states and the view of a table on a Trino of one's own (Hive connector), partition projection included."""
    columns = ",\n".join(f"  {f.column} {TRINO_TYPES.get(f.type, 'varchar')}" for f in TABLES[table].fields)
    parts = _trino_table(f"{table}_parts", columns, f"{location}/{table}/", "PARQUET")
    states = _trino_table(f"{table}_state", "  part varchar,\n  counts boolean", f"{location}/{table}_state/", "JSON")
    return parts, states, view_ddl(table)


def _trino_table(name: str, columns: str, location: str, form: str) -> str:
    hours = ", ".join(f"'{hour:02}'" for hour in range(24))
    return (
        f"CREATE TABLE {name} (\n{columns},\n"
        "  day varchar WITH (partition_projection_type = 'date', partition_projection_format = 'yyyy-MM-dd',"
        " partition_projection_range = ARRAY['2020-01-01', 'NOW']),\n"
        f"  hour varchar WITH (partition_projection_type = 'enum', partition_projection_values = ARRAY[{hours}])\n)\n"
        f"WITH (external_location = '{location}', format = '{form}', partitioned_by = ARRAY['day', 'hour'], partition_projection_enabled = true)"
    )


_PARTITIONS: Final = "PARTITIONED BY (`day` string, `hour` string)"


def _projection(location: str, folder: str) -> str:
    hours = ",".join(f"{hour:02}" for hour in range(24))
    return (
        "\n  'projection.enabled' = 'true',"
        "\n  'projection.day.type' = 'date',\n  'projection.day.format' = 'yyyy-MM-dd',\n  'projection.day.range' = '2020-01-01,NOW+1DAY',"
        f"\n  'projection.hour.type' = 'enum',\n  'projection.hour.values' = '{hours}',"
        f"\n  'storage.location.template' = '{location}/{folder}/day=${{day}}/hour=${{hour}}/'"
    )


def schema_page() -> str:
    """Answer the body of ``docs/schema.md``: a table for each table, in Markdown."""
    return "\n".join(_table_page(table) for table in TABLES.values())


def _table_page(table: Table) -> str:
    rows = "\n".join(_field_row(field) for field in table.fields)
    return (
        f"## `{table.name}`\n\n{table.meaning[0].upper()}{table.meaning[1:]}.\n\n"
        f"| field in searches | column in the lake | type | OpenSearch | Athena | meaning |\n|---|---|---|---|---|---|\n{rows}\n"
    )


def _field_row(field: Field) -> str:
    names = ", ".join(f"`{name}`" for name in (field.name, *field.aliases))
    glue, mapping = GLUE_TYPES.get(field.type, "string"), OPENSEARCH_MAPPINGS[field.type]["type"]
    return f"| {names} | `{field.column}` | {field.type.value} | {mapping} | {glue} | {field.meaning} |"
