"""Error output of Amazon Data Firehose and dead-letter queues of Data Prepper become dead letters that can be replayed, each once."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.collector import Collector
from collectors.envelopes.failed_objects import WHOLE, FailedObject, read_failed
from collectors.failed_reading import read_into
from collectors.from_settings import rehearsal_from_settings, work_with
from firehose.dead_letters import DeadLetters
from firehose.dead_letters.groups import groups
from firehose.dead_letters.log import ReplayLog, Step
from firehose.dead_letters.refused import refused
from firehose.delivery import MemoryStream
from tailrace.clock import ManualClock
from tailrace.fields import AttributeRegister
from tests.collectors.readers.samples import formats
from tests.firehose.deliveries import quick

NOW = 1_790_000_000_000_000
STREAM = "errors/processing-failed/2026/11/27/10/shop-logs-1-2026-11-27-10-00-00-0123abcd-0123-4567-89ab-0123456789ab"
CLOUDWATCH = gzip.compress(
    b'{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"/shop/web","logStream":"s","logEvents":[{"id":"c-1","timestamp":1790000000000,"message":"x"}]}',
    mtime=0,
)


def b64(body: bytes) -> str:
    return base64.b64encode(body).decode()


def failed(body: bytes = b"a line", **more: Any) -> dict[str, Any]:
    common = {"attemptsMade": 4, "arrivalTimestamp": 1_790_000_000_111, "errorCode": "Lambda.FunctionError", "errorMessage": "The function failed."}
    return {**common, "attemptEndingTimestamp": 1_790_000_099_000, "rawData": b64(body), **more}


PROCESSING = failed(CLOUDWATCH, lambdaArn="arn:aws:lambda:eu-west-1:1:function:f")
CONVERSION = {
    **{name: value for name, value in failed(b'{"message":"x","n":1}').items() if not name.startswith("error")},
    "ErrorCode": "DataFormatConversion.MalformedData",
    "ErrorMessage": "Data does not match the schema.",
    "sequenceNumber": "49",
    "subSequenceNumber": 0,
    "dataCatalogTable": {"catalogId": "1", "databaseName": "lake", "tableName": "logs", "region": "eu-west-1", "versionId": "LATEST", "catalogArn": "a"},
}
MAPPING = '{"type":"mapper_parsing_exception","reason":"failed to parse field [ms] of type [long] in document with id \'d-1\'"}'
SEARCH = failed(b'{"message":"x","ms":"12 ms"}', errorCode="400", errorMessage=MAPPING, esDocumentId="d-1", esIndexName="shop-2026-11-27", esTypeName="_doc")
SERVERLESS = {name.replace("es", "os", 1) if name.startswith("es") else name: value for name, value in SEARCH.items() if name != "esTypeName"}
DECOMPRESSION = failed(b"\x1f\x8bdamaged", errorCode="Decompression.Failed", errorMessage="not gzip")
PREPPER = {
    "dlqObjects": [
        {
            "pluginId": "opensearch",
            "pluginName": "opensearch",
            "pipelineName": "apache",
            "failedData": {
                "index": "logs",
                "indexId": None,
                "status": 400,
                "message": "mapper_parsing_exception: failed to parse field [n] of type [long]",
                "document": {"n": "x"},
            },
            "timestamp": "2026-11-27T10:00:00.000Z",
        }
    ]
}


def read(data: bytes, name: str = STREAM) -> FailedObject:
    return read_failed(data, name, received_us=NOW, inflate_max_bytes=1 << 20)


def replayed(found: FailedObject) -> MemoryStream:
    stream, register = MemoryStream(), AttributeRegister()
    for letter in found.letters:
        Collector(stream, work_with(formats(), register), register, ManualClock()).replay(letter)
    return stream


def event_ids(stream: MemoryStream) -> list[str]:
    return [str(one) for delivery in stream.deliveries for one in delivery.tables["logs"].column("event_id").to_pylist()]


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n \n"])
def test_records_one_after_the_other_are_letters_each_whatever_stands_between_them(between: bytes) -> None:
    found = read(between.join(json.dumps(one).encode() for one in (PROCESSING, CONVERSION, SEARCH, SERVERLESS, DECOMPRESSION)))
    assert found.problem == ""
    assert [letter.reason.split(":")[0][:34] for letter in found.letters] == [
        "Lambda.FunctionError The function ",
        "DataFormatConversion.MalformedData",
        '400 {"type"',
        '400 {"type"',
        "Decompression.Failed not gzip",
    ]
    assert [letter.detail["envelope"] for letter in found.letters] == ["cloudwatch", "line", "line", "line", "cloudwatch"]
    assert {letter.detail["source"] for letter in found.letters} == {"firehose:shop-logs"}
    assert found.time_us == 1_790_000_099_000_000


def test_what_a_record_says_is_told() -> None:
    lambda_, table, search, serverless = (read(json.dumps(one).encode()).letters[0] for one in (PROCESSING, CONVERSION, SEARCH, SERVERLESS))
    assert (lambda_.body, lambda_.detail["attempts"], lambda_.detail["lambda"]) == (CLOUDWATCH, "4", "arn:aws:lambda:eu-west-1:1:function:f")
    assert (table.body, table.detail["catalog"], table.detail["received_us"]) == (b'{"message":"x","n":1}', "lake.logs", "1790000000111000")
    assert (search.detail["index"], serverless.detail["index"]) == ("shop-2026-11-27", "shop-2026-11-27")
    assert search.detail["event_id"] == serverless.detail["event_id"]
    beside = refused(search, AttributeRegister(), None)
    assert beside is not None
    assert (beside.field, beside.value, beside.index) == ("ms", '"12 ms"', "shop-2026-11-27")


@pytest.mark.parametrize("code", ["lastErrorCode", "ErrorCode", "errorCode"])
def test_all_spellings_of_an_error_are_known(code: str) -> None:
    record = {"rawData": b64(b"x"), code: "E1", code.replace("Code", "Message"): "because", "lambdaARN": "a"}
    (letter,) = read(json.dumps(record).encode()).letters
    assert (letter.reason, letter.detail["lambda"]) == ("E1 because", "a")


@pytest.mark.parametrize("data", [PREPPER, PREPPER["dlqObjects"]])
def test_a_dead_letter_queue_of_data_prepper_is_read_as_a_document_and_as_a_list(data: Any) -> None:
    (letter,) = read(json.dumps(data).encode(), "dlq-v2-apache-opensearch-2026-11-27T10:00:00Z-1").letters
    assert (letter.kind, letter.body, letter.reason) == ("document", b'{"n":"x"}', "400 mapper_parsing_exception: failed to parse field [n] of type [long]")
    assert (letter.detail["source"], letter.detail["index"], letter.detail["plugin"]) == ("data-prepper:apache", "logs", "opensearch")
    assert letter.detail["received_us"] == "1795773600000000"


def test_replayed_letters_are_events_with_the_ids_that_they_have_elsewhere() -> None:
    data = b"".join(
        json.dumps(one).encode() for one in (PROCESSING, SEARCH, failed(b"one\ntwo\ntwo\n"), failed(b'{"event_id":"own-1","message":"x"}'), PREPPER)
    )
    first, again = event_ids(replayed(read(data))), event_ids(replayed(read(data, "elsewhere/copy.json")))
    assert first == again
    assert len(set(first)) == len(first) == 7
    assert {"c-1", "own-1"} <= set(first)
    assert event_ids(replayed(read(json.dumps(SEARCH).encode())))[0] in first, "the id is the document's, wherever it lies"


def test_equal_records_of_one_object_are_events_of_their_own_unless_they_name_their_document() -> None:
    assert len(set(event_ids(replayed(read(json.dumps(failed(b'{"a":1}')).encode() * 3))))) == 3
    assert len(set(event_ids(replayed(read(json.dumps(SEARCH).encode() * 3))))) == 1


def test_a_packed_object_is_read_and_one_that_inflates_to_too_much_is_kept_whole() -> None:
    assert len(read(gzip.compress(json.dumps(PROCESSING).encode() * 2)).letters) == 2
    bomb = gzip.compress(bytes(2 << 20))
    (letter,) = read(bomb).letters
    assert (letter.body, letter.detail["envelope"]) == (bomb, WHOLE)
    assert "inflates to more" in letter.reason


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        (json.dumps(PROCESSING).encode()[:-30], "it breaks off in record 2"),
        (b'{"rawData": ', "it breaks off in record 2"),
        (b"<html>", "it is no JSON in record 2"),
        (b"[" * 200_000, "in record 2"),
        (b'{"rawData": ' + b"9" * 5_000 + b"}", "it is no JSON in record 2"),
        (b"\xff\xfe", "it is no UTF-8"),
    ],
)
def test_an_object_that_breaks_off_gives_what_stands_before_and_is_kept_whole_with_the_reason(tail: bytes, reason: str) -> None:
    data = json.dumps(PROCESSING).encode() + b"\n" + json.dumps(SEARCH).encode() + b"\n" + tail
    found = read(data)
    assert [letter.detail["envelope"] for letter in found.letters] == ["cloudwatch", "line", WHOLE]
    assert found.letters[-1].body == data
    assert reason in found.letters[-1].reason
    assert "2 records before it were read" in found.letters[-1].reason
    assert found.problem


@pytest.mark.parametrize("record", [{"a": 1}, 5, "x", None, {"rawData": 7}, {"rawData": "no base64!"}, {"failedData": 5}, {"rawData": None}])
def test_a_record_that_is_none_is_a_letter_that_holds_it_and_its_neighbours_are_read(record: Any) -> None:
    found = read(json.dumps(record).encode() + b"\n" + json.dumps(SEARCH).encode())
    assert [letter.detail["envelope"] for letter in found.letters] == [WHOLE, "line"]
    assert json.loads(found.letters[0].body) == record


@pytest.mark.parametrize("data", [b"", b"   \n", b"[]", b'{"dlqObjects": []}'])
def test_an_object_without_a_record_is_a_letter_too(data: bytes) -> None:
    (letter,) = read(data).letters
    assert (letter.body, letter.reason) == (data, "it holds no record; 0 records before it were read")


@given(st.binary(max_size=300), st.integers(0, 2_000))
def test_no_bytes_make_it_raise(data: bytes, cut: int) -> None:
    assert read(data).letters
    whole = json.dumps([PROCESSING, SEARCH, PREPPER]).encode()
    assert read(whole[:cut] + data).letters


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from([*SEARCH, *PREPPER["dlqObjects"][0], *PREPPER["dlqObjects"][0]["failedData"], "x"]), inner)
        ),
    )
)
def test_no_record_makes_it_raise_nor_a_replay_of_what_came_of_it(record: Any) -> None:
    found = read(json.dumps({**SEARCH, **record} if isinstance(record, dict) else record).encode())
    assert all(isinstance(value, str) for letter in found.letters for value in letter.detail.values())
    replayed(FailedObject("", tuple(letter for letter in found.letters if letter.detail["envelope"] != WHOLE), 0))


def test_what_is_read_again_gives_no_letter_twice_and_none_that_has_left(tmp_path: Path) -> None:
    dead, log = DeadLetters(tmp_path / "dead"), ReplayLog(tmp_path / "log.sqlite")
    data = b"".join(json.dumps(one).encode() for one in (PROCESSING, SEARCH, failed()))
    read_here = [read_into(dead, log, name, data, now_us=NOW, inflate_max_bytes=1 << 20) for name in (STREAM, "copy")]
    assert [(one.letters, one.done_before) for one in read_here] == [(3, 0), (3, 0)]
    assert dead.count() == 3
    gone = str(dead.rows(9)[1]["id"])
    log.write(Step(1, "anna", "command", "drop", gone, "document", "g", "s", "why", "dropped"))
    dead.drop(gone)
    again = read_into(dead, log, STREAM, data, now_us=NOW, inflate_max_bytes=1 << 20)
    assert (again.letters, again.done_before, dead.count(), dead.get(gone)) == (2, 1, 2, None)
    assert len(groups(dead)) == 2


def test_a_letter_that_holds_an_object_whole_stays_when_it_is_replayed(tmp_path: Path) -> None:
    (letter,) = read(b"<html>").letters
    found = rehearsal_from_settings(quick(tmp_path), ManualClock()).of("read-0", letter)
    assert (found.dead, "tailrace dead read" in found.reasons[0]) == (1, True)


def test_the_rows_of_a_replayed_document_are_json_application_logs() -> None:
    stream = replayed(read(json.dumps(failed(b'{"message":"hi","level":"WARN","n":5}')).encode()))
    (row,) = stream.deliveries[0].tables["logs"].to_pylist()
    assert (row["message"], row["severity_text"], row["log_source"], orjson.loads(row["attributes"])) == ("hi", "WARN", "firehose:shop-logs", {"n": 5})
