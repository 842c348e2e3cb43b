"""Trino 476: one node with two catalogs, ``lake`` (Hive tables with partition projection on an S3 server, metastore in files) and ``memory``. Athena's engine 3 is Trino."""

import shutil
import tarfile
from pathlib import Path
from typing import Final

import orjson
import urllib3

from sandbox.servers.java import find_jdk, run_maven
from sandbox.servers.running import LEAST_JAVA, RunningServer, ServerError, cache_folder, launch, missing
from sandbox.servers.s3 import ACCESS_KEY, SECRET_KEY

VERSION: Final = "476"
READY_WITHIN_S: Final = 180.0
KEPT_PLUGINS: Final = frozenset({"hive", "memory"})
JVM: Final = (
    "-server",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djdk.attach.allowAttachSelf=true",
    "-Djdk.nio.maxCachedBufferSize=2000000",
    "-Dfile.encoding=UTF-8",
    "-Duser.timezone=UTC",
    "-XX:+EnableDynamicAgentLoading",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)


def start_trino(folder: Path, port: int, s3_url: str, bucket: str = "lake", heap: str = "1500m") -> RunningServer:
    """Start a node over a bucket that exists; the first start downloads about 800 MB."""
    lacking = missing("trino")
    jdk = find_jdk(LEAST_JAVA["trino"])
    if lacking or jdk is None:
        raise ServerError(str(lacking))
    home = _home(jdk)
    _configure(folder, port, s3_url, bucket, heap)
    url = f"http://127.0.0.1:{port}"
    extra = {"JAVA_HOME": str(jdk), "PATH": f"{jdk / 'bin'}:/usr/local/bin:/usr/bin:/bin"}
    command = [str(home / "bin" / "launcher"), "run", "--etc-dir", str(folder / "etc")]
    return launch(command, folder / "trino.log", url, lambda: _has_started(url), READY_WITHIN_S, extra, folder)


def _has_started(url: str) -> bool:
    """Trino answers before it takes queries, says that it has started before a node has joined it, and refuses queries until then: so a query is asked."""
    try:
        info = urllib3.request("GET", f"{url}/v1/info", timeout=1.0, retries=False)
        return info.status == 200 and orjson.loads(info.data).get("starting") is False and _runs_queries(url)
    except (urllib3.exceptions.HTTPError, orjson.JSONDecodeError):
        return False


def _runs_queries(url: str) -> bool:
    """Run ``SELECT 1`` (https://trino.io/docs/current/develop/client-protocol.html)."""
    answer = urllib3.request("POST", f"{url}/v1/statement", body=b"SELECT 1", headers={"X-Trino-User": "sandbox"}, timeout=5.0, retries=False)
    told = orjson.loads(answer.data)
    while next_uri := told.get("nextUri"):
        told = orjson.loads(urllib3.request("GET", next_uri, headers={"X-Trino-User": "sandbox"}, timeout=5.0, retries=False).data)
    return "error" not in told


def _home(jdk: Path) -> Path:
    cache = cache_folder()
    home = cache / f"trino-server-{VERSION}"
    if not (home / "bin" / "launcher").exists():
        cache.mkdir(parents=True, exist_ok=True)
        run_maven(jdk, "dependency:copy", f"-Dartifact=io.trino:trino-server:{VERSION}:tar.gz", f"-DoutputDirectory={cache}")
        archive = cache / f"trino-server-{VERSION}.tar.gz"
        with tarfile.open(archive) as tar:
            tar.extractall(cache, members=[member for member in tar if _is_kept(member.name)], filter="tar")
        archive.unlink()
    return home


def _is_kept(name: str) -> bool:
    parts = Path(name).parts
    return len(parts) < 3 or parts[1] != "plugin" or parts[2] in KEPT_PLUGINS


def _configure(folder: Path, port: int, s3_url: str, bucket: str, heap: str) -> None:
    etc = folder / "etc"
    shutil.rmtree(etc, ignore_errors=True)
    (etc / "catalog").mkdir(parents=True)
    files = {
        "node.properties": ("node.environment=sandbox", "node.id=sandbox", f"node.data-dir={folder / 'var'}"),
        "config.properties": (
            "coordinator=true",
            "node-scheduler.include-coordinator=true",
            f"http-server.http.port={port}",
            "node.internal-address=127.0.0.1",
            f"discovery.uri=http://127.0.0.1:{port}",
            "query.max-memory-per-node=400MB",
            "catalog.management=static",
        ),
        "jvm.config": (f"-Xmx{heap}", *JVM),
        "catalog/memory.properties": ("connector.name=memory",),
        "catalog/lake.properties": (
            "connector.name=hive",
            "hive.metastore=file",
            f"hive.metastore.catalog.dir=s3://{bucket}/metastore/",
            "hive.partition-projection-enabled=true",
            "hive.non-managed-table-writes-enabled=true",
            "hive.timestamp-precision=MICROSECONDS",
            "fs.native-s3.enabled=true",
            f"s3.endpoint={s3_url}",
            "s3.path-style-access=true",
            "s3.region=us-east-1",
            f"s3.aws-access-key={ACCESS_KEY}",
            f"s3.aws-secret-key={SECRET_KEY}",
        ),
    }
    for name, lines in files.items():
        (etc / name).write_text("\n".join(lines) + "\n", "utf-8")
