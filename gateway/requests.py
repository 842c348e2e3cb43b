"""What comes in by HTTP, read with care: bodies with a limit, compressed ones inflated with the same limit, parameters that are what they should be."""

import zlib
from collections.abc import Collection
from typing import Any, Final

import orjson
from starlette.requests import Request

from tailrace.errors import RequestError, nearest

MAX_BODY_BYTES: Final = 100 * 1024 * 1024
"""OpenSearch's ``http.max_content_length``."""

_TRUE: Final = frozenset({"", "true", "1", "wait_for"})
_FALSE: Final = frozenset({"false", "0"})


async def read_body(request: Request) -> bytes:
    """Read the body whole, inflated where it came with ``Content-Encoding: gzip`` or ``deflate``; at most 100 MiB either way."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise RequestError(f"the body is longer than {MAX_BODY_BYTES} bytes")
        chunks.append(chunk)
    return _inflate(b"".join(chunks), request.headers.get("content-encoding", "identity").lower())


def _inflate(body: bytes, encoding: str) -> bytes:
    if encoding == "identity":
        return body
    if encoding not in {"gzip", "deflate"}:
        raise RequestError(f"no such content encoding here: {encoding!r}{nearest(encoding, ('gzip', 'deflate'))}")
    out: list[bytes] = []
    left, rest = MAX_BODY_BYTES, body
    try:
        while rest:
            member = zlib.decompressobj(47)
            out.append(member.decompress(rest, left + 1))
            left -= len(out[-1])
            if left < 0:
                raise RequestError(f"the body inflates to more than {MAX_BODY_BYTES} bytes")
            if not member.eof:
                raise RequestError("the compressed body is cut short")
            rest = member.unused_data
    except zlib.error as error:
        raise RequestError(f"the body is not {encoding}: {error}") from error
    return b"".join(out)


def json_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object; an empty body is an empty object, as in OpenSearch."""
    if not body.strip():
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise RequestError("the body is not a JSON object")
    return value


def flag(request: Request, name: str) -> bool:
    """Read a true-or-false parameter; ``?refresh`` alone is true."""
    value = request.query_params.get(name)
    if value is None or value.lower() in _FALSE:
        return False
    if value.lower() in _TRUE:
        return True
    raise RequestError(f"{value!r} is neither true nor false", clause=name)


def whole_number(request: Request, name: str) -> int | None:
    """Read a parameter that is a whole number; ``None`` where it is not given."""
    value = request.query_params.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise RequestError(f"{value!r} is not a whole number", clause=name)
    return int(value)


def refuse_unknown(request: Request, known: Collection[str]) -> None:
    """Refuse parameters that do not exist, rather than pass them over in silence."""
    for name in request.query_params:
        if name not in known:
            raise RequestError(f"no such parameter: {name!r}{nearest(name, known)}")
