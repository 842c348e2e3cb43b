"""Traffic and history: seeded, shaped, and in the formats of AWS."""

import random
import re
from itertools import islice

import orjson

from sandbox.history import INCIDENTS, LENGTH_US, History
from sandbox.shop.place import SERVICES
from sandbox.traffic import DAY_S, alb_line, flow_line, rate, visit, visits
from tailrace.clock import US_PER_MINUTE, US_PER_MS, US_PER_S

NOW_US = 1_790_000_000 * US_PER_S


def made(seed: int = 1) -> History:
    history = History(NOW_US - LENGTH_US, NOW_US, seed)
    history.make()
    return history


def test_the_same_seed_makes_the_same_visits() -> None:
    first, second = (list(islice(visits(random.Random(7), NOW_US, 5.0), 50)) for _ in range(2))
    assert first == second
    assert first == sorted(first, key=lambda one: one.at_us)


def test_the_rate_goes_up_and_down_within_its_day() -> None:
    rates = [rate(NOW_US + round(second * US_PER_S), 10.0) for second in range(int(DAY_S))]
    assert min(rates) < 5
    assert max(rates) > 15


def test_a_load_balancer_line_has_the_columns_of_the_documentation() -> None:
    one = visit(random.Random(1), NOW_US)
    columns = re.findall(r'"[^"]*"|\S+', alb_line(one, 200, 12_345, 99))
    assert len(columns) == 30
    assert columns[0] == "http"
    assert columns[8:10] == ["200", "200"]
    assert columns[17] == f'"Root={one.trace_id}"'


def test_a_flow_record_has_the_fourteen_columns_of_version_2() -> None:
    columns = flow_line(random.Random(1), NOW_US).split()
    assert len(columns) == 14
    assert columns[0] == "2"
    assert columns[12] in {"ACCEPT", "REJECT"}


def test_the_hour_before_has_lines_of_everybody_in_order_and_within_the_hour() -> None:
    lines = made().lines
    assert set(lines) == {*SERVICES, "alb", "vpc-flow"}
    for events in lines.values():
        times = [time_ms for time_ms, _ in events]
        assert times == sorted(times)
        assert times[0] >= (NOW_US - LENGTH_US) // US_PER_MS
        assert times[-1] < NOW_US // US_PER_MS + 30_000


def test_the_same_seed_makes_the_same_history() -> None:
    assert made(3).lines == made(3).lines


def test_the_hour_before_had_every_incident() -> None:
    history = made()
    text = {group: [line for _, line in events] for group, events in history.lines.items()}
    assert any("CardNetworkError" in line for line in text["payment"])
    assert any("slow query" in line for line in text["inventory"])
    assert any('"INFO" "service"' in line for line in text["mail"])
    last, first = next((last, first) for name, first, last in INCIDENTS if name == "silent_cart")
    quiet = [time_ms for time_ms, _ in history.lines["cart"] if last < (NOW_US / US_PER_MS - time_ms) * US_PER_MS / US_PER_MINUTE <= first]
    assert quiet == []


def test_traces_of_the_hour_before_hang_together() -> None:
    documents = [orjson.loads(document) for document in made().documents]
    below = {sub["id"] for document in documents for sub in document.get("subsegments", ())}
    for document in documents:
        assert re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{24}", document["trace_id"])
        assert re.fullmatch(r"[0-9a-f]{16}", document["id"])
        assert document["end_time"] > document["start_time"]
        assert document["name"] == "web" or document["parent_id"] in below
    assert any(document.get("fault") and "cause" in document for document in documents)


def test_traced_visits_have_their_trace_id_in_their_log_lines() -> None:
    history = made()
    traced = {orjson.loads(document)["trace_id"] for document in history.documents}
    logged = {event["trace_id"] for _, line in history.lines["web"] for event in [orjson.loads(line)] if "trace_id" in event}
    assert logged == traced
