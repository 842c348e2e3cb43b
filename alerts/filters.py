"""The ``filter`` of a rule: a list of OpenSearch queries, all of which must hold; ElastAlert's old ``query:`` wrapper is taken off.

A short form is ours: a text in the list is a query string.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from queries.dsl.parse import parse_search
from tailrace.errors import RequestError
from tailrace.schema import TableName
from tailrace.yaml_file import Document


def read_filters(document: Document) -> tuple[Mapping[str, Any], ...]:
    """Read the list of filters; none is no filter."""
    filters = document.data.get("filter", [])
    return tuple(_filter(document, number, item) for number, item in enumerate(filters))


def _filter(document: Document, number: int, item: object) -> Mapping[str, Any]:
    if isinstance(item, str):
        return {"query_string": {"query": item}}
    if not isinstance(item, dict) or len(item) != 1:
        raise document.error("a filter is a mapping with one query, such as {term: {severity_text: ERROR}}", "filter", number)
    for kind in ("eql", "esql"):
        if kind in item:
            raise document.error(f"{kind} is Elasticsearch's alone and is not supported", "filter", number)
    inner = item.get("query")
    return inner if isinstance(inner, dict) else item


def check_filters(document: Document, filters: Sequence[Mapping[str, Any]], table: TableName) -> None:
    """Refuse, at the place in the file, what no search would take."""
    for number, clause in enumerate(filters):
        try:
            parse_search({"query": clause}, table)
        except RequestError as error:
            raise document.error(str(error), "filter", number) from error
