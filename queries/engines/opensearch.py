"""OpenSearch's engine: the body is read and checked with the same tree as for the lake, written anew, and sent to ``tailrace-<table>-*``.

So both engines take the same names (bare attributes as well), the same date math (our clock), the same default order, and refuse the same things. What is left to
OpenSearch is its estimates: ``cardinality`` above 3,000 values, ``percentiles``, and ``terms`` over several indices.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import pyarrow as pa
from sqlglot import exp

from queries.dsl.body import BodyWriter
from queries.dsl.nodes import Search
from queries.dsl.parse import parse_search
from queries.engine import Body, Response
from queries.fields import FieldResolver
from queries.sql.aggregations import Aggregator
from queries.sql.filters import Scope, condition
from queries.sql.hits import full_sort, orders
from tailrace.clock import Clock
from tailrace.errors import RequestError, TailraceError, TransientError, UnsupportedError
from tailrace.fields import AttributeRegister
from tailrace.forms import INDEX_PREFIX
from tailrace.schema import TableName

_OPTIONS: Final = {"ignore_unavailable": "true", "allow_no_indices": "true"}
_AGAIN: Final = frozenset({"408", "429", "500", "502", "503", "504", "TIMEOUT", "N/A"})


class Transport(Protocol):
    """The one call of ``opensearchpy.Transport`` that is used."""

    def perform_request(self, method: str, url: str, params: Any = None, body: Any = None) -> Any:  # noqa: ANN401 - as opensearch-py has it
        """Send a request and answer the decoded response."""
        ...


class HasTransport(Protocol):
    """An OpenSearch client."""

    @property
    def transport(self) -> Transport:
        """How it sends requests."""
        ...


class OpenSearchEngine:
    """Answers searches from OpenSearch; see ``queries.engine.SearchEngine``."""

    def __init__(self, client: HasTransport, register: AttributeRegister, clock: Clock, index_prefix: str = INDEX_PREFIX) -> None:
        self._client, self._register, self._clock, self._prefix = client, register, clock, index_prefix

    def search(self, table: TableName, body: Body) -> Response:
        """Answer a search."""
        search = parse_search(body, table)
        writer = BodyWriter(FieldResolver(table, self._register.types()), self._clock.now_us())
        scope = self._check(search, writer)
        answer = self._send(f"/{self._prefix}{table}-*/_search", writer.body(search, full_sort(search)), _OPTIONS)
        return _normalised(answer, search, scope)

    def count(self, table: TableName, body: Body) -> int:
        """Answer how many rows match."""
        for key in body:
            if key != "query":
                raise UnsupportedError("is not supported by a count: only query is", clause=key)
        search = parse_search(body, table)
        writer = BodyWriter(FieldResolver(table, self._register.types()), self._clock.now_us())
        self._check(search, writer)
        return int(self._send(f"/{self._prefix}{table}-*/_count", {"query": writer.query(search.query)}, _OPTIONS)["count"])

    def _check(self, search: Search, writer: BodyWriter) -> Scope:
        """Refuse what the lake refuses, also where no index exists that could refuse it."""
        scope = Scope(writer.resolver, writer.now_us)
        condition(search.query, scope)
        orders(full_sort(search), scope)
        return scope

    def _send(self, path: str, body: Mapping[str, Any], params: Mapping[str, str]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self._client.transport.perform_request("POST", path, params=params, body=body)
        except Exception as error:
            raise _translated(error) from error
        return answer


def _translated(error: Exception) -> TailraceError:
    """Turn an error of opensearch-py (which is not imported here) into ours: wrong, or later."""
    status = str(getattr(error, "status_code", "N/A"))
    reason = _reason(getattr(error, "info", None)) or str(error)[:300] or type(error).__name__
    if status in _AGAIN and "too_many_buckets" not in reason and "too_many_clauses" not in reason:
        return TransientError(f"opensearch: {reason}")
    return RequestError(f"opensearch: {reason}")


def _reason(info: object) -> str:
    error = info.get("error") if isinstance(info, Mapping) else None
    if not isinstance(error, Mapping):
        return ""
    causes = error.get("root_cause")
    cause = causes[0] if isinstance(causes, list) and causes and isinstance(causes[0], Mapping) else error
    return f"{cause.get('type', '')}: {cause.get('reason', '')}"[:300]


def _normalised(answer: Mapping[str, Any], search: Search, scope: Scope) -> Response:
    """Put OpenSearch's response into our form; where no index exists it answers no aggregations."""
    hits = answer["hits"]
    shown = {**({"total": hits["total"]} if "total" in hits else {}), "max_score": None, "hits": [_hit(hit) for hit in hits["hits"]]}
    response: Response = {name: answer[name] for name in ("took", "timed_out", "_shards")}
    response["hits"] = shown
    if search.aggs:
        found = answer.get("aggregations")
        response["aggregations"] = Aggregator(exp.select(), exp.true(), scope, _no_rows).empty(search.aggs) if found is None else found
    response["_tailrace"] = {"unmapped": sorted(scope.resolver.unmapped)}
    return response


def _hit(hit: Mapping[str, Any]) -> dict[str, Any]:
    return {name: hit[name] for name in ("_index", "_id", "_score", "_source", "sort") if name in hit}


def _no_rows(statement: exp.Select) -> pa.Table:
    raise NotImplementedError(str(statement))
