"""Finding a JDK, and saying what is missing."""

from pathlib import Path

import pytest

from sandbox.servers.java import find_jdk, find_maven, version_of
from sandbox.servers.running import ServerError, launch, missing


def jdk(folder: Path, version: str, *, compiler: bool = True) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    if compiler:
        (folder / "bin" / "javac").touch()
    return folder.resolve()


@pytest.mark.parametrize(("text", "version"), [("25.0.1", 25), ("17.0.15", 17), ("1.8.0_402", 8)])
def test_versions_are_read_in_both_notations(tmp_path: Path, text: str, version: int) -> None:
    assert version_of(jdk(tmp_path / "j", text)) == version


def test_java_home_wins_if_it_serves_else_the_newest(tmp_path: Path) -> None:
    old, new, newest = (jdk(tmp_path / "jvm" / name, name) for name in ("17.0.1", "21.0.2", "25.0.1"))
    assert find_jdk(21, {"JAVA_HOME": str(new), "PATH": ""}, tmp_path / "jvm") == new
    assert find_jdk(21, {"JAVA_HOME": str(old), "PATH": ""}, tmp_path / "jvm") == newest
    assert find_jdk(26, {"PATH": ""}, tmp_path / "jvm") is None


def test_a_jre_and_a_folder_without_release_are_no_jdk(tmp_path: Path) -> None:
    jdk(tmp_path / "jre", "25.0.1", compiler=False)
    (tmp_path / "other").mkdir()
    assert find_jdk(21, {"PATH": ""}, tmp_path) is None


def test_without_a_path_there_is_no_maven() -> None:
    assert find_maven({"PATH": ""}) is None


def test_the_s3_server_comes_with_the_test_packages() -> None:
    assert missing("s3") is None


def test_a_server_that_ends_is_an_error_with_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="no room"):
        launch(["python", "-c", "print('no room')"], tmp_path / "log", "http://x", lambda: False, 10.0)


def test_a_server_that_does_not_serve_in_time_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="does not serve"):
        launch(["python", "-c", "import time; time.sleep(60)"], tmp_path / "log", "http://x", lambda: False, 0.3)
