"""Environments of their own for peers: they have their own dependencies, and those of this project stay as they are."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def peer_python(name: str, wanted: Sequence[str]) -> tuple[Path | None, str]:
    """Answer the Python of an environment with the packages that are wanted, made in the user's cache folder if it is not there; else why there is none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tailrace"
    folder = cache / name
    python = folder / "bin" / "python"
    if not python.exists():
        cache.mkdir(parents=True, exist_ok=True)
        uv = shutil.which("uv")
        steps = [[uv, "venv", "-q", "--python", sys.executable, str(folder)], [uv, "pip", "install", "-q", "--python", str(python), *wanted]]
        if uv is None:
            steps = [[sys.executable, "-m", "venv", str(folder)], [str(python), "-m", "pip", "install", "-q", *wanted]]
        for step in steps:
            done = subprocess.run([str(word) for word in step], capture_output=True, check=False)
            if done.returncode:
                shutil.rmtree(folder, ignore_errors=True)
                return None, f"{wanted[0]} could not be installed: {done.stderr.decode(errors='replace').strip()[-300:]}"
    return python, ""
