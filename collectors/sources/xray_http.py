"""The TCP side of the X-Ray daemon: the paths of X-Ray's API that SDKs call through it, answered here instead of being forwarded.

``POST /GetSamplingRules``, ``/SamplingTargets``, ``/TraceSegments`` (PutTraceSegments; answered after the spans are durable), ``/TelemetryRecords`` (taken and passed over). Answers and
errors have AWS's shape (rest-json). Requests are not authenticated, as those to AWS's daemon are not: it listens on this machine only.
"""

from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import msgspec
import orjson

from collectors.collector import Collector
from collectors.sources.xray_sampling import Sampling
from firehose.delivery import DeadLetter
from tailrace.errors import TransientError

SOURCE: Final = "xray:tcp"
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
"""50 documents of 64 kB and their escapes."""

TIMEOUT_S: Final = 10.0


class _Segments(msgspec.Struct, rename="pascal"):
    trace_segment_documents: list[str]


class RequestFault(Exception):  # noqa: N818 - an answer, not an error of ours
    """A request that is answered with an error of AWS's."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code = status, code
        super().__init__(message)


class XRayApi:
    """Answers requests by path."""

    def __init__(self, collector: Collector, sampling: Sampling) -> None:
        self._collector, self._sampling = collector, sampling
        self._paths: Mapping[str, Callable[[bytes], Mapping[str, Any]]] = {
            "/GetSamplingRules": lambda _: sampling.rules_answer(),
            "/SamplingTargets": sampling.targets_answer,
            "/TraceSegments": self._put_segments,
            "/TelemetryRecords": lambda _: {},
        }

    def answer(self, path: str, body: bytes) -> Mapping[str, Any]:
        """Answer a request; raises :class:`RequestFault`."""
        respond = self._paths.get(path.partition("?")[0])
        if respond is None:
            raise RequestFault(404, "UnknownOperationException", f"no such path: {path[:200]}")
        try:
            return respond(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RequestFault(400, "InvalidRequestException", str(error)[:500]) from error
        except TransientError as error:
            raise RequestFault(429, "ThrottledException", str(error)) from error

    def _put_segments(self, body: bytes) -> Mapping[str, Any]:
        documents = [text.encode() for text in msgspec.json.decode(body, type=_Segments).trace_segment_documents]
        summary = self._collector.collect_spans(documents, SOURCE)
        return {"UnprocessedTraceSegments": [_unprocessed(letter) for letter in summary.dead]}


def _unprocessed(letter: DeadLetter) -> Mapping[str, str]:
    code = letter.detail.get("error_code", "")
    return {"Id": letter.detail.get("segment_id", ""), "ErrorCode": code, "Message": f"Invalid segment. ErrorCode: {code}: {letter.reason}"}


def make_server(host: str, port: int, api: XRayApi) -> ThreadingHTTPServer:
    """Bind the server; it does not serve yet."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = TIMEOUT_S

        def do_POST(self) -> None:
            try:
                self._send(200, api.answer(self.path, self._body()), {})
            except RequestFault as fault:
                self._send(fault.status, {"message": str(fault)}, {"x-amzn-ErrorType": fault.code})

        def _body(self) -> bytes:
            length = self.headers.get("Content-Length", "0")
            if not length.isascii() or not length.isdigit() or int(length[:12]) > MAX_BODY_BYTES:
                self.close_connection = True
                raise RequestFault(413, "RequestEntityTooLargeException", f"a body has at most {MAX_BODY_BYTES} bytes, and says how many")
            return self.rfile.read(int(length))

        def _send(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
            data = orjson.dumps(body)
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Write no line for each request."""

    return _Server((host, port), Handler)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as socketserver has it
        """A client that went away is no error."""
