"""What the five services have in common: a Flask application with tracing, a log line for each request, and exceptions logged with their stack."""

import random
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests
from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from sandbox.incidents import Watch
from sandbox.shop import tracing
from sandbox.shop.journal import Journal
from sandbox.shop.place import Place

USER_HEADER: Final = "X-Shop-User"
REQUEST_HEADER: Final = "X-Request-Id"
CALL_TIMEOUT_S: Final = 5.0


@dataclass(slots=True)
class World:
    """What a service has around it."""

    place: Place
    journal: Journal
    incidents: Watch
    random: random.Random
    sleep: Callable[[float], None] = time.sleep

    def work(self, typical_ms: float) -> None:
        """Take about so long, now and then four times as long."""
        factor = 4.0 if self.random.random() < 0.02 else self.random.uniform(0.5, 1.6)
        self.sleep(typical_ms * factor / 1_000)

    def log(self, level: str, message: str, **fields: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Log an event of the request that this thread serves."""
        if self.journal.service == "cart" and self.incidents.is_on("silent_cart"):
            return
        line = self.journal.line(level, message, {**request_fields(), **fields})
        self.journal.write(broken(line) if self.journal.service == "mail" and self.incidents.is_on("broken_mail_format") else line)

    def call(self, service: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> requests.Response:
        """Call another service for the same user and request; its trace goes on there."""
        headers = {USER_HEADER: g.get("user", ""), REQUEST_HEADER: g.get("request_id", "")}
        url = self.place.url(service) + path
        return requests.request(method, url, json=body, headers=headers, timeout=CALL_TIMEOUT_S)


def make_app(world: World) -> Flask:
    """Make the application of a service, without routes yet."""
    app = Flask(world.journal.service)
    app.logger.disabled = True
    tracing.trace(app)
    app.before_request(_begin)
    app.after_request(lambda response: _log_request(world, response))
    app.register_error_handler(Exception, lambda error: _log_exception(world, error))
    app.add_url_rule("/healthz", "healthz", lambda: "ok")
    return app


def request_fields() -> dict[str, Any]:
    """Answer what every line of a request carries."""
    ids = tracing.current()
    return {
        "request_id": g.get("request_id", ""),
        **({"trace_id": ids.trace_id, "span_id": ids.span_id} if ids.trace_id else {}),
        **({"user": {"id": g.user, "tier": tier_of(g.user)}} if g.get("user") else {}),
    }


def tier_of(user: str) -> str:
    """Answer what kind of customer a user is.

    >>> tier_of("u-007"), tier_of("u-020")
    ('standard', 'gold')
    """
    return "gold" if user.endswith("0") else "standard"


def broken(line: str) -> str:
    """Break a JSON line as the incident does: the comma after the level is gone.

    >>> broken('{"timestamp":"t","level":"INFO","service":"mail"}')
    '{"timestamp":"t","level":"INFO" "service":"mail"}'
    """
    return line.replace('","service"', '" "service"', 1)


def _begin() -> None:
    g.began_s = time.perf_counter()
    g.user = request.headers.get(USER_HEADER, "")
    g.request_id = request.headers.get(REQUEST_HEADER, "")
    if g.user:
        tracing.set_user(g.user)
        tracing.annotate(tier=tier_of(g.user))


def _log_request(world: World, response: Response) -> Response:
    if request.path == "/healthz":
        return response
    duration_ms = round((time.perf_counter() - g.began_s) * 1_000, 1)
    level = "INFO" if response.status_code < 400 else "WARN" if response.status_code < 500 else "ERROR"
    world.log(
        level,
        f"{request.method} {request.path} answered {response.status_code} in {duration_ms:.0f} ms",
        http={"request": {"method": request.method}, "response": {"status_code": response.status_code}},
        url={"path": request.path},
        duration_ms=duration_ms,
    )
    return response


def _log_exception(world: World, error: Exception) -> tuple[Response, int]:
    if isinstance(error, HTTPException):
        return jsonify(error=error.description), error.code or 500
    tracing.add_exception(error)
    stack = "".join(traceback.format_exception(error))
    world.log("ERROR", f"{type(error).__name__}: {error}", exception={"type": type(error).__name__, "message": str(error), "stacktrace": stack})
    return jsonify(error=str(error)), 500
