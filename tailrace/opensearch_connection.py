"""How requests reach OpenSearch: signed for a service of AWS, by TLS with a certificate of one's own, with their bodies compressed.

A domain of Amazon OpenSearch Service is signed for as ``es``, a collection of OpenSearch Serverless as ``aoss``
(https://docs.aws.amazon.com/opensearch-service/latest/developerguide/request-signing.html). The signature covers the bytes that are sent: a body is compressed first.
"""

from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from isal import igzip
from opensearchpy import Urllib3HttpConnection

from tailrace.errors import SettingError, nearest

if TYPE_CHECKING:
    from tailrace.settings import Settings

Service = Literal["es", "aoss", "none"]
SERVICES: Final[dict[str, Service]] = {"es": "es", "aoss": "aoss", "none": "none"}
GZIP_LEVEL: Final = 1
"""Of ISA-L's 0 to 3: bodies of application logs become a twelfth, smaller than by zlib's level 1, in a ninth of its time (``benchmarks/opensearch_bodies.py``)."""

_ENDINGS: Final[dict[str, Service]] = {".aoss.amazonaws.com": "aoss", ".es.amazonaws.com": "es", ".amazonaws.com": "es", ".amazonaws.com.cn": "es"}
_DUAL_STACK: Final[dict[str, Service]] = {".aoss.": "aoss", ".aos.": "es"}
"""Between the name and the Region of addresses that end in ``.on.aws``."""


class Connection(Urllib3HttpConnection):
    """opensearch-py's own, which compresses bodies with ISA-L: the gzip module at level 9, which it takes by default, is sixty times as slow."""

    def _gzip_compress(self, body: Any) -> bytes:  # noqa: ANN401 - opensearch-py's own: bytes or a text
        return igzip.compress(body if isinstance(body, bytes) else str(body).encode(), GZIP_LEVEL)


def is_serverless(settings: "Settings") -> bool:
    """Answer whether it is OpenSearch Serverless, which does not refresh when it is told to, and has shards and replicas of its own."""
    return service_of(settings) == "aoss"


def service_of(settings: "Settings") -> Service:
    """Answer what requests are signed for; raises :class:`SettingError` where the setting ``opensearch_service`` is none of the services."""
    if settings.opensearch_service:
        if settings.opensearch_service not in SERVICES:
            raise SettingError(f"opensearch_service = {settings.opensearch_service!r}: es, aoss or none{nearest(settings.opensearch_service, SERVICES)}")
        return SERVICES[settings.opensearch_service]
    host = urlsplit(settings.opensearch_url).hostname or ""
    if host.endswith(".on.aws"):
        return next((service for part, service in _DUAL_STACK.items() if part in host), "none")
    return next((service for ending, service in _ENDINGS.items() if host.endswith(ending)), "none")


def tls_of(settings: "Settings") -> dict[str, Any]:
    """Answer the options of TLS: whom we trust, and who we are."""
    given = {
        "ca_certs": settings.opensearch_authority,
        "client_cert": settings.opensearch_certificate,
        "client_key": settings.opensearch_key,
    }
    return {name: value for name, value in given.items() if value}
