r"""Objects in which others keep what they could not deliver: Amazon Data Firehose's error output, Data Prepper's dead-letter queue.

::

    processing-failed/         {"attemptsMade": 4, "arrivalTimestamp": ms, "errorCode": "Lambda...", "errorMessage": "...", "attemptEndingTimestamp": ms, "rawData": "<base64>", "lambdaArn": "..."}
    decompression-failed/      the same; the record is as it came, compressed
    format-conversion-failed/  the same with "ErrorCode", "ErrorMessage" (or "lastErrorCode", "lastErrorMessage"), "sequenceNumber", "dataCatalogTable": {"databaseName", "tableName", ...}
    AmazonOpenSearchService_failed/, elasticsearch-failed/   the same with "esDocumentId", "esIndexName", "esTypeName" (OpenSearch Serverless: "osDocumentId", "osIndexName")
    dlq-v2-<pipeline>-<plugin>-...   {"dlqObjects": [{"pluginId", "pluginName", "pipelineName", "failedData": {"index", "indexId", "status", "message", "document"}, "timestamp"}]}, or the bare list

and letters of the Lambda function of ours, in its stream of dead letters (``collectors.envelopes.own_letters``).

Firehose's documents stand one after the other, with a line feed or nothing between them. Where an object lies says nothing: prefixes can be chosen, so a record is known by its members.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html, https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion-error-handling.html,
https://docs.aws.amazon.com/firehose/latest/dev/decomp-faq.html, https://docs.aws.amazon.com/firehose/latest/dev/retry.html, https://docs.opensearch.org/latest/data-prepper/pipelines/dlq,
https://github.com/opensearch-project/data-prepper (``FailedDlqData``, ``DlqObject``).

A record becomes a dead letter that can be replayed: a payload of CloudWatch as such, a document as a JSON line with its own id, all else as lines. Ids are made of the bytes of the object and the place
in it, so an object that is read twice, from wherever, gives the same letters. An object that breaks off or is none gives the letters before the break, and one that holds it whole.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson

from collectors.envelopes.inflate import inflate
from collectors.envelopes.own_letters import OwnLetters, is_own
from collectors.poison import LINE
from collectors.steps import DOCUMENTS
from firehose.delivery import DeadLetter
from tailrace.clock import US_PER_MS, US_PER_S
from tailrace.errors import DecodeError
from tailrace.ids import position_event_id

WHOLE: Final = "failed_object"
"""The word in ``detail["envelope"]`` for a letter that holds what could not be read; it stays until it is dropped, or read again."""

STREAM_NAME: Final = "firehose"
_PACKED: Final = (b"\x1f\x8b", b"x\x9c", b"x\xda", b"x\x01")
_STREAM: Final = re.compile(r"(?:^|/)([A-Za-z0-9_.-]{1,64})-\d+-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9a-f-]{36}(?:\.[a-z]+)?$")
_LAST_MS: Final = 4_102_444_800_000
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class FailedObject:
    """What an object held: its letters, and the time of the newest failure (microseconds; 0 where none is told). ``place`` is the name of it that is the same wherever it lies."""

    place: str
    letters: tuple[DeadLetter, ...]
    time_us: int
    problem: str = ""


def read_failed(data: bytes, name: str, *, received_us: int, inflate_max_bytes: int) -> FailedObject:
    """Read an object; ``name`` is its key or path, ``received_us`` is taken where a record does not say when it came. It raises nothing: what cannot be read is a letter."""
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    work = _Work(digest, name, received_us)
    problem = ""
    try:
        for record in _records(inflate(data, inflate_max_bytes) if data.startswith(_PACKED) else data):
            work.take(record)
    except DecodeError as error:
        problem = str(error)
    problem = problem or "; ".join(work.own.left())
    if not problem and not work.letters:
        problem = "it holds no record"
    if problem:
        work.letters.append(DeadLetter("payload", f"{problem}; {len(work.letters):,} records before it were read", data, work.told({"envelope": WHOLE})))
    return FailedObject(f"read-{digest}", tuple(work.letters), max(work.newest_us, work.own.newest_us), problem)


class _Work:
    """The letters of one object, while it is read."""

    def __init__(self, digest: str, name: str, received_us: int) -> None:
        self._digest, self._name, self._received_us = digest, name, received_us
        found = _STREAM.search(name)
        self._source = f"{STREAM_NAME}:{found[1]}" if found else STREAM_NAME
        self.letters: list[DeadLetter] = []
        self.own, self.newest_us = OwnLetters(), 0

    def told(self, detail: Mapping[str, object]) -> dict[str, str]:
        """Answer the detail of a letter: texts that are not empty, with the object's name."""
        return {name: str(value)[:2_000] for name, value in {"source": self._source, "object": self._name, **detail}.items() if value not in (None, "")}

    def take(self, record: object) -> None:
        """Make a letter of a record."""
        try:
            if isinstance(record, dict) and is_own(record):
                self.letters += [replace(letter, detail={**letter.detail, "object": self._name})] if (letter := self.own.take(record)) else []
            else:
                self.letters.append(
                    self._prepper(record) if isinstance(record, dict) and isinstance(record.get("failedData"), dict) else self._firehose(record)
                )
        except DecodeError as error:
            body = json.dumps(record).encode("utf-8", "surrogatepass")
            self.letters.append(DeadLetter("payload", f"record {len(self.letters)}: {error}", body, self.told({"envelope": WHOLE})))

    def _firehose(self, record: object) -> DeadLetter:
        if not isinstance(record, dict) or not {"rawData", "esDocument"} & set(record):
            raise DecodeError("neither a failed record of Firehose (rawData) nor of Data Prepper (failedData)")
        code = record.get("errorCode") or record.get("ErrorCode") or record.get("lastErrorCode")
        message = record.get("errorMessage") or record.get("ErrorMessage") or record.get("lastErrorMessage")
        body, at = _raw(record), self._time(record.get("arrivalTimestamp"))
        self._time(record.get("attemptEndingTimestamp"))
        table = record.get("dataCatalogTable")
        detail = {
            "attempts": record.get("attemptsMade"),
            "lambda": record.get("lambdaArn") or record.get("lambdaARN"),
            "catalog": f"{table.get('databaseName')}.{table.get('tableName')}" if isinstance(table, dict) else "",
            "index": record.get("esIndexName") or record.get("osIndexName"),
        }
        identity = record.get("esDocumentId") or record.get("osDocumentId")
        return self._letter(" ".join(str(text) for text in (code, message) if text), body, at, detail, str(identity or ""))

    def _prepper(self, record: dict[str, Any]) -> DeadLetter:
        failed, pipeline = record["failedData"], record.get("pipelineName")
        document = failed.get("document", failed)
        body = document.encode("utf-8", "surrogatepass") if isinstance(document, str) else json.dumps(document, separators=(",", ":")).encode()
        at = self._time(record.get("timestamp"))
        detail = {"source": f"data-prepper:{pipeline}" if pipeline else "data-prepper", "plugin": record.get("pluginId"), "index": failed.get("index")}
        return self._letter(
            " ".join(str(text) for text in (failed.get("status"), failed.get("message")) if text), body, at, detail, str(failed.get("indexId") or "")
        )

    def _letter(self, reason: str, body: bytes, at_us: int, detail: Mapping[str, object], identity: str) -> DeadLetter:
        place = position_event_id("failed", self._digest, len(self.letters))
        reason = reason or "no reason is told"
        if body.startswith(_PACKED) or b'"messageType"' in body[:4_096]:
            return DeadLetter("payload", reason, body, self.told({**detail, "envelope": "cloudwatch"}))
        document = _object(body)
        if document is None:
            return DeadLetter("payload", reason, body, self.told({**detail, "envelope": "lines", "identity": place, "received_us": at_us}))
        own = document.get("event_id")
        event_id = own if isinstance(own, str) and own else position_event_id("failed", str(detail.get("index") or ""), identity) if identity else place
        return DeadLetter(
            "document",
            reason,
            body,
            self.told({**detail, "envelope": LINE, "event_id": event_id, "received_us": at_us, "stream": STREAM_NAME, "format": DOCUMENTS}),
        )

    def _time(self, told: object) -> int:
        at = _us(told) or self._received_us
        if _us(told):
            self.newest_us = max(self.newest_us, at)
        return at


def _raw(record: Mapping[str, Any]) -> bytes:
    raw = record.get("rawData", record.get("esDocument"))
    if isinstance(raw, dict):
        return json.dumps(raw, separators=(",", ":")).encode()
    if not isinstance(raw, str):
        raise DecodeError("rawData is no text")
    try:
        return base64.b64decode(raw, validate=True)
    except (binascii.Error, ValueError) as error:
        if raw.lstrip().startswith("{"):
            return raw.encode("utf-8", "surrogatepass")
        raise DecodeError("rawData is no base64") from error


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _us(told: object) -> int:
    """Read a time: milliseconds since 1970, also as text, or ISO 8601; 0 where it is none."""
    if isinstance(told, bool) or not isinstance(told, int | float | str):
        return 0
    try:
        number = int(told)
    except (ValueError, OverflowError):
        return _iso_us(str(told))
    return number * US_PER_MS if 0 < number < _LAST_MS else 0


def _iso_us(told: str) -> int:
    try:
        return max(int(datetime.fromisoformat(told).timestamp() * US_PER_S), 0) if len(told) < 64 and "T" in told else 0
    except (ValueError, OverflowError):
        return 0


def _records(data: bytes) -> Iterator[object]:
    """Walk JSON values that stand one after the other, and those in ``dlqObjects`` and in lists. Raises :class:`DecodeError` at the first that is none."""
    text, cut = _text(data)
    at, number = 0, 0
    while True:
        while at < len(text) and text[at] in " \t\r\n,\ufeff":
            at += 1
        if at == len(text):
            break
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            kind = "it breaks off" if _at_the_end(error, len(text)) else "it is no JSON"
            raise DecodeError(f"{kind} in record {number} at byte {len(text[:at].encode()):,}") from error
        inner = value.get("dlqObjects", value) if isinstance(value, dict) else value
        yield from inner if isinstance(inner, list) else [inner]
        at, number = end, number + 1
    if cut:
        raise DecodeError(f"it is no UTF-8 at byte {cut:,}")


def _at_the_end(error: Exception, length: int) -> bool:
    return isinstance(error, json.JSONDecodeError) and (error.pos >= length or error.msg.startswith("Unterminated"))


def _text(data: bytes) -> tuple[str, int]:
    """Answer the text of the bytes as far as they are UTF-8, and where they are not (0: they are)."""
    try:
        return data.decode(), 0
    except UnicodeDecodeError as error:
        return data[: error.start].decode(), error.start or 1
