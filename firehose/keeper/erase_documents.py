"""Erasing chosen rows from OpenSearch: by their ids, which the lake knows, and those that the lake has no more by a search.

First the documents of the rows that the lake is about to lose: each by its index and id, so nothing is left of them whatever is indexed; killed in between, the lake still has the rows and it is done
again. Then a search finds documents whose rows the lake does not have: of a field by its value, and of a text by the words of ``message`` and by the keywords of the schema, of which those are deleted
whose source holds it. What lies only in ``raw`` or in an attribute of a document without a row in the lake is not found.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from firehose.columns import ints, one_array
from firehose.keeper.conditions import ATTRIBUTES, chosen, forms_of, written
from firehose.keeper.erase import ALWAYS, Order, places
from firehose.keeper.merge import source, steady_view
from firehose.opensearch_gone import Gone, note
from firehose.opensearch_indices import MISSING_IS_WELL, Performs, ask, refresh
from firehose.parts import event_times
from firehose.sinks.opensearch.body import index_of
from tailrace.clock import US_PER_MS
from tailrace.errors import TransientError
from tailrace.forms import INDEX_PREFIX
from tailrace.lake import Part
from tailrace.schema import TABLES, FieldType, TableName
from tailrace.stores.port import ObjectStore
from tailrace.text import tokens

PAGE: Final = 1_000
"""Documents of a page of the search, and of a request that deletes."""

_COLUMNS: Final = ("event_id", "revision", "event_time", "observed_time")


@dataclass(frozen=True, slots=True)
class _Document:
    """Where a document is, and its revision."""

    index: str
    identity: str
    revision: int


@dataclass(slots=True)
class DocumentErasure:
    """Erases from OpenSearch; how many documents went is noted in ``account``. Raises :class:`TransientError` where OpenSearch does not answer, or refuses."""

    opensearch: Performs
    account: Path
    now_us: int
    serverless: bool = False
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def erase(self, store: ObjectStore, order: Order) -> int:
        """Delete the documents; answer how many there were."""
        gone = sum(self._delete(order, part.table, self._of_part(store, order, part)) for part in _live(store, order))
        return gone + sum(self._delete(order, table, self._searched(table, order)) for table in order.conditions)

    def left(self, order: Order) -> int:
        """Answer how many documents a search finds still."""
        return sum(1 for table in order.conditions for _ in self._searched(table, order))

    def _of_part(self, store: ObjectStore, order: Order, part: Part) -> list[_Document]:
        mask = chosen(store, part, order.conditions[part.table])
        if not mask.any():
            return []
        rows = pq.read_table(source(store, part), columns=list(_COLUMNS)).filter(pa.array(mask))
        indices = [index_of(part.table, int(at)) for at in event_times(rows)]
        revisions = np.asarray(ints(rows, "revision")).tolist()
        return [_Document(*one) for one in zip(indices, one_array(rows, "event_id").to_pylist(), revisions, strict=True)]

    def _searched(self, table: TableName, order: Order) -> Iterator[_Document]:
        """Find documents; those that are deleted meanwhile do not disturb the pages."""
        indices, asked = f"{INDEX_PREFIX}{table}-*", _query(table, order)
        if not asked:
            return
        refresh(self.opensearch, indices, serverless=self.serverless)
        body: dict[str, Any] = {"size": PAGE, "query": asked, "sort": [{"@timestamp": "asc"}, {"event_id": "asc"}]}
        while hits := ask(self.opensearch, "POST", f"/{indices}/_search", body, MISSING_IS_WELL)["hits"]["hits"]:
            yield from (
                _Document(hit["_index"], hit["_id"], int(hit["_source"].get("revision") or 0)) for hit in hits if _is_meant(hit["_source"], table, order)
            )
            body["search_after"] = hits[-1]["sort"]

    def _delete(self, order: Order, table: TableName, documents: Iterable[_Document]) -> int:
        count = 0
        found = iter(documents)
        while page := list(itertools.islice(found, PAGE)):
            actions = b"".join(orjson.dumps({"delete": {"_index": one.index, "_id": one.identity}}) + b"\n" for one in page)
            answer = ask(self.opensearch, "POST", "/_bulk", actions, headers={"content-type": "application/x-ndjson"})
            statuses = [next(iter(item.values()))["status"] for item in answer["items"]]
            if bad := next((status for status in statuses if status not in {200, 404}), None):
                raise TransientError(f"opensearch: a deletion was answered with {bad}: erase again")
            went = [one for one, status in zip(page, statuses, strict=True) if status == 200]
            self._note(order, table, went)
            count += len(went)
        return count

    def _note(self, order: Order, table: TableName, went: Iterable[_Document]) -> None:
        documents, revisions = Counter[str](), defaultdict[str, int](int)
        for one in went:
            documents[one.index] += 1
            revisions[one.index] += one.revision
        gone = [Gone(f"{order.reason} {self.now_us} {next(self._numbers)}", index, table, count, revisions[index]) for index, count in documents.items()]
        note(self.account, gone, self.now_us)


def _live(store: ObjectStore, order: Order) -> Iterator[Part]:
    for table, partition in places(store, order):
        yield from steady_view(store, table, partition).live


def _query(table: TableName, order: Order) -> dict[str, Any]:
    """Make the query that finds at least what is meant; an empty one where nothing of the table is meant."""
    either = [one for name, value in order.where for one in _field(table, name, value)] + [one for text in order.contains for one in _text(table, text)]
    if not either:
        return {}
    bounds = {"gte": order.from_us // US_PER_MS, "lt": order.to_us // US_PER_MS, "format": "epoch_millis"}
    within = [{"range": {"@timestamp": bounds}}] if (order.from_us, order.to_us) != ALWAYS else []
    return {"bool": {"should": either, "minimum_should_match": 1, "filter": within}}


def _field(table: TableName, name: str, value: str) -> list[dict[str, Any]]:
    matched = {"query": value, "operator": "and", "lenient": True}
    if name.startswith(f"{ATTRIBUTES}."):
        own = name.removeprefix(f"{ATTRIBUTES}.")
        return [{"match": {name: matched}}, {"term": {f"{ATTRIBUTES}_other.{own}": value}}]
    known = TABLES[table].field(name)
    return [{"match": {known.name: matched}}] if known is not None and known.type is not FieldType.STORED else []


def _text(table: TableName, text: str) -> list[dict[str, Any]]:
    r"""Ask for the words of a text, of which the first and the last may be parts of longer ones, and for keywords that hold it."""
    keywords = [one.name for one in TABLES[table].fields if one.type is FieldType.KEYWORD]
    found: list[dict[str, Any]] = [{"wildcard": {name: {"value": f"*{_escaped(text)}*"}}} for name in keywords]
    words = tokens(text)
    for name in (one.name for one in TABLES[table].fields if one.type is FieldType.TEXT and words):
        patterns = [f"*{words[0]}*"] if len(words) == 1 else [f"*{words[0]}", *words[1:-1], f"{words[-1]}*"]
        found.append({"bool": {"must": [{"wildcard": {name: {"value": pattern}}} for pattern in patterns]}})
    return found


def _escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "\\*?" else sign for sign in text)


def _is_meant(source: Mapping[str, Any], table: TableName, order: Order) -> bool:
    """Whether a document is one that was asked for: a word is not a text, and a part of a word is not the word."""
    if any(form in leaf for leaf in _leaves(source) for text in order.contains for form in forms_of(text)):
        return True
    return any(_has(source, table, name, value) for name, value in order.where)


def _has(source: Mapping[str, Any], table: TableName, name: str, value: str) -> bool:
    if name.startswith(f"{ATTRIBUTES}."):
        own = name.removeprefix(f"{ATTRIBUTES}.")
        found = [one for where in (ATTRIBUTES, f"{ATTRIBUTES}_other") for one in _listed((source.get(where) or {}).get(own))]
    else:
        known = TABLES[table].field(name)
        found = _listed(source.get(known.name)) if known else []
    return value in {written(one) for one in found}


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None:
        yield str(value)
