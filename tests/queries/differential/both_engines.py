"""The same documents in a real OpenSearch index and in a lake, and the comparison of what the two answer."""

import json
import math
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from queries.connections.duckdb import LakeConnection
from queries.dsl.nodes import SourceFilter
from queries.engines.documents import documents
from queries.engines.lake import LakeEngine
from tailrace.clock import ManualClock, from_datetime
from tailrace.errors import RequestError
from tailrace.fields import AttributeRegister
from tailrace.forms import arrow_schema, opensearch_template
from tailrace.lake import fresh_name, part_key, partition_of
from tailrace.settings import Settings
from tailrace.stores.folder import FolderStore
from tests.queries.differential.generated_documents import ATTRIBUTE_TYPES, NOW_US, numbered

Body = dict[str, Any]
Row = dict[str, Any]
LEAVES = frozenset({"term", "terms", "range", "match", "match_phrase", "prefix", "wildcard", "query_string"})


@dataclass(frozen=True, slots=True)
class Node:
    """A real OpenSearch node, asked by plain HTTP."""

    url: str

    def call(self, method: str, path: str, body: bytes | Body | None = None) -> tuple[int, Body]:
        data = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        request = urllib.request.Request(f"{self.url}{path}", data=data, method=method, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def make_index(self, name: str, rows: Sequence[Row]) -> None:
        template = opensearch_template("logs", ATTRIBUTE_TYPES)["template"]
        status, answer = self.call("PUT", f"/{name}", template)
        assert status == 200, answer
        lines = []
        for document in documents("logs", table_of(rows), ATTRIBUTE_TYPES, SourceFilter()):
            lines += [orjson.dumps({"index": {"_id": document["event_id"]}}), orjson.dumps(document)]
        status, answer = self.call("POST", f"/{name}/_bulk?refresh=true", b"\n".join(lines) + b"\n")
        assert status == 200, answer
        assert not answer["errors"], answer

    def searches(self, name: str, bodies: Sequence[Body]) -> list[Body]:
        lines = b"".join(b"{}\n" + orjson.dumps(_at_fixed_time(body)) + b"\n" for body in bodies)
        status, answer = self.call("POST", f"/{name}/_msearch", lines)
        assert status == 200, answer
        responses: list[Body] = answer["responses"]
        return responses


def _at_fixed_time(value: Any) -> Any:
    """The node's now is its own: put ours there, as date math on a fixed date."""
    if isinstance(value, dict):
        return {key: _at_fixed_time(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_at_fixed_time(item) for item in value]
    if isinstance(value, str) and "now" in value and "nowhere" not in value:
        fixed = "2026-11-24T10:00:00.000Z||"
        return (
            fixed + value[3:]
            if value.startswith("now")
            else value.replace("[now-1d TO now]", '["2026-11-24T10:00:00.000Z||-1d" TO "2026-11-24T10:00:00.000Z"]')
        )
    return value


def table_of(rows: Sequence[Row]) -> pa.Table:
    schema = arrow_schema("logs")
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)


@contextmanager
def lake(folder: Path, rows: Sequence[Row]) -> Iterator[LakeEngine]:
    """A lake engine over the rows, in parts by hour as the lake writer makes them."""
    store = FolderStore(folder / "lake")
    by_hour: dict[Any, list[Row]] = {}
    for row in rows:
        by_hour.setdefault(partition_of(from_datetime(row["event_time"])), []).append(row)
    for number, (partition, members) in enumerate(by_hour.items()):
        path = folder / "lake" / part_key("logs", partition, fresh_name("t", 1, number, number))
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table_of(members), path)
    connection = LakeConnection(Settings(home=folder), store)
    try:
        yield LakeEngine(connection, AttributeRegister(None, ATTRIBUTE_TYPES), ManualClock(NOW_US))
    finally:
        connection.close()


@contextmanager
def both(url: str, folder: Path, index: str, values: list[Row]) -> Iterator[tuple[Node, LakeEngine]]:
    node, rows = Node(url), numbered(values)
    node.make_index(index, rows)
    try:
        with lake(folder, rows) as engine:
            yield node, engine
    finally:
        node.call("DELETE", f"/{index}")


def ask(engine: Any, body: Body) -> Body | RequestError:
    try:
        response: Body = engine.search("logs", body)
    except RequestError as error:
        return error
    return response


def difference(node: Node, index: str, body: Body, ours: Body | RequestError, theirs: Body) -> str:
    """Answer what differs, or nothing."""
    if isinstance(ours, RequestError):
        refused = "error" in theirs or _refuses_clause(node, index, body, ours.clause)
        return "" if refused else f"only the lake refuses: {type(ours).__name__} {ours}"
    if "error" in theirs:
        return f"only OpenSearch refuses: {_reason(theirs)}"
    return (
        _compare("total", theirs["hits"].get("total"), ours["hits"].get("total"))
        or _hits(theirs, ours)
        or _compare("aggregations", theirs.get("aggregations"), ours.get("aggregations"))
    )


def _refuses_clause(node: Node, index: str, body: Body, clause: str) -> bool:
    """Whether the node refuses the clause that the lake refused, alone: beside others it may not look at a clause that cannot matter."""
    steps = re.findall(r"[^.\[\]]+|\[\d+\]", clause)
    value: Any = body
    for step in steps:
        if step in LEAVES and isinstance(value, dict) and step in value:
            return "error" in node.searches(index, [{"query": {step: value[step]}}])[0]
        value = value[int(step[1:-1])] if step.startswith("[") else value.get(step) if isinstance(value, dict) else None
        if value is None:
            return False
    return False


def _reason(response: Body) -> str:
    return json.dumps(response["error"].get("root_cause", response["error"]))[:500]


def _hits(theirs: Body, ours: Body) -> str:
    names = ("_id", "sort", "_source")
    left, right = ([{name: hit.get(name) for name in names} for hit in response["hits"]["hits"]] for response in (theirs, ours))
    return _compare("hits", left, right)


def _compare(place: str, theirs: Any, ours: Any) -> str:
    if place.endswith("doc_count_error_upper_bound") and theirs == -1:
        return ""  # OpenSearch does not know the bound of an order by metric; here all terms are counted
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return _compare_objects(place, theirs, ours)
    if isinstance(theirs, list) and isinstance(ours, list):
        if len(theirs) != len(ours):
            return f"{place}: {len(theirs)} there, {len(ours)} here: {str(theirs)[:600]} | {str(ours)[:600]}"
        return next((found for number, pair in enumerate(zip(theirs, ours, strict=True)) if (found := _compare(f"{place}[{number}]", *pair))), "")
    same = theirs == ours or (_is_number(theirs) and _is_number(ours) and math.isclose(theirs, ours, rel_tol=1e-9, abs_tol=1e-9))
    return "" if same else f"{place}: {theirs!r} there, {ours!r} here"


def _compare_objects(place: str, theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    names = {key for key in theirs if key != "meta"}
    if names != set(ours):
        return f"{place}: keys {sorted(theirs)} there, {sorted(ours)} here"
    return next((found for key in sorted(names) if (found := _compare(f"{place}.{key}", theirs[key], ours[key]))), "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
