"""What services of AWS answer to calls of many records, read."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from firehose.records import Refusal
from tailrace.errors import TransientError


@contextmanager
def asked(destination: str) -> Iterator[None]:
    """Make every error of a call a :class:`TransientError`: rights, a missing queue and a fault of the service are none of the records', so that they wait."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise TransientError(f"{destination}: {code}: {error}" if code and code not in str(error) else f"{destination}: {error}") from error
    except BotoCoreError as error:
        raise TransientError(f"{destination}: {error}") from error


def of_entries(failed: Iterable[Mapping[str, Any]]) -> list[Refusal]:
    """Read the failed entries of a batch of SQS or SNS, whose ids are their places; one that is the sender's fault is refused for good."""
    return [Refusal(int(one["Id"]), f"{one['Code']}: {one.get('Message', '')}".rstrip(": "), forever=bool(one["SenderFault"])) for one in failed]
