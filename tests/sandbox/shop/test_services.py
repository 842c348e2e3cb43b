"""The services of the shop, as they run: answers, log lines, traces, incidents."""

import random
import time
from typing import Any

import orjson
import pytest
import requests

from sandbox.incidents import INCIDENTS, switch
from sandbox.traffic import Visit, visit
from tailrace.clock import SystemClock
from tests.sandbox.conftest import Shop, wait_until

CLOCK = SystemClock()


def make_visit(**changes: Any) -> Visit:
    made = visit(random.Random(), CLOCK.now_us())
    fields = {name: getattr(made, name) for name in Visit.__dataclass_fields__}
    return Visit(**(fields | changes))


def ask(shop: Shop, one: Visit, method: str, path: str) -> requests.Response:
    headers = {"X-Amzn-Trace-Id": f"Root={one.trace_id};Sampled=1", "X-Shop-User": one.user, "X-Request-Id": one.request_id}
    body = {"user": one.user, "sku": one.sku} if method == "POST" else None
    return requests.request(method, shop.url + path, json=body, headers=headers, timeout=20)


def turn(shop: Shop, name: str, *, on: bool) -> None:
    switch(shop.board, name, on=on, for_s=3600, clock=CLOCK)
    time.sleep(0.6)


def segments(shop: Shop, one: Visit, count: int) -> dict[str, dict[str, Any]]:
    def found() -> dict[str, dict[str, Any]]:
        return {document["name"]: document for document in list(shop.documents) if document["trace_id"] == one.trace_id}

    wait_until(lambda: len(found()) >= count)
    return found()


def test_a_checkout_is_logged_and_traced_by_all_five_services_under_one_trace(shop: Shop) -> None:
    one = make_visit(user="u-010")
    assert ask(shop, one, "POST", "/cart").status_code == 200
    assert ask(shop, one, "POST", "/checkout").status_code == 201
    for service in ("web", "cart", "payment", "inventory", "mail"):
        wait_until(lambda service=service: any("duration_ms" in event for event in shop.events(service, one.request_id)))  # type: ignore[misc]
        for event in shop.events(service, one.request_id):
            assert event["trace_id"] == one.trace_id
            assert event["service"] == service
            assert event["user"] == {"id": "u-010", "tier": "gold"}
    found = segments(shop, one, 5)
    web = found["web"]
    callers = {below["id"] for below in web["subsegments"]}
    assert {document["parent_id"] for name, document in found.items() if name != "web"} <= callers | {web.get("parent_id")}
    below = {name: [sub["name"] for sub in found[name].get("subsegments", [])] for name in ("cart", "inventory", "payment", "mail")}
    assert "dynamodb" in below["cart"]
    assert "dynamodb" in below["inventory"]
    assert below["payment"] == ["sns"]
    assert below["mail"] == ["s3"]
    assert web["user"] == "u-010"
    assert web["annotations"]["tier"] == "gold"


def test_browsing_answers(shop: Shop) -> None:
    one = make_visit()
    assert ask(shop, one, "GET", "/").json() == {"shop": "open"}
    assert ask(shop, one, "GET", f"/products/{one.sku}").json()["stock"] > 0


def test_a_product_that_is_not_there_is_a_warning(shop: Shop) -> None:
    one = make_visit()
    assert ask(shop, one, "GET", "/products/boat-99").status_code == 404
    wait_until(lambda: any("no such product: boat-99" in event["message"] for event in shop.events("inventory", one.request_id)))


def test_a_page_that_is_not_there_is_404(shop: Shop) -> None:
    assert ask(shop, make_visit(), "GET", "/nowhere").status_code == 404


def test_payment_errors_are_exceptions_with_a_stack_and_faults_with_a_cause(shop: Shop) -> None:
    turn(shop, "payment_errors", on=True)
    one = make_visit()
    for _ in range(40):
        one = make_visit()
        if ask(shop, one, "POST", "/checkout").status_code == 502:
            break
    turn(shop, "payment_errors", on=False)
    wait_until(lambda: any("exception" in event for event in shop.events("payment", one.request_id)))
    failed = next(event for event in shop.events("payment", one.request_id) if "exception" in event)
    assert failed["level"] == "ERROR"
    assert failed["exception"]["type"] == "CardNetworkError"
    assert "Traceback" in failed["exception"]["stacktrace"]
    wait_until(lambda: any(event["message"].startswith("checkout of") for event in shop.events("web", one.request_id)))
    payment = segments(shop, one, 4)["payment"]
    assert payment["fault"] is True
    assert payment["cause"]["exceptions"][0]["type"] == "CardNetworkError"


def test_a_slow_inventory_makes_a_slow_page_and_says_so(shop: Shop) -> None:
    turn(shop, "slow_inventory", on=True)
    one = make_visit()
    took = ask(shop, one, "POST", "/checkout").elapsed.total_seconds()
    turn(shop, "slow_inventory", on=False)
    assert took > 0.8
    wait_until(lambda: any(event["message"].startswith("slow query") for event in shop.events("inventory", one.request_id)))
    wait_until(lambda: any(event["level"] == "WARN" for event in shop.events("web", one.request_id)))


def test_the_broken_format_of_mail_is_no_json(shop: Shop) -> None:
    turn(shop, "broken_mail_format", on=True)
    one = make_visit()
    ask(shop, one, "POST", "/checkout")
    turn(shop, "broken_mail_format", on=False)
    wait_until(lambda: any(one.request_id in line for line in shop.lines("mail")))
    line = next(line for line in shop.lines("mail") if one.request_id in line)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(line)


def test_the_silent_cart_answers_and_logs_nothing(shop: Shop) -> None:
    turn(shop, "silent_cart", on=True)
    one = make_visit()
    assert ask(shop, one, "POST", "/cart").status_code == 200
    turn(shop, "silent_cart", on=False)
    wait_until(lambda: bool(shop.events("web", one.request_id)))
    assert shop.events("cart", one.request_id) == []


def test_every_incident_was_switched_off_again(shop: Shop) -> None:
    for name in INCIDENTS:
        turn(shop, name, on=False)
    assert ask(shop, make_visit(), "POST", "/checkout").status_code == 201
