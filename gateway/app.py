"""The gateway's routes, on one port."""

from collections.abc import Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway import firehose_endpoint, otlp, own, rows
from gateway.access import Access
from gateway.answers import FIREHOSE_PATH, LIVE_PATH, READY_PATH, JsonResponse, error_answer, refused
from gateway.opensearch import bulk, node, search
from gateway.own_traces import Traced
from gateway.parts import Parts
from tailrace.errors import TailraceError, nearest

ROUTES: Final = (
    Route("/", node.root, methods=["GET", "HEAD"]),
    Route("/healthz", own.healthz, methods=["GET"]),
    Route(READY_PATH, own.readyz, methods=["GET"]),
    Route(LIVE_PATH, own.livez, methods=["GET"]),
    Route("/metrics", own.metrics, methods=["GET"]),
    Route("/_search", search.search, methods=["GET", "POST"]),
    Route("/{index}/_search", search.search, methods=["GET", "POST"]),
    Route("/_count", search.count, methods=["GET", "POST"]),
    Route("/{index}/_count", search.count, methods=["GET", "POST"]),
    Route("/_bulk", bulk.bulk, methods=["POST", "PUT"]),
    Route("/{index}/_bulk", bulk.bulk, methods=["POST", "PUT"]),
    Route(FIREHOSE_PATH, firehose_endpoint.firehose, methods=["POST"]),
    Route("/v1/logs", otlp.logs, methods=["POST"]),
    Route("/v1/metrics", otlp.metrics, methods=["POST"]),
    Route("/v1/traces", otlp.traces, methods=["POST"]),
    Route("/_index_template/{name}", node.index_template, methods=["GET"]),
    Route("/_tailrace/status", own.status, methods=["GET"]),
    Route("/_tailrace/payload", own.payload, methods=["POST"]),
    Route("/_tailrace/rows", rows.rows, methods=["POST"]),
    Route("/_tailrace/flush", own.flush, methods=["POST"]),
    Route("/_tailrace/reparse", own.reparse, methods=["POST"]),
    Route("/_tailrace/dead", own.dead_list, methods=["GET"]),
    Route("/_tailrace/dead/groups", own.dead_groups, methods=["GET"]),
    Route("/_tailrace/dead/groups/{id}/replay", own.dead_replay_group, methods=["POST"]),
    Route("/_tailrace/dead/{id}", own.dead_show, methods=["GET"]),
    Route("/_tailrace/dead/{id}/replay", own.dead_replay, methods=["POST"]),
    Route("/_tailrace/dead/{id}/drop", own.dead_drop, methods=["POST"]),
)


def create_app(parts: Parts, token: str = "", firehose_key: str = "") -> Starlette:
    """Make the ASGI application; ``token`` is asked of every client where it is not empty, ``firehose_key`` of Firehose."""
    handlers: dict[Any, Callable[[Request, Exception], Response]] = {TailraceError: _on_error, HTTPException: _on_http_error, Exception: _on_fault}
    middleware = [Middleware(Traced, tracer=parts.tracer), Middleware(Access, token=token, firehose_key=firehose_key)]
    app = Starlette(routes=list(ROUTES), middleware=middleware, exception_handlers=handlers)
    app.state.parts = parts
    return app


def _on_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, TailraceError)
    return error_answer(error)


def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return JsonResponse({"error": f"Incorrect HTTP method for uri [{request.url.path}] and method [{request.method}]", "status": 405}, status_code=405)
    last = request.url.path.rstrip("/").rpartition("/")[2]
    hint = nearest(last, [route.path.rpartition("/")[2] for route in ROUTES])
    return refused(error.status_code, "no_handler_exception", f"no handler found for uri [{request.url.path}] and method [{request.method}]{hint}")


def _on_fault(request: Request, error: Exception) -> Response:
    """A fault of ours: the text of the exception stays in our log."""
    del request, error
    return refused(500, "internal_error", "a fault of the gateway; its log says more")
