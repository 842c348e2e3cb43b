"""Fixtures of the real servers, one of each for a whole run, started when a test first asks.

Where one cannot run here the test is skipped and says what is missing; with ``CI=true`` that is a failure. An address in ``TAILRACE_TEST_OPENSEARCH_URL``, ``TAILRACE_TEST_S3_URL`` or
``TAILRACE_TEST_TRINO_URL`` names a server that runs already, which saves the start while one develops.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from sandbox.checks import free_port, free_ports
from sandbox.servers.opensearch import start_opensearch
from sandbox.servers.running import RunningServer, ServerName, missing
from sandbox.servers.s3 import ACCESS_KEY, PORTS, SECRET_KEY, start_s3
from sandbox.servers.trino import start_trino
from tailrace.settings import environment

BUCKET = "lake"
_ENVIRONMENT = dict(environment())


@dataclass(frozen=True, slots=True)
class S3Server:
    """Where it is, its keys, and a bucket that exists."""

    url: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    bucket: str = BUCKET


def _given(name: ServerName) -> str:
    return _ENVIRONMENT.get(f"TAILRACE_TEST_{name.upper()}_URL", "")


def or_skip(name: ServerName) -> None:
    """Go on where a server can run here; for tests that run one of their own, as those do that kill it."""
    lacking = missing(name)
    if lacking:
        (pytest.fail if _ENVIRONMENT.get("CI") == "true" else pytest.skip)(lacking)


def _run(name: ServerName, begin: Callable[[], RunningServer]) -> Iterator[str]:
    if _given(name):
        yield _given(name)
        return
    or_skip(name)
    with begin() as server:
        yield server.url


@pytest.fixture(scope="session")
def opensearch_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real OpenSearch node."""
    folder: Path = tmp_path_factory.mktemp("opensearch")
    yield from _run("opensearch", lambda: start_opensearch(folder, free_port()))


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server with the bucket ``lake``."""
    folder: Path = tmp_path_factory.mktemp("s3")
    for url in _run("s3", lambda: start_s3(folder, free_ports(PORTS))):
        _make_bucket(url)
        yield S3Server(url)


@pytest.fixture(scope="session")
def trino_url(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Iterator[str]:
    """The address of a real Trino node whose catalog ``lake`` lies on the S3 server."""
    folder: Path = tmp_path_factory.mktemp("trino")
    yield from _run("trino", lambda: start_trino(folder, free_port(), s3_server.url, s3_server.bucket))


def _make_bucket(url: str) -> None:
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)
    if BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET)
