"""How the gateway answers: JSON, and errors in OpenSearch's words, so that its clients understand them."""

from typing import Any, Final

import orjson
from starlette.responses import Response

from tailrace.clock import US_PER_MS, SystemClock
from tailrace.errors import RequestError, TailraceError, TransientError, UnsupportedError, UsageError


class JsonResponse(Response):
    """JSON by orjson; times and other values that it does not know are refused, not guessed."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - whatever JSON can hold
        """Write the value."""
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)


RETRY_AFTER_S: Final = "1"
FIREHOSE_PATH: Final = "/firehose"
LIVE_PATH: Final = "/livez"
READY_PATH: Final = "/readyz"
REQUEST_ID: Final = "X-Amz-Firehose-Request-Id"
ACCESS_KEY: Final = "X-Amz-Firehose-Access-Key"
MAX_FIREHOSE_MESSAGE_CHARS: Final = 8_192
"""https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html: the longest ``errorMessage`` that is kept."""


def error_answer(error: TailraceError) -> JsonResponse:
    """Answer an error: 400 for a wrong request, 503 for one to be tried again, else 500."""
    if isinstance(error, UnsupportedError):
        return _error(400, "unsupported_operation_exception", str(error))
    if isinstance(error, RequestError):
        return _error(400, "parsing_exception", str(error))
    if isinstance(error, UsageError):
        return _error(400, "illegal_argument_exception", str(error))
    if isinstance(error, TransientError):
        return _error(503, "rejected_execution_exception", str(error), {"Retry-After": RETRY_AFTER_S})
    return _error(500, "internal_error", str(error))


def not_found(index: str) -> JsonResponse:
    """Answer that there is no such index, in OpenSearch's words."""
    return _error(404, "index_not_found_exception", f"no such index [{index}]")


def refused(status: int, kind: str, reason: str) -> JsonResponse:
    """Answer a refusal: not allowed, too large, no such path."""
    return _error(status, kind, reason)


def firehose_answer(status: int, request_id: str, problem: str = "") -> JsonResponse:
    """Answer Firehose: it takes 200 alone for a success, and its own request id again in either case."""
    told = {"requestId": request_id, "timestamp": SystemClock().now_us() // US_PER_MS}
    return JsonResponse(told | ({"errorMessage": problem[:MAX_FIREHOSE_MESSAGE_CHARS]} if problem else {}), status_code=status)


def _error(status: int, kind: str, reason: str, headers: dict[str, str] | None = None) -> JsonResponse:
    cause = {"type": kind, "reason": reason}
    return JsonResponse({"error": {"root_cause": [cause], **cause}, "status": status}, status_code=status, headers=headers)
