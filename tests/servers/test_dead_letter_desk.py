"""What the desk and the deep check say of OpenSearch, held against a real node."""

import contextlib
from pathlib import Path
from typing import Any

import opensearchpy
import pytest

from firehose import LocalFirehose
from firehose.dead_letters.refused import field_of, fits, refused
from firehose.delivery import DeadLetter
from firehose.opensearch_account import account, stored
from firehose.sinks.opensearch.answer import read_answer
from tailrace import aws
from tailrace.clock import SystemClock
from tailrace.fields import AttributeRegister
from tailrace.ledger import open_ledger
from tests.firehose.deliveries import delivery_of, numbered, quick

pytestmark = pytest.mark.opensearch
KINDS = ("long", "integer", "short", "byte", "double", "float", "boolean", "keyword", "text", "ip", "object")
VALUES: tuple[Any, ...] = (
    *(5, -1, 2**31, 2**62, 2**63 - 1, 10**25, 1.5, 1e39, 200, 40_000),
    *("5", "5.7", "-3", "abc", "", "12 ms", "1e3", "1_000", " 7", "true", "yes", "10.0.0.1", "::1", "10.0.0.256", "x" * 40_000),
    *(True, False, None, {}, {"a": 1}, [1, 2], [1, "x"], [], ["10.0.0.1"], [{}]),
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_fits_where_a_real_node_takes_it(opensearch_url: str, kind: str) -> None:
    client, index = opensearchpy.OpenSearch([opensearch_url]), f"fits-{kind}"
    with contextlib.suppress(opensearchpy.NotFoundError):
        client.indices.delete(index=index)
    client.indices.create(index=index, body={"mappings": {"dynamic": False, "properties": {"f": {"type": kind}}}})
    wrong = []
    for value in VALUES:
        answer = client.bulk(body=[{"index": {"_index": index}}, {"f": value}])
        verdict = read_answer(answer, 1)[0]
        if fits(kind, value) is not (verdict.kind == "stored"):
            wrong.append((value if not isinstance(value, str) else value[:20], verdict.reason))
        if verdict.kind == "refused":
            letter = DeadLetter("document", verdict.reason, b'{"f":1}', {"index": index})
            beside = refused(letter, AttributeRegister(), client.transport)
            assert field_of(verdict.reason) in {"f", ""}, verdict.reason
            assert beside is None or beside.index_type == kind
    assert wrong == []


def test_the_deep_check_counts_what_a_real_node_has(opensearch_url: str, tmp_path: Path) -> None:
    client = opensearchpy.OpenSearch([opensearch_url])
    client.indices.delete(index="tailrace-*", params={"ignore_unavailable": "true"})
    settings = quick(tmp_path, opensearch_url=opensearch_url)
    transport = aws.opensearch(settings).transport
    assert stored(transport)["logs"].documents == 0
    with LocalFirehose(settings, SystemClock()) as stream:
        stream.put(delivery_of(numbered(0, 10)))
        stream.put(delivery_of(numbered(0, 2, revision=1)))
        assert stream.flush()
    hops = open_ledger(settings.ledger_path).hops()
    there = stored(transport)
    assert (there["logs"].documents, there["logs"].revisions, set(there["logs"].indices)) == (10, 2, {"tailrace-logs-2026.09.21"})
    assert account(hops, 0, there, {}).problems == ()
    client.delete(index="tailrace-logs-2026.09.21", id="e-5")
    assert "1 are not" in account(hops, 0, stored(transport), {"logs": {"2026-09-21": 10}}).problems[0]
    client.indices.delete(index="tailrace-logs-2026.09.21")
    assert account(hops, 0, stored(transport), {"logs": {"2026-09-21": 12}}).notes
