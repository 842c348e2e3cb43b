"""``POST /_tailrace/rows``: rows of another Tailrace (``tailrace.wire``), answered after they are synced.

They are put under the names of their sources, as they are: what was parsed, enriched and redacted there is not so again. Rows that come again are known by their ids.
"""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from firehose.delivery import Count, Delivery
from firehose.frame import UNITS
from gateway.answers import JsonResponse, refused
from gateway.parts import Parts
from gateway.requests import MAX_BODY_BYTES, read_body, refuse_unknown
from tailrace.errors import DecodeError, RequestError, nearest
from tailrace.fields import Holder
from tailrace.schema import TableName
from tailrace.wire import decode


async def rows(request: Request) -> Response:
    """Take rows of one ``table``."""
    refuse_unknown(request, {"table"})
    asked = request.query_params.get("table", "logs")
    name = next((one for one in UNITS if one == asked), None)
    if name is None:
        raise RequestError(f"no table that travels: {asked!r}{nearest(asked, UNITS)}", clause="table")
    if int(request.headers.get("content-length") or 0) > MAX_BODY_BYTES:
        return refused(413, "content_too_long_exception", f"the body is longer than {MAX_BODY_BYTES:,} bytes")
    body = await read_body(request)
    return JsonResponse({"rows": await run_in_threadpool(_put, Parts.of(request), name, body)})


def _put(parts: Parts, name: TableName, body: bytes) -> int:
    try:
        found, types = decode(name, body)
    except DecodeError as error:
        raise RequestError(str(error)) from error
    parts.register.learn(types, Holder("tailrace", "tailrace"))
    received_us, unit = parts.clock.now_us(), UNITS[name]
    for source, table in found:
        counts = (Count("collect", unit, table.num_rows, table.num_rows),)
        parts.stream.put(Delivery(source, received_us, {name: table}, counts))
    return sum(table.num_rows for _, table in found)
