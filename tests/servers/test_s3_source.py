"""Objects of a real S3 server are read by ranges, found by listing, and noticed when they change."""

import gzip
from pathlib import Path

import pytest

from collectors.collector import Collector
from collectors.envelopes.s3_event import S3Object
from collectors.failed_reading import contents
from collectors.sources.checkpoints import Checkpoints
from collectors.sources.s3_backfill import S3Backfill
from collectors.sources.s3_errors import ChangedError, GoneError
from collectors.sources.s3_from_settings import clients_from_settings, objects_from_settings
from collectors.sources.s3_listing import Boto3Listing
from collectors.sources.s3_ranges import Boto3Ranges, open_object
from collectors.steps import Work
from firehose.delivery import MemoryStream
from sandbox.servers.pytest_plugin import S3Server
from tailrace import aws
from tailrace.clock import ManualClock
from tailrace.errors import PermanentError, UsageError
from tailrace.fields import AttributeRegister
from tailrace.settings import Settings
from tests.collectors.sources.s3_fakes import Rows, column

pytestmark = pytest.mark.s3
LINES = b"".join(b"line %d of some\n" % number for number in range(200_000))


def settings(server: S3Server) -> Settings:
    return Settings(aws_endpoint_url=server.url)


def test_ranges_are_those_of_the_object_and_an_object_that_changes_is_noticed(s3_server: S3Server) -> None:
    client, port = aws.client("s3", settings(s3_server)), Boto3Ranges(clients_from_settings(settings(s3_server)))
    key = "source/a b+é.log"
    client.put_object(Bucket=s3_server.bucket, Key=key, Body=LINES)
    client.put_object(Bucket=s3_server.bucket, Key="source/empty", Body=b"")
    place = S3Object(s3_server.bucket, key)
    assert open_object(port, place, ManualClock(), part_bytes=1_000_000).file.read() == LINES
    assert open_object(port, S3Object(s3_server.bucket, "source/empty"), ManualClock()).file.read() == b""
    file = open_object(port, place, ManualClock(), part_bytes=1_000_000).file
    file.read(10)
    client.put_object(Bucket=s3_server.bucket, Key=key, Body=LINES[::-1])
    with pytest.raises(ChangedError):
        file.read()


def test_objects_in_which_others_keep_what_failed_are_walked_with_their_addresses(s3_server: S3Server) -> None:
    client = aws.client("s3", settings(s3_server))
    for number in range(2):
        client.put_object(Bucket=s3_server.bucket, Key=f"processing-failed/2026/{number}", Body=b'{"rawData":"eA=="}' * (number + 1))
    url = f"s3://{s3_server.bucket}/processing-failed/"
    assert list(contents(settings(s3_server), ManualClock(), (url,))) == [(f"{url}2026/0", b'{"rawData":"eA=="}'), (f"{url}2026/1", b'{"rawData":"eA=="}' * 2)]
    with pytest.raises(UsageError, match="no object begins with"):
        list(contents(settings(s3_server), ManualClock(), (f"{url}none",)))


def test_what_is_not_there_and_what_is_not_allowed_are_sentences(s3_server: S3Server) -> None:
    port = Boto3Ranges(clients_from_settings(settings(s3_server)))
    with pytest.raises(GoneError, match="is not there"):
        port.get(S3Object(s3_server.bucket, "source/none"), 0, 10)
    with pytest.raises(PermanentError, match=r"is its name right|access denied"):
        port.get(S3Object("no-such-bucket", "a"), 0, 10)


def test_a_prefix_is_read_once(s3_server: S3Server, tmp_path: Path) -> None:
    client, clock, stream = aws.client("s3", settings(s3_server)), ManualClock(), MemoryStream()
    for number in range(3):
        client.put_object(Bucket=s3_server.bucket, Key=f"backfill/{number} +.gz", Body=gzip.compress(b"one\ntwo\n"))
    objects = objects_from_settings(settings(s3_server), Collector(stream, Work(Rows), AttributeRegister(), clock), clock)
    checkpoints = Checkpoints(tmp_path / "backfill.sqlite")
    listing = Boto3Listing(clients_from_settings(settings(s3_server)), 2)
    for expected in (3, 0):
        assert S3Backfill(listing, objects, checkpoints, f"s3://{s3_server.bucket}/backfill/").run().objects == expected
    checkpoints.close()
    assert len(set(column(stream, "event_id"))) == len(column(stream, "message")) == 6
