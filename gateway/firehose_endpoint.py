"""Firehose's HTTP endpoint protocol: a delivery stream of Amazon Data Firehose whose destination is this gateway.

https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html. A request holds records in base64; it is answered with 200, its request id and a time after all of them are synced.
Firehose takes anything else for a failure and sends the whole request again until its retry duration is over, and then writes the records to its backup bucket (413 alone makes it stop at once). So a
request that is none is refused, and its sender still has it; a record that cannot be read is kept as a dead letter, for it would not be better the next time.

A record is a CloudWatch Logs payload, metrics of a metric stream, or log lines: told by its content, or by ``?kind=``. ``?format=`` names the format of lines. ``?source=`` names the source in the ledger,
else that is ``firehose:`` and the name of the delivery stream. Common attributes become attributes of lines and metrics. An event id is CloudWatch's, else a hash of the stream, the request id, the record's
number and the place in it: sent again, it is the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from collectors.collector import Collector
from collectors.envelopes.firehose_record import CLOUDWATCH, KINDS, PIECE_BYTES, content_of, pieces, record_bytes
from collectors.envelopes.opened import Sent
from collectors.sources.json_records import is_records
from firehose.delivery import DeadLetter
from gateway.answers import REQUEST_ID, firehose_answer
from gateway.parts import Parts
from gateway.requests import read_body, refuse_unknown
from tailrace.errors import DecodeError, RequestError, TailraceError, TransientError, UsageError, nearest

VERSION: Final = "1.0"
RECORD_BYTES: Final = 200
"""What a record costs beside its bytes."""

TOGETHER_BYTES: Final = 4 * 1024 * 1024
"""Inflated bytes of records that are put at once; more are put one part after another, so that memory is bounded."""

MAX_SOURCE_CHARS: Final = 256
MAX_ID_CHARS: Final = 256


class _Record(msgspec.Struct, gc=False):
    data: str


class _Body(msgspec.Struct, rename="camel"):
    request_id: str
    records: list[_Record]
    timestamp: int = 0


class _Common(msgspec.Struct, rename="camel"):
    common_attributes: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class _Stream:
    """What headers and parameters say of the records."""

    arn: str
    source: str
    kind: str
    format: str
    attributes: Mapping[str, str]

    @property
    def place(self) -> tuple[str, str]:
        """The account and the region of an ARN; empty where it is none."""
        parts = self.arn.split(":")
        return (parts[4], parts[3]) if len(parts) >= 6 else ("", "")


async def firehose(request: Request) -> Response:
    """Answer ``POST /firehose``."""
    request_id = request.headers.get(REQUEST_ID, "")[:MAX_ID_CHARS]
    try:
        stream = _stream(request)
        body = _body(await read_body(request), request_id)
        await run_in_threadpool(_take, Parts.of(request).collector, stream, body)
    except TransientError as error:
        return firehose_answer(503, request_id, str(error))
    except UsageError as error:
        return firehose_answer(400, request_id, str(error))
    except TailraceError as error:
        return firehose_answer(500, request_id, str(error))
    return firehose_answer(200, body.request_id)


def _stream(request: Request) -> _Stream:
    refuse_unknown(request, {"kind", "source", "format"})
    version = request.headers.get("X-Amz-Firehose-Protocol-Version", VERSION)
    if version != VERSION:
        raise RequestError(f"protocol version {version[:20]!r} is not spoken here: {VERSION} is")
    kind = request.query_params.get("kind", "auto")
    if kind not in KINDS:
        raise RequestError(f"no such kind of record: {kind!r}{nearest(kind, KINDS)}", clause="kind")
    arn = request.headers.get("X-Amz-Firehose-Source-Arn", "")[:2_048]
    name = request.query_params.get("source") or f"firehose:{arn.rpartition('/')[2] or 'endpoint'}"
    return _Stream(
        arn, name[:MAX_SOURCE_CHARS], kind, request.query_params.get("format", ""), _common(request.headers.get("X-Amz-Firehose-Common-Attributes", ""))
    )


def _common(header: str) -> Mapping[str, str]:
    try:
        return msgspec.json.decode(header, type=_Common).common_attributes if header else {}
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RequestError(f"not common attributes: {error}", clause="X-Amz-Firehose-Common-Attributes") from error


def _body(data: bytes, request_id: str) -> _Body:
    try:
        body = msgspec.json.decode(data, type=_Body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise RequestError(f"the body is no request of Firehose's: {error}") from error
    if not 0 < len(body.request_id) <= MAX_ID_CHARS or (request_id and body.request_id != request_id):
        raise RequestError(f"requestId is missing, too long, or not that of {REQUEST_ID}")
    return body


def _take(collector: Collector, stream: _Stream, body: _Body) -> None:
    taking = _Taking(collector, stream, body.request_id)
    for number, record in enumerate(body.records):
        try:
            data = record_bytes(record.data)
            kind, content = content_of(data, stream.kind, collector.inflate_max_bytes)
        except DecodeError as error:
            taking.dead.append(DeadLetter("payload", str(error), record.data.encode(), {"envelope": "firehose", "source": stream.source}))
            continue
        taking.take(number, kind, content)
    taking.finish()


class _Taking:
    """The records of one request on their way: lines of many are put together, and all is put part by part. The parts are the same when the request is sent again."""

    def __init__(self, collector: Collector, stream: _Stream, request_id: str) -> None:
        self._collector, self._stream, self._request_id = collector, stream, request_id
        self.dead: list[DeadLetter] = []
        self._payloads: list[bytes] = []
        self._others: list[tuple[str, Sent]] = []
        self._size = 0
        self._lines: list[bytes] = []
        self._lines_size, self._first = 0, ""

    def take(self, number: int, kind: str, content: bytes) -> None:
        """Take the content of a record."""
        if kind == CLOUDWATCH:
            self._payloads.append(content)
        elif kind == "lines" and not is_records(content):
            for at, piece in enumerate(pieces(content)):
                self._take_lines(f"{number}.{at}", piece)
        elif kind == "metric_stream_json":
            for at, piece in enumerate(pieces(content)):
                self._add(kind, piece, f"{number}.{at}")
        else:
            self._add(kind, content, f"{number}")

    def finish(self) -> None:
        """Put what is left."""
        self._put_lines()
        self._put_others()
        self._collector.collect_payloads(self._payloads, self._stream.source)
        self._collector.collect_dead(self._stream.source, self.dead)

    def _take_lines(self, place: str, piece: bytes) -> None:
        self._first = self._first or place
        self._lines.append(piece.removesuffix(b"\n"))
        self._lines_size += len(piece) + RECORD_BYTES
        if self._lines_size >= PIECE_BYTES:
            self._put_lines()

    def _put_lines(self) -> None:
        if self._lines:
            self._add("plain_lines", b"\n".join(self._lines), self._first)
        self._lines, self._lines_size, self._first = [], 0, ""

    def _add(self, kind: str, data: bytes, place: str) -> None:
        account, region = self._stream.place
        identity, stream = f"{self._stream.arn}|{self._request_id}|{place}", self._stream
        self._others.append((kind, Sent(data, stream.source, identity, account=account, region=region, format=stream.format, attributes=stream.attributes)))
        self._size += len(data) + RECORD_BYTES
        if self._size >= TOGETHER_BYTES:
            self._put_others()

    def _put_others(self) -> None:
        self._collector.collect_sent(self._others)
        self._others, self._size = [], 0
