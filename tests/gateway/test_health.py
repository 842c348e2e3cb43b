"""What the status means: for each thing that can be wrong, how bad it is, and whether it is told."""

import secrets
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from firehose import LocalFirehose
from firehose.batches import Limits as BatchLimits
from firehose.delivery import MemoryStream
from gateway.app import create_app
from gateway.health import FAILING_AFTER_S, REFUSED_WITHIN_S, Limits, judged
from gateway.server import open_node
from tailrace.clock import SystemClock
from tailrace.settings import Settings
from tests.firehose.deliveries import delivery_of, numbered, quick
from tests.gateway.running import light_door

GIB = 1024**3


def status(**changes: Any) -> dict[str, Any]:
    """A status in which all is well, but for what is said."""
    sink = {
        "name": "lake",
        "state": "up",
        "error": "",
        "failures": 0,
        "failing_s": 0.0,
        "behind_rows": 0,
        "oldest_age_s": 0.0,
        "alive": True,
        "circuit": "closed",
        "next_try_s": 0.0,
    }
    well: dict[str, Any] = {
        "spool": {"bytes": 0, "max_bytes": GIB, "error": "", "refused_ago_s": None},
        "sinks": [sink],
        "ledger": {"error": "", "alive": True},
        "keeper": {"error": "", "alive": True, "idle_s": 4.0},
        "dead": {"count": 0, "bytes": 0, "max_bytes": GIB},
        "doors": {"kinesis": {"taken": 3, "error": ""}, "syslog": {"put": 1}},
        "certificates": {"gateway": {"days_left": 90.0, "error": ""}},
        "own_traces": {"segments": 0, "spans": 0, "left_out": 0},
        "heartbeat": {"failures": 0, "error": "", "last_sent_us": 0},
    }
    return {
        name: [{**sink, **changes[name]}] if name == "sinks" and name in changes else {**part, **changes.get(name, {})} if isinstance(part, dict) else part
        for name, part in well.items()
    }


def test_where_all_is_well_there_is_no_problem() -> None:
    assert judged(status(), Limits())["status"] == "ok"
    assert judged(status(), Limits())["problems"] == []
    assert judged({}, Limits())["status"] == "ok"


@pytest.mark.parametrize(
    ("changes", "state", "part", "why", "restart"),
    [
        ({"spool": {"bytes": 0.9 * GIB}}, "degraded", "spool", "is nearly full", False),
        ({"spool": {"bytes": GIB}}, "ill", "spool", "takes nothing: it is full", False),
        ({"spool": {"bytes": GIB, "error": "full", "refused_ago_s": REFUSED_WITHIN_S}}, "ill", "spool", "takes nothing: it is full", False),
        ({"spool": {"error": "no space left", "refused_ago_s": REFUSED_WITHIN_S - 1}}, "ill", "spool", "takes nothing: no space left", False),
        ({"spool": {"error": "no space left", "refused_ago_s": REFUSED_WITHIN_S}}, "degraded", "spool", "the last put was refused: no space left", False),
        ({"sinks": {"oldest_age_s": 301, "behind_rows": 12_000}}, "degraded", "sink lake", "its oldest row waits since 301 s, and 12,000 rows wait", False),
        ({"sinks": {"failing_s": FAILING_AFTER_S, "failures": 9, "error": "down"}}, "degraded", "sink lake", "fails since 60 s: down", False),
        (
            {"sinks": {"failing_s": FAILING_AFTER_S, "failures": 9, "error": "down", "circuit": "open", "next_try_s": 12.4}},
            "degraded",
            "sink lake",
            "fails since 60 s: down; tried again in 12 s",
            False,
        ),
        ({"sinks": {"alive": False}}, "ill", "sink lake", "its thread has died", True),
        ({"ledger": {"error": "disk I/O error"}}, "degraded", "ledger", "disk I/O error", False),
        ({"ledger": {"alive": False}}, "ill", "ledger", "its thread has died", True),
        ({"keeper": {"error": "no such bucket"}}, "degraded", "keeper", "no such bucket", False),
        ({"keeper": {"idle_s": 900.0}}, "degraded", "keeper", "its last round ended 900 s ago", False),
        ({"keeper": {"idle_s": 900.0, "error": "no such bucket"}}, "degraded", "keeper", "no such bucket", False),
        ({"keeper": {"alive": False}}, "ill", "keeper", "its thread has died", True),
        ({"dead": {"bytes": 0.9 * GIB}}, "degraded", "dead letters", "are nearly full", False),
        ({"doors": {"kinesis": {"error": "no such stream"}}}, "degraded", "door kinesis", "no such stream", False),
        ({"certificates": {"syslog": {"days_left": 6.9, "error": ""}}}, "degraded", "certificate of syslog", "expires in 6.9 days", False),
        ({"certificates": {"gateway": {"days_left": 80.0, "error": "no key"}}}, "degraded", "certificate of gateway", "no key", False),
        ({"heartbeat": {"failures": 3, "error": "the answer was 404"}}, "degraded", "heartbeat", "3 in a row were not taken: the answer was 404", False),
    ],
)
def test_what_is_wrong_is_told_with_its_part(changes: dict[str, Any], state: str, part: str, why: str, restart: bool) -> None:
    told = judged(status(**changes), Limits())
    (problem,) = told["problems"]
    assert (told["status"], problem["state"], problem["part"], problem["restart"]) == (state, state, part, restart)
    assert why in problem["why"]


@pytest.mark.parametrize(
    "changes",
    [
        {"spool": {"bytes": 0.89 * GIB}},
        {"spool": {"error": "", "refused_ago_s": 1}},
        {"sinks": {"oldest_age_s": 300, "failing_s": FAILING_AFTER_S - 1, "failures": 5}},
        {"dead": {"bytes": 0.89 * GIB}},
        {"heartbeat": {"failures": 2, "error": "no answer"}},
    ],
)
def test_what_is_below_its_limit_is_no_problem(changes: dict[str, Any]) -> None:
    assert judged(status(**changes), Limits())["status"] == "ok"


def test_the_age_that_is_too_much_is_a_setting_and_the_worst_problem_comes_first() -> None:
    ages = status(sinks={"oldest_age_s": 20}, spool={"bytes": GIB})
    told = judged(ages, Limits.of(Settings(health_max_age_s=10)))
    assert (told["status"], [problem["part"] for problem in told["problems"]]) == ("ill", ["spool", "sink lake"])


def put(door: TestClient, count: int) -> int:
    lines = (f'{{"index":{{"_index":"a"}}}}\n{{"message":"{secrets.token_hex(50)}"}}\n' for _ in range(count))
    return door.post("/_bulk", content="".join(lines), headers={"content-type": "application/x-ndjson"}).status_code


def test_a_gateway_that_refuses_input_is_ill_and_lives_and_is_well_again_when_it_takes_some(tmp_path: Path) -> None:
    with open_node(Settings(home=tmp_path, spool_max_bytes=60_000), xray=False) as node:
        door = TestClient(create_app(node.parts), base_url="http://127.0.0.1")
        assert (door.get("/healthz").status_code, put(door, 5_000)) == (200, 503)
        answer = door.get("/healthz")
        assert (answer.status_code, answer.json()["status"], answer.json()["problems"][0]["part"]) == (503, "ill", "spool")
        assert "the spool is full" in answer.json()["problems"][0]["why"]
        assert (door.get("/readyz").status_code, door.get("/readyz").json()) == (503, {"status": "ill"})
        assert door.get("/livez").status_code == 200
        assert put(door, 1) == 200
        assert door.get("/readyz").status_code == 200


def test_a_row_that_waits_too_long_makes_the_gateway_degraded_and_it_takes_input_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "logs").write_bytes(b"no folder: the lake cannot be written")
    with open_node(Settings(home=tmp_path, health_max_age_s=0), xray=False) as node:
        door = TestClient(create_app(node.parts), base_url="http://127.0.0.1")
        assert door.get("/healthz").json()["status"] == "ok"
        assert put(door, 3) == 200
        answer = door.get("/healthz")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert "3 rows wait" in next(one["why"] for one in answer.json()["problems"] if one["part"] == "sink lake")
        assert (put(door, 1), door.get("/readyz").json()) == (200, {"status": "degraded"})


def test_who_brings_no_token_learns_one_word(tmp_path: Path) -> None:
    with open_node(Settings(home=tmp_path), xray=False) as node:
        door = TestClient(create_app(node.parts, "t"), base_url="http://10.0.0.1")
        assert (door.get("/readyz").json(), door.get("/livez").json()) == ({"status": "ok"}, {"status": "alive"})
        assert [door.get(path).status_code for path in ("/healthz", "/metrics", "/_tailrace/status")] == [401] * 3
        assert door.get("/metrics", headers={"authorization": "Bearer t"}).status_code == 200
        foreign = TestClient(create_app(node.parts), base_url="http://evil.example")
        assert foreign.get("/readyz").status_code == 403


class Mortal:
    """A sink whose thread dies of a batch."""

    name = "mortal"

    def __init__(self, limits: Any) -> None:
        self.limits = limits

    def attempt(self, batch: Any, stem: str) -> Any:
        raise SystemExit


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_told(tmp_path: Path) -> None:
    with LocalFirehose(quick(tmp_path), SystemClock(), sinks=[Mortal(BatchLimits(1, 1, 0.0))]) as stream:
        assert stream.status()["sinks"][0]["alive"]
        stream.put(delivery_of(numbered(0, 1)))
        for thread in threading.enumerate():
            if thread.name == "sink-mortal":
                thread.join(10)
        told = judged(stream.status(), Limits())
        assert (told["status"], told["problems"][0]) == ("ill", {"part": "sink mortal", "state": "ill", "why": "its thread has died", "restart": True})


def test_a_gateway_without_a_status_is_not_ready() -> None:
    door = light_door(MemoryStream())
    assert [door.get(path).status_code for path in ("/healthz", "/readyz", "/livez")] == [503, 503, 200]
