"""Webhook: the alert as JSON by HTTP POST (ElastAlert's ``post``).

A rule's URL is not trusted with the network that Tailrace stands in: https only, the name is resolved once and the connection goes to that address, private, loopback, link-local and
metadata addresses are refused unless the host is in ``webhook_allow`` (which also allows http to it), redirects are not followed, 5 s, 64 kB of answer.
"""

import ipaddress
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import orjson
import urllib3

from alerts.message import field_of
from alerts.state import Notice
from tailrace.errors import PermanentError, TransientError

TIMEOUT_S: Final = 5.0
MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_TIMEOUT_S: Final = 30.0

Resolve = Callable[[str, int], Sequence[str]]


def resolve_host(host: str, port: int) -> Sequence[str]:
    """Answer the addresses of a host, as the system resolves it."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class WebhookChannel:
    """Posts to the URLs that a rule names; ``allowed`` are hosts that may be private."""

    def __init__(self, allowed: frozenset[str], resolve: Resolve = resolve_host) -> None:
        self._allowed, self._resolve = allowed, resolve

    def send(self, notice: Notice) -> None:
        """Post to every URL of the rule; a failure of one is a failure of the message."""
        urls = notice.options["http_post_url"]
        payload = orjson.dumps(payload_of(notice), default=str)
        for url in urls if isinstance(urls, list) else [urls]:
            self._post(str(url), payload, notice)

    def _post(self, url: str, payload: bytes, notice: Notice) -> None:
        parts = _checked(url, self._allowed)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = self._address(str(parts.hostname), port)
        headers = {"Content-Type": "application/json", "User-Agent": "tailrace", "Idempotency-Key": notice.id, "Host": parts.netloc.rpartition("@")[2]}
        headers |= {str(name): str(value) for name, value in notice.options.get("http_post_headers", {}).items()}
        timeout = min(float(notice.options.get("http_post_timeout", TIMEOUT_S)), MAX_TIMEOUT_S)
        pool = _pool(parts, address, port, timeout)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            answer = pool.urlopen("POST", path, body=payload, headers=headers, redirect=False, retries=False, preload_content=False, timeout=timeout)
            answer.read(MAX_ANSWER_BYTES)
            status = answer.status
        except urllib3.exceptions.HTTPError as error:
            raise TransientError(f"webhook {parts.hostname}: {error}") from error
        finally:
            pool.close()
        _judge(str(parts.hostname), status)

    def _address(self, host: str, port: int) -> str:
        try:
            addresses = self._resolve(host, port)
        except OSError as error:
            raise TransientError(f"webhook {host}: cannot be resolved: {error}") from error
        if host not in self._allowed:
            for address in addresses:
                if not _is_public(address):
                    raise PermanentError(f"webhook {host}: {address} is a private address; put the host into webhook_allow to reach it")
        if not addresses:
            raise TransientError(f"webhook {host}: has no address")
        return addresses[0]


def payload_of(notice: Notice) -> dict[str, Any]:
    """Answer what is posted: the fields of ``http_post_payload`` or the whole document, the static ones, and ours below ``tailrace``."""
    chosen: Mapping[str, Any] = notice.options.get("http_post_payload") or {}
    picked = {key: field_of(notice.document, str(name)) for key, name in chosen.items()}
    fields = picked if chosen and not notice.options.get("http_post_all_values") else {**notice.document, **picked}
    own = {"id": notice.id, "alert": notice.alert, "rule": notice.rule, "kind": notice.kind, "subject": notice.subject, "text": notice.body}
    return {**fields, **notice.options.get("http_post_static_payload", {}), "tailrace": own}


def _checked(url: str, allowed: frozenset[str]) -> SplitResult:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise PermanentError(f"webhook: not a URL: {error}") from error
    if not host or parts.scheme not in {"http", "https"}:
        raise PermanentError("webhook: a URL begins with https://")
    if parts.scheme == "http" and host not in allowed:
        raise PermanentError(f"webhook {host}: http is only taken for hosts in webhook_allow")
    return parts


def _pool(parts: SplitResult, address: str, port: int, timeout: float) -> urllib3.HTTPConnectionPool:
    if parts.scheme == "http":
        return urllib3.HTTPConnectionPool(address, port, timeout=timeout, maxsize=1)
    return urllib3.HTTPSConnectionPool(address, port, timeout=timeout, maxsize=1, server_hostname=parts.hostname, assert_hostname=parts.hostname)


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_global and not found.is_multicast


def _judge(host: str, status: int) -> None:
    if 200 <= status < 300:
        return
    if status in {408, 425, 429} or status >= 500:
        raise TransientError(f"webhook {host}: answered {status}")
    raise PermanentError(f"webhook {host}: answered {status}")
