"""Clients of S3, one a region: a bucket is asked where it lies. Where that is not known, S3 says so, and it is asked there from then on."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from collectors.envelopes.s3_event import S3Object
from collectors.sources.s3_errors import WrongRegionError, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+){1,3}-\d{1,2}")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Clients:
    """Calls S3; ``make`` makes a client for a region, ``region`` is that of buckets of which nothing is known. Shared by threads."""

    make: Callable[[str], "S3Client"]
    region: str
    _made: dict[str, "S3Client"] = field(default_factory=dict)
    _homes: dict[str, str] = field(default_factory=dict)

    def asked(self, place: S3Object, call: "Callable[[S3Client, S3Object], T]") -> T:
        """Make a call with the client of the bucket's region; its errors become ours (``collectors.sources.s3_errors``)."""
        home = self._homes.get(place.bucket) or (place.region if _REGION.fullmatch(place.region) else self.region)
        try:
            return self._called(replace(place, region=home), call)
        except WrongRegionError as error:
            if place.bucket in self._homes or not _REGION.fullmatch(error.region):
                raise
            self._homes[place.bucket] = error.region
            return self._called(replace(place, region=error.region), call)

    def _called(self, place: S3Object, call: "Callable[[S3Client, S3Object], T]") -> T:
        if place.region not in self._made:
            self._made[place.region] = self.make(place.region)
        try:
            return call(self._made[place.region], place)
        except (ClientError, BotoCoreError) as error:
            raise translated(error, place) from error
