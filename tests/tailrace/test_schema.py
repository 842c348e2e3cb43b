"""The schema and the forms made from it hold together."""

import pyarrow as pa
import pytest

from tailrace import forms
from tailrace.schema import LOGS, SPANS, TABLE_NAMES, TABLES, FieldType, TableName


@pytest.mark.parametrize("name", TABLE_NAMES)
def test_names_columns_and_aliases_are_unique_in_a_table(name: TableName) -> None:
    fields = TABLES[name].fields
    names = [word for field in fields for word in (field.name, *field.aliases)]
    assert len(names) == len(set(names))
    assert len({field.column for field in fields}) == len(fields)


@pytest.mark.parametrize("name", TABLE_NAMES)
def test_columns_have_no_dots_and_are_lower_case(name: TableName) -> None:
    assert all(field.column.replace("_", "").isalnum() and field.column == field.column.lower() for field in TABLES[name].fields)


def test_every_table_begins_with_identity_and_times() -> None:
    for table in TABLES.values():
        assert [field.column for field in table.fields[:4]] == ["event_id", "revision", "event_time", "observed_time"]


def test_every_type_has_an_arrow_type_and_a_mapping() -> None:
    assert set(forms.ARROW_TYPES) == set(forms.OPENSEARCH_MAPPINGS) == set(FieldType)


def test_a_field_is_found_by_name_and_alias_and_not_by_column() -> None:
    status = LOGS.field("http.response.status_code")
    assert status is not None
    assert LOGS.field("status") is status
    assert LOGS.field("http_response_status_code") is None
    assert SPANS.field("@timestamp") is SPANS.field("startTime")


def test_arrow_schema_follows_the_fields_in_order() -> None:
    schema = forms.arrow_schema("logs")
    assert schema.names == [field.column for field in LOGS.fields]
    assert schema.field("event_time").type == pa.timestamp("us")


def test_template_maps_every_field_and_alias_and_the_registered_attributes() -> None:
    template = forms.opensearch_template("logs", {"user.id": FieldType.LONG})
    properties = template["template"]["mappings"]["properties"]
    assert {field.name for field in LOGS.fields} <= set(properties)
    assert properties["status"] == {"type": "alias", "path": "http.response.status_code"}
    assert properties["attributes"]["properties"]["user.id"] == {"type": "long"}
    assert properties["attributes_other"] == {"type": "flat_object"}
    assert template["index_patterns"] == ["tailrace-logs-*"]


def test_ddl_names_every_column_once_and_the_place_of_the_parts() -> None:
    ddl = forms.parts_ddl("logs", "s3://bucket/lake")
    assert all(ddl.count(f"`{field.column}` ") == 1 for field in LOGS.fields)
    assert "LOCATION 's3://bucket/lake/logs/'" in ddl
    assert "s3://bucket/lake/logs/day=${day}/hour=${hour}/" in ddl
    assert "s3://bucket/lake/logs_state/" in forms.state_ddl("logs", "s3://bucket/lake")


def test_view_selects_every_column() -> None:
    view = forms.view_ddl("spans")
    assert all(f"p.{field.column}" in view for field in SPANS.fields)


def test_page_has_a_row_for_every_field() -> None:
    page = forms.schema_page()
    for table in TABLES.values():
        assert f"## `{table.name}`" in page
        assert all(f"| `{field.column}` |" in page for field in table.fields)
