"""Who may come in: on a loopback address everybody on this machine, elsewhere only who knows the token, or has a certificate of the authority that TLS asks for.

Firehose brings an access key of its own instead.

A browser on this machine is kept out of the loopback door too, when a foreign page drives it: the ``Host`` header must name this server (DNS rebinding), and what
writes must not be one of the three content types that a page may send without asking (https://fetch.spec.whatwg.org/#cors-safelisted-request-header). With TLS any name will do: the certificate has
to bear the one that the browser asks for.
"""

import base64
import binascii
import hmac
import ipaddress
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.answers import ACCESS_KEY, FIREHOSE_PATH, LIVE_PATH, READY_PATH, REQUEST_ID, firehose_answer, refused
from tailrace.errors import SettingError

_SIMPLE_TYPES: Final = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
_OPEN_PATHS: Final = frozenset({LIVE_PATH, READY_PATH})
"""Paths that ask for no token, because supervisors and load balancers can bring none; they tell one word."""

_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def check_binding(host: str, token: str, *, certificates: bool = False) -> None:
    """Refuse to listen beyond this machine where neither a token nor ``certificates`` of clients are asked for; TLS alone keeps nobody out."""
    if not is_loopback(host) and not token and not certificates:
        raise SettingError(f"gateway_host = {host!r} is reachable from outside: set gateway_token or gateway_tls_authority first, or bind 127.0.0.1")


def is_loopback(host: str) -> bool:
    """Whether an address is only reachable from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Access:
    """The middleware that asks for the token, or checks the ``Host`` header where there is none.

    On the path of Firehose (https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html) it is the access key that is asked for, or the token where there is no key.
    """

    def __init__(self, app: ASGIApp, token: str, firehose_key: str = "") -> None:
        self._app, self._token, self._firehose_key = app, token, firehose_key or token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or answer 401 or 403."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        is_firehose = scope["path"] == FIREHOSE_PATH
        if self._token and scope["path"] in _OPEN_PATHS:
            problem = None
        elif is_firehose and self._firehose_key:
            problem = self._with_key(headers)
        else:
            problem = self._with_token(headers) if self._token else _without_token(headers, scope["method"], scope["scheme"])
        if problem is None:
            await self._app(scope, receive, send)
            return
        status, reason = problem
        answer = firehose_answer(status, headers.get(REQUEST_ID.lower(), ""), reason) if is_firehose else refused(status, "security_exception", reason)
        await answer(scope, receive, send)

    def _with_key(self, headers: dict[str, str]) -> tuple[int, str] | None:
        given = headers.get(ACCESS_KEY.lower(), "")
        return None if hmac.compare_digest(given.encode(), self._firehose_key.encode()) else (401, f"missing or wrong {ACCESS_KEY}")

    def _with_token(self, headers: dict[str, str]) -> tuple[int, str] | None:
        given = _given(headers.get("authorization", ""))
        return None if hmac.compare_digest(given, self._token.encode()) else (401, "missing or wrong token: Authorization: Bearer <gateway_token>")


def _given(authorization: str) -> bytes:
    """Answer the token that a client brings: as such, or as the password of whatever user, for clients that know no other way."""
    kind, _, rest = authorization.partition(" ")
    if kind.lower() != "basic":
        return authorization.removeprefix("Bearer ").encode()
    try:
        return base64.b64decode(rest, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


def _without_token(headers: dict[str, str], method: str, scheme: str) -> tuple[int, str] | None:
    name = headers.get("host", "").rsplit(":", 1)[0] if not headers.get("host", "").endswith("]") else headers["host"]
    if name not in _LOCAL_NAMES and scheme != "https":
        return 403, f"the Host header names another server: {name!r}"
    content_type = headers.get("content-type", "").split(";")[0].strip().lower()
    if method != "GET" and content_type in _SIMPLE_TYPES:
        return 403, f"content type {content_type!r} is not taken: use application/json or application/x-ndjson"
    return None
