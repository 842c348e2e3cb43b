"""Notifications of S3 say the same in every envelope; what is none is refused whole."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.envelopes.s3_event import (
    DELETED_RULE,
    OTHER_RULE,
    TEST_RULE,
    Message,
    Notification,
    S3Object,
    is_notification,
    queue_messages,
    read_notification,
)
from tailrace.errors import DecodeError

KEY = "logs/a b+c é/x=1&y.log"
ENCODED = "logs/a+b%2Bc+%C3%A9/x%3D1%26y.log"
FOUND = S3Object("bucket", KEY, "v1", "d41d8cd9", 7, "0055AED6", "eu-west-1")
TEST = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-27T10:00:00.000Z", "Bucket": "bucket", "RequestId": "r", "HostId": "h"}


def record(name: str = "ObjectCreated:Put", key: str = ENCODED, **thing: Any) -> dict[str, Any]:
    known = {"key": key, "size": 7, "eTag": "d41d8cd9", "versionId": "v1", "sequencer": "0055AED6"} | thing
    s3 = {"s3SchemaVersion": "1.0", "configurationId": "c", "bucket": {"name": "bucket", "arn": "arn:aws:s3:::bucket"}, "object": known}
    return {"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1", "eventName": name, "s3": s3}


def bridged(kind: str = "Object Created") -> dict[str, Any]:
    thing = {"key": KEY, "size": 7, "etag": "d41d8cd9", "version-id": "v1", "sequencer": "0055AED6"}
    envelope = {"version": "0", "id": "1", "detail-type": kind, "source": "aws.s3", "account": "123456789012", "region": "eu-west-1"}
    return envelope | {"detail": {"version": "0", "bucket": {"name": "bucket"}, "object": thing, "reason": "PutObject"}}


def in_sns(message: Any) -> dict[str, Any]:
    return {"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": json.dumps(message)}


def sns_to_function(message: Any) -> dict[str, Any]:
    return {"Records": [{"EventVersion": "1.0", "EventSource": "aws:sns", "Sns": {"Type": "Notification", "Message": json.dumps(message)}}]}


def sqs_to_function(*bodies: Any, **attributes: str) -> dict[str, Any]:
    records = [{"messageId": f"m{n}", "body": json.dumps(body), "attributes": attributes, "eventSource": "aws:sqs"} for n, body in enumerate(bodies)]
    return {"Records": records}


ENVELOPES: dict[str, Callable[[Any], Any]] = {
    "read": lambda message: message,
    "text": json.dumps,
    "SNS": in_sns,
    "SNS in SQS": lambda message: json.dumps(in_sns(message)),
    "SNS to a function": sns_to_function,
    "SQS to a function": sqs_to_function,
    "SNS in SQS to a function": lambda message: sqs_to_function(in_sns(message)),
}


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("message", [{"Records": [record()]}, bridged()], ids=["S3", "EventBridge"])
def test_an_object_is_the_same_in_every_envelope(envelope: str, message: Any) -> None:
    assert read_notification(ENVELOPES[envelope](message)) == Notification((FOUND,), {})


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_the_test_event_is_dropped_by_its_name_in_every_envelope(envelope: str) -> None:
    assert read_notification(ENVELOPES[envelope](TEST)) == Notification((), {TEST_RULE: 1})


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("ObjectCreated:Put", ""),
        ("s3:ObjectCreated:CompleteMultipartUpload", ""),
        ("ObjectRestore:Completed", ""),
        ("ObjectRestore:Post", OTHER_RULE),
        ("ObjectRestore:Delete", OTHER_RULE),
        ("ObjectRemoved:Delete", DELETED_RULE),
        ("ObjectRemoved:DeleteMarkerCreated", DELETED_RULE),
        ("LifecycleExpiration:Delete", DELETED_RULE),
        ("LifecycleTransition", OTHER_RULE),
        ("ObjectTagging:Put", OTHER_RULE),
        ("Replication:OperationFailedReplication", OTHER_RULE),
    ],
)
def test_only_what_makes_an_object_readable_is_read(name: str, rule: str) -> None:
    assert read_notification({"Records": [record(name)]}) == Notification(() if rule else (FOUND,), {rule: 1} if rule else {})


@pytest.mark.parametrize(
    ("kind", "rule"), [("Object Created", ""), ("Object Restore Completed", ""), ("Object Deleted", DELETED_RULE), ("Object Tags Added", OTHER_RULE)]
)
def test_the_same_holds_of_eventbridge(kind: str, rule: str) -> None:
    assert read_notification(bridged(kind)) == Notification(() if rule else (FOUND,), {rule: 1} if rule else {})


def test_a_message_may_name_several_objects_and_what_is_dropped_is_counted_beside() -> None:
    found = read_notification({"Records": [record(key="b"), record("ObjectRemoved:Delete"), record(key="a"), record("ObjectRemoved:Delete")]})
    assert [one.key for one in found.objects] == ["b", "a"]
    assert found.dropped == {DELETED_RULE: 2}


def test_what_a_record_does_not_say_is_empty_and_quotes_of_an_etag_are_taken_off() -> None:
    bare = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "k", "eTag": '"e"', "size": "7"}}}
    assert read_notification({"Records": [bare]}).objects == (S3Object("b", "k", etag="e"),)


def test_a_key_that_is_no_utf8_and_so_none_of_s3_can_still_be_asked_for() -> None:
    (found,) = read_notification({"Records": [record(key="a%FFb%zz")]}).objects
    assert found.key == "a\ufffdb%zz"
    (found,) = read_notification(json.dumps({"Records": [record(key="\ud800")]})).objects
    assert found.key.encode() == "\ufffd".encode()


@pytest.mark.parametrize(
    "message",
    [
        "hello world",
        "",
        "[1]",
        "7",
        '{"message": "hello"}',
        {},
        {"Records": []},
        {"Records": ["x"]},
        {"Records": [record(), {"eventSource": "aws:kinesis"}]},
        {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": "b"}}]},
        {"Records": [record(key="")]},
        in_sns({"message": "hello"}),
        bridged() | {"source": "my.own"},
        {"Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe"},
        None,
        [record()],
    ],
)
def test_a_message_of_another_kind_or_in_part_is_refused_whole(message: Any) -> None:
    with pytest.raises(DecodeError):
        read_notification(message)


def test_envelopes_without_end_are_refused() -> None:
    message: Any = TEST
    for _ in range(20):
        message = in_sns(message)
    with pytest.raises(DecodeError, match="deep"):
        read_notification(message)


KEYS = st.sampled_from(["Records", "eventSource", "eventName", "s3", "bucket", "name", "object", "key", "detail", "source", "Type", "Message", "body", "Event"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=12))
def test_whatever_json_holds_it_is_a_notification_or_one_clear_error(value: Any) -> None:
    for message in (value, json.dumps(value), {"Records": [value]}, in_sns(value)):
        try:
            read_notification(message)
        except DecodeError as error:
            assert str(error)
        is_notification(message)
        queue_messages(message)


def test_messages_of_a_queue_are_listed_with_how_often_they_were_received() -> None:
    event = sqs_to_function(TEST, "x", ApproximateReceiveCount="3")
    assert queue_messages(event) == (Message("m0", json.dumps(TEST), 3), Message("m1", '"x"', 3))
    assert queue_messages({"Records": [{"eventSource": "aws:sqs"}]}) == (Message("", "null"),)
    assert queue_messages({"Records": [record()]}) == queue_messages({"Records": []}) == queue_messages("x") == ()


def test_events_of_lambda_that_are_read_here_are_known() -> None:
    assert all(map(is_notification, [{"Records": [record()]}, bridged(), sns_to_function({}), TEST]))
    assert not any(map(is_notification, [sqs_to_function(TEST), {"awslogs": {}}, {"Records": []}, {"Records": ["x"]}, "x", {"Records": [{"kinesis": {}}]}]))
