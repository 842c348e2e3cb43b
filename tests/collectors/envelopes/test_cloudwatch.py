"""CloudWatch Logs payloads become runs of lines, or dead letters that hold them whole."""

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.envelopes.cloudwatch import Decoded, decode
from collectors.lines import Lines
from firehose.delivery import DeadLetter

Mutate = Callable[[bytes, st.DataObject], bytes]
NOW_US = 1_790_000_000_000_000
ROOM = 1 << 20


def event(event_id: Any = "1", message: Any = "hello", timestamp: Any = 1_790_000_000_123) -> dict[str, Any]:
    return {"id": event_id, "timestamp": timestamp, "message": message}


def body(events: Sequence[Mapping[str, Any]], **changed: Any) -> bytes:
    envelope = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "/aws/lambda/checkout",
        "logStream": "2026/11/24/[$LATEST]1",
        "subscriptionFilters": ["f"],
        "logEvents": events,
    }
    return json.dumps(envelope | changed).encode()


CONTROL = body(
    [{"id": "", "timestamp": 1741312971934, "message": "CWL CONTROL MESSAGE: Checking health of destination Firehose."}],
    messageType="CONTROL_MESSAGE",
    owner="CloudwatchLogs",
    logGroup="",
    logStream="",
    subscriptionFilters=[],
)


def read(payload: bytes | str) -> Decoded | DeadLetter:
    return decode(payload, received_us=NOW_US, inflate_max_bytes=ROOM, region="eu-west-1")


def one_run(payload: bytes | str) -> Lines:
    decoded = read(payload)
    assert isinstance(decoded, Decoded), decoded
    assert len(decoded.runs) == 1
    return decoded.runs[0]


def reason(payload: bytes | str) -> str:
    letter = read(payload)
    assert isinstance(letter, DeadLetter)
    assert letter.body == (payload.encode() if isinstance(payload, str) else payload)
    return letter.reason


def test_a_data_message_becomes_lines_with_its_ids_and_times() -> None:
    lines = one_run(gzip.compress(body([event("a", "one\n"), event("b", "two\nthree", 1_790_000_000_124)])))
    assert lines.text.to_pylist() == ["one", "two\nthree"]
    assert lines.event_id.to_pylist() == ["a", "b"]
    assert lines.event_time.cast(pa.int64()).to_pylist() == [1_790_000_000_123_000, 1_790_000_000_124_000]
    assert (lines.origin.source, lines.origin.stream) == ("cloudwatch:/aws/lambda/checkout", "cloudwatch")
    assert (lines.origin.account, lines.origin.region, lines.received_us) == ("123456789012", "eu-west-1", NOW_US)
    assert (lines.origin.log_group, lines.origin.log_stream) == ("/aws/lambda/checkout", "2026/11/24/[$LATEST]1")


PLAIN = body([event("a", "one"), event("b", "two")])


@pytest.mark.parametrize(
    "payload",
    [
        PLAIN,
        b"  \n" + PLAIN,
        gzip.compress(PLAIN),
        zlib.compress(PLAIN),
        gzip.compress(PLAIN[:40]) + gzip.compress(PLAIN[40:]),
        base64.b64encode(gzip.compress(PLAIN)),
        base64.b64encode(zlib.compress(PLAIN, 9)).decode(),
        base64.b64encode(PLAIN).decode(),
    ],
    ids=["plain", "plain after space", "gzip", "zlib", "two members", "base64 of gzip", "base64 text of zlib", "base64 text of plain"],
)
def test_every_coat_of_a_payload_gives_the_same_lines(payload: bytes | str) -> None:
    lines = one_run(payload)
    assert (lines.text.to_pylist(), lines.event_id.to_pylist()) == (["one", "two"], ["a", "b"])


def test_payloads_that_follow_one_another_are_runs_of_their_own() -> None:
    other = body([event("c", "three")], logGroup="/ecs/cart")
    decoded = read(gzip.compress(PLAIN) + gzip.compress(b"\n" + other) + gzip.compress(CONTROL))
    assert isinstance(decoded, Decoded)
    assert [(run.origin.log_group, len(run)) for run in decoded.runs] == [("/aws/lambda/checkout", 2), ("/ecs/cart", 1)]
    assert decoded.control_messages == 1


def test_the_log_group_of_a_function_names_the_service() -> None:
    assert one_run(body([event()])).origin.service == "checkout"
    assert one_run(body([event()], logGroup="/ecs/cart")).origin.service == ""


def test_a_control_message_is_counted_and_no_run() -> None:
    assert read(gzip.compress(CONTROL)) == Decoded((), 1)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "empty"),
        ("", "empty"),
        (b"hello", "neither gzip"),
        ("not base64!", "neither gzip"),
        (base64.b64encode(b"hello").decode(), "not json"),
        (gzip.compress(PLAIN)[:-9], "truncated"),
        (gzip.compress(PLAIN) + b"x", "follow the compressed data"),
        (gzip.compress(bytes(2 * ROOM)), "inflate_max_bytes"),
        (gzip.compress(b""), "no json"),
        (b"{}", "messageType or logEvents"),
        (gzip.compress(b"[1, 2]"), "no json object"),
        (body([event()], messageType="OTHER"), "unknown messagetype: 'other'"),
        (body([event()], messageType=None), "messageType or logEvents"),
        (body([event()], logEvents="x"), "messageType or logEvents"),
        (body([event()], logEvents=["x"]), "messageType or logEvents"),
        (b'{"messageType": ' + b"[" * 100_000, "not json"),
        (b'{"x": ' + b"9" * 5_000 + b"}", "not json"),
        (PLAIN + b"garbage", "not json"),
    ],
)
def test_what_is_no_payload_is_a_dead_letter_that_holds_it_whole(payload: bytes | str, why: str) -> None:
    assert why.lower() in reason(payload).lower()


def test_ids_that_cannot_serve_are_hashes_of_payload_and_position() -> None:
    events = [event("a"), event("a"), event(""), event(None), event(7), {"message": "no id"}, event("é" * 300), event({"x": 1})]
    first, again = one_run(gzip.compress(body(events))), one_run(body(events))
    ids = first.event_id.to_pylist()
    assert ids[0] == "a"
    assert len(set(ids)) == len(events)
    assert all(isinstance(made, str) and len(made) == 32 for made in ids[1:])
    assert again.event_id.to_pylist() == ids
    assert set(one_run(body([*events, event("z")])).event_id.to_pylist()) & set(ids) == {"a"}


def test_numbers_as_ids_are_not_taken_for_cloudwatchs() -> None:
    """An emulator counts events from 0 at each start: those numbers name nothing."""
    first = one_run(body([event(0), event(1)])).event_id.to_pylist()
    second = one_run(body([event(0, timestamp=1), event(1)])).event_id.to_pylist()
    assert not set(first) & set(second)


@pytest.mark.parametrize(
    ("timestamp", "kept_us"),
    [
        (1, 1_000),
        (86_400_000, 86_400_000_000),
        (4_102_444_800_000, 4_102_444_800_000_000),
        (253_402_300_799_999, 253_402_300_799_999_000),
        (253_402_300_800_000, None),
        (0, None),
        (-1, None),
        (1_790_000_000_123_456_789, None),
        (10**40, None),
        (-(10**40), None),
        (1_790_000_000_123.7, 1_790_000_000_123_000),
        (1e300, None),
        (None, None),
        ("1790000000123", None),
        (True, None),
    ],
)
def test_absurd_times_become_null_and_odd_ones_are_kept(timestamp: Any, kept_us: int | None) -> None:
    lines = one_run(body([event("a", timestamp=timestamp), event("b")]))
    assert lines.event_time.cast(pa.int64()).to_pylist() == [kept_us, 1_790_000_000_123_000]


def test_text_that_no_utf_8_can_hold_is_replaced_and_nothing_is_lost() -> None:
    odd = body([event("a", "x"), event("b", {"deep": [1]})]).replace(b'"x"', b'"\\ud800 \xff \\u0000 \\u202e \\u001b[31m \\ud83d\\ude00"')
    assert one_run(odd).text.to_pylist() == ["\ufffd \ufffd \0 \u202e \x1b[31m 😀", '{"deep":[1]}']


def test_nan_and_unknown_keys_do_not_hinder() -> None:
    odd = body([event("a", "x")], policyLevel="ACCOUNT_LEVEL_POLICY").replace(b"1790000000123", b"NaN")
    lines = one_run(odd)
    assert (lines.text.to_pylist(), lines.event_time.null_count) == (["x"], 1)


def test_ten_thousand_events_and_an_event_of_one_mebibyte_are_read() -> None:
    lines = decode(gzip.compress(body([event(str(n), "x" * (1 << 20 if n == 5 else 3)) for n in range(10_000)])), received_us=1, inflate_max_bytes=1 << 23)
    assert isinstance(lines, Decoded)
    assert len(lines.runs[0]) == 10_000


def test_a_message_without_events_is_a_run_without_lines() -> None:
    assert len(one_run(body([]))) == 0


SEEDS = (PLAIN, gzip.compress(PLAIN, mtime=0), zlib.compress(PLAIN), base64.b64encode(gzip.compress(PLAIN, mtime=0)), CONTROL)


@given(seed=st.sampled_from(SEEDS), data=st.data())
def test_mutated_payloads_give_lines_or_a_dead_letter_with_every_byte(mutate: Mutate, seed: bytes, data: st.DataObject) -> None:
    mutant = mutate(seed, data)
    decoded = read(mutant)
    if isinstance(decoded, DeadLetter):
        assert decoded.body == mutant
        assert decoded.reason
        return
    assert decoded.runs or decoded.control_messages
    for run in decoded.runs:
        assert len(run.text) == len(run.event_id) == len(run.event_time)
        assert run.text.null_count == run.event_id.null_count == 0
        assert len(set(run.event_id.to_pylist())) == len(run)
        run.text.validate(full=True)
