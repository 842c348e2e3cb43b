"""The objects below a prefix of a bucket, in the order of their keys (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from collectors.envelopes.s3_event import S3Object
from collectors.sources.s3_clients import Clients
from collectors.sources.s3_keys import may_hold
from tailrace.clock import from_datetime
from tailrace.errors import UsageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SCHEME: Final = "s3://"


@dataclass(frozen=True, slots=True)
class Found:
    """An object, with its size and ETag, and when it was last written."""

    place: S3Object
    modified_us: int


class ListsObjects(Protocol):
    """The one call of S3 that listing takes."""

    def page(self, bucket: str, prefix: str, token: str = "") -> tuple[Sequence[Found], str]:
        """Answer up to a thousand objects, and the token of the next page (empty: there is none). Raises :class:`tailrace.errors.DeliveryError`."""
        ...


@dataclass(frozen=True, slots=True)
class Boto3Listing:
    """The call through boto3."""

    clients: Clients
    page_size: int = 1_000

    def page(self, bucket: str, prefix: str, token: str = "") -> tuple[Sequence[Found], str]:
        """Ask for a page."""
        return self.clients.asked(S3Object(bucket, prefix), partial(_page, token=token, size=self.page_size))


def _page(client: "S3Client", place: S3Object, token: str, size: int) -> tuple[Sequence[Found], str]:
    more: dict[str, Any] = {"ContinuationToken": token} if token else {}
    answer = client.list_objects_v2(Bucket=place.bucket, Prefix=place.key, MaxKeys=size, **more)
    found = [
        Found(replace(place, key=one["Key"], size=one["Size"], etag=one.get("ETag", "").strip('"')), from_datetime(one["LastModified"]))
        for one in answer.get("Contents", [])
    ]
    return found, answer.get("NextContinuationToken", "")


def bucket_and_prefix(url: str) -> tuple[str, str]:
    """Take an address apart.

    >>> bucket_and_prefix("s3://logs/AWSLogs/")
    ('logs', 'AWSLogs/')
    """
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    if not url.startswith(SCHEME) or not bucket:
        raise UsageError(f"{url}: no bucket is named, as in s3://bucket/prefix")
    return bucket, prefix


def listed(port: ListsObjects, url: str, from_us: int = 0, to_us: int = 1 << 62) -> Iterator[tuple[Found, bool]]:
    """List the objects whose keys begin as an address does, the one of just that key where there is one; and whether each may hold lines of [from, to).

    Raises :class:`tailrace.errors.DeliveryError`.
    """
    bucket, prefix = bucket_and_prefix(url)
    token: str | None = ""
    while token is not None:
        page, following = port.page(bucket, prefix, token)
        for found in page:
            yield found, may_hold(found.place.key, found.modified_us, from_us, to_us)
            if found.place.key == prefix and not prefix.endswith("/"):
                return
        token = following or None
