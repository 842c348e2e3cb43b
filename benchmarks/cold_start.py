"""The collector's Lambda function from the start of its process to its first answer: the bundle of ``infra.packages`` under AWS's own runtime client, against Lambda's Runtime API on this machine.

``python -m benchmarks.cold_start [FOLDER]``: FOLDER holds ``awslambdaric`` (``pip install --target FOLDER awslambdaric``); without it, pip puts it into a folder that is thrown away. It is no
dependency of ours: Lambda brings it.

A round is a new process. *Start* is from its start to its first question for work (AWS calls it the init phase), *first* and *warm* are calls with one payload of 200 events, to their answer; Firehose answers at once.
The Runtime API: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
"""

import base64
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.payloads import payloads
from infra.packages import ENTRY, build

ROUNDS = 5
WARM_CALLS = 5
KIND = "app"
TIMEOUT_S = 15


@dataclass
class Round:
    """What one process took, in seconds, and the most memory it had."""

    start_s: float
    start_cpu_s: float
    first_s: float
    warm_s: float
    peak_mb: float


@dataclass
class Runtime:
    """Lambda's Runtime API and Firehose for one process: hands out events, and notes when questions and answers come."""

    events: queue.Queue[bytes] = field(default_factory=queue.Queue)
    asked: queue.Queue[float] = field(default_factory=queue.Queue)
    answers: queue.Queue[tuple[float, bytes]] = field(default_factory=queue.Queue)
    records: int = 0


def server(runtime: Runtime) -> ThreadingHTTPServer:
    """Serve the two on a loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body go out together, else the client's kernel waits 40 ms for more

        def do_GET(self) -> None:
            runtime.asked.put(time.perf_counter())
            headers = {  # the client ends with a segmentation fault where one of them is missing
                "Lambda-Runtime-Aws-Request-Id": "1",
                "Lambda-Runtime-Deadline-Ms": "1900000000000",
                "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
                "Content-Type": "application/json",
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:::function:f",
            }
            self._answer(runtime.events.get(), headers)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if self.path.startswith("/2018-06-01/"):
                runtime.answers.put((time.perf_counter(), body if self.path.endswith("/response") else b"failed: " + body))
                self._answer(b"", status=202)
            else:
                count = len(json.loads(body)["Records"])
                runtime.records += count
                self._answer(json.dumps({"FailedPutCount": 0, "RequestResponses": [{"RecordId": "1"}] * count}).encode())

        def _answer(self, body: bytes, headers: dict[str, str] | None = None, *, status: int = 200) -> None:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of http.server
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: the process is killed while it asks for work."""

    return Server(("127.0.0.1", 0), Handler)


def run_once(bundle: Path, client: Path) -> Round:
    """Start the function, call it, and end it."""
    runtime = Runtime()
    http = server(runtime)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{http.server_port}"
    event = json.dumps({"awslogs": {"data": base64.b64encode(next(iter(payloads(KIND, 1)))).decode()}}).encode()
    environment = {
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_FUNCTION_NAME": "collector",
        "AWS_REGION": "us-east-1",
        "TAILRACE_AWS_ENDPOINT_URL": f"http://{address}",
        "TAILRACE_FIREHOSE_STREAMS": "tailrace",
        "PATH": os.environ["PATH"],
    }
    path = f"import sys, runpy; sys.path[:0] = [{str(bundle)!r}, {str(client)!r}]; sys.argv = ['awslambdaric', '{ENTRY}.lambda_handler']; runpy.run_module('awslambdaric', run_name='__main__')"
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", path], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=bundle)
    try:
        start_s = runtime.asked.get(timeout=TIMEOUT_S) - began
        start_cpu_s = cpu_s(process.pid)
        first, *warm = [call(runtime, event) for _ in range(1 + WARM_CALLS)]
        return Round(start_s, start_cpu_s, first, statistics.median(warm), peak_mb(process.pid))
    except queue.Empty:
        process.kill()
        raise RuntimeError((process.communicate()[0] or b"the function did not answer").decode()) from None
    finally:
        process.kill()
        process.wait()
        http.shutdown()


def call(runtime: Runtime, event: bytes) -> float:
    """Hand an event out; answer the seconds to its answer."""
    began = time.perf_counter()
    runtime.events.put(event)
    ended, body = runtime.answers.get(timeout=TIMEOUT_S)
    counts = json.loads(body)["counts"] if body.startswith(b"{") else {}
    if not counts.get("events"):
        raise RuntimeError(f"the function failed: {body.decode(errors='replace')[:2000]}")
    return ended - began


def cpu_s(pid: int) -> float:
    """Answer the CPU-seconds that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    """Answer the most memory that a process had, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1_024


def measure(client: Path | None = None) -> tuple[float, list[Round]]:
    """Build the bundle, and start it so often; answer its MB and the rounds."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
        bundle = Path(folder) / "bundle"
        megabytes = build(bundle) / 1e6
        if client is None:
            client = Path(folder) / "client"
            subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", str(client), "awslambdaric"], check=True)
        return megabytes, [run_once(bundle, client) for _ in range(ROUNDS)]


def section(megabytes: float, rounds: list[Round]) -> str:
    """Write the section about the function."""
    how = f"""Medians of {len(rounds)} processes. The bundle of `make bundle` under AWS's runtime client (awslambdaric), with Lambda's Runtime API and a Firehose that answers at once on this machine; a call has one
payload of 200 application events. A function of 512 MB has about a third of such a core: CPU time is what to scale by."""
    return "\n".join(["## The collector's Lambda function, cold and warm", "", report(megabytes, rounds), "", how])


def report(megabytes: float, rounds: list[Round]) -> str:
    """Write the figures as a table: median, and smallest to largest."""
    rows = [("bundle, unpacked", f"{megabytes:.0f} MB", "")]
    for name, values in (
        ("start of the process to the first question", "start_s"),
        ("CPU time of that", "start_cpu_s"),
        ("first call, 200 events", "first_s"),
        ("warm call, 200 events", "warm_s"),
    ):
        found = [getattr(one, values) * 1_000 for one in rounds]
        rows.append((name, f"{statistics.median(found):.0f} ms", f"{min(found):.0f} to {max(found):.0f}"))
    rows.append(("peak memory", f"{statistics.median(one.peak_mb for one in rounds):.0f} MB", ""))
    return "\n".join(["| | median | smallest to largest |", "|---|---|---|", *(f"| {name} | **{value}** | {spread} |" for name, value, spread in rows)])


if __name__ == "__main__":
    print(report(*measure(Path(sys.argv[1]) if len(sys.argv) > 1 else None)))
