"""``_search`` and ``_count``: a body goes to the engine, OpenSearch's response comes back."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from gateway.answers import JsonResponse, not_found
from gateway.parts import Parts
from gateway.requests import flag, json_object, read_body, refuse_unknown, whole_number
from queries.targets import Target, missing, resolve
from tailrace.errors import RequestError
from tailrace.tracing import traced

_BOTH: Final = frozenset({"q", "default_operator", "df", "ignore_unavailable", "allow_no_indices", "expand_wildcards", "pretty", "human", "error_trace"})
SEARCH_PARAMETERS: Final = _BOTH | {
    "size",
    "from",
    "sort",
    "track_total_hits",
    "timeout",
    "rest_total_hits_as_int",
    "request_cache",
    "preference",
    "typed_keys",
}
COUNT_PARAMETERS: Final = _BOTH | {"preference"}


async def search(request: Request) -> Response:
    """Answer ``GET|POST /_search`` and ``/{index}/_search``."""
    refuse_unknown(request, SEARCH_PARAMETERS)
    if flag(request, "rest_total_hits_as_int") or flag(request, "typed_keys"):
        raise RequestError("rest_total_hits_as_int and typed_keys are not supported")
    body = _with_parameters(request, json_object(await read_body(request)))
    return await run_in_threadpool(_search, _parts(request), _index(request), body, unavailable=flag(request, "ignore_unavailable"))


async def count(request: Request) -> Response:
    """Answer ``GET|POST /_count`` and ``/{index}/_count``."""
    refuse_unknown(request, COUNT_PARAMETERS)
    body = _with_query(request, json_object(await read_body(request)))
    return await run_in_threadpool(_count, _parts(request), _index(request), body, unavailable=flag(request, "ignore_unavailable"))


def _search(parts: Parts, index: str, body: Mapping[str, Any], *, unavailable: bool) -> Response:
    target = resolve(index)
    gone = None if unavailable else missing(target, parts.stream_exists)
    if gone:
        return not_found(gone)
    with traced("search", table=target.table) as part:
        found = parts.engine.search(target.table, target.narrowed(body))
        part.note(hits=len(found["hits"]["hits"]))
    return JsonResponse(found)


def _count(parts: Parts, index: str, body: Mapping[str, Any], *, unavailable: bool) -> Response:
    target = resolve(index)
    gone = None if unavailable else missing(target, parts.stream_exists)
    return not_found(gone) if gone else JsonResponse(_count_answer(parts, target, body))


def _count_answer(parts: Parts, target: Target, body: Mapping[str, Any]) -> dict[str, Any]:
    shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
    return {"count": parts.engine.count(target.table, target.narrowed(body)), "_shards": shards}


def _with_parameters(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    body = _with_query(request, body)
    for name in ("size", "from"):
        number = whole_number(request, name)
        if number is not None:
            body[name] = number
    if sort := request.query_params.get("sort"):
        body["sort"] = [_sort_clause(part) for part in sort.split(",")]
    if "track_total_hits" in request.query_params:
        body["track_total_hits"] = _total_hits(request)
    return body


def _with_query(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    text = request.query_params.get("q")
    if text is None:
        return body
    clause = {"query": text}
    if operator := request.query_params.get("default_operator"):
        clause["default_operator"] = operator
    if field := request.query_params.get("df"):
        clause["default_field"] = field
    return {**body, "query": {"query_string": clause}}


def _sort_clause(part: str) -> dict[str, Any]:
    name, _, order = part.partition(":")
    return {name: {"order": order or "asc"}}


def _total_hits(request: Request) -> bool | int:
    value = request.query_params["track_total_hits"]
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else flag(request, "track_total_hits")


def _index(request: Request) -> str:
    return str(request.path_params.get("index", ""))


def _parts(request: Request) -> Parts:
    return Parts.of(request)
