"""A document beside the mapping that refused it."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose.dead_letters.refused import field_of, fits, index_of, refused
from firehose.delivery import DeadLetter
from tailrace.errors import TransientError
from tailrace.fields import AttributeRegister
from tailrace.schema import FieldType

REASON = "400 mapper_parsing_exception: failed to parse field [attributes.http.ms] of type [long] in document with id 'e-1'. Preview of field's value: '12 ms'"
ACTION = '{"create":{"_index":"tailrace-logs-2026.11.27","_id":"e-1"}}'
MAPPING = {"attributes": {"properties": {"http": {"properties": {"ms": {"type": "long"}}}}}, "client.address": {"type": "ip"}}


class Mappings:
    """OpenSearch, as far as it has mappings."""

    def __init__(self, mappings: Mapping[str, Any]) -> None:
        self._mappings = mappings

    def perform_request(self, method: str, url: str) -> Any:
        """Answer the mapping of an index."""
        index, _, what = url.strip("/").partition("/")
        assert (method, what) == ("GET", "_mapping")
        if index not in self._mappings:
            raise TransientError(f"no such index [{index}]")
        return {index: {"mappings": {"properties": self._mappings[index]}}}


SERVER = Mappings({"tailrace-logs-2026.11.27": MAPPING})


def letter(body: bytes, reason: str = REASON, **detail: str) -> DeadLetter:
    return DeadLetter("document", reason, body, {"table": "logs", "action": ACTION, **detail})


@pytest.mark.parametrize("body", [b'{"attributes":{"http.ms":"12 ms"}}', b'{"attributes":{"http":{"ms":"12 ms"}}}', b'{"attributes.http.ms":"12 ms"}'])
def test_the_field_its_value_and_its_types_are_told(body: bytes) -> None:
    register = AttributeRegister(None, {"http.ms": FieldType.KEYWORD})
    found = refused(letter(body), register, SERVER)
    assert found is not None
    assert (found.field, found.value, found.index) == ("attributes.http.ms", '"12 ms"', "tailrace-logs-2026.11.27")
    assert (found.index_type, found.register_type, found.schema_type, found.fits) == ("long", "keyword", "", False)


def test_a_field_of_the_schema_has_the_schemas_type() -> None:
    found = refused(letter(b'{"client.address":"x"}', "400 failed to parse field [client.address] of type [ip]"), AttributeRegister(), SERVER)
    assert found is not None
    assert (found.schema_type, found.register_type, found.index_type, found.fits) == ("ip", "", "not mapped", None)


@pytest.mark.parametrize(
    ("detail", "server", "told"),
    [
        ({}, None, "no OpenSearch is set up"),
        ({"index": "gone-1"}, SERVER, "no such index"),
        ({"action": "{}"}, SERVER, "names no index"),
        ({"action": '{"create":{"_index":"../_all"}}'}, SERVER, "names no index"),
        ({"action": "no JSON"}, SERVER, "names no index"),
    ],
)
def test_what_the_index_says_may_not_be_known_and_then_the_reason_is_told(detail: dict[str, str], server: Mappings | None, told: str) -> None:
    found = refused(letter(b'{"attributes":{"http.ms":1}}', **detail), AttributeRegister(), server)
    assert found is not None
    assert told in found.index_type
    assert found.fits is None


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"attributes":{}}', b"{broken", b'{"attributes":5}'])
def test_a_document_without_the_field_says_so(body: bytes) -> None:
    found = refused(letter(body), AttributeRegister(), SERVER)
    assert found is not None
    assert (found.value, found.fits) == ("not in the document", None)


@pytest.mark.parametrize(
    ("reason", "field"),
    [
        (REASON, "attributes.http.ms"),
        ("400 mapper_parsing_exception: object mapping for [user] tried to parse field [user] as object, but found a concrete value", "user"),
        ("400 strict_dynamic_mapping_exception: mapping set to strict, dynamic introduction of [foo] within [_doc] is not allowed", "foo"),
        ('400 illegal_argument_exception: Document contains at least one immense term in field="k" (whose UTF8 encoding is longer)', "k"),
        ("400 illegal_argument_exception: mapper [n] cannot be changed from type [long] to [text]", "n"),
        ("400 illegal_argument_exception: Limit of total fields [1000] has been exceeded", ""),
        ("the parser raised KeyError: 'x'", ""),
    ],
)
def test_the_field_is_read_from_what_opensearch_says(reason: str, field: str) -> None:
    assert field_of(reason) == field
    assert (refused(letter(b"{}", reason), AttributeRegister(), None) is None) == (not field)


@pytest.mark.parametrize(
    ("kind", "value", "fit"),
    [
        ("long", 5, True),
        ("long", "5.7", True),
        ("long", "abc", False),
        ("long", True, False),
        ("long", {"a": 1}, False),
        ("byte", 200, False),
        ("integer", 2**31 - 1, True),
        ("integer", 2**31, False),
        ("long", 10**30, False),
        ("double", "1e400", False),
        ("double", float("nan"), False),
        ("boolean", "true", True),
        ("boolean", "yes", False),
        ("boolean", {}, False),
        ("float", 1e39, False),
        ("half_float", 70_000, False),
        ("integer", "", True),
        ("long", " 7", False),
        ("double", " 7", True),
        ("text", "x" * 40_000, True),
        ("keyword", "x" * 32_766, True),
        ("keyword", "x" * 32_767, False),
        ("keyword", {}, False),
        ("ip", "10.0.0.1", True),
        ("ip", "10.0.0", False),
        ("object", {}, True),
        ("object", "x", False),
        ("date", "noon", None),
        ("long", None, True),
        ("long", [1, "2"], True),
        ("long", [1, "x"], False),
        ("date", [1], None),
    ],
)
def test_a_value_fits_a_type_as_opensearch_reads_it(kind: str, value: object, fit: bool | None) -> None:
    assert fits(kind, value) is fit


@given(st.binary(max_size=100), st.text(max_size=100), st.text(max_size=40))
def test_no_letter_makes_it_raise(body: bytes, reason: str, action: str) -> None:
    refused(letter(body, REASON + reason, action=action), AttributeRegister(), SERVER)
    index_of(letter(body, action=action))
