"""Speaking to the gateway, by whoever of ours needs its write path: commands, dashboard, supervisor. Addresses, token, authority and certificate are those of the settings."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
import urllib3

from tailrace.errors import TransientError
from tailrace.settings import Settings
from tailrace.tls import client_context

TIMEOUT_S: Final = 10.0
CHECK_TIMEOUT_S: Final = 1.0
BAD_REQUEST: Final = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """What a gateway answered: the status of HTTP, the body, and for how many seconds it asks to be left alone (``Retry-After``; 0: it does not)."""

    status: int
    body: bytes
    retry_after_s: float = 0.0

    def json(self) -> Any:  # noqa: ANN401 - whatever JSON can hold
        """Answer the body as JSON; ``None`` where it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    @property
    def reason(self) -> str:
        """Why a request was refused, in the words of the answer, few of them where it is none of a gateway's."""
        told = self.json()
        if told is None:
            return self.body[:100].decode("utf-8", "replace")
        error = told.get("error", "") if isinstance(told, dict) else ""
        return str(error.get("reason", "") if isinstance(error, dict) else error)[:300]


class GatewayClient:
    """Asks the gateway of the settings; ``user`` is whom the client acts for. May be shared by threads. Raises :class:`tailrace.errors.SettingError` for files of TLS that cannot be used."""

    def __init__(self, settings: Settings, user: str = "") -> None:
        self.url = settings.gateway_url
        token = {"Authorization": f"Bearer {settings.gateway_token}"} if settings.gateway_token else {}
        self._headers = {**token, **({"X-Tailrace-User": user} if user else {})}
        self._pool = urllib3.PoolManager(retries=False, ssl_context=gateway_context(settings, self.url))

    def ask(self, method: str, path: str, *, body: bytes | None = None, content_type: str = "application/json", timeout_s: float = TIMEOUT_S) -> Answer:
        """Answer what the gateway answers, whatever the status; raises :class:`TransientError` where it does not."""
        headers = {**self._headers, **({"Content-Type": content_type} if body is not None else {})}
        try:
            answer = self._pool.request(method, f"{self.url}{path}", body=body, headers=headers, timeout=timeout_s, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise TransientError(f"the gateway at {self.url} does not answer{_why(error)}") from error
        return answer_of(answer)


def answer_of(response: urllib3.BaseHTTPResponse) -> Answer:
    """Read what a gateway answered; a ``Retry-After`` that is a date depends on clocks, and is not read."""
    seconds = response.headers.get("retry-after", "")
    return Answer(response.status, response.data, float(seconds) if seconds.isascii() and seconds.isdecimal() else 0.0)


def gateway_ok(settings: Settings, path: str) -> Callable[[], bool]:
    """Answer a check: the gateway answers ``GET path`` within a second, with a status below 400."""
    client = GatewayClient(settings)

    def check() -> bool:
        try:
            return client.ask("GET", path, timeout_s=CHECK_TIMEOUT_S).status < BAD_REQUEST
        except TransientError:
            return False

    return check


def gateway_context(settings: Settings, url: str) -> ssl.SSLContext | None:
    """Make the TLS of a client of a gateway, also of another Tailrace's; ``None`` where its address is not one of https."""
    if not url.startswith("https:"):
        return None
    return client_context("gateway_client", settings.gateway_client_authority, settings.gateway_client_certificate, settings.gateway_client_key)


def _why(error: urllib3.exceptions.HTTPError) -> str:
    """Say what is wrong with TLS, which no waiting mends; other reasons are said by the address."""
    if not isinstance(error, urllib3.exceptions.SSLError):
        return ""
    text = str(error)
    if "CERTIFICATE_REQUIRED" in text:
        return ": it asks for a certificate (gateway_client_certificate)"
    return f": {text} (gateway_client_authority names the authority, gateway_address the name in its certificate)"
