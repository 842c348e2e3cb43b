"""The machinery of the check: what is sent, the webhook, and proofs that are tried until they hold."""

import gzip
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
import requests

from alerts.rule_file import read_rule
from sandbox import check
from sandbox.check import PROVE_WITHIN_S, check_stack, prove, write_rule
from sandbox.marked import CALLED, CALLER, Mark, new_mark, put_event, send_trace
from sandbox.proofs import Evidence, NotYetError, alert_fired
from sandbox.resources import CHECK_GROUP
from sandbox.webhook import Received, webhook_receiver
from tailrace.aws import client
from tailrace.clock import ManualClock, SystemClock
from tailrace.settings import Settings

MARK = Mark("mark1234", "1-6b057313-433b5f8d2a92567e42415a7a")


def evidence(clock: ManualClock, received: Received | None = None) -> Evidence:
    return Evidence(Settings(), MARK, clock.now_us(), cast("Any", SimpleNamespace()), received or Received("http://127.0.0.1/"))


def run_proofs(clock: ManualClock, **attempts: Any) -> list[check.Proof]:
    return prove(evidence(clock), list(attempts.items()), clock, while_waiting=lambda: None, stopped=lambda: False)


def test_a_proof_is_tried_until_it_holds_and_its_delay_is_told() -> None:
    clock, tries = ManualClock(), list[int]()

    def third_time(_: Evidence) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise NotYetError("expected patience")
        return "seen"

    (proof,) = run_proofs(clock, third=third_time)
    assert (proof.passed, proof.detail) == (True, "seen")
    assert proof.after_s == pytest.approx(2 * check.TRY_EVERY_S)


def test_a_proof_that_never_holds_says_what_was_expected_and_does_not_hide_the_others() -> None:
    clock = ManualClock()

    def never(_: Evidence) -> str:
        raise NotYetError("expected one row in the lake, found 0")

    def refused(_: Evidence) -> str:
        raise ConnectionRefusedError("nobody there")

    proofs = run_proofs(clock, never=never, refused=refused, good=lambda _: "yes")
    assert [(proof.passed, proof.detail) for proof in proofs] == [(False, "expected one row in the lake, found 0"), (False, "nobody there"), (True, "yes")]
    assert clock.monotonic_s() == pytest.approx(PROVE_WITHIN_S, abs=1)


def test_a_signal_ends_the_proofs() -> None:
    clock = ManualClock()

    def never(_: Evidence) -> str:
        raise NotYetError("no")

    prove(evidence(clock), [("never", never)], clock, while_waiting=lambda: None, stopped=lambda: True)
    assert clock.monotonic_s() == 0


def test_the_webhook_keeps_what_is_posted_and_refuses_what_is_no_json_object() -> None:
    with webhook_receiver() as received:
        assert requests.post(received.url, json={"a": 1}, timeout=5).status_code == 200
        assert requests.post(received.url, data=b"[1]", timeout=5).status_code == 400
        assert requests.post(received.url, data=b"\xff{", timeout=5).status_code == 400
        assert received.posts == [{"a": 1}]


def test_the_alert_counts_only_with_the_mark() -> None:
    received = Received("http://127.0.0.1/", [{"message": "other"}])
    with pytest.raises(NotYetError, match="expected a webhook call with mark1234, got 1 calls"):
        alert_fired(evidence(ManualClock(), received))
    received.posts.append({"message": MARK.message, "tailrace": {"rule": "demo check", "subject": "s"}})
    assert alert_fired(evidence(ManualClock(), received)) == "webhook called by rule 'demo check': 's'"


def test_the_rule_of_the_check_is_a_good_rule(tmp_path: Path) -> None:
    write_rule(tmp_path / "rules", MARK, Received("http://127.0.0.1:7/alert"))
    rule = read_rule(tmp_path / "rules" / "check.yaml")
    assert rule.name == "demo check"
    assert [channel.name for channel in rule.channels] == ["webhook"]


def test_the_check_runs_on_defaults_alone_in_its_own_folder(tmp_path: Path) -> None:
    settings = check_stack(tmp_path).settings
    assert settings.home == tmp_path
    assert settings.opensearch_url == ""
    assert settings.webhook_allow == "127.0.0.1"
    assert len({settings.gateway_port, settings.xray_port, check_stack(tmp_path).emulator_port}) == 3


def test_no_two_marks_are_the_same_and_the_trace_id_is_normalised() -> None:
    first, second = new_mark(), new_mark()
    assert first.word != second.word
    assert first.trace_id != second.trace_id
    assert MARK.trace_id == "6b057313433b5f8d2a92567e42415a7a"


def test_the_event_goes_into_the_stream_with_the_mark_and_the_trace_id(emulator: Settings) -> None:
    mark = new_mark()
    put_event(emulator, mark, SystemClock().now_us())
    kinesis = client("kinesis", emulator)
    shard = kinesis.list_shards(StreamName="tailrace-logs")["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(StreamName="tailrace-logs", ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    payloads = [orjson.loads(gzip.decompress(record["Data"])) for record in kinesis.get_records(ShardIterator=iterator)["Records"]]
    (payload,) = [payload for payload in payloads if payload["logStream"] == mark.word]
    assert payload["logGroup"] == CHECK_GROUP
    line = orjson.loads(payload["logEvents"][0]["message"])
    assert line["message"] == mark.message
    assert line["trace_id"] == mark.xray_trace_id


def test_the_trace_is_two_documents_that_hang_together() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(5)
        send_trace(f"127.0.0.1:{daemon.getsockname()[1]}", MARK)
        called, caller = (orjson.loads(daemon.recv(65_536).partition(b"\n")[2]) for _ in range(2))
    assert (called["name"], caller["name"]) == (CALLED, CALLER)
    assert called["trace_id"] == caller["trace_id"] == MARK.xray_trace_id
    assert called["parent_id"] == caller["subsegments"][0]["id"]
