"""An object of S3 as a file: read range by range, so that memory is that of one part, and a connection that breaks costs one part.

Each part is asked for again with longer and longer waits where that may help. All parts but the first name the ETag of the first (``If-Match``), and its version where the bucket
keeps versions: an object that is written anew in the middle is noticed, and never read half and half
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import SystemRandom
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol

from botocore.exceptions import ClientError

from collectors.envelopes.s3_event import S3Object
from collectors.sources.s3_clients import Clients
from collectors.sources.s3_errors import EMPTY_CODES, ChangedError
from tailrace.clock import Clock
from tailrace.errors import DeliveryError, PermanentError, TransientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

PART_BYTES: Final = 8 * 1024 * 1024
"""A request takes S3 some 30 ms before its first byte (https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-guidelines.html): of 8 MiB that is little."""

BLOCK_BYTES: Final = 1024 * 1024
"""What is asked for at least where the reader jumps, as it does in a zip, Parquet or ORC."""

TRIES: Final = 6
FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 8.0

_TOTAL: Final = re.compile(r"bytes \d+-\d+/(\d+)")
_UNVERSIONED: Final = frozenset({"", "null"})
_RANDOM: Final = SystemRandom()


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of an object, the size of the whole, and what tells this content of the key from others: ETag (without quotes) and version (empty: none)."""

    data: bytes
    size: int
    etag: str
    version: str = ""


class GetsRanges(Protocol):
    """The one call of S3 that reading takes."""

    def get(self, place: S3Object, start: int, length: int, etag: str = "") -> Part:
        """Read up to ``length`` bytes from ``start`` on, if the object still has that ETag (empty: whatever it has).

        Raises :class:`TransientError` where it may succeed later, :class:`collectors.sources.s3_errors.ChangedError` (which is one) where the ETag is another, else :class:`PermanentError`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Boto3Ranges:
    """The call through boto3."""

    clients: Clients

    def get(self, place: S3Object, start: int, length: int, etag: str = "") -> Part:
        """Ask for a range."""
        return self.clients.asked(place, partial(_got, start=start, length=length, etag=etag))


def _got(client: "S3Client", place: S3Object, start: int, length: int, etag: str) -> Part:
    more: dict[str, Any] = {"VersionId": place.version} if place.version else {}
    more |= {"IfMatch": f'"{etag}"'} if etag else {}
    try:
        answer = client.get_object(Bucket=place.bucket, Key=place.key, Range=f"bytes={start}-{start + length - 1}", **more)
        data = answer["Body"].read()
    except ClientError as error:
        if not start and error.response.get("Error", {}).get("Code") in EMPTY_CODES:
            return Part(b"", 0, etag)
        raise
    return _part(answer, data, place, start, length)


def _part(answer: "GetObjectOutputTypeDef", data: bytes, place: S3Object, start: int, length: int) -> Part:
    total = _TOTAL.fullmatch(answer.get("ContentRange", ""))
    if total is None and (start or len(data) > length):
        raise PermanentError(f"{place.url}: the server does not know ranges of bytes")
    size = int(total[1]) if total else len(data)
    if len(data) != min(length, size - start):
        raise TransientError(f"{place.url}: the answer ended after {len(data)} of {min(length, size - start)} bytes")
    version = answer.get("VersionId", "")
    return Part(data, size, answer.get("ETag", "").strip('"'), "" if version in _UNVERSIONED else version)


class RangedObject(io.RawIOBase):
    """An object as a raw file; ``place`` is the object with what the first answer told: version, ETag, size. Raises what :class:`GetsRanges` raises.

    ``failure`` is what it raised: a reader on top (ORC's) may say that the file is damaged where it was the connection.
    """

    def __init__(self, port: GetsRanges, place: S3Object, clock: Clock, jitter: Callable[[], float], part_bytes: int = PART_BYTES) -> None:
        self._port, self._clock, self._jitter, self._part_bytes = port, clock, jitter, part_bytes
        self._at = self._window_at = 0
        self.failure: DeliveryError | None = None
        self.place = replace(place, etag="", version="" if place.version in _UNVERSIONED else place.version)
        first = self._fetched(0, part_bytes)
        self._window = first.data
        self.place = replace(place, etag=first.etag, version=self.place.version or first.version, size=first.size)

    @property
    def size(self) -> int:
        """Bytes of the whole object."""
        return self.place.size or 0

    def readable(self) -> bool:
        """Answer that it is."""
        return True

    def seekable(self) -> bool:
        """Answer that it is."""
        return True

    def tell(self) -> int:
        """Answer where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; past the end nothing is read."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever takes bytes
        """Read some bytes; none at the end."""
        if self._at >= self.size or not len(buffer):
            return 0
        behind = self._window_at + len(self._window)
        if not self._window_at <= self._at < behind:
            length = self._part_bytes if self._at == behind else max(len(buffer), BLOCK_BYTES)
            self._window = b""  # or two parts are held while the next one comes
            self._window, self._window_at = self._noted(self._at, min(length, self._part_bytes)).data, self._at
        piece = memoryview(self._window)[self._at - self._window_at :][: len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _noted(self, start: int, length: int) -> Part:
        try:
            return self._fetched(start, length)
        except DeliveryError as error:
            self.failure = error
            raise

    def _fetched(self, start: int, length: int) -> Part:
        wait_s = FIRST_WAIT_S
        for attempt in range(1, TRIES + 1):
            try:
                part = self._port.get(self.place, start, length, self.place.etag)
            except ChangedError:
                raise
            except TransientError:
                if attempt == TRIES:
                    raise
                self._clock.sleep(wait_s * (0.5 + self._jitter() / 2))
                wait_s = min(LONGEST_WAIT_S, 2 * wait_s)
            else:
                return self._checked(part)
        raise TransientError(f"{self.place.url}: no part of it came")

    def _checked(self, part: Part) -> Part:
        """A server that does not know ``If-Match`` is found out by the ETag of its answer."""
        if self.place.etag and part.etag != self.place.etag:
            raise ChangedError(f"{self.place.url}: was written anew while it was read; it is read again from its start")
        return part


@dataclass(frozen=True, slots=True)
class OpenObject:
    """An object that is open: its bytes, what is known of it now, and the raw file below."""

    file: BinaryIO
    place: S3Object
    raw: RangedObject


def open_object(port: GetsRanges, place: S3Object, clock: Clock, jitter: Callable[[], float] = _RANDOM.random, part_bytes: int = PART_BYTES) -> OpenObject:
    """Read the first part of an object and answer it as a file; raises :class:`DeliveryError`, also while it is read."""
    raw = RangedObject(port, place, clock, jitter, part_bytes)
    return OpenObject(io.BufferedReader(raw, BLOCK_BYTES), raw.place, raw)
