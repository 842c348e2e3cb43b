"""Which payloads a Lambda event holds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.envelopes.lambda_event import Payload, payloads
from tailrace.errors import DecodeError


def test_a_subscription_that_calls_the_function_holds_one_payload() -> None:
    assert payloads({"awslogs": {"data": "eA=="}}) == (Payload("eA=="),)


def test_each_record_of_a_kinesis_event_is_a_payload() -> None:
    record = {"eventSource": "aws:kinesis", "eventSourceARN": "arn:aws:kinesis:eu-west-1:1:stream/logs", "kinesis": {"sequenceNumber": "49", "data": "eA=="}}
    assert payloads({"Records": [record, {"kinesis": {"data": None}}]}) == (Payload("eA==", "49", "kinesis:logs"), Payload("null", "", "kinesis:"))


@pytest.mark.parametrize(
    "event", [None, 7, "x", [], {}, {"Records": []}, {"Records": [{"s3": {}}]}, {"awslogs": {}}, {"Records": [{"kinesis": {}}, {"s3": {}}]}]
)
def test_an_event_of_another_shape_is_one_clear_error(event: Any) -> None:
    with pytest.raises(DecodeError, match=r"an event of an unknown shape: .*known are"):
        payloads(event)


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(value=json_values, at=st.sampled_from(["awslogs", "data", "Records", "kinesis", "eventSourceARN"]))
def test_whatever_an_event_holds_it_is_payloads_or_a_decode_error(value: Any, at: str) -> None:
    kinesis = {"kinesis": {"data": "x"}}
    event: Any = {
        "awslogs": {"awslogs": value},
        "data": {"awslogs": {"data": value}},
        "Records": {"Records": value},
        "kinesis": {"Records": [{"kinesis": value}]},
        "eventSourceARN": {"Records": [kinesis | {"eventSourceARN": value}]},
    }[at]
    try:
        assert all(isinstance(payload.data, str) for payload in payloads(event))
    except DecodeError as error:
        assert "unknown shape" in str(error)
