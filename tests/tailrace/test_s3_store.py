"""What goes to S3 with an object: how it shall be encrypted, and in how many parts; and that nothing half is left."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config

from sandbox.servers.pytest_plugin import S3Server
from tailrace import aws
from tailrace.errors import SettingError, TransientError
from tailrace.settings import Settings
from tailrace.stores import open_store
from tailrace.stores.s3 import PIECE_BYTES, S3Store, encryption_of
from tests.contracts.test_object_store import s3_client
from tests.faults.proxy import Proxy, proxy_before

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
SSE = "x-amz-server-side-encryption"
LARGE = os.urandom(1024) * 11_000
"""Three parts of the smallest size that S3 takes."""
PIECES: dict[str, Any] = {"multipart_bytes": 6 * 1024 * 1024, "piece_bytes": 5 * 1024 * 1024}


@pytest.fixture
def proxy(moto: Settings) -> Iterator[Proxy]:
    with proxy_before(moto.aws_endpoint_url) as found:
        yield found


def asked(proxy: Proxy) -> list[tuple[str, dict[str, str]]]:
    """What was asked of S3, in words, with the headers of encryption."""
    found = []
    for method, path, headers in proxy.seen:
        query = parse_qs(urlsplit(path).query, keep_blank_values=True)
        what = "create" if "uploads" in query else "part" if "partNumber" in query else "complete" if method == "POST" else method.lower()
        found.append((what, {name: value for name, value in headers.items() if name.startswith(SSE)}))
    return found


def test_every_object_is_encrypted_as_the_settings_say(moto: Settings, proxy: Proxy) -> None:
    aws.client("s3", moto).create_bucket(Bucket="encrypted")
    store = open_store(replace(moto, s3_endpoint_url=proxy.url, lake="s3://encrypted/lake", s3_encryption="aws:kms", s3_kms_key=KEY))
    store.put("a", b"1")
    assert store.put_if("b", b"1", None)
    found = store.get_tagged("b")
    assert found is not None
    assert store.put_if("b", b"2", found.tag)
    store.put("large", LARGE * 3)
    told = {SSE: "aws:kms", f"{SSE}-aws-kms-key-id": KEY, f"{SSE}-bucket-key-enabled": "true"}
    writes = [one for one in asked(proxy) if one[0] != "get"]
    assert writes == [("put", told), ("put", told), ("put", told), ("create", told), ("part", {}), ("part", {}), ("part", {}), ("complete", {})]
    heads = [aws.client("s3", moto).head_object(Bucket="encrypted", Key=f"lake/{key}") for key in ("a", "b", "large")]
    assert {(head["ServerSideEncryption"], head["SSEKMSKeyId"]) for head in heads} == {("aws:kms", KEY)}


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, {}),
        ({"s3_encryption": "AES256"}, {"ServerSideEncryption": "AES256"}),
        ({"s3_encryption": "aws:kms"}, {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": True}),
        ({"s3_encryption": "aws:kms", "s3_bucket_key": False}, {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": False}),
        ({"s3_encryption": "aws:kms:dsse", "s3_kms_key": KEY}, {"ServerSideEncryption": "aws:kms:dsse", "SSEKMSKeyId": KEY}),
    ],
)
def test_the_settings_make_the_options(given: dict[str, Any], options: dict[str, Any]) -> None:
    assert encryption_of(Settings(**given)) == options


@pytest.mark.parametrize("given", [{"s3_encryption": "aws:kmss"}, {"s3_encryption": "AES256", "s3_kms_key": KEY}])
def test_an_encryption_that_s3_does_not_have_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="aws:kms"):
        encryption_of(Settings(**given))


def impatient(url: str) -> "S3Client":
    """A client that tries once."""
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, read_timeout=20)
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test", config=config)


@pytest.mark.parametrize("harm", ["500", "reset", "denied", "late"])
@pytest.mark.parametrize("at", [0, 1, 3, 4])
def test_an_upload_that_fails_anywhere_leaves_the_old_object_and_no_parts(moto: Settings, proxy: Proxy, harm: str, at: int) -> None:
    straight, bucket = aws.client("s3", moto), f"fails-{harm}-{at}"
    straight.create_bucket(Bucket=bucket)
    straight.put_object(Bucket=bucket, Key="x", Body=b"old")
    proxy.harms.extend([""] * at + [harm])
    store = S3Store(impatient(proxy.url), bucket, **PIECES)
    done_unheard = (harm, at) == ("late", 4)
    with pytest.raises(TransientError):
        store.put("x", LARGE)
    proxy.harms.clear()
    left = straight.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    assert len(left) == ((harm, at) == ("late", 0)), "only one that was made and not told of cannot be thrown away"
    assert store.get("x") == (LARGE if done_unheard else b"old")
    store.put("x", LARGE)
    assert store.get("x") == LARGE


@pytest.mark.s3
def test_a_real_server_takes_an_object_in_parts(s3_server: S3Server) -> None:
    client = s3_client(s3_server)
    store, large = S3Store(client, s3_server.bucket, "parts"), LARGE * 3
    store.put("large", large)
    assert store.get("large") == large
    assert client.head_object(Bucket=s3_server.bucket, Key="parts/large")["ETag"].rstrip('"').endswith(f"-{-(-len(large) // PIECE_BYTES)}")
