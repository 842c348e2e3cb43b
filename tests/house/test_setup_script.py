"""Set-up on machines that lack something: one sentence, nothing half made."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "venv.sh"


def run(folder: Path, tools: Path) -> "subprocess.CompletedProcess[str]":
    for name in ("sh", "id", "rm", "env"):
        found = shutil.which(name)
        if found and not (tools / name).exists():
            (tools / name).symlink_to(found)
    return subprocess.run(
        [str(tools / "sh"), str(SCRIPT), "requirements.txt"], cwd=folder, capture_output=True, text=True, check=False, env={"PATH": str(tools)}
    )


def tool(tools: Path, name: str, script: str) -> None:
    tools.mkdir(exist_ok=True)
    path = tools / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_python_one_sentence_says_so(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    done = run(tmp_path, tmp_path / "tools")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == ["setup: Python 3.11 or newer is needed: install python3"]


def test_an_old_python_is_named(tmp_path: Path) -> None:
    tool(tmp_path / "tools", "python3", 'case "$1" in -V) echo "Python 3.9.2";; *) exit 1;; esac')
    done = run(tmp_path, tmp_path / "tools")
    assert done.returncode == 1
    assert "needed, and python3 is Python 3.9.2" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell script")
def test_another_user_without_ensurepip_is_told_what_to_install(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tool(tools, "python3", 'case "$2" in *ensurepip*) exit 1;; *print*) echo python3.11-venv;; *) exit 0;; esac')
    tool(tools, "id", "echo 1000")
    done = run(tmp_path, tools)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        "setup: Python's venv is missing here: install it as root (apt-get install python3.11-venv), or install uv, and try again"
    ]
    assert not (tmp_path / ".venv").exists()
