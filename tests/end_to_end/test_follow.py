"""``tailrace ingest --follow``, killed again and again while a program writes, rotates and compresses: each line is in the lake once."""

import gzip
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.server import open_node
from tailrace.settings import environment
from tests.firehose.deliveries import lake_column, quick

ROOT = Path(__file__).parents[2]


class Writer:
    """A program that writes a log, and logrotate beside it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.log, self.random = folder, folder / "app.log", random.Random(seed)
        self.written: list[str] = []
        self.turn = 0

    def write(self) -> None:
        """Write some lines; the last may be cut, and its rest comes with the next ones."""
        text = ""
        for _ in range(self.random.randrange(1, 40)):
            line = f"2026-11-24T10:00:00Z line {len(self.written)} of many"
            self.written.append(line)
            text += line + "\n"
        cut = self.random.randrange(len(text))
        with self.log.open("a") as file:
            file.write(text[:cut])
            file.flush()
            file.write(text[cut:])

    def rotate(self) -> None:
        """Rename, or compress what was renamed before."""
        self.turn += 1
        old = self.folder / f"app.log.{self.turn}"
        self.log.rename(old)
        if self.turn > 2:
            packed = self.folder / f"app.log.{self.turn - 1}"
            with packed.open("rb") as plain, gzip.open(f"{packed}.gz", "wb") as file:
                shutil.copyfileobj(plain, file)
            packed.unlink()


def start(home: Path, pattern: str) -> "subprocess.Popen[bytes]":
    env = dict(environment()) | {"TAILRACE_HOME": str(home), "TAILRACE_LAKE_FLUSH_AFTER_S": "0.05"}
    command = [sys.executable, "-m", "tailrace", "ingest", "--follow", "--json", "--format", "text.plain", pattern]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=env)


def finish(child: "subprocess.Popen[bytes]") -> dict[str, Any]:
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err.decode()
    answer: dict[str, Any] = json.loads(out)
    return answer


@pytest.mark.timeout(300)
def test_killed_at_any_point_each_line_is_there_once(tmp_path: Path) -> None:
    logs, home, pace = tmp_path / "logs", tmp_path / "home", random.Random(5)
    logs.mkdir()
    writer = Writer(logs, 7)
    for turn in range(6):
        child = start(home, str(logs / "app.log*"))
        ends = time.monotonic() + 1.0 + pace.random() * 1.5
        while time.monotonic() < ends:
            writer.write()
            time.sleep(0.03)
        if turn % 2:
            writer.rotate()
            writer.write()
        child.kill()
        child.communicate()
        writer.write()
    child = start(home, str(logs / "app.log*"))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(set(lake_column(home, "message"))) < len(writer.written):
        time.sleep(0.5)
    report = finish(child)
    assert (report["balanced"], report["flushed"], report["problems"]) == (True, True, [])
    assert sorted(lake_column(home, "message")) == sorted(writer.written)


def test_the_gateway_follows_the_files_of_the_setting(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\ntwo\n")
    settings = quick(tmp_path / "home", tail_files=f"{log}*, {tmp_path}/none*", xray_port=0)
    with open_node(settings, xray=False):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and len(lake_column(settings.home, "message")) < 2:
            time.sleep(0.1)
    assert lake_column(settings.home, "message") == ["one", "two"]
    with open_node(settings, xray=False) as node:
        time.sleep(0.5)
        assert node.stream.status()["spool"]["rows"] == 2
