"""The gateway's own doors: health, status, payloads of other processes of this machine, and dead letters.

The dashboard, the alert engine and the consumers reach the write path here, so that the two paths never import each other.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from collectors.desk import Desk
from collectors.rehearsal import Rehearsal
from firehose.dead_letters.groups import groups, members
from firehose.dead_letters.log import Who
from gateway import telemetry
from gateway.answers import JsonResponse, refused
from gateway.parts import KeepsDeadLetters, Parts
from gateway.requests import read_body, refuse_unknown, whole_number
from tailrace.clock import US_PER_HOUR
from tailrace.errors import RequestError, nearest
from tailrace.lake import LAST_HOUR_US

USER: Final = "x-tailrace-user"
"""The header in which a client says whom it acts for."""

KINDS: Final = ("cloudwatch", "xray")
MAX_LISTED: Final = 1_000
MAX_USER: Final = 100
MAX_REHEARSED: Final = 100
SHOWN_REASONS: Final = 5


async def healthz(request: Request) -> Response:
    """Answer 200 where input is taken and nothing is lost (``ok``, ``degraded``), else 503 (``ill``); the body says which part is ill, and why."""
    status = await run_in_threadpool(Parts.of(request).status)
    return JsonResponse(status, status_code=_code(status))


async def readyz(request: Request) -> Response:
    """Answer the code of ``/healthz`` without what it tells, for a load balancer, which brings no token."""
    status = await run_in_threadpool(Parts.of(request).status)
    return JsonResponse({"status": status.get("status")}, status_code=_code(status))


async def livez(request: Request) -> Response:
    """Answer 503 where starting the process again would help: a thread of it has died. A full spool is no such thing."""
    status = await run_in_threadpool(Parts.of(request).status)
    dead = any(problem["restart"] for problem in status.get("problems", ()))
    return JsonResponse({"status": "dead" if dead else "alive"}, status_code=503 if dead else 200)


async def metrics(request: Request) -> Response:
    """Answer the gateway's own metrics in Prometheus' text format."""
    return Response(await run_in_threadpool(_metrics, Parts.of(request)), media_type=telemetry.CONTENT_TYPE)


async def status(request: Request) -> Response:
    """Answer the state of the spool, the sinks and the sources, and how formats read their lines."""
    return JsonResponse(await run_in_threadpool(_status, Parts.of(request)))


async def payload(request: Request) -> Response:
    """Take one payload, as a collector got it; answered after it is synced. ``kind`` is cloudwatch or xray, ``source`` names it in the ledger."""
    refuse_unknown(request, {"kind", "source"})
    kind = request.query_params.get("kind", "cloudwatch")
    if kind not in KINDS:
        raise RequestError(f"no such kind of payload: {kind!r}{nearest(kind, KINDS)}", clause="kind")
    body = await read_body(request)
    parts, source = Parts.of(request), request.query_params.get("source", "")[:256]
    took = await run_in_threadpool(parts.collector.collect_payload, body, "xray" if kind == "xray" else "cloudwatch", source)
    return JsonResponse(
        {"payloads": took.payloads, "events": took.events, "spans": took.spans, "metrics": took.metrics, "dropped": took.dropped, "dead": len(took.dead)}
    )


async def flush(request: Request) -> Response:
    """Wait until everything that was acknowledged is searchable."""
    done = await run_in_threadpool(Parts.of(request).stream.flush, 30.0)
    return JsonResponse({"flushed": done}, status_code=200 if done else 503)


async def reparse(request: Request) -> Response:
    """Read stored lines of a format again that were not read in full; ``from`` and ``to`` are microseconds since 1970."""
    refuse_unknown(request, {"format", "from", "to"})
    name, parts = request.query_params.get("format", ""), Parts.of(request)
    if not name:
        raise RequestError("name a format, such as aws.alb", clause="format")
    if parts.reparse is None:
        return refused(404, "resource_not_found_exception", "nothing is read again here")
    to_us = whole_number(request, "to")
    done = await run_in_threadpool(parts.reparse, name, whole_number(request, "from") or 0, LAST_HOUR_US + US_PER_HOUR if to_us is None else to_us)
    return JsonResponse(done)


async def dead_list(request: Request) -> Response:
    """List dead letters, the newest first, without their bodies; ``group`` names those of one group."""
    refuse_unknown(request, {"limit", "group"})
    limit = min(whole_number(request, "limit") or 100, MAX_LISTED)
    parts = Parts.of(request)
    return JsonResponse(await run_in_threadpool(_listed, parts.dead, limit, request.query_params.get("group", "")))


async def dead_groups(request: Request) -> Response:
    """Group dead letters by their cause and shape, the group with the newest letter first."""
    found = await run_in_threadpool(groups, Parts.of(request).dead)
    return JsonResponse({"groups": [one.to_json() for one in found[:MAX_LISTED]], "total": len(found)})


async def dead_show(request: Request) -> Response:
    """Answer one dead letter whole: its bytes, and why it is one."""
    letter = await run_in_threadpool(Parts.of(request).dead.get, _id(request))
    if letter is None:
        return _no_letter(request)
    headers = {
        "X-Tailrace-Reason": letter.reason.encode("ascii", "replace").decode()[:500].replace("\n", " ").replace("\r", " "),
        "X-Content-Type-Options": "nosniff",
    }
    return Response(letter.body, media_type="application/octet-stream", headers=headers)


async def dead_replay(request: Request) -> Response:
    """Put a dead letter through the write path again, or with ``dry_run=true`` say what it would become; what is dead again is a new dead letter."""
    refuse_unknown(request, {"dry_run"})
    work = _foresee if _dry(request) else _replay
    return await run_in_threadpool(work, Parts.of(request), _id(request), request)


async def dead_replay_group(request: Request) -> Response:
    """Replay the letters of a group, at most a thousand at once, or with ``dry_run=true`` say what the first hundred would become."""
    refuse_unknown(request, {"dry_run"})
    work = _foresee_group if _dry(request) else _replay_group
    return await run_in_threadpool(work, Parts.of(request), _id(request), request)


async def dead_drop(request: Request) -> Response:
    """Throw a dead letter away."""
    dropped = await run_in_threadpool(_desk(Parts.of(request)).drop, _id(request), _who(request))
    return JsonResponse({"dropped": True}) if dropped else _no_letter(request)


def _listed(dead: KeepsDeadLetters, limit: int, group: str) -> dict[str, Any]:
    if not group:
        return {"dead": dead.rows(limit), "total": dead.count()}
    found = sorted(members(dead, group), key=lambda one: (-one.time_us, one.id))
    return {"dead": [one.row() for one in found[:limit]], "total": len(found)}


def _status(parts: Parts) -> dict[str, Any]:
    return {**parts.status(), "parse_health": parts.parse_health()}


def _metrics(parts: Parts) -> bytes:
    return telemetry.page(parts.status(), parts.sums(), parts.source_sums())


def _code(status: Mapping[str, Any]) -> int:
    return 200 if status.get("status") in {"ok", "degraded"} else 503


def _replay(parts: Parts, identity: str, request: Request) -> Response:
    done = _desk(parts).replay(identity, _who(request))
    return _no_letter(request) if done is None else JsonResponse(done.to_json())


def _foresee(parts: Parts, identity: str, request: Request) -> Response:
    letter = parts.dead.get(identity)
    return _no_letter(request) if letter is None else JsonResponse(_rehearsal(parts).of(identity, letter).to_json())


def _replay_group(parts: Parts, name: str, request: Request) -> Response:
    before = sum(one.count for one in groups(parts.dead) if one.name == name)
    done = _desk(parts).replay_group(name, MAX_LISTED, _who(request))
    refused = [one for one in done if one.error]
    replayed = len(done) - len(refused)
    told = {"replayed": replayed, "dead": sum(bool(one.dead) for one in done), "refused": len(refused), "left": max(before - replayed, 0)}
    return JsonResponse({**told, "reasons": list(dict.fromkeys(one.outcome for one in done if one.error or one.dead))[:SHOWN_REASONS]})


def _foresee_group(parts: Parts, name: str, request: Request) -> Response:
    del request
    rehearsal = _rehearsal(parts)
    return JsonResponse({"dry_run": [rehearsal.of(one.id, one.letter()).to_json() for one in islice(members(parts.dead, name), MAX_REHEARSED)]})


def _who(request: Request) -> Who:
    """Whom a client says it acts for, and where it is: the record of replays names both."""
    user = request.headers.get(USER, "")[:MAX_USER]
    return Who(user if user.isprintable() else "", f"gateway {request.client.host}" if request.client else "gateway")


def _dry(request: Request) -> bool:
    told = request.query_params.get("dry_run", "false")
    if told not in {"true", "false"}:
        raise RequestError(f"must be true or false, not {told[:100]!r}", clause="dry_run")
    return told == "true"


def _desk(parts: Parts) -> Desk:
    if parts.desk is None:
        raise RequestError("nothing is replayed here")
    return parts.desk


def _rehearsal(parts: Parts) -> Rehearsal:
    if parts.rehearsal is None:
        raise RequestError("nothing is replayed here")
    return parts.rehearsal()


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _no_letter(request: Request) -> Response:
    return refused(404, "resource_not_found_exception", f"no such dead letter: {_id(request)[:100]}")
