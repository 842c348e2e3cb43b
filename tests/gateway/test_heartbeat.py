"""Heartbeats: sent while all is well, withheld where it is not, never in the way, and what became of them is told without the address."""

import http.server
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.app import create_app
from gateway.heartbeat import Heartbeat, heartbeat_from_settings, read_beats, request
from gateway.server import open_node
from sandbox.checks import free_port
from tailrace.cli.up import NO_HEARTBEAT, parts_of, why_no_beat
from tailrace.clock import US_PER_S, ManualClock, SystemClock
from tailrace.errors import SettingError, TransientError
from tailrace.settings import HIDDEN, Settings
from tests.gateway.test_telemetry import read, value

NOW_US = 1_790_000_000 * US_PER_S


@dataclass
class Watchdog:
    """Takes beats; raises what it is told to."""

    urls: list[str] = field(default_factory=list)
    raises: list[Exception] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)

    def __call__(self, url: str) -> None:
        self.urls.append(url)
        self.came.set()
        if self.raises:
            raise self.raises.pop(0)


def heart(home: Path, dog: Watchdog, why: str = "", url: str = "https://dog.example/secret") -> Heartbeat:
    return Heartbeat(url, 60, home / "deep" / "heartbeat.json", ManualClock(NOW_US), lambda: why, dog)


def test_a_beat_is_sent_while_all_is_well_and_noted(tmp_path: Path) -> None:
    dog = Watchdog()
    one = heart(tmp_path, dog)
    one.beat()
    one.beat()
    assert dog.urls == ["https://dog.example/secret"] * 2
    assert read_beats(tmp_path / "deep" / "heartbeat.json") == {
        "pid": os.getpid(), "sent": 2, "failed": 0, "withheld": 0, "failures": 0, "error": "", "last_sent_us": NOW_US
    }  # fmt: skip


def test_no_beat_is_sent_where_something_is_ill_and_the_reason_is_noted(tmp_path: Path) -> None:
    dog = Watchdog()
    heart(tmp_path, dog, "alerts is dead").beat()
    told = read_beats(tmp_path / "deep" / "heartbeat.json")
    assert (dog.urls, told["withheld"], told["error"], told["last_sent_us"]) == ([], 1, "withheld: alerts is dead", 0)


def test_failures_are_counted_until_a_beat_is_taken_and_none_names_the_address(tmp_path: Path) -> None:
    dog = Watchdog(raises=[TransientError("the answer was 500"), ValueError("https://dog.example/secret is wrong")])
    one = heart(tmp_path, dog)
    one.beat()
    assert (one.beats.failures, one.beats.error) == (1, "the answer was 500")
    one.beat()
    assert (one.beats.failures, one.beats.error) == (2, "ValueError")
    assert b"dog.example" not in (tmp_path / "deep" / "heartbeat.json").read_bytes()
    one.beat()
    assert (one.beats.failed, one.beats.failures, one.beats.sent, one.beats.error) == (2, 0, 1, "")


def test_a_beat_that_hangs_holds_up_neither_start_nor_end(tmp_path: Path) -> None:
    began, end = threading.Event(), threading.Event()

    def hang(url: str) -> None:
        began.set()
        end.wait(30)

    with Heartbeat("https://dog.example", 60, tmp_path / "heartbeat.json", SystemClock(), lambda: "", hang):
        assert began.wait(10)
    assert not end.is_set()
    end.set()


def test_the_first_beat_comes_at_once(tmp_path: Path) -> None:
    dog = Watchdog()
    with heart(tmp_path, dog):
        assert dog.came.wait(10)


def test_a_note_whose_process_is_gone_or_that_is_none_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat.json"
    assert read_beats(path) == {}
    for text in ("", "[]", '{"pid": "x"}', json.dumps({"pid": 2**22 + 1}), json.dumps({"pid": 2**70})):
        path.write_text(text)
        assert read_beats(path) == {}
    path.write_text(json.dumps({"pid": os.getpid(), "sent": 3}))
    assert read_beats(path)["sent"] == 3


@pytest.mark.parametrize("url", ["dog.example", "ftp://dog.example/", "file:///etc/passwd", "https://", "http://[", "http://dog.example:0/"])
def test_an_address_that_is_none_of_the_web_is_refused_and_not_shown(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingError, match="heartbeat_url") as caught:
        heartbeat_from_settings(Settings(home=tmp_path, heartbeat_url=url), ManualClock(), lambda: "")
    assert url not in str(caught.value)


def test_the_address_is_a_secret_and_none_is_asked_for_unless_it_is_set(tmp_path: Path) -> None:
    assert "heartbeat_url" in HIDDEN
    assert heartbeat_from_settings(Settings(home=tmp_path), ManualClock(), lambda: "") is None
    assert heartbeat_from_settings(Settings(home=tmp_path, heartbeat_url="http://127.0.0.1:1/"), ManualClock(), lambda: "") is not None


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers["User-Agent"]))  # type: ignore[attr-defined]
        self.send_response(int(self.path.strip("/")))
        self.send_header("Location", "/200")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as one:
        one.seen = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def test_only_an_answer_of_success_is_one_and_redirects_are_not_followed(server: Any) -> None:
    place = f"http://127.0.0.1:{server.server_port}"
    request(f"{place}/204")
    for status in (301, 404, 500):
        with pytest.raises(TransientError, match=f"the answer was {status}"):
            request(f"{place}/{status}")
    assert server.seen == [(f"/{status}", "tailrace") for status in (204, 301, 404, 500)]
    with pytest.raises(TransientError, match="no answer") as caught:
        request(f"http://127.0.0.1:{free_port()}/secret")
    assert "secret" not in str(caught.value)


def test_the_gateway_tells_of_the_heartbeat_in_its_status_and_metrics(tmp_path: Path) -> None:
    dog = Watchdog(raises=[TransientError("the answer was 404")] * 3)
    one = Heartbeat("https://dog.example/secret", 60, Settings(home=tmp_path).heartbeat_path, ManualClock(NOW_US), lambda: "", dog)
    with open_node(Settings(home=tmp_path), xray=False) as node:
        door = TestClient(create_app(node.parts), base_url="http://127.0.0.1")
        assert "heartbeat" not in door.get("/healthz").json()
        for _ in range(3):
            one.beat()
        told = door.get("/healthz").json()
        assert (told["status"], told["problems"][0]["part"], told["heartbeat"]["error"]) == ("degraded", "heartbeat", "the answer was 404")
        assert value(read(door.get("/metrics").text), "tailrace_heartbeat_failed_total") == 3
        one.beat()
        assert door.get("/healthz").json()["status"] == "ok"
        assert value(read(door.get("/metrics").text), "tailrace_heartbeat_last_sent_timestamp_seconds") == NOW_US / US_PER_S


def test_up_sends_no_beat_unless_every_part_is_up_and_the_gateway_is_not_ill() -> None:
    states = {"gateway": "ready", "task": "done", "alerts": "ready"}
    assert why_no_beat(states, lambda: True) == ""
    assert why_no_beat(states, lambda: False) == "the gateway is ill, or does not answer"
    assert why_no_beat(states | {"alerts": "dead"}, lambda: True) == "alerts is dead"


def test_below_up_the_parts_send_no_beat_of_their_own() -> None:
    assert [part.environment[NO_HEARTBEAT] for part in parts_of(Settings(heartbeat_url="https://dog.example"))] == ["", "", ""]
