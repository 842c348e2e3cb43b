"""What the trace map and the waterfall draw."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dashboard.components.trace_map.layout import LAYER_WIDTH, place
from dashboard.components.trace_map.model import MAX_NODES, map_of, state_of
from dashboard.components.waterfall.model import MAX_ROWS, SpanBar, waterfall_of

NAMES = st.sampled_from("abcdefghij")


def statistics(ok: int = 0, error: int = 0, throttle: int = 0, fault: int = 0, seconds: float = 0.0) -> dict[str, object]:
    return {
        "OkCount": ok,
        "ErrorStatistics": {"ThrottleCount": throttle, "OtherCount": error, "TotalCount": error + throttle},
        "FaultStatistics": {"OtherCount": fault, "TotalCount": fault},
        "TotalCount": ok + error + throttle + fault,
        "TotalResponseTime": seconds,
    }


GRAPH = {
    "Services": [
        {"ReferenceId": 0, "Name": "web", "Type": "client", "Edges": [{"ReferenceId": 1, "SummaryStatistics": statistics(ok=90, fault=10, seconds=20.0)}]},
        {
            "ReferenceId": 1,
            "Name": "web",
            "Root": True,
            "SummaryStatistics": statistics(ok=90, fault=10, seconds=20.0),
            "Edges": [
                {"ReferenceId": 2, "SummaryStatistics": statistics(ok=40, throttle=10, seconds=1.0)},
                {"ReferenceId": 9, "SummaryStatistics": statistics(ok=1)},
            ],
        },
        {
            "ReferenceId": 2,
            "Name": "orders",
            "Type": "AWS::DynamoDB::Table",
            "SummaryStatistics": statistics(ok=40, throttle=10, seconds=1.0),
            "Edges": [{"ReferenceId": 2, "EdgeType": "link", "SummaryStatistics": statistics()}],
        },
    ]
}


def test_a_map_has_a_ring_for_every_service_and_an_arrow_for_every_call() -> None:
    data = map_of(GRAPH, 10)
    assert [(node.name, node.type, node.is_client) for node in data.nodes] == [
        ("web", "client", True),
        ("web", "service", False),
        ("orders", "AWS::DynamoDB::Table", False),
    ]
    web = data.nodes[1]
    assert (web.ok, web.error, web.throttle, web.fault, web.latency, web.rate) == (90, 0, 0, 10, "avg 200 ms", "10/min")
    assert [(arrow.source, arrow.target, arrow.state, arrow.is_link) for arrow in data.arrows] == [
        ("0", "1", "fault", False),
        ("1", "2", "throttle", False),
        ("2", "2", "ok", True),
    ]
    assert data.to_json()["nodes"][0]["x"] < data.to_json()["nodes"][1]["x"]


def test_an_empty_graph_is_an_empty_map() -> None:
    assert map_of({}, 1).nodes == ()


def test_a_map_leaves_out_the_quietest_nodes_and_says_how_many() -> None:
    services = [{"ReferenceId": n, "Name": f"s{n}", "SummaryStatistics": statistics(ok=n)} for n in range(MAX_NODES + 5)]
    data = map_of({"Services": services}, 1)
    assert (len(data.nodes), data.left_out) == (MAX_NODES, 5)
    assert "s4" not in {node.name for node in data.nodes}


def test_the_colour_of_an_arrow_is_the_worst_that_a_hundredth_of_its_calls_met() -> None:
    assert state_of(statistics(ok=999, fault=1)) == "ok"
    assert state_of(statistics(ok=99, fault=1)) == "fault"
    assert state_of(statistics(ok=9, error=1)) == "error"
    assert state_of({}) == "ok"


def test_a_chain_goes_from_left_to_right() -> None:
    places = place(["a", "b", "c", "d"], [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")])
    assert [places[name][0] for name in "abcd"] == [0, LAYER_WIDTH, 2 * LAYER_WIDTH, 3 * LAYER_WIDTH]


@given(st.lists(NAMES, unique=True, min_size=1), st.lists(st.tuples(NAMES, NAMES), max_size=30))
def test_every_node_has_a_place_of_its_own_whatever_the_cycles(nodes: list[str], edges: list[tuple[str, str]]) -> None:
    places = place(nodes, edges)
    assert set(places) == set(nodes)
    assert len(set(places.values())) == len(nodes)
    assert places == place(nodes, reversed(edges))


def bar(identity: str, parent: str | None, start: int, end: int | None) -> SpanBar:
    return SpanBar(identity, parent, identity, "svc", "segment", start, end, "ok")


def test_rows_are_a_tree_in_the_order_of_starts() -> None:
    data = waterfall_of([bar("c", "a", 5, 6), bar("a", None, 0, 10), bar("b", "a", 2, 4), bar("d", "b", 3, 4)])
    assert [(row.id, row.depth, row.children) for row in data.rows] == [("a", 0, 2), ("b", 1, 1), ("d", 2, 0), ("c", 1, 0)]
    assert (data.rows[1].offset, data.rows[1].length, data.rows[1].duration_ms) == (0.2, 0.2, 0.002)


def test_a_span_in_progress_reaches_to_the_end_and_has_no_duration() -> None:
    row = waterfall_of([bar("a", None, 0, 10), bar("b", "a", 4, None)]).rows[1]
    assert (row.length, row.duration_ms) == (0.6, None)


def test_a_span_that_starts_before_its_parent_says_so() -> None:
    rows = waterfall_of([bar("a", None, 5, 10), bar("b", "a", 4, 6)]).rows
    assert {row.id: row.is_early for row in rows} == {"a": False, "b": True}


@given(st.lists(st.tuples(NAMES, st.none() | NAMES, st.integers(0, 50), st.none() | st.integers(0, 60)), unique_by=lambda item: item[0]))
def test_every_span_is_drawn_once_whatever_its_parents(items: list[tuple[str, str | None, int, int | None]]) -> None:
    data = waterfall_of([bar(*item) for item in items])
    assert sorted(row.id for row in data.rows) == sorted(item[0] for item in items)
    assert all(0 <= row.offset <= 1 and row.length >= 0 for row in data.rows)
    assert all(after.depth <= before.depth + 1 for before, after in pairwise(data.rows))


def test_a_very_long_trace_is_cut_and_says_by_how_much() -> None:
    data = waterfall_of([bar(str(number), None, number, number) for number in range(MAX_ROWS + 3)])
    assert (len(data.rows), data.left_out) == (MAX_ROWS, 3)
