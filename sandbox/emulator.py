"""AWS on this machine: moto's server on a loopback port, in a process of its own (``python -m sandbox.emulator --port N``).

moto answers the shapes of the API and forgets everything when it ends. Three things are mended here, because the demo would lose or double events by them:

* requests are served one at a time: moto's stores are not made for threads (two puts at once can take the same Kinesis sequence number);
* log event ids and Kinesis sequence numbers begin at the present time in microseconds: moto begins at 0 after each start; to Tailrace, ids that were
  there before are duplicates, and numbers below its checkpoint were read already;
* what is older than a few minutes is forgotten, as retention does on AWS: moto keeps everything in memory, and reads a Kinesis shard from its first record.

What moto has not is added: account policies of CloudWatch Logs (``sandbox/account_policies.py``).
"""

import contextlib
import math
import signal
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.kinesis.models import Record, Shard, kinesis_backends
from moto.logs.models import LogEvent, logs_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sns.models import sns_backends
from werkzeug.serving import make_server

from sandbox.account_policies import AccountPolicies
from sandbox.checks import EMULATOR_HEALTH
from tailrace.clock import US_PER_MS, Clock, SystemClock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

KEEP_S: Final = 600
STUCK_AFTER_S: Final = 20.0
FORGET_EVERY_S: Final = 30.0
NOTIFICATIONS_TO_KEEP: Final = 100


class OneAtATime:
    """A WSGI application that serves one request at a time.

    ``GET /healthz`` does not wait in that line: 200, or 503 where one request has been served for longer than 20 s. A check that asked moto itself would fail when
    many requests wait, and moto, started again, has forgotten everything.
    """

    def __init__(self, app: "WSGIApplication", clock: Clock) -> None:
        self._app, self._clock = app, clock
        self._since_s = math.inf
        self.lock = threading.Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve a request."""
        if environ["PATH_INFO"] == EMULATOR_HEALTH:
            start_response("503 Service Unavailable" if self.is_stuck else "200 OK", [("Content-Length", "0")])
            return [b""]
        with self.lock:
            self._since_s = self._clock.monotonic_s()
            try:
                return self._app(environ, start_response)
            finally:
                self._since_s = math.inf

    @property
    def is_stuck(self) -> bool:
        """Whether one request has been served for too long."""
        return self._clock.monotonic_s() - self._since_s > STUCK_AFTER_S


def forget(region: str, clock: Clock) -> None:
    """Forget records, log events, notifications and metrics that are older than ten minutes; the newest record of a shard stays, its number goes on."""
    before_s = clock.now_us() / 1_000_000 - KEEP_S
    for stream in kinesis_backends[DEFAULT_ACCOUNT_ID][region].streams.values():
        for shard in stream.shards.values():
            shard.records = _newer_records(shard.records, before_s)
    for group in logs_backends[DEFAULT_ACCOUNT_ID][region].groups.values():
        for log_stream in group.streams.values():
            log_stream.events = [event for event in log_stream.events if event.ingestion_time >= before_s * 1_000]
    for topic in sns_backends[DEFAULT_ACCOUNT_ID][region].topics.values():
        del topic.sent_notifications[:-NOTIFICATIONS_TO_KEEP]
    cloudwatch_backends[DEFAULT_ACCOUNT_ID][region].metric_data.clear()


def _newer_records(records: dict[int, Any], before_s: float) -> dict[int, Any]:
    newest = next(reversed(records), None)
    return OrderedDict((number, record) for number, record in records.items() if record.created_at >= before_s or number == newest)


def number_by_time(clock: Clock) -> None:
    """Make ids of log events and Kinesis sequence numbers begin at the present time."""

    def put_record(shard: Shard, partition_key: str, data: str, explicit_hash_key: str) -> str:
        number = max(clock.now_us(), next(reversed(shard.records), 0) + 1)
        shard.records[number] = Record(partition_key, data, number, explicit_hash_key)
        return str(number)

    setattr(LogEvent, "_event_id", clock.now_us())  # noqa: B010 - a private name
    setattr(Shard, "put_record", put_record)  # noqa: B010 - mypy does not let a method be assigned


def serve(port: int, region: str, clock: Clock) -> None:
    """Serve until the process is told to end."""
    number_by_time(clock)
    app = OneAtATime(AccountPolicies(DomainDispatcherApplication(create_backend_app)), clock)
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_QuietHandler)
    _repeat(lambda: _forget_locked(app.lock, region, clock))
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    click.echo(f"moto answers on http://127.0.0.1:{port}, ids begin at {clock.now_us() // US_PER_MS} ms")
    server.serve_forever()


class _QuietHandler(MotoRequestHandler):
    """Does not write a line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Pass over it."""


def _forget_locked(lock: threading.Lock, region: str, clock: Clock) -> None:
    with lock:
        forget(region, clock)


def _repeat(action: Callable[[], None]) -> None:
    def run() -> None:
        while True:
            threading.Event().wait(FORGET_EVERY_S)
            action()

    threading.Thread(target=run, name="forget", daemon=True).start()


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    raise SystemExit(0)


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--region", default="us-east-1")
def main(port: int, region: str) -> None:
    """Serve moto on a loopback port."""
    serve(port, region, SystemClock())


if __name__ == "__main__":
    main()
