"""The gateway ends in time whatever hangs, at once when it is told twice, and what it acknowledged is there after the next start."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import urllib3

from sandbox.checks import free_port, http_ok
from tailrace.settings import environment
from tests.firehose.deliveries import lake_column
from tests.firehose.fake_opensearch import fake_opensearch
from tests.serving import QuietHandler, serving

LINE = b'{"index":{"_index":"a"}}\n{"message":"line %d"}\n'
NDJSON = {"Content-Type": "application/x-ndjson"}


class Hanging(QuietHandler):
    """A server that takes every request and answers none; it tells of the first."""

    asked: threading.Event

    def do_GET(self) -> None:
        self._hang()

    def do_PUT(self) -> None:
        self._hang()

    def do_POST(self) -> None:
        self._hang()

    def _hang(self) -> None:
        self.asked.set()
        threading.Event().wait(60)


@contextmanager
def gateway(home: Path, search: str, **more: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Run one whose sink OpenSearch is at an address."""
    port = free_port()
    own = {"TAILRACE_HOME": str(home), "TAILRACE_OPENSEARCH_URL": search, **more}
    command = [sys.executable, "-m", "tailrace", "serve", "--no-xray", "--port", str(port)]
    with subprocess.Popen(command, env={**environment(), **own}, stderr=subprocess.PIPE) as process:
        ready, until = http_ok(f"http://127.0.0.1:{port}/livez"), time.monotonic() + 60
        while not ready():
            assert time.monotonic() < until
            time.sleep(0.05)
        try:
            yield process, f"http://127.0.0.1:{port}/_bulk"
        finally:
            process.kill()


def put(url: str, number: int) -> None:
    answer = urllib3.request("POST", url, body=LINE % number, headers=NDJSON, retries=False)
    assert (answer.status, json.loads(answer.data)["errors"]) == (200, False)


def put_and_wait_for_the_lake(url: str, number: int) -> None:
    with suppress(urllib3.exceptions.HTTPError):
        urllib3.request("POST", f"{url}?refresh=true", body=LINE % number, headers=NDJSON, retries=False, timeout=60)


@pytest.mark.timeout(180)
def test_told_once_it_ends_within_ten_seconds_while_a_sink_a_bucket_and_a_client_hang(tmp_path: Path) -> None:
    with serving(Hanging, asked=threading.Event()) as url:
        hangs = {"TAILRACE_AWS_ENDPOINT_URL": url, "TAILRACE_SINK_KINESIS_STREAM": "a", "TAILRACE_SINK_TAILRACE_URL": url}
        with gateway(tmp_path, url, **hangs, TAILRACE_LAKE="s3://bucket/lake") as (process, door):
            put(door, 1)
            waiting = threading.Thread(target=put_and_wait_for_the_lake, args=(door, 2), daemon=True)
            waiting.start()
            until = time.monotonic() + 30
            while b"line 2" not in (tmp_path / "spool" / "segment-00000001.log").read_bytes() and time.monotonic() < until:
                time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            waiting.join()
    with fake_opensearch() as there, gateway(tmp_path, there.url) as (process, door):
        put(door, 3)
        urllib3.request("POST", f"{door}?refresh=true", body=LINE % 4, headers=NDJSON)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        lines = [f"line {number}" for number in range(1, 5)]
        found = [document["message"] for (index, _), (_, document) in there.documents.items() if "-logs-" in index]
        assert sorted(found) == lines
    assert sorted(lake_column(tmp_path, "message")) == lines


@pytest.mark.timeout(120)
def test_told_twice_it_ends_at_once(tmp_path: Path) -> None:
    asked = threading.Event()
    with serving(Hanging, asked=asked) as url, gateway(tmp_path, url) as (process, door):
        put(door, 1)
        assert asked.wait(30)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 128 + signal.SIGINT
