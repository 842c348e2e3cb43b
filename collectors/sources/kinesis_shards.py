"""The calls of Kinesis that a consumer needs, as a port, and through boto3 (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html)."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

RECORD_LIMIT: Final = 1_000
STALE_ITERATOR: Final = frozenset({"ExpiredIteratorException"})
NO_SUCH_POSITION: Final = frozenset({"InvalidArgumentException", "ValidationException"})
GONE: Final = frozenset({"ResourceNotFoundException", "AccessDeniedException", "UnrecognizedClientException"})

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard and those that it was made of."""

    id: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """A record's sequence number and bytes."""

    number: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """Records of a shard, where to read on (``None``: the shard is read to its end), and how far behind its tip they are."""

    records: tuple[Record, ...]
    next_iterator: str | None
    behind_ms: int = 0


class StaleIteratorError(Exception):
    """An iterator is older than five minutes: a new one is to be had from the checkpoint."""


class ReadsShards(Protocol):
    """The calls of Kinesis that are used; they raise :class:`TransientError` when they may succeed later, else :class:`PermanentError`."""

    def creation(self) -> str:
        """Answer what tells this stream from others of its name."""
        ...

    def shards(self) -> Sequence[Shard]:
        """List all shards that hold or may get records."""
        ...

    def iterator(self, shard_id: str, after: str | None) -> str:
        """Answer where to read after a sequence number; ``None`` and a number that is no more: from the oldest record."""
        ...

    def read(self, iterator: str) -> Page:
        """Read records; raises :class:`StaleIteratorError` for an iterator that is too old."""
        ...


@dataclass(frozen=True, slots=True)
class Boto3Shards:
    """The calls through boto3."""

    client: "KinesisClient"
    stream: str

    def creation(self) -> str:
        """Answer the stream's creation time."""
        summary = _asked(lambda: self.client.describe_stream_summary(StreamName=self.stream))["StreamDescriptionSummary"]
        return summary["StreamCreationTimestamp"].isoformat()

    def shards(self) -> Sequence[Shard]:
        """List all shards, page by page."""
        found: list[Shard] = []
        page = _asked(lambda: self.client.list_shards(StreamName=self.stream))
        while True:
            found += [Shard(s["ShardId"], tuple(filter(None, (s.get("ParentShardId"), s.get("AdjacentParentShardId"))))) for s in page["Shards"]]
            token = page.get("NextToken")
            if not token:
                return found
            page = _asked(partial(self.client.list_shards, NextToken=token))

    def iterator(self, shard_id: str, after: str | None) -> str:
        """Ask for an iterator after a number, or at the oldest record."""
        if after is not None:
            try:
                answer = self.client.get_shard_iterator(
                    StreamName=self.stream, ShardId=shard_id, ShardIteratorType="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=after
                )
                return answer["ShardIterator"]
            except ClientError as error:
                if error.response["Error"]["Code"] not in NO_SUCH_POSITION:
                    raise _translated(error) from error
                logger.warning("shard %s has no position %s any more: reading it from its oldest record", shard_id, after)
            except BotoCoreError as error:
                raise TransientError(str(error)) from error
        return _asked(lambda: self.client.get_shard_iterator(StreamName=self.stream, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON"))["ShardIterator"]

    def read(self, iterator: str) -> Page:
        """Ask for up to 1,000 records."""
        answer = _asked(lambda: self.client.get_records(ShardIterator=iterator, Limit=RECORD_LIMIT))
        records = tuple(Record(record["SequenceNumber"], record["Data"]) for record in answer["Records"])
        return Page(records, answer.get("NextShardIterator"), answer.get("MillisBehindLatest") or 0)


def _asked(call: Callable[[], T]) -> T:
    try:
        return call()
    except ClientError as error:
        raise _translated(error) from error
    except BotoCoreError as error:
        raise TransientError(str(error)) from error


def _translated(error: ClientError) -> Exception:
    code = error.response["Error"]["Code"]
    if code in STALE_ITERATOR:
        return StaleIteratorError(str(error))
    return PermanentError(str(error)) if code in GONE else TransientError(str(error))
