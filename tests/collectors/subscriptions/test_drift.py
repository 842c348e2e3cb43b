"""What is not as it was wanted is found: missing, changed, gone; what others hold is shown and is no drift."""

from collectors.subscriptions.account_policy import AccountPolicy
from collectors.subscriptions.destination import fed_by
from collectors.subscriptions.drift import DRIFTED, Standing, drift, standing_of
from collectors.subscriptions.inventory import Inventory, take_inventory
from collectors.subscriptions.log_groups import LogGroup, SubscriptionFilter
from collectors.subscriptions.memory import MemoryLogGroups
from collectors.subscriptions.places import Place
from collectors.subscriptions.plan import Wish

HERE = Place("123456789012", "us-east-1")
STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/logs"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:other"


def looked(port: MemoryLogGroups, wish: Wish) -> Inventory:
    return take_inventory(HERE, port, wish.patterns, fed_by(wish.destination_at(HERE)))


def states(found: list[Standing]) -> dict[str, str]:
    return {one.group: one.state for one in found}


def test_filters_that_lack_differ_or_are_anothers_are_told_apart() -> None:
    port = MemoryLogGroups({LogGroup(name): {} for name in ("/changed", "/full", "/missing", "/ok", "/aws/lambda/tailrace-x")})
    port.put("/ok", SubscriptionFilter("tailrace", STREAM))
    port.put("/changed", SubscriptionFilter("tailrace", STREAM, "ERROR"))
    for name in ("x", "y"):
        port.put("/full", SubscriptionFilter(name, FUNCTION))
    wish = Wish(("/*",), STREAM)
    found = drift(looked(port, wish), wish, ["/ok", "/gone", "*"])
    assert states(found) == {
        "/aws/lambda/tailrace-x": "left out",
        "/changed": "changed",
        "/full": "foreign",
        "/missing": "missing",
        "/ok": "ok",
        "/gone": "gone",
    }
    assert {one.state for one in found} & DRIFTED == {"changed", "missing", "gone"}


def test_a_group_of_an_earlier_plan_that_was_not_asked_for_now_is_not_gone() -> None:
    port = MemoryLogGroups({LogGroup(name): {} for name in ("/a", "/b")})
    wish = Wish(("/a",), STREAM)
    assert states(drift(looked(port, wish), wish, ["/b"])) == {"/a": "missing"}


def test_a_policy_that_lacks_or_differs_is_found() -> None:
    port = MemoryLogGroups({LogGroup("/a"): {}})
    wish = Wish(("*",), STREAM)
    assert states(drift(looked(port, wish), wish)) == {"*": "missing", "/a": "missing"}
    port.put_policy(AccountPolicy("tailrace", STREAM))
    assert states(drift(looked(port, wish), wish)) == {"*": "ok", "/a": "ok"}
    port.put_policy(AccountPolicy("tailrace", STREAM, "ERROR"))
    assert states(drift(looked(port, wish), wish)) == {"*": "changed", "/a": "ok"}


def test_without_a_wish_it_is_said_who_has_filters() -> None:
    port = MemoryLogGroups({LogGroup(name): {} for name in ("/a", "/b", "/c")})
    port.put("/a", SubscriptionFilter("tailrace", STREAM))
    port.put("/b", SubscriptionFilter("x", FUNCTION))
    found = [standing_of(entry, "tailrace") for entry in looked(port, Wish(("/*",), STREAM)).entries]
    assert [(one.state, one.why) for one in found] == [
        ("ok", f"sends to {STREAM}"),
        ("foreign", "has filters of others: x"),
        ("left out", "has no filter"),
    ]
