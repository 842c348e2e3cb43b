"""A real moto server, and a real shop beside it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.checks import EMULATOR_HEALTH, free_port, free_ports, http_ok
from sandbox.incidents import Board, board_path, write_board
from sandbox.process import Process, start
from sandbox.resources import make_all
from sandbox.shop.place import SERVICES
from tailrace.aws import client
from tailrace.clock import SystemClock
from tailrace.settings import Settings


def wait_until(check: Callable[[], bool], within_s: float = 20.0) -> None:
    until = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Moto in a process of its own, with the resources of the demo; answers settings that lead there."""
    folder, port = tmp_path_factory.mktemp("emulator"), free_port()
    running = start(("python", "-m", "sandbox.emulator", "--port", str(port)), folder / "moto.log")
    wait_until(http_ok(f"http://127.0.0.1:{port}{EMULATOR_HEALTH}"))
    settings = Settings(home=folder, aws_endpoint_url=f"http://127.0.0.1:{port}")
    make_all(settings)
    yield settings
    running.stop()


@dataclass
class Shop:
    """The shop that runs, what it logged and what it traced."""

    settings: Settings
    url: str
    board: Path
    process: Process
    documents: list[dict[str, Any]] = field(default_factory=list)

    def lines(self, group: str) -> list[str]:
        logs = client("logs", self.settings)
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/shop/{group}")
        return [event["message"] for page in pages for event in page["events"]]

    def events(self, group: str, request_id: str) -> list[dict[str, Any]]:
        return [event for line in self.lines(group) if request_id in line for event in [orjson.loads(line)]]


@pytest.fixture(scope="session")
def shop(emulator: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The five services, in a process of their own, and a socket in place of the X-Ray daemon."""
    home = tmp_path_factory.mktemp("shop")
    first_port = free_ports(len(SERVICES))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        command = ("python", "-m", "sandbox.shop", "--endpoint", emulator.aws_endpoint_url, "--xray", f"127.0.0.1:{daemon.getsockname()[1]}")
        process = start((*command, "--first-port", str(first_port), "--home", str(home)), home / "shop.log")
        running = Shop(emulator, f"http://127.0.0.1:{first_port}", board_path(home), process)
        write_board(running.board, Board(SystemClock().now_us(), scheduled=False))
        threading.Thread(target=_receive, args=(daemon, running.documents), daemon=True).start()
        for number in range(len(SERVICES)):
            wait_until(http_ok(f"http://127.0.0.1:{first_port + number}/healthz"))
        yield running
        assert process.stop() == 0, process.last_lines()


def _receive(daemon: socket.socket, documents: list[dict[str, Any]]) -> None:
    while True:
        try:
            header, _, document = daemon.recv(65_536).partition(b"\n")
        except OSError:
            return
        assert orjson.loads(header) == {"format": "json", "version": 1}
        documents.append(orjson.loads(document))
