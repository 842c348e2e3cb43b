"""Objects in a bucket on S3, or on a server that speaks its protocol.

A PUT is atomic there. Conditional PUTs name an ETag (``If-Match``) or that there is none (``If-None-Match: *``):
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html. A large object goes in parts and appears when the last one is there; where one fails, what was sent is thrown away:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html. Encryption at rest is asked for with every object:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-kms-encryption.html.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.errors import SettingError, TransientError, nearest
from tailrace.settings import Settings
from tailrace.stores.port import ObjectInfo, TaggedObject, checked_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING: Final = frozenset({"NoSuchKey", "404", "NotFound"})
_CHANGED: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409", "NoSuchKey", "404"})
"""What a conditional PUT that loses is answered with; NoSuchKey where the object to match is gone."""


MULTIPART_BYTES: Final = 32 * 1024 * 1024
"""Bytes from which an object goes in parts; S3 takes up to 5 GiB in one PUT."""

PIECE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a part but the last; S3 takes 5 MiB and more, and 10,000 parts."""

ENCRYPTIONS: Final = ("AES256", "aws:kms", "aws:kms:dsse")


def encryption_of(settings: Settings) -> dict[str, Any]:
    """Answer the options of encryption at rest; none: as the bucket says. Raises :class:`SettingError` where S3 has no such encryption, or it has no key."""
    kind = settings.s3_encryption
    if not kind:
        return {}
    if kind not in ENCRYPTIONS:
        raise SettingError(f"s3_encryption = {kind!r}: {', '.join(ENCRYPTIONS)}{nearest(kind, ENCRYPTIONS)}")
    if kind == "AES256" and settings.s3_kms_key:
        raise SettingError("s3_kms_key is for s3_encryption = aws:kms or aws:kms:dsse")
    key = {"SSEKMSKeyId": settings.s3_kms_key} if settings.s3_kms_key else {}
    return {"ServerSideEncryption": kind, **key, **({"BucketKeyEnabled": settings.s3_bucket_key} if kind == "aws:kms" else {})}


class S3Store:
    """A bucket, or what lies below a prefix in it; ``encryption`` are the options that go with every object that is written."""

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        prefix: str = "",
        *,
        encryption: Mapping[str, Any] = MappingProxyType({}),
        multipart_bytes: int = MULTIPART_BYTES,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        self._client, self._bucket, self._encryption = client, bucket, dict(encryption)
        self._multipart_bytes, self._piece_bytes = multipart_bytes, piece_bytes
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def objects(self, prefix: str) -> Sequence[ObjectInfo]:
        """List the objects directly below a prefix, by key."""
        found = [item for page in self._pages(prefix) for item in page.get("Contents", [])]
        own = (ObjectInfo(item["Key"].removeprefix(self._prefix), item["Size"]) for item in found)
        return sorted((info for info in own if not info.key.endswith("/")), key=lambda info: info.key)

    def folders(self, prefix: str) -> Sequence[str]:
        """List the names of the folders directly below a prefix."""
        found = [item["Prefix"] for page in self._pages(prefix) for item in page.get("CommonPrefixes", [])]
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def get(self, key: str) -> bytes | None:
        """Read an object whole; ``None`` where there is none."""
        found = self.get_tagged(key)
        return None if found is None else found.data

    def get_tagged(self, key: str) -> TaggedObject | None:
        """Read an object and its ETag."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key(key))
            return TaggedObject(answer["Body"].read(), answer["ETag"])
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise self._failed(error) from error
        except BotoCoreError as error:
            raise self._failed(error) from error

    def put(self, key: str, data: bytes) -> None:
        """Write an object whole; a large one in parts."""
        try:
            answer: Any = (
                self._put_pieces(key, data)
                if len(data) >= self._multipart_bytes
                else self._client.put_object(Bucket=self._bucket, Key=self._key(key), Body=data, **self._encryption)
            )
        except (ClientError, BotoCoreError) as error:
            raise self._failed(error) from error
        self._check(key, answer)

    def put_if(self, key: str, data: bytes, tag: str | None) -> bool:
        """Write an object if it still has that ETag (``None``: if there is none); answer whether it was written."""
        condition: dict[str, Any] = {**self._encryption, **({"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag})}
        try:
            answer = self._client.put_object(Bucket=self._bucket, Key=self._key(key), Body=data, **condition)
        except ClientError as error:
            if _code(error) in _CHANGED:
                return False
            raise self._failed(error) from error
        except BotoCoreError as error:
            raise self._failed(error) from error
        self._check(key, answer)
        return True

    def delete(self, key: str) -> None:
        """Delete an object; none there is no error."""
        try:
            self._client.delete_object(Bucket=self._bucket, Key=self._key(key))
        except (ClientError, BotoCoreError) as error:
            raise self._failed(error) from error

    def local_path(self, key: str) -> Path | None:
        """Answer ``None``: no object of a bucket is a file here."""
        del key
        return None

    def _put_pieces(self, key: str, data: bytes) -> Any:  # noqa: ANN401 - boto3's answer
        where: Any = {"Bucket": self._bucket, "Key": self._key(key)}
        upload = {**where, "UploadId": self._client.create_multipart_upload(**where, **self._encryption)["UploadId"]}
        try:
            pieces: list[Any] = []
            for number, start in enumerate(range(0, len(data), self._piece_bytes), 1):
                answer = self._client.upload_part(**upload, PartNumber=number, Body=memoryview(data)[start : start + self._piece_bytes].tobytes())
                pieces.append({"PartNumber": number, "ETag": answer["ETag"]})
            return self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": pieces})
        except BaseException:
            with contextlib.suppress(ClientError, BotoCoreError):
                self._client.abort_multipart_upload(**upload)
            raise

    def _pages(self, prefix: str) -> Iterator[Any]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._key(prefix), Delimiter="/")
        try:
            yield from pages
        except (ClientError, BotoCoreError) as error:
            raise self._failed(error) from error

    def _key(self, key: str) -> str:
        return self._prefix + checked_key(key)

    def _check(self, key: str, answer: Any) -> None:  # noqa: ANN401 - boto3's answer
        """Refuse an answer that does not come from who stored the object: it would name its ETag."""
        if not answer.get("ETag"):
            raise TransientError(f"s3://{self._bucket}/{self._prefix}{key}: answered {answer['ResponseMetadata']['HTTPStatusCode']} without an ETag")

    def _failed(self, error: Exception) -> TransientError:
        return TransientError(f"s3://{self._bucket}/{self._prefix}: {error}")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
