"""What a group costs: the 5 KB rounding is AWS's, more never costs less, and published figures are met."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.subscriptions.assumptions import ASSUMPTIONS, CASES, assumptions, read_given, values
from collectors.subscriptions.cost import (
    DAYS,
    GB,
    LEGS,
    Flow,
    Route,
    Search,
    billed_bytes,
    document_sizes,
    flow_of,
    group_cost,
    payloads,
    pipeline_cost,
    rounding_factor,
    shards,
)
from collectors.subscriptions.prices import prices
from collectors.subscriptions.traffic import Traffic
from tailrace.errors import UsageError

UNIT = {name: price.usd for name, price in prices("us-east-1").items()}
LIKELY = dict(values(ASSUMPTIONS, "likely"))

routes = st.builds(Route, st.sampled_from(["lambda", "kinesis", "firehose"]), st.sampled_from(["firehose", "bulk", "none"]))
cases = st.sampled_from(CASES)
amounts = st.floats(0, 1e15, allow_nan=False)
sizes = st.lists(st.integers(0, 1_048_576), min_size=1, max_size=5).map(tuple)


def test_an_event_of_400_bytes_is_billed_as_12_8_times_its_size() -> None:
    """AWS's rule: the size of each record rounded up to the next 5 KB (5,120 bytes)."""
    assert rounding_factor([400]) == pytest.approx(12.8)
    assert rounding_factor([400, 400, 5120]) == pytest.approx(3 * 5120 / 5920)
    assert [billed_bytes(3 * 1024), billed_bytes(12 * 1024), billed_bytes(42 * 1024)] == [5 * 1024, 15 * 1024, 45 * 1024]
    assert (billed_bytes(0), rounding_factor([]), rounding_factor([0])) == (5120, 1.0, 1.0)


def test_firehose_is_billed_by_rows_as_they_are_sent_not_by_lines_as_they_came() -> None:
    flow = Flow(1e6, 400e6, (400.0,))
    (document,) = document_sizes(flow.sizes, LIKELY)
    assert document == 400 * 2.6 + 480
    search = group_cost(flow, Route("lambda", "firehose"), LIKELY, UNIT)["Firehose"] - group_cost(flow, Route("lambda", "none"), LIKELY, UNIT)["Firehose"]
    assert search == pytest.approx(1e6 * 5120 / GB * 0.029)


@given(routes, cases, amounts, amounts, st.floats(1, 100), st.floats(1, 100), sizes)
def test_more_bytes_or_more_events_never_cost_less(
    route: Route, case: str, events: float, raw: float, more_events: float, more_bytes: float, sampled: tuple[float, ...]
) -> None:
    a = values(ASSUMPTIONS, case)  # type: ignore[arg-type]
    small, large = Flow(events, raw, sampled), Flow(events * more_events, raw * more_bytes, sampled)
    few, many = group_cost(small, route, a, UNIT), group_cost(large, route, a, UNIT)
    assert all(many[leg] >= few[leg] * (1 - 1e-9) >= 0 for leg in LEGS)
    fixed, more = pipeline_cost([small], route, a, UNIT), pipeline_cost([large], route, a, UNIT)
    assert all(more[leg] >= fixed[leg] for leg in fixed)


@given(routes, cases, amounts, amounts, sizes, st.integers(0, 1_000_000))
def test_larger_events_never_cost_less(route: Route, case: str, events: float, raw: float, sampled: tuple[int, ...], more: int) -> None:
    a = values(ASSUMPTIONS, case)  # type: ignore[arg-type]
    few, many = (group_cost(Flow(events, raw, grown), route, a, UNIT) for grown in (sampled, tuple(size + more for size in sampled)))
    assert all(many[leg] >= few[leg] * (1 - 1e-9) for leg in LEGS)


@given(routes, amounts, amounts, sizes)
def test_the_likely_cost_lies_in_its_range(route: Route, events: float, raw: float, sampled: tuple[float, ...]) -> None:
    low, likely, high = (group_cost(Flow(events, raw, sampled), route, values(ASSUMPTIONS, case), UNIT) for case in CASES)
    assert all(low[leg] <= likely[leg] * (1 + 1e-9) and likely[leg] <= high[leg] * (1 + 1e-9) for leg in LEGS)


def test_nothing_costs_nothing_and_no_event_makes_two_payloads() -> None:
    nothing = flow_of(Traffic(0, 0), (), 1.0)
    assert nothing.sizes == ()
    assert set(group_cost(nothing, Route("kinesis"), LIKELY, UNIT).values()) == {0.0}
    assert payloads(Flow(3, 3e6, ()), LIKELY) == 3
    half = flow_of(Traffic(1000, 10), (), 0.5)
    assert (half.events, half.sizes) == (10 * DAYS / 2, (100.0,))


@pytest.mark.parametrize(
    ("gb_a_day", "days", "replicas", "published_usd", "node_hour"),
    [(10, 30, 0, 216.28, 0.113), (10, 30, 1, 289.35, 0.128)],
)
def test_opensearch_costs_what_awss_own_solution_publishes(gb_a_day: int, days: int, replicas: int, published_usd: float, node_hour: float) -> None:
    """Two c6g.large (m6g.large) nodes and their volumes, US East: https://docs.aws.amazon.com/solutions/latest/centralized-logging-with-opensearch/cost.html; within 15 %."""
    a = LIKELY | {"document_factor": 1, "document_overhead": 0, "search_expansion": 1.45, "search_days": days, "search_replicas": replicas, "search_nodes": 2}
    unit = UNIT | {"opensearch.node_hour": node_hour}
    flow, route = Flow(1, gb_a_day * GB * DAYS, (1.0,)), Route("lambda", "bulk")
    found = group_cost(flow, route, a, unit)["OpenSearch"] + pipeline_cost([flow], route, a, unit)["OpenSearch"]
    assert found == pytest.approx(published_usd, rel=0.15)


@pytest.mark.parametrize(("search", "costs"), [("firehose", True), ("bulk", True), ("none", False)])
def test_opensearch_costs_only_where_it_is_used(search: Search, costs: bool) -> None:
    route = Route("lambda", search)
    assert (group_cost(Flow(1e6, 1e9, (1e3,)), route, LIKELY, UNIT)["OpenSearch"] > 0) == costs
    assert (pipeline_cost([], route, LIKELY | {"search_nodes": 1}, UNIT)["OpenSearch"] > 0) == costs


def test_shards_are_made_for_the_busiest_time() -> None:
    a = LIKELY | {"peak": 1, "gzip_ratio": 1, "payload_bytes": 1_048_576}
    month_s = DAYS * 86_400
    flows = [Flow(1e9, 3.5 * 1_048_576 * month_s, (1.0,))]
    assert shards(flows, Route("kinesis"), a) == 4
    assert shards(flows, Route("kinesis"), a | {"peak": 2}) == 7
    assert shards(flows, Route("lambda"), a) == 0
    assert pipeline_cost([Flow(1, 1, (1.0,))], Route("kinesis"), a, UNIT)["Kinesis"] == pytest.approx(DAYS * 24 * 0.015)


def test_what_is_given_has_no_range_and_what_does_not_exist_is_said() -> None:
    found = {one.name: one for one in assumptions({"scans": 4})}
    assert (found["scans"].low, found["scans"].likely, found["scans"].high, found["scans"].given) == (4, 4, 4, True)
    assert not found["peak"].given
    with pytest.raises(UsageError, match=r"no such assumption: serch_days \(did you mean 'search_days'\?\)"):
        assumptions({"serch_days": 4})
    for wrong in ("scans", "scans=", "scans=x", "scans=-1", "=1", "scans=nan", "scans=inf"):
        with pytest.raises(UsageError, match="not name=value"):
            read_given([wrong])
