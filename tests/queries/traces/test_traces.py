"""Traces in any order become one tree; services that send nothing are inferred; the graph has X-Ray's shape."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from queries.traces.assemble import assemble
from queries.traces.graph import ServiceGraph
from queries.traces.model import Span
from queries.traces.service import summarise


def span(identity: str, parent: str | None, *, document: str = "subsegment", start: int = 0, end: int | None = 1_000, **more: Any) -> Span:
    kind = "SPAN_KIND_SERVER" if document == "segment" else "SPAN_KIND_INTERNAL"
    return Span(
        "t", identity, parent, more.pop("name", identity), more.pop("service", identity if document == "segment" else None), kind, document, start, end, **more
    )


TRACE = [
    span("web", None, document="segment", end=10_000, status=502, fault=True),
    span("local", "web", start=100, end=9_000, namespace="local"),
    span("call", "local", start=200, end=8_000, namespace="remote", name="10.0.0.1", fault=True),
    span("cart", "call", document="segment", start=300, end=7_000, fault=True),
    span("dynamo", "cart", start=400, end=600, namespace="aws", name="dynamodb", resource="carts"),
    span("sns", "cart", start=700, end=900, namespace="aws", name="sns"),
    span("db", "cart", start=1_000, end=1_100, name="shop@db", is_sql=True),
    span("pending", "cart", start=1_200, end=1_300, namespace="remote", name="later", is_traced=True),
]


@given(st.permutations(TRACE), st.lists(st.sampled_from(TRACE), max_size=4))
def test_the_order_and_repetition_of_documents_change_nothing(shuffled: list[Span], again: list[Span]) -> None:
    assert assemble([*shuffled, *again]) == assemble(TRACE)
    graph, other = ServiceGraph(), ServiceGraph()
    graph.add(TRACE)
    other.add([*shuffled, *again])
    assert graph.answer() == other.answer()


def test_services_that_send_nothing_are_inferred_and_traced_calls_wait() -> None:
    trace = assemble(TRACE)
    assert trace is not None
    inferred = {(one.name, one.origin) for one in trace.spans if one.is_inferred}
    assert inferred == {("carts", "AWS::DynamoDB::Table"), ("SNS", "AWS::SNS"), ("shop@db", "Database::SQL")}
    assert not trace.is_partial
    assert [one.id for one in trace.spans][:4] == ["web", "local", "call", "cart"]


def test_a_subsegment_learns_its_service_from_the_segment_above() -> None:
    trace = assemble(TRACE)
    assert trace is not None
    assert {one.id: one.service for one in trace.spans if not one.is_inferred}["dynamo"] == "cart"


def test_the_complete_document_counts_whichever_came_first() -> None:
    stub = span("web", None, document="segment", end=None, revision=0, observed_us=9)
    whole = span("web", None, document="segment", end=5, revision=1, observed_us=1)
    for documents in ([stub, whole], [whole, stub]):
        trace = assemble(documents)
        assert trace is not None
        assert not trace.is_partial
        assert trace.spans[0].end_us == 5
    only = assemble([stub])
    assert only is not None
    assert only.is_partial
    assert only.spans[0].duration_s == 0


def test_an_orphan_stays_and_makes_the_trace_partial() -> None:
    trace = assemble([span("late", "never", namespace="local")])
    assert trace is not None
    assert trace.is_partial
    assert trace.spans[0].service == "late"


def test_a_cycle_of_parents_ends() -> None:
    trace = assemble([span("a", "b"), span("b", "a"), span("c", "c")])
    assert trace is not None
    assert {one.id for one in trace.spans} == {"a", "b", "c"}
    graph = ServiceGraph()
    graph.add([span("a", "b", namespace="aws"), span("b", "a", namespace="aws")])
    assert graph.answer()["Services"]


def test_what_xray_inferred_is_inferred_anew() -> None:
    trace = assemble([*TRACE, span("theirs", "sns", document="segment", name="SNS", is_foreign=True)])
    assert trace == assemble(TRACE)
    assert assemble([replace(TRACE[0], is_foreign=True)]) is None


def graph_of(*traces: list[Span]) -> dict[tuple[str, str | None], dict[str, Any]]:
    graph = ServiceGraph()
    for spans in traces:
        graph.add(spans)
    return {(service["Name"], service.get("Type")): service for service in graph.answer()["Services"]}


def test_the_graph_counts_nodes_by_callee_and_arrows_by_caller() -> None:
    found = graph_of(TRACE, [replace(one, trace_id="u") for one in TRACE])
    client, web, cart = found["web", "client"], found["web", None], found["cart", None]
    assert (web["Root"], web["State"], found["carts", "AWS::DynamoDB::Table"]["State"]) == (True, "active", "unknown")
    assert "SummaryStatistics" not in client
    assert client["Edges"][0]["SummaryStatistics"] == web["SummaryStatistics"]
    edge = web["Edges"][0]
    assert edge["ReferenceId"] == cart["ReferenceId"]
    assert (edge["SummaryStatistics"]["TotalCount"], edge["SummaryStatistics"]["FaultStatistics"]["TotalCount"]) == (2, 2)
    assert edge["SummaryStatistics"]["TotalResponseTime"] == 0.016
    assert edge["ResponseTimeHistogram"] == [{"Value": 0.008, "Count": 2}]
    assert edge["Aliases"] == [{"Name": "10.0.0.1", "Names": ["10.0.0.1"]}]
    assert cart["SummaryStatistics"]["TotalResponseTime"] == 0.013


def test_totals_add_up_whatever_the_flags() -> None:
    flags = [{}, {"error": True}, {"error": True, "throttle": True}, {"fault": True, "error": True}]
    service = graph_of(*[[span(f"s{n}", None, document="segment", name="s", service="s", **one)] for n, one in enumerate(flags)])["s", None]
    told = service["SummaryStatistics"]
    assert told["TotalCount"] == told["OkCount"] + told["ErrorStatistics"]["TotalCount"] + told["FaultStatistics"]["TotalCount"] == 4
    assert told["ErrorStatistics"] == {"ThrottleCount": 1, "OtherCount": 1, "TotalCount": 2}


def test_a_segment_below_a_segment_is_an_arrow_with_its_own_numbers() -> None:
    found = graph_of(
        [
            span("lambda", None, document="segment", end=3_000, origin="AWS::Lambda"),
            span("fn", "lambda", document="segment", end=2_000, origin="AWS::Lambda::Function"),
        ]
    )
    assert found["lambda", "AWS::Lambda"]["Edges"][0]["SummaryStatistics"]["TotalResponseTime"] == 0.002


def test_a_trace_in_one_line() -> None:
    trace = assemble(TRACE)
    assert trace is not None
    told = summarise(trace)
    assert (told.root_service, told.status, told.state, told.spans, told.duration_s) == ("web", 502, "fault", 8, 0.01)
    assert told.services == ("web", "cart", "carts", "SNS", "shop@db")
