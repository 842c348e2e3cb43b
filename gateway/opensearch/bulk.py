"""``_bulk``: documents of OpenSearch's clients become log events; the answer comes after they are synced.

Each item is answered on its own: a document that is not JSON is refused with 400 and was not taken, so its sender still has it. ``?refresh`` waits until what was written is searchable.
"""

import secrets
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from collectors.collector import Document
from gateway.answers import JsonResponse
from gateway.opensearch.bulk_body import Item, read_items
from gateway.parts import Parts
from gateway.requests import flag, read_body, refuse_unknown
from tailrace.clock import US_PER_MS
from tailrace.errors import TransientError
from tailrace.ids import position_event_id

PARAMETERS: Final = frozenset({"refresh", "timeout", "pretty", "human", "error_trace", "wait_for_active_shards", "require_alias"})
FLUSH_TIMEOUT_S: Final = 30.0


async def bulk(request: Request) -> Response:
    """Answer ``POST|PUT /_bulk`` and ``/{index}/_bulk``."""
    refuse_unknown(request, PARAMETERS)
    refresh = flag(request, "refresh")
    body = await read_body(request)
    return await run_in_threadpool(_bulk, Parts.of(request), body, str(request.path_params.get("index", "")), refresh=refresh)


def _bulk(parts: Parts, body: bytes, index: str, *, refresh: bool) -> Response:
    started_us = parts.clock.now_us()
    items = [_checked(item) for item in read_items(body, index)]
    documents = [Document(item.document, item.index, _event_id(item)) for item in items if not item.error]
    parts.collector.collect_documents(documents, "gateway:bulk")
    if refresh and documents and not parts.stream.flush(FLUSH_TIMEOUT_S):
        raise TransientError(f"written, and not searchable within {FLUSH_TIMEOUT_S:.0f} s")
    took = (parts.clock.now_us() - started_us) // US_PER_MS
    drawn = iter([document.id for document in documents])
    answers = [_answer(item, "" if item.error else next(drawn)) for item in items]
    return JsonResponse({"took": took, "errors": len(documents) < len(items), "items": answers})


def _event_id(item: Item) -> str:
    """An id that a client gave is unique in its index, not over all: the event id is a hash of both. Without one it is drawn here, and stored before the answer."""
    return position_event_id("bulk", item.index, item.id) if item.id else secrets.token_hex(16)


def _checked(item: Item) -> Item:
    if item.error:
        return item
    try:
        document = msgspec.json.decode(item.document)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return Item(item.verb, item.index, item.id, b"", f"failed to parse: {error}")
    return item if isinstance(document, dict) else Item(item.verb, item.index, item.id, b"", "failed to parse: a document is a JSON object")


def _answer(item: Item, event_id: str) -> dict[str, dict[str, Any]]:
    told: dict[str, Any] = {"_index": item.index, "_id": item.id or event_id or None}
    if item.error:
        kind = "mapper_parsing_exception" if item.error.startswith("failed to parse") else "illegal_argument_exception"
        return {item.verb: {**told, "status": 400, "error": {"type": kind, "reason": item.error}}}
    shards = {"total": 1, "successful": 1, "failed": 0}
    return {item.verb: {**told, "_version": 1, "result": "created", "_shards": shards, "status": 201}}
