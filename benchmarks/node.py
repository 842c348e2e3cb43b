"""A real OpenSearch node for what is measured against one, and how much CPU it has used."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.checks import free_port
from sandbox.servers.opensearch import start_opensearch
from sandbox.servers.running import RunningServer, missing


@contextmanager
def node() -> Iterator[RunningServer]:
    """Run a node with an empty folder (768 MB of heap, one shard an index, no replica); where it cannot run, end with what it lacks."""
    if lacking := missing("opensearch"):
        raise SystemExit(lacking)
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-", ignore_cleanup_errors=True) as name, start_opensearch(Path(name), free_port()) as running:
        yield running


def cpu_s(pid: int) -> float:
    """CPU-seconds of a process so far: fields 14 and 15 of ``/proc/PID/stat`` (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html)."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
