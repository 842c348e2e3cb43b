"""Tailrace's traces of itself: what is sampled, what a document holds, that nothing is done where nothing is traced."""

import json
import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from tailrace.clock import ManualClock
from tailrace.tracing import MAX_SUBSEGMENTS, MOST, NOTHING, Sampler, Tracer, lambda_traced, to_daemon, traced


def always(clock: ManualClock) -> tuple[Tracer, list[dict[str, Any]]]:
    found: list[dict[str, Any]] = []
    return Tracer(clock, lambda document: found.append(json.loads(document)), Sampler(clock, rate=1)), found


def test_the_first_of_each_second_is_traced_and_a_part_of_the_others_for_each_name_on_its_own() -> None:
    clock, drawn = ManualClock(), iter([0.04, 0.06, 0.9])
    sampler = Sampler(clock, lambda: next(drawn))
    assert [sampler.takes("a") for _ in range(4)] == [True, True, False, False]
    assert sampler.takes("b")
    clock.sleep(1)
    assert sampler.takes("a")


def test_however_many_come_so_many_are_traced_in_a_second_and_no_more() -> None:
    clock = ManualClock()
    sampler = Sampler(clock, lambda: 0.0)
    assert sum(sampler.takes("a") for _ in range(100)) == MOST
    clock.sleep(1)
    assert sum(sampler.takes("a") for _ in range(100)) == MOST


def test_a_document_is_a_tree_with_times_and_metadata() -> None:
    clock = ManualClock(1_790_000_000_000_000)
    tracer, found = always(clock)
    members: dict[str, Any] = {"http": {"request": {"method": "POST"}}}
    with tracer.segment("tailrace-gateway", members, rows=3) as whole:
        clock.sleep(0.5)
        with traced("put", source="s") as part, traced("lake", remote=True):
            clock.sleep(0.25)
        part.note(rows=1)  # it has ended
        whole.note(dead=0)
        members["error"] = True
    (segment,) = found
    assert segment["trace_id"].startswith(f"1-{1_790_000_000:08x}-")
    assert (segment["start_time"], segment["end_time"]) == (1_790_000_000.0, 1_790_000_000.75)
    assert (segment["http"], segment["error"], segment["metadata"]) == ({"request": {"method": "POST"}}, True, {"tailrace": {"rows": 3, "dead": 0}})
    (put,) = segment["subsegments"]
    assert (put["name"], put["start_time"], put["end_time"]) == ("put", 1_790_000_000.5, 1_790_000_000.75)
    (lake,) = put["subsegments"]
    assert (lake["name"], lake["namespace"], "namespace" in put) == ("lake", "remote", False)
    assert len({segment["id"], put["id"], lake["id"]}) == 3


def test_an_exception_is_a_fault_of_which_the_kind_is_told_and_not_the_text() -> None:
    tracer, found = always(ManualClock())
    with pytest.raises(ValueError, match="password"), tracer.segment("tailrace-gateway"), traced("parse"):
        raise ValueError("password=hunter2")
    assert found[0]["fault"] is found[0]["subsegments"][0]["fault"] is True
    assert "hunter2" not in json.dumps(found)
    assert found[0]["subsegments"][0]["cause"]["exceptions"][0]["type"] == "ValueError"


def test_there_are_not_too_many_subsegments_and_the_others_are_counted() -> None:
    tracer, found = always(ManualClock())
    with tracer.segment("tailrace-collector"):
        for _ in range(MAX_SUBSEGMENTS + 7):
            with traced("decode"):
                pass
    assert len(found[0]["subsegments"]) == MAX_SUBSEGMENTS
    assert found[0]["metadata"]["tailrace"] == {"subsegments_left_out": 7}


def test_within_a_segment_none_is_begun_and_without_one_nothing_is_done() -> None:
    tracer, found = always(ManualClock())
    with tracer.segment("tailrace-gateway"), tracer.segment("tailrace-collector") as inner:
        assert inner is NOTHING
    assert [one["name"] for one in found] == ["tailrace-gateway"]
    assert traced("put") is NOTHING
    assert Tracer(ManualClock()).segment("tailrace-gateway") is NOTHING


def test_other_processes_send_their_documents_to_the_daemons_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(10)
        with Tracer(ManualClock(), to_daemon(*daemon.getsockname())).segment("tailrace-alerts"):
            pass
        header, _, document = daemon.recv(65_536).partition(b"\n")
    assert json.loads(header) == {"format": "json", "version": 1}
    assert json.loads(document)["name"] == "tailrace-alerts"


def test_a_call_of_lambda_that_is_not_sampled_is_not_traced() -> None:
    for environment in ({}, {"_X_AMZN_TRACE_ID": "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=0"}):
        with lambda_traced(environment):
            assert traced("decode") is NOTHING


IN_LAMBDA = """
import os, sys
from tailrace.tracing import lambda_traced, traced
assert "aws_xray_sdk" not in sys.modules
with lambda_traced(os.environ), traced("put", rows=5), traced("deliver", remote=True):
    pass
"""


def test_a_call_of_lambda_that_is_sampled_has_subsegments_of_the_sdk() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(20)
        told = {
            "LAMBDA_TASK_ROOT": "/var/task",
            "_X_AMZN_TRACE_ID": "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1",
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
        }
        subprocess.run([sys.executable, "-c", IN_LAMBDA], env={**os.environ, **told}, check=True, timeout=60)
        deliver, put = (json.loads(daemon.recv(65_536).partition(b"\n")[2]) for _ in range(2))  # the SDK sends each when it ends
    assert [(one["type"], one["trace_id"]) for one in (put, deliver)] == [("subsegment", "1-67891233-abcdef012345678912345678")] * 2
    assert (put["name"], put["parent_id"], put["metadata"]) == ("put", "463ac35c9f6413ad", {"tailrace": {"rows": 5}})
    assert (deliver["name"], deliver["parent_id"], deliver["namespace"]) == ("deliver", put["id"], "remote")
