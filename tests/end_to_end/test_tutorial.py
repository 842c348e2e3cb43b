"""The commands of ``docs/tutorial.md`` do what it says, one after the other, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
FOUND_SOMETHING = {"tailrace doctor": {0, 1}}
"""Commands that may find something on the machine that runs the tests."""


def test_every_command_of_the_tutorial_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 10
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    said = []
    for block in blocks:
        done = subprocess.run(["bash", "-euc", block], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode in FOUND_SOMETHING.get(block.strip(), {0}), f"{block}\n{done.stdout}\n{done.stderr}"
        said.append(done.stdout)
    text = "\n".join(said)
    assert "balanced" in text
    assert "card refused" in text
    assert '"parse_status":"failed"' in text
    assert "cards refused" in text
