"""The demo as a person runs it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from sandbox.checks import free_port
from sandbox.demo import HISTORY_US
from sandbox.shop.place import SKUS
from tailrace.clock import US_PER_MINUTE

EXPECTED = ("the stack is up", "parsed", "in the lake", "search", "ledger", "saved query", "alert", "map", "joined")


def environment(home: Path) -> Mapping[str, str]:
    """No settings but the home and ports of its own: a demo that another process of the tests begins at the same time would take the usual ones too."""
    ports = {f"TAILRACE_{name}_PORT": str(free_port(udp=name == "XRAY")) for name in ("GATEWAY", "DASHBOARD", "XRAY")}
    return {key: value for key, value in os.environ.items() if not key.startswith("TAILRACE_")} | {"TAILRACE_HOME": str(home)} | ports


@pytest.mark.timeout(900)
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


@pytest.mark.timeout(900)
def test_the_demo_shows_data_at_once_stops_within_ten_seconds_and_keeps_what_it_had(tmp_path: Path) -> None:
    with demo(tmp_path, signal.SIGINT) as addresses:
        first = count(addresses, f"now-{HISTORY_US // US_PER_MINUTE + 5}m")
        assert first >= 10_000
    with demo(tmp_path, signal.SIGTERM) as addresses:
        assert count(addresses, f"now-{HISTORY_US // US_PER_MINUTE + 5}m") >= first


@pytest.mark.timeout(900)
def test_when_the_emulator_dies_its_resources_are_made_again_and_the_shop_goes_on(tmp_path: Path) -> None:
    with demo(tmp_path, signal.SIGTERM) as addresses:
        os.kill(child(addresses["pid"], "sandbox.emulator"), signal.SIGKILL)
        wait_until(lambda: not healthy(addresses), 5)
        wait_until(lambda: healthy(addresses), 60)
        again = datetime.now(UTC).isoformat()
        assert count(addresses, again) == 0
        wait_until(lambda: count(addresses, again) > 20, 60)


@contextmanager
def demo(home: Path, stop_with: signal.Signals) -> Iterator[Mapping[str, Any]]:
    """Start the demo; answer its addresses and its process id; stop it, which it does within ten seconds and with exit code 0."""
    running = subprocess.Popen([sys.executable, "-m", "tailrace", "demo", "--json"], env=environment(home), stdout=subprocess.PIPE)
    try:
        assert running.stdout is not None
        addresses = orjson.loads(running.stdout.readline())
        assert requests.get(f"{addresses['dashboard']}/_stcore/health", timeout=10).ok
        assert healthy(addresses)
        yield addresses | {"pid": running.pid}
        running.send_signal(stop_with)
        assert running.wait(10) == 0
    finally:
        if running.poll() is None:
            running.kill()


def count(addresses: Mapping[str, Any], since: str) -> int:
    """Count the log events since then, by the gateway."""
    requests.post(f"{addresses['gateway']}/_tailrace/flush", timeout=40).raise_for_status()
    query = {"query": {"range": {"@timestamp": {"gte": since}}}}
    return int(requests.get(f"{addresses['gateway']}/tailrace-logs-*/_count", json=query, timeout=30).json()["count"])


def healthy(addresses: Mapping[str, Any]) -> bool:
    """Buy something: the cart lies in DynamoDB, so the shop answers when the tables are there."""
    return requests.post(f"{addresses['shop']}/cart", json={"user": "a probe", "sku": SKUS[0]}, timeout=20).ok


def wait_until(holds: Callable[[], bool], within_s: float) -> None:
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.2)


def child(pid: int, module: str) -> int:
    """Find the child process that runs a module."""
    for line in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split():
        if module.encode() in Path(f"/proc/{line}/cmdline").read_bytes().split(b"\0"):
            return int(line)
    raise AssertionError(module)
