"""Requests reach OpenSearch signed, by TLS, and compressed, as the settings ask."""

import json
import ssl
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from opensearchpy.exceptions import AuthorizationException, OpenSearchException, SSLError

from firehose import LocalFirehose
from tailrace import aws
from tailrace.clock import SystemClock
from tailrace.errors import SettingError
from tailrace.opensearch_connection import service_of
from tailrace.settings import Settings
from tests.collectors.sources.doors import certificate
from tests.firehose.deliveries import events, everything_delivered, quick
from tests.serving import QuietHandler, serving
from tests.tailrace.signed_opensearch import KEY, REGION, SECRET, signed_opensearch


@pytest.fixture
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.mark.parametrize(
    ("address", "service"),
    [
        ("https://search-shop-abc.eu-central-1.es.amazonaws.com", "es"),
        ("https://vpc-shop-abc.cn-north-1.es.amazonaws.com.cn/", "es"),
        ("https://search-shop-abc.aos.eu-central-1.on.aws", "es"),
        ("https://07tjusf2h91cunochc.us-east-1.aoss.amazonaws.com:443", "aoss"),
        ("https://07tjusf2h91cunochc.aoss.us-east-1.on.aws", "aoss"),
        ("https://amazonaws.com.example.org", "none"),
        ("http://127.0.0.1:9200", "none"),
    ],
)
def test_the_address_tells_what_is_signed_for(address: str, service: str) -> None:
    assert service_of(Settings(opensearch_url=address)) == service


def test_a_domain_behind_a_name_of_ones_own_is_said() -> None:
    assert service_of(Settings(opensearch_url="https://search.example.org", opensearch_service="es")) == "es"
    assert service_of(Settings(opensearch_url="https://x.us-east-1.es.amazonaws.com", opensearch_service="none")) == "none"
    with pytest.raises(SettingError, match="did you mean 'aoss'"):
        service_of(Settings(opensearch_url="https://x", opensearch_service="aos"))


@pytest.mark.usefixtures("_credentials")
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("service", ["es", "aoss"])
def test_every_request_of_the_sink_bears_a_signature_that_can_be_made_anew_from_it(tmp_path: Path, service: str, *, compress: bool) -> None:
    with signed_opensearch(service) as (url, signed):
        settings = quick(tmp_path, opensearch_url=url, opensearch_service=service, opensearch_compress=compress, region=REGION)
        with LocalFirehose(settings, SystemClock()) as stream:
            stream.put(events(0, 500))
            assert everything_delivered(stream)
    assert signed.refused == []
    bodies = [(meant, sent) for _, path, meant, sent in signed.requests if path.startswith("/_bulk?filter_path=errors%2Citems")]
    assert sorted(json.loads(line)["event_id"] for meant, _ in bodies for line in meant.splitlines()[1::2]) == sorted(f"e-{n}" for n in range(500))
    assert all(sent * 4 < len(meant) if compress else sent == len(meant) for meant, sent in bodies)


@pytest.mark.usefixtures("_credentials")
def test_one_that_is_signed_for_the_wrong_service_is_refused() -> None:
    with signed_opensearch("aoss") as (url, signed):
        client = aws.opensearch(Settings(opensearch_url=url, opensearch_service="es", region=REGION))
        with pytest.raises(AuthorizationException):
            client.transport.perform_request("GET", "/_count")
    assert signed.refused[0].endswith("/es/aws4_request")


def test_without_credentials_it_says_so_and_sends_nothing() -> None:
    with pytest.raises(SettingError, match="there are no AWS credentials"):
        aws.opensearch(Settings(opensearch_url="https://x.us-east-1.es.amazonaws.com"))


class _WithTls(QuietHandler):
    def do_GET(self) -> None:
        subject = dict(part[0] for part in self.connection.getpeercert()["subject"])
        data = json.dumps({"client": subject["commonName"], "authorization": self.headers.get("authorization")}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def test_by_tls_the_authority_is_ones_own_and_the_client_shows_its_certificate(tmp_path: Path) -> None:
    public, private = certificate(tmp_path)
    own, own_key = certificate(tmp_path, "tailrace")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    context.load_verify_locations(own)
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(_WithTls, context) as url:
        basic = Settings(opensearch_url=url, opensearch_user="ann", opensearch_password="secret", opensearch_authority=str(public))
        shown = replace(basic, opensearch_certificate=str(own), opensearch_key=str(own_key))
        answer = aws.opensearch(shown).transport.perform_request("GET", "/")
        with pytest.raises(OpenSearchException):
            aws.opensearch(basic).transport.perform_request("GET", "/")
        with pytest.raises(SSLError):
            aws.opensearch(replace(shown, opensearch_authority="")).transport.perform_request("GET", "/")
    assert answer == {"client": "tailrace", "authorization": f"Basic {b64encode(b'ann:secret').decode()}"}
