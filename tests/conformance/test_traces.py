"""Real X-Ray documents: every one is read, in any order, and the graphs that AWS published are made again."""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from collectors.envelopes.xray import segments_to_spans
from queries.traces.assemble import assemble
from queries.traces.graph import ServiceGraph
from queries.traces.model import Span
from queries.traces.read import span_of_row

FOLDER = Path(os.environ.get("TAILRACE_DATA", Path(__file__).parents[3] / "shared" / "data")) / "xray"


def documents(path: Path) -> list[dict[str, Any]]:
    """The segment documents of a file, in whatever wrapping it has them."""
    value = json.loads(path.read_text("utf-8"))
    if isinstance(value, dict) and "Traces" in value:
        return [json.loads(segment["Document"]) for trace in value["Traces"] for segment in trace["Segments"]]
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, dict) and {"id", "start_time"} <= set(one)]


def samples() -> list[Path]:
    return [path for path in sorted(FOLDER.glob("*.json")) if documents(path)] if FOLDER.is_dir() else []


def spans_of(found: list[dict[str, Any]]) -> list[Span]:
    whole = [{"trace_id": "1-00000001-000000000000000000000001", **one} for one in found]
    read = segments_to_spans([json.dumps(one).encode() for one in whole], source="test", received_us=1)
    assert not read.dead
    return [span_of_row(row) for row in read.spans.to_pylist()]


pytestmark = pytest.mark.skipif(not samples(), reason="there are no samples: set TAILRACE_DATA to a folder that has xray/*.json")


@pytest.mark.parametrize("path", samples(), ids=lambda path: path.stem)
def test_documents_in_any_order_and_twice_are_one_tree_and_one_graph(path: Path) -> None:
    spans = spans_of(documents(path))
    by_trace: dict[str, list[Span]] = {}
    for one in spans:
        by_trace.setdefault(one.trace_id, []).append(one)
    for own in by_trace.values():
        shuffled = [*own, *own]
        random.Random(7).shuffle(shuffled)
        assert assemble(own) == assemble(reversed(own)) == assemble(shuffled)
        graph = ServiceGraph()
        graph.add(shuffled)
        for service in graph.answer()["Services"]:
            _adds_up(service.get("SummaryStatistics"))
            for edge in service["Edges"]:
                _adds_up(edge["SummaryStatistics"])


def _adds_up(told: dict[str, Any] | None) -> None:
    if told is not None:
        assert told["TotalCount"] == told["OkCount"] + told["ErrorStatistics"]["TotalCount"] + told["FaultStatistics"]["TotalCount"]


def _nested(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [document, *(inner for one in document.get("subsegments", ()) for inner in _nested(one))]


@pytest.mark.parametrize("path", samples(), ids=lambda path: path.stem)
def test_what_xray_inferred_is_inferred_alike(path: Path) -> None:
    """Documents from BatchGetTraces hold X-Ray's own inferred segments: as many are inferred here, for the same calls."""
    found = documents(path)
    known = {one["id"] for document in found for one in _nested(document)}
    theirs = [one for one in found if one.get("inferred") and one.get("parent_id") in known]
    if not theirs:
        pytest.skip("the sample holds no inferred segment with its caller")
    trace = assemble(spans_of(documents(path)))
    assert trace is not None
    ours = {span.parent_id: span for span in trace.spans if span.is_inferred}
    missing = [one["id"] for one in theirs if one["parent_id"] not in ours]
    assert missing == []
    for one in theirs:
        if "origin" in one:
            assert ours[one["parent_id"]].origin == one["origin"]
