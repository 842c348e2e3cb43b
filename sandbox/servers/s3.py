"""An S3 server: SeaweedFS, with keys checked, data in a folder, loopback only."""

from pathlib import Path
from typing import Final

import orjson

from sandbox.checks import tcp_open
from sandbox.servers.running import RunningServer, ServerError, launch, missing, weed

ACCESS_KEY: Final = "test"
SECRET_KEY: Final = "testtest"
READY_WITHIN_S: Final = 60.0
PORTS: Final = 8
"""It takes so many ports: that of S3 and the seven after it."""


def start_s3(folder: Path, port: int) -> RunningServer:
    """Start the server; a bucket is made by a client."""
    lacking, program = missing("s3"), weed()
    if lacking or program is None:
        raise ServerError(str(lacking))
    (folder / "files").mkdir(parents=True, exist_ok=True)
    identity = {
        "name": "sandbox",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_bytes(orjson.dumps({"identities": [identity]}))
    command = [
        program,
        "server",
        f"-dir={folder / 'files'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-s3",
        f"-s3.config={folder / 's3.json'}",
    ]
    own_ports = [f"-{part}.port={port + number}" for number, part in enumerate(("s3", "master", "volume", "filer"))]
    grpc_ports = [f"-{part}.port.grpc={port + 4 + number}" for number, part in enumerate(("s3", "master", "volume", "filer"))]
    small = ["-volume.max=50", "-master.volumeSizeLimitMB=256", "-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    return launch(
        [*command, *own_ports, *grpc_ports, *small], folder / "s3.log", f"http://127.0.0.1:{port}", tcp_open("127.0.0.1", port), READY_WITHIN_S, folder=folder
    )
