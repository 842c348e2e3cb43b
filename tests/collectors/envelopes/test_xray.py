"""X-Ray documents become rows of spans, or dead letters with the reason."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collectors.envelopes.xray import SpansRead, segments_to_spans
from tailrace.forms import arrow_schema
from tailrace.schema import FieldType

Mutate = Callable[[bytes, st.DataObject], bytes]
NOW_US = 1_795_000_000_000_000
TRACE = "1-6b02b777-63f651453a9bbc6c80be111a"
TRACE_HEX = "6b02b77763f651453a9bbc6c80be111a"


def segment(**changed: Any) -> dict[str, Any]:
    base = {"trace_id": TRACE, "id": "390fe48a1db05a62", "name": "shop-web", "start_time": 1795340151.188011, "end_time": 1795340151.4024537}
    return {name: value for name, value in (base | changed).items() if value is not ...}


def read(*documents: dict[str, Any] | bytes) -> SpansRead:
    encoded = [document if isinstance(document, bytes) else json.dumps(document).encode() for document in documents]
    return segments_to_spans(encoded, source="xray:udp", received_us=NOW_US)


def rows(*documents: dict[str, Any] | bytes) -> list[dict[str, Any]]:
    spans = read(*documents)
    assert not spans.dead, spans.dead
    assert spans.spans.schema == arrow_schema("spans")
    return spans.spans.to_pylist()


def attributes(document: dict[str, Any]) -> Any:
    return orjson.loads(rows(document)[0]["attributes"] or "{}")


def test_a_segment_is_one_row() -> None:
    row = rows(
        segment(
            user="user0",
            origin="AWS::EC2::Instance",
            http={
                "request": {"url": "http://a/checkout/3", "method": "get", "user_agent": "curl", "client_ip": "127.0.0.1", "x_forwarded_for": True},
                "response": {"status": 502, "content_length": "161"},
            },
            fault=True,
            aws={
                "account_id": "123456789012",
                "region": "eu-west-1",
                "ec2": {"instance_id": "i-1"},
                "cloudwatch_logs": [{"log_group": "a"}, {"log_group": "b"}],
            },
            annotations={"tenant": "t1", "qty": 3, "vip": False, "aws.local.service": "x"},
            metadata={"default": {"cart": {"items": [1, 2, {"a": None}]}}},
            Dummy=False,
        )
    )[0]
    assert row["event_id"] == f"{TRACE_HEX}-390fe48a1db05a62"
    assert (row["revision"], row["in_progress"], row["aws_xray_document"]) == (1, False, "segment")
    assert (row["name"], row["service_name"], row["kind"], row["status_code"]) == ("shop-web", "shop-web", "SPAN_KIND_SERVER", 2)
    assert row["duration_nanos"] == 214_443_000
    assert row["event_time"].isoformat() == "2026-11-22T09:35:51.188011"
    assert (row["http_request_method"], row["url_full"], row["http_response_status_code"]) == ("GET", "http://a/checkout/3", 502)
    assert (row["client_address"], row["user_agent_original"], row["enduser_id"]) == ("127.0.0.1", "curl", "user0")
    assert (row["cloud_account_id"], row["cloud_region"], row["aws_xray_origin"]) == ("123456789012", "eu-west-1", "AWS::EC2::Instance")
    assert (row["fault"], row["error"], row["throttle"], row["log_source"]) == (True, False, False, "xray:udp")
    assert orjson.loads(row["attributes"]) == {
        "annotation.tenant": "t1",
        "annotation.qty": 3,
        "annotation.vip": False,
        "annotation.aws.local.service": "x",
        "http.request.x_forwarded_for": True,
        "http.response.content_length": 161,
        "aws.ec2.instance_id": "i-1",
        "aws.cloudwatch_logs.log_group": ["a", "b"],
        "metadata.default.cart.items": [1, 2, '{"a":null}'],
        "Dummy": False,
    }


def test_nested_subsegments_are_rows_with_their_parents_and_the_segments_service() -> None:
    leaf = {"id": "cccccccccccccccc", "name": "attempt", "start_time": 3, "end_time": 4}
    child = {
        "id": "bbbbbbbbbbbbbbbb",
        "name": "carts",
        "namespace": "aws",
        "start_time": 2,
        "end_time": 5,
        "aws": {"operation": "GetItem"},
        "subsegments": [leaf],
    }
    other = {"id": "dddddddddddddddd", "name": "work", "namespace": "local", "start_time": 5, "end_time": 6}
    found = rows(segment(subsegments=[child, other], parent_id="eeeeeeeeeeeeeeee"))
    assert [(row["name"], row["parent_span_id"], row["kind"]) for row in found] == [
        ("shop-web", "eeeeeeeeeeeeeeee", "SPAN_KIND_SERVER"),
        ("carts", "390fe48a1db05a62", "SPAN_KIND_CLIENT"),
        ("attempt", "bbbbbbbbbbbbbbbb", "SPAN_KIND_INTERNAL"),
        ("work", "390fe48a1db05a62", "SPAN_KIND_INTERNAL"),
    ]
    assert {row["service_name"] for row in found} == {"shop-web"}
    assert {row["trace_id"] for row in found} == {TRACE_HEX}
    assert orjson.loads(found[1]["raw"]) == {name: value for name, value in child.items() if name != "subsegments"}
    assert "subsegments" not in orjson.loads(found[0]["raw"])


def test_a_subsegment_sent_alone_knows_no_service() -> None:
    row = rows(segment(type="subsegment", parent_id="defdfd9912dc5a56", namespace="remote", traced=True))[0]
    assert (row["aws_xray_document"], row["kind"], row["service_name"], row["parent_span_id"]) == ("subsegment", "SPAN_KIND_CLIENT", None, "defdfd9912dc5a56")
    assert orjson.loads(row["attributes"]) == {"traced": True}


def test_traced_is_read_at_both_places() -> None:
    assert attributes(segment(http={"request": {"url": "x", "traced": True}})) == {"traced": True}


@pytest.mark.parametrize("changed", [{"end_time": ..., "in_progress": True}, {"in_progress": True}, {"end_time": ...}, {"end_time": "soon"}])
def test_a_document_in_progress_is_revision_0_without_an_end(changed: dict[str, Any]) -> None:
    row = rows(segment(**changed))[0]
    assert (row["revision"], row["in_progress"], row["end_time"], row["duration_nanos"]) == (0, True, None, None)


def test_a_complete_document_replaces_the_one_in_progress() -> None:
    first, second = rows(segment(end_time=..., in_progress=True), segment(in_progress=False))
    assert first["event_id"] == second["event_id"]
    assert (first["revision"], second["revision"]) == (0, 1)


def test_a_cause_is_an_exception_or_the_id_of_one_elsewhere() -> None:
    exceptions = [{"id": "exception-1", "type": "ConnectionError", "message": "refused", "stack": [{"path": "app.py", "line": 9, "label": "f"}]}]
    row = rows(segment(cause={"working_directory": "/srv", "exceptions": exceptions}))[0]
    assert (row["exception_type"], row["exception_message"]) == ("ConnectionError", "refused")
    assert orjson.loads(row["attributes"]) == {"cause.working_directory": "/srv"}
    assert orjson.loads(row["raw"])["cause"]["exceptions"] == exceptions
    assert attributes(segment(cause="abcdefghijklmnop")) == {"cause.id": "abcdefghijklmnop"}


@pytest.mark.parametrize(("given_length", "kept"), [(-1, {}), ("12", 12), ("x", {}), (None, {}), (0, 0)])
def test_a_content_length_may_be_a_text_or_unknown(given_length: Any, kept: Any) -> None:
    found = attributes(segment(http={"response": {"status": "404", "content_length": given_length}}))
    assert found == ({"http.response.content_length": kept} if kept != {} else {})


def test_a_segment_without_caller_or_request_is_internal() -> None:
    assert rows(segment())[0]["kind"] == "SPAN_KIND_INTERNAL"


def test_an_end_before_the_start_is_no_negative_duration() -> None:
    assert rows(segment(end_time=1.0))[0]["duration_nanos"] == 0


def test_ids_that_are_not_hexadecimal_are_kept() -> None:
    row = rows(segment(trace_id="1-12345678-1234567890abcdefghijklmn", id="fakeid11111111aaaaaaaa"))[0]
    assert (row["trace_id"], row["span_id"]) == ("1-12345678-1234567890abcdefghijklmn", "fakeid11111111aaaaaaaa")
    assert rows(segment(trace_id=TRACE_HEX.upper()))[0]["trace_id"] == TRACE_HEX


def test_members_of_another_type_are_no_reason_to_refuse_a_document() -> None:
    odd = segment(
        http="x", aws=[1], sql=7, cause=[1], annotations=[1], metadata="m", subsegments={"a": 1}, user=5, origin=[], namespace=3, parent_id=9, fault="yes"
    )
    row = rows(odd)[0]
    assert (row["fault"], row["parent_span_id"], row["enduser_id"]) == (False, None, None)
    assert orjson.loads(row["raw"]) == odd
    assert orjson.loads(row["attributes"])["http"] == "x"


def test_a_client_ip_that_is_none_is_an_attribute() -> None:
    assert attributes(segment(http={"request": {"client_ip": "10.0.0.1:99"}})) == {"http.request.client_ip": "10.0.0.1:99"}


def test_a_subsegment_that_cannot_be_a_row_stays_in_its_parents_document() -> None:
    bad = [{"name": "no id", "start_time": 1}, 7, {"id": "a", "name": "b"}]
    found = rows(segment(subsegments=[*bad, {"id": "bbbbbbbbbbbbbbbb", "name": "ok", "start_time": 1, "end_time": 2}]))
    assert [row["name"] for row in found] == ["shop-web", "ok"]
    assert orjson.loads(found[0]["raw"])["subsegments"] == bad


def test_types_of_attributes_can_be_learned_but_not_those_of_metadata() -> None:
    types = read(segment(annotations={"qty": 3, "share": 0.5, "vip": True, "tenant": "t"}, metadata={"default": {"k": 1}}, aws={"retries": 0})).attribute_types
    assert types == {
        "annotation.qty": FieldType.LONG,
        "annotation.share": FieldType.DOUBLE,
        "annotation.vip": FieldType.BOOLEAN,
        "annotation.tenant": FieldType.KEYWORD,
        "aws.retries": FieldType.LONG,
    }


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "JSONFormatError"),
        (b"hello", "JSONFormatError"),
        (b"[]", "JSONFormatError"),
        (b"{}{}", "JSONFormatError"),
        (b"[" * 100_000, "JSONFormatError"),
        (segment(trace_id=...), "InvalidTraceId"),
        (segment(trace_id=" "), "InvalidTraceId"),
        (segment(trace_id="1" * 200), "InvalidTraceId"),
        (segment(id=...), "InvalidSegmentId"),
        (segment(id=5), "InvalidSegmentId"),
        (segment(name=...), "InvalidName"),
        (segment(name=""), "InvalidName"),
        (segment(start_time=...), "InvalidStartTime"),
        (segment(start_time="now"), "InvalidStartTime"),
        (segment(start_time=-5), "InvalidStartTime"),
        (segment(start_time=1_795_340_151_188), "InvalidStartTime"),
        (segment(start_time=True), "InvalidStartTime"),
    ],
)
def test_what_is_no_document_is_a_dead_letter_with_xrays_code(document: dict[str, Any] | bytes, code: str) -> None:
    good = segment()
    found = read(good, document, good)
    assert found.spans.num_rows == 2
    assert [letter.detail["error_code"] for letter in found.dead] == [code]
    assert found.dead[0].body == (document if isinstance(document, bytes) else json.dumps(document).encode())


def test_nan_surrogates_and_wide_numbers_are_read() -> None:
    odd = json.dumps(segment(annotations={"n": 1, "big": 10**30})).encode().replace(b'"n": 1', b'"n": NaN, "s": "\\ud800"')
    assert orjson.loads(rows(odd)[0]["attributes"]) == {"annotation.s": "\ufffd", "annotation.big": str(10**30)}


def test_fifty_thousand_keys_and_deep_members_are_bounded() -> None:
    deep: dict[str, Any] = {"x": 1}
    for _ in range(300):
        deep = {"d": deep}
    wide = {f"k{n}": n for n in range(50_000)}
    found = attributes(segment(metadata={"deep": deep, "wide": wide}))
    assert len(found) == 1_000
    assert max(name.count(".") for name in found) < 17


SEED = json.dumps(
    segment(
        http={"request": {"url": "u", "method": "GET"}, "response": {"status": 200}},
        subsegments=[{"id": "bbbbbbbbbbbbbbbb", "name": "x", "start_time": 1.5, "end_time": 2, "sql": {"url": "u"}}],
        annotations={"a": 1},
        cause={"exceptions": [{"id": "1", "type": "T", "message": "m"}]},
    )
).encode()


@given(data=st.data())
def test_mutated_documents_give_rows_or_a_dead_letter_with_every_byte(mutate: Mutate, data: st.DataObject) -> None:
    mutant = mutate(SEED, data)
    found = segments_to_spans([mutant], source="s", received_us=NOW_US)
    assert bool(found.dead) != bool(found.spans.num_rows)
    assert [letter.body for letter in found.dead] == [mutant] * len(found.dead)
    assert found.spans["event_id"].null_count == found.spans["event_time"].null_count == 0
    assert all(isinstance(orjson.loads(text or "{}"), dict) for text in found.spans["attributes"].to_pylist())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = (
    "http",
    "aws",
    "sql",
    "cause",
    "annotations",
    "metadata",
    "subsegments",
    "links",
    "user",
    "parent_id",
    "end_time",
    "in_progress",
    "type",
    "namespace",
)


@given(changed=st.dictionaries(st.sampled_from(MEMBERS), json_values, max_size=5))
@example(changed={"end_time": 11_018_712_189})
def test_whatever_optional_members_hold_the_document_is_a_row(changed: dict[str, Any]) -> None:
    found = rows(segment(**changed))
    assert found[0]["span_id"] == "390fe48a1db05a62"
