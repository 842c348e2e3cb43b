"""The day indices that are in OpenSearch: ``tailrace-logs-2026.11.24``, one of each table and day of event time.

They are listed by ``_cat/indices`` without a pattern, which domains, nodes of one's own and OpenSearch Serverless answer alike
(https://docs.aws.amazon.com/opensearch-service/latest/developerguide/serverless-genref.html).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from firehose.frame import UNITS
from tailrace.errors import TransientError
from tailrace.forms import INDEX_PREFIX
from tailrace.lake import FIRST_HOUR_US, LAST_HOUR_US, Partition, partition_of, start_of
from tailrace.schema import TableName

_NAME: Final = re.compile(rf"{re.escape(INDEX_PREFIX)}([a-z]+)-(\d{{4}})\.(\d\d)\.(\d\d)")
MISSING_IS_WELL: Final = {"ignore_unavailable": "true", "allow_no_indices": "true"}
"""Parameters of requests by pattern: where no index is, there is nothing."""

_ABSURD: Final = frozenset(partition_of(at).day for at in (FIRST_HOUR_US, LAST_HOUR_US))


class Performs(Protocol):
    """The one call of opensearch-py's transport that is used."""

    def perform_request(self, method: str, url: str, *, params: Any = None, body: Any = None, headers: Any = None) -> Any:  # noqa: ANN401 - opensearch-py's own
        """Send a request, answer the JSON of the response."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class DayIndex:
    """One index: its name, which it may have had before, and its UUID, which it alone has."""

    day: str
    table: TableName
    name: str
    uuid: str

    @property
    def is_absurd(self) -> bool:
        """Whether it holds the events whose times are absurd, so that its day says nothing of its age."""
        return self.day in _ABSURD

    @property
    def start_us(self) -> int:
        """When its day begins."""
        return start_of(Partition(self.day, "00"))


def day_indices(opensearch: Performs) -> list[DayIndex]:
    """List our indices, the oldest day first. Raises :class:`TransientError` where OpenSearch does not answer."""
    listed = ask(opensearch, "GET", "/_cat/indices", params={"format": "json", "h": "index,uuid"})
    found = [_read(str(one.get("index", "")), str(one.get("uuid", ""))) for one in listed]
    return sorted(one for one in found if one is not None)


def refresh(opensearch: Performs, indices: str, *, serverless: bool) -> None:
    """Make what was written searchable; OpenSearch Serverless does it when it likes, and cannot be told."""
    if not serverless:
        ask(opensearch, "POST", f"/{indices}/_refresh", params=MISSING_IS_WELL)


def ask(
    opensearch: Performs,
    method: str,
    path: str,
    body: Mapping[str, Any] | bytes | None = None,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:  # noqa: ANN401 - JSON of OpenSearch
    """Send a request; every error is a :class:`TransientError` that names it."""
    try:
        return opensearch.perform_request(method, path, params=params, body=body, headers=headers)
    except Exception as error:
        raise TransientError(f"opensearch: {method} {path}: {' '.join(str(error).split())[:300]}") from error


def _read(name: str, uuid: str) -> DayIndex | None:
    match = _NAME.fullmatch(name)
    table: TableName | None = next((one for one in UNITS if match and one == match[1]), None)
    return DayIndex("-".join(match.groups()[1:]), table, name, uuid) if match and table else None
