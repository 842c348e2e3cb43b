"""What a record of Firehose's holds, told by its content: a CloudWatch Logs payload, metrics of a metric stream, or log lines.

A stream of Firehose's carries whatever was put into it. Compressed bytes are looked into without inflating them whole.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Final

from isal import isal_zlib

from collectors.envelopes.inflate import inflate, is_compressed
from collectors.envelopes.metric_stream import is_otel
from tailrace.errors import DecodeError

KINDS: Final = ("auto", "cloudwatch", "lines", "metric_stream_json", "metric_stream_otel")
CLOUDWATCH: Final = "cloudwatch"
HEAD_BYTES: Final = 4_096
MAX_RECORD_BYTES: Final = 64 * 1024 * 1024
"""What a record may inflate to; Firehose takes none of more than 1,000 KiB."""

PIECE_BYTES: Final = 2 * 1024 * 1024
_WBITS: Final = 47
"""zlib's number for gzip or zlib, whichever it is."""

_DAMAGED: Final[type[Exception]] = isal_zlib.error  # type: ignore[assignment] # the stub says it is an instance


def record_bytes(data: str) -> bytes:
    """Answer the bytes of a record's base64; raises :class:`DecodeError`."""
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError("the data of a record is not base64") from error


def content_of(data: bytes, said: str, max_bytes: int) -> tuple[str, bytes]:
    """Answer the kind of a record and the bytes to be opened: a CloudWatch payload as it is, all else inflated. Raises :class:`DecodeError`.

    >>> content_of(b'{"metric_stream_name":"s","metric_name":"m"}', "auto", 100)[0], content_of(b"a line", "auto", 100)[0]
    ('metric_stream_json', 'lines')
    """
    if said == CLOUDWATCH or (said == "auto" and _is_cloudwatch(_head(data))):
        return CLOUDWATCH, data
    inflated = inflate(data, min(max_bytes, MAX_RECORD_BYTES))
    return (said if said != "auto" else _kind(inflated)), inflated


def pieces(data: bytes, max_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
    r"""Cut text at line ends into pieces of no more than so many bytes; a longer line is cut too.

    >>> list(pieces(b"ab\ncd\nefghij", 4))
    [b'ab\n', b'cd\n', b'efgh', b'ij']
    """
    at = 0
    while at < len(data):
        end = len(data) if len(data) - at <= max_bytes else data.rfind(b"\n", at, at + max_bytes) + 1 or at + max_bytes
        yield data[at:end]
        at = end


def _kind(data: bytes) -> str:
    head = data[:HEAD_BYTES].lstrip()
    if head.startswith(b"{") and b'"metric_stream_name"' in head and b'"metric_name"' in head:
        return "metric_stream_json"
    return "metric_stream_otel" if is_otel(data) else "lines"


def _is_cloudwatch(head: bytes) -> bool:
    return head.lstrip().startswith(b"{") and b'"messageType"' in head and (b'"logGroup"' in head or b'"logEvents"' in head)


def _head(data: bytes) -> bytes:
    if not is_compressed(data):
        return data[:HEAD_BYTES]
    try:
        head: bytes = isal_zlib.decompressobj(_WBITS).decompress(data, HEAD_BYTES)
    except (_DAMAGED, ValueError, EOFError):
        return b""
    return head
