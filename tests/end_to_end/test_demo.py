"""The demo as a person runs it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
import requests

from sandbox.demo import HISTORY_US

EXPECTED = ("the stack is up", "parsed", "in the lake", "search", "ledger", "saved query", "alert", "map", "joined")


def environment(home: Path) -> Mapping[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("TAILRACE_")} | {"TAILRACE_HOME": str(home)}


@pytest.mark.timeout(120)
def test_the_check_proves_every_part_within_90_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tailrace", "demo", "--check", "--json"], env=environment(tmp_path), capture_output=True, timeout=110, check=False
    )
    proofs = orjson.loads(done.stdout)["proofs"]
    assert done.returncode == 0, proofs
    assert time.monotonic() - began <= 90
    for word in EXPECTED:
        assert any(word in proof["name"] for proof in proofs), word
    assert all(proof["after_s"] is not None for proof in proofs)


@pytest.mark.timeout(150)
def test_the_demo_shows_data_at_once_stops_within_ten_seconds_and_keeps_what_it_had(tmp_path: Path) -> None:
    first = _run(tmp_path, signal.SIGINT)
    assert first >= 10_000
    assert _run(tmp_path, signal.SIGTERM) >= first


def _run(home: Path, stop_with: signal.Signals) -> int:
    """Start the demo, count the log events of the last hour by the gateway, stop it."""
    running = subprocess.Popen([sys.executable, "-m", "tailrace", "demo", "--json"], env=environment(home), stdout=subprocess.PIPE)
    try:
        assert running.stdout is not None
        addresses = orjson.loads(running.stdout.readline())
        assert requests.get(f"{addresses['dashboard']}/_stcore/health", timeout=10).ok
        assert requests.get(f"{addresses['shop']}/healthz", timeout=10).ok
        requests.post(f"{addresses['gateway']}/_tailrace/flush", timeout=40).raise_for_status()
        query = {"query": {"range": {"@timestamp": {"gte": f"now-{HISTORY_US // 60_000_000 + 5}m"}}}}
        count = requests.get(f"{addresses['gateway']}/tailrace-logs-*/_count", json=query, timeout=30).json()["count"]
        running.send_signal(stop_with)
        assert running.wait(10) == 0
        return int(count)
    finally:
        if running.poll() is None:
            running.kill()
