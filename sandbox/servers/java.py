"""Finds a JDK that is new enough, and Maven."""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tailrace.settings import environment

_VERSION: Final = re.compile(r'JAVA_VERSION="(?:1\.)?(\d+)')
SYSTEM_FOLDER: Final = Path("/usr/lib/jvm")


def find_jdk(least: int, env: Mapping[str, str] | None = None, system: Path = SYSTEM_FOLDER) -> Path | None:
    """Answer the home of a JDK of at least that version: ``JAVA_HOME`` if it serves, else the newest of those on this machine."""
    env = environment() if env is None else env
    own = env.get("JAVA_HOME", "")
    if own and (version_of(Path(own)) or 0) >= least:
        return Path(own)
    found = [(version, home) for home in dict.fromkeys(_homes(env, system)) if (version := version_of(home)) is not None and version >= least]
    return max(found, default=(0, None))[1]


def version_of(home: Path) -> int | None:
    """Read the major version of a JDK from its ``release`` file; ``None`` where it is no JDK (a JRE has no compiler)."""
    try:
        found = _VERSION.search((home / "release").read_text("utf-8", "replace"))
    except OSError:
        return None
    return int(found[1]) if found and (home / "bin" / "javac").exists() else None


def _homes(env: Mapping[str, str], system: Path) -> Iterator[Path]:
    java = shutil.which("java", path=env.get("PATH"))
    if java:
        yield from _folders(Path(java).resolve().parents[2:3])
    yield from _folders([system])


def _folders(parents: Iterable[Path]) -> Iterator[Path]:
    for parent in parents:
        if parent.is_dir():
            yield from (child.resolve() for child in sorted(parent.iterdir()) if child.is_dir())


def find_maven(env: Mapping[str, str] | None = None) -> str | None:
    """Answer the path of ``mvn``."""
    return shutil.which("mvn", path=(environment() if env is None else env).get("PATH"))


def run_maven(jdk: Path, *arguments: str) -> None:
    """Run Maven quietly under a JDK; raises :class:`subprocess.CalledProcessError` with what it said."""
    maven = find_maven()
    assert maven, "the caller has asked missing() first"
    subprocess.run([maven, "-q", "-B", *arguments], check=True, capture_output=True, text=True, env={**environment(), "JAVA_HOME": str(jdk)})
