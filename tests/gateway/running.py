"""A gateway that runs on a port, and one that only collects: for tests of its doors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn
from starlette.testclient import TestClient

from collectors.collector import Collector
from collectors.from_settings import work_with
from firehose.delivery import Delivery, MemoryStream
from gateway.app import create_app
from gateway.listener import GatewayServer
from gateway.parts import Parts
from gateway.server import Node, open_node
from sandbox.checks import free_port
from tailrace.clock import ManualClock
from tailrace.errors import TransientError
from tailrace.fields import AttributeRegister
from tailrace.settings import Settings
from tests.collectors.readers.samples import formats


class FullStream(MemoryStream):
    def put(self, delivery: Delivery) -> None:
        raise TransientError("the spool is full")


def light_door(stream: MemoryStream, token: str = "", firehose_key: str = "", base_url: str = "http://127.0.0.1") -> TestClient:
    """Answer a client of a gateway that has a collector and nothing else."""
    register, nothing = AttributeRegister(), None
    collector = Collector(stream, work_with(formats(), register), register, ManualClock())
    without: dict[str, Any] = dict.fromkeys(("engine", "stream", "dead"), nothing)
    parts = Parts(clock=ManualClock(), collector=collector, register=register, status=dict, **without)
    return TestClient(create_app(parts, token, firehose_key), base_url=base_url)


@contextmanager
def running(home: Path, **settings: Any) -> Iterator[tuple[str, Node]]:
    """Run a gateway; answer its address."""
    with open_node(Settings(home=home, **settings), xray=False) as node:
        port = free_port()
        server = GatewayServer(uvicorn.Config(create_app(node.parts), port=port, log_level="error", lifespan="off"), node.tls)
        thread = Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            thread.join(0.05)
        try:
            yield f"{'https' if node.tls else 'http'}://127.0.0.1:{port}", node
        finally:
            server.should_exit = True
            thread.join(10)
