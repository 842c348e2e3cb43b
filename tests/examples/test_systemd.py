"""The units in ``examples/systemd``: systemd finds nothing wrong with them, and what they say fits what the commands do."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.supervisor import STOP_WITHIN_S
from tailrace.cli import COMMANDS
from tailrace.settings import DEFAULTS, load

UNITS = Path(__file__).parents[2] / "examples" / "systemd"
NAMES = ("tailrace", "tailrace-gateway")
MOST_EXPOSED = 2.0

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def unit(name: str) -> configparser.SectionProxy:
    """Answer the section of the service; a key that is there twice is an error."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((UNITS / f"{name}.service").read_text("utf-8"))
    return parser["Service"]


def analyzed(folder: Path, name: str, *command: str, change: tuple[str, str] = ("", "")) -> "subprocess.CompletedProcess[str]":
    """Ask systemd about a unit, with a program in it that is there."""
    text = (UNITS / f"{name}.service").read_text("utf-8").replace("/opt/tailrace/.venv/bin/tailrace", sys.executable).replace(*change)
    (folder / f"{name}.service").write_text(text)
    return subprocess.run(["systemd-analyze", *command, str(folder / f"{name}.service")], capture_output=True, text=True, check=False)


@needs_systemd
@pytest.mark.parametrize("name", NAMES)
def test_systemd_finds_nothing_wrong_with_a_unit(tmp_path: Path, name: str) -> None:
    done = analyzed(tmp_path, name, "verify")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
def test_systemd_would_find_a_wrong_key(tmp_path: Path) -> None:
    assert "ProtectSistem" in analyzed(tmp_path, "tailrace", "verify", change=("ProtectSystem", "ProtectSistem")).stderr


@needs_systemd
@pytest.mark.parametrize("name", NAMES)
def test_a_unit_may_do_little(tmp_path: Path, name: str) -> None:
    done = analyzed(tmp_path, name, "security", "--offline=yes", "--no-pager")
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= MOST_EXPOSED


@pytest.mark.parametrize(("name", "command"), [("tailrace", "up"), ("tailrace-gateway", "serve")])
def test_a_unit_runs_a_command_that_there_is_and_gives_it_the_time_that_it_takes_to_end(name: str, command: str) -> None:
    service = unit(name)
    assert service["ExecStart"].split()[1:] == [command]
    assert command in COMMANDS
    assert (service["Restart"], service["KillMode"]) == ("on-failure", "mixed")
    assert STOP_WITHIN_S < float(service["TimeoutStopSec"]) <= 10


def test_the_settings_that_are_shown_are_settings() -> None:
    shown = re.findall(r"^#(TAILRACE_\w+)=(.+)$", (UNITS / "environment").read_text("utf-8"), re.MULTILINE)
    assert len(shown) == 3
    settings = load(environment=dict(shown)).settings
    assert all(getattr(settings, name.removeprefix("TAILRACE_").lower()) != DEFAULTS[name.removeprefix("TAILRACE_").lower()] for name, _ in shown)


def test_every_file_has_its_row_in_the_page() -> None:
    page = (UNITS / "README.md").read_text("utf-8")
    assert [path.name for path in UNITS.iterdir() if path.name != "README.md" and f"| `{path.name}` |" not in page] == []
