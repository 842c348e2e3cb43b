"""``tailrace up`` says what listens and what is read, and nothing else."""

import http.server
import threading
from typing import Any, ClassVar

from tailrace.cli.up import doors_of, parts_of
from tailrace.settings import Settings


def test_what_the_settings_open_is_named_with_its_place() -> None:
    assert [name for name, _ in doors_of(Settings())] == ["dashboard", "gateway", "X-Ray daemon"]
    assert [name for name, _ in doors_of(Settings(), dashboard=False)] == ["gateway", "X-Ray daemon"]
    settings = Settings(
        syslog_port=5514,
        syslog_tls_port=6514,
        forward_port=24224,
        tail_files="/var/log/*.log,/srv/a.log",
        s3_queue_url="https://sqs.example/1/q",
        kinesis_stream="flow",
    )
    told = dict(doors_of(settings))
    assert list(told) == ["dashboard", "gateway", "X-Ray daemon", "syslog", "syslog by TLS", "Fluent forward", "files", "queue of S3", "Kinesis stream"]
    assert (told["syslog"], told["syslog by TLS"], told["Fluent forward"]) == ("127.0.0.1:5514", "127.0.0.1:6514", "127.0.0.1:24224")
    assert (told["files"], told["queue of S3"]) == ("/var/log/*.log, /srv/a.log", "https://sqs.example/1/q")


class Paths(http.server.BaseHTTPRequestHandler):
    """Notes what is asked for."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def test_the_gateway_is_asked_whether_it_lives_not_whether_it_takes_input() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Paths) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        gateway = parts_of(Settings(gateway_port=server.server_port))[0]
        assert gateway.ready()
        server.shutdown()
        thread.join()
    assert (gateway.name, Paths.asked) == ("gateway", ["/livez"])


def test_each_part_begins_after_what_it_asks() -> None:
    parts = {part.name: part for part in parts_of(Settings())}
    assert list(parts) == ["gateway", "alerts", "dashboard"]
    assert all(name in parts for part in parts.values() for name in part.after)
