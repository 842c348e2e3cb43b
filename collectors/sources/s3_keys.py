"""What the key of an object says: account, region and service that wrote it, and the time it is about.

Layouts (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html, https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-path.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html, https://docs.aws.amazon.com/firehose/latest/dev/s3-object-name.html)::

    [prefix/]AWSLogs/[o-1a2b3c/]123456789012/elasticloadbalancing/eu-west-1/2026/11/27/123456789012_elasticloadbalancing_eu-west-1_..._20261127T1005Z_....log.gz
    [prefix/]AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-west-1/year=2026/month=11/day=27/hour=10/...
    [prefix/]123456789012/eu-west-1/bucket/2026/11/27/2026-11-27-10-05-33-1A2B3C4D5E6F7A8B                                 S3 access
    [prefix/]E2A3B4C5D6E7F8.2026-11-27-10.1a2b3c4d.gz                                                                        CloudFront
    [prefix/]2026/11/27/10/stream-1-2026-11-27-10-05-33-1a2b...                                                              Firehose
    [prefix/]day=2026-11-27/hour=10/...    [prefix/]dt=2026-11-27/...                                                        Hive
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from tailrace.clock import from_datetime

MARGIN: Final = timedelta(hours=1)
"""How far the lines of an object may lie from the time in its key: load balancers name the end of five minutes, flow logs the beginning, CloudTrail the delivery."""

_ACCOUNT: Final = re.compile(r"\d{12}")
_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+){1,3}-\d{1,2}")
_ORGANISATION: Final = re.compile(r"o-[a-z0-9]{10,32}")
_FILE: Final = re.compile(r"(\d{12})_([A-Za-z][A-Za-z-]*)_([a-z]{2,4}(?:-[a-z]+){1,3}-\d{1,2})_")
_FILE_TIME: Final = re.compile(r"(?<!\d)(20\d\d)-?([01]\d)-?([0-3]\d)[-T]([0-2]\d)(?:[-:]?([0-5]\d))?(?!\d{3})")
_DATE: Final = re.compile(r"(20\d\d)-?([01]\d)-?([0-3]\d)")
_DATE_NAMES: Final = frozenset({"dt", "date", "day", "ds"})
_HOUR_NAMES: Final = frozenset({"hour", "hr", "hh"})


@dataclass(frozen=True, slots=True)
class Hints:
    """What a key says of its lines; empty where it does not."""

    account: str = ""
    region: str = ""
    service: str = ""


def hints_of(key: str) -> Hints:
    """Guess account, region and service; the service is lower-case, as AWS writes it in the key.

    >>> hints_of("AWSLogs/123456789012/CloudTrail/eu-west-1/2026/11/27/x.json.gz")
    Hints(account='123456789012', region='eu-west-1', service='cloudtrail')
    """
    parts = key.split("/")
    named = _named(parts)
    if "AWSLogs" in parts[:-1]:
        return _of_aws_logs(parts[parts.index("AWSLogs") + 1 : -1], named)
    if found := _FILE.match(parts[-1]):
        return Hints(found[1], found[3], found[2].lower())
    for account, region in pairwise(parts):
        if _ACCOUNT.fullmatch(account) and _REGION.fullmatch(region):
            return Hints(account, region)
    return Hints()


def _of_aws_logs(folders: Sequence[str], named: Mapping[str, str]) -> Hints:
    if "aws-account-id" in named:
        return Hints(named["aws-account-id"], named.get("aws-region", ""), named.get("aws-service", "").lower())
    rest = list(folders[1:] if folders and _ORGANISATION.fullmatch(folders[0]) else folders)
    if not rest or not _ACCOUNT.fullmatch(rest[0]):
        return Hints()
    region = next((folder for folder in rest[1:5] if _REGION.fullmatch(folder)), "")
    service = rest[1] if len(rest) > 1 and not rest[1].isdigit() and rest[1] != region else ""
    return Hints(rest[0], region, service.lower())


def times_of(key: str) -> tuple[int, int] | None:
    """Answer the time that a key is about, [from, to) in microseconds since 1970; ``None`` where it names no date. The finest that it says counts.

    >>> times_of("app/2026/11/27/10/x.gz") == (1795773600000000, 1795777200000000)
    True
    """
    *folders, name = key.split("/")
    found = _time(*stamp.groups()) if (stamp := _FILE_TIME.search(name)) else _of_folders(folders)
    return None if found is None else (from_datetime(found[0]), from_datetime(found[1]))


def may_hold(key: str, modified_us: int, from_us: int, to_us: int) -> bool:
    """Whether an object may hold lines of [from, to): it was last written after it began, and the time in its key is not more than :data:`MARGIN` away."""
    if modified_us < from_us:
        return False
    times, margin_us = times_of(key), int(MARGIN.total_seconds() * 1_000_000)
    return times is None or (times[1] + margin_us > from_us and times[0] - margin_us < to_us)


def _of_folders(folders: Sequence[str]) -> tuple[datetime, datetime] | None:
    named = _named(folders)
    hour = next((named[name] for name in _HOUR_NAMES if name in named), None)
    if {"year", "month", "day"} <= named.keys():
        return _time(named["year"], named["month"], named["day"], hour)
    for name in _DATE_NAMES & named.keys():
        if date := _DATE.fullmatch(named[name]):
            return _time(date[1], date[2], date[3], hour)
    for at in range(len(folders) - 2):
        if _DATE.fullmatch("-".join(folders[at : at + 3])):
            year, month, day = folders[at : at + 3]
            return _time(year, month, day, next(_hours(folders[at + 3 : at + 4]), hour))
    return None


def _hours(folders: Sequence[str]) -> Iterator[str]:
    yield from (folder for folder in folders if re.fullmatch(r"[0-2]\d", folder))


def _named(folders: Sequence[str]) -> dict[str, str]:
    return {name.lower(): value for name, equals, value in (folder.partition("=") for folder in folders) if equals}


def _time(year: str, month: str, day: str, hour: str | None = None, minute: str | None = None) -> tuple[datetime, datetime] | None:
    length = timedelta(minutes=1) if minute else timedelta(hours=1) if hour else timedelta(days=1)
    try:
        start = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), tzinfo=UTC)
    except ValueError:
        return None
    return start, start + length
