"""The one interface of all engines: an OpenSearch ``_search`` body goes in, OpenSearch's response comes out."""

from collections.abc import Mapping
from typing import Any, Protocol

from tailrace.schema import TableName

Body = Mapping[str, Any]
Response = dict[str, Any]


class SearchEngine(Protocol):
    """Answers searches over one table.

    The meaning is OpenSearch's (https://docs.opensearch.org/latest/query-dsl/), with what ``docs/search.md`` defines on top: no sort given means
    ``@timestamp`` descending, then ``event_id`` ascending; there is no ``_score``; times compare in milliseconds.
    Raises :class:`tailrace.errors.RequestError` (wrong, with the clause's path) or :class:`tailrace.errors.UnsupportedError` (not answered here).
    """

    def search(self, table: TableName, body: Body) -> Response:
        """Answer a search; the response has ``took``, ``timed_out``, ``_shards``, ``hits`` and, if asked for, ``aggregations``.

        Names in the request that no row can have are listed in ``_tailrace.unmapped``; they match nothing, as in OpenSearch.
        """
        ...

    def count(self, table: TableName, body: Body) -> int:
        """Answer how many rows match ``query``."""
        ...
