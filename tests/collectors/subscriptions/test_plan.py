"""What is planned: one account policy or filters, with reasons; never a group that feeds itself, and never over what others put there."""

import pytest

from collectors.subscriptions.account_policy import AccountPolicy
from collectors.subscriptions.destination import Fed, fed_by, read_destination
from collectors.subscriptions.inventory import Inventory, entry_document, matching_groups, take_inventory
from collectors.subscriptions.log_groups import LogGroup, SubscriptionFilter
from collectors.subscriptions.memory import MemoryLogGroups
from collectors.subscriptions.places import Place
from collectors.subscriptions.plan import Plan, Wish, make_plan
from tailrace.errors import UsageError

HERE = Place("123456789012", "us-east-1")
STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/logs"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:collect"
ROLE = "arn:aws:iam::123456789012:role/r"


def memory(*groups: str, **filters: list[str]) -> MemoryLogGroups:
    taken = {group: {name: SubscriptionFilter(name, FUNCTION) for name in filters.get(group.strip("/"), [])} for group in groups}
    return MemoryLogGroups({LogGroup(group): found for group, found in taken.items()})


def inventory(port: MemoryLogGroups, wish: Wish) -> Inventory:
    return take_inventory(HERE, port, wish.patterns, fed_by(wish.destination_at(HERE)) if wish.destination else Fed())


def plan(port: MemoryLogGroups, wish: Wish) -> Plan:
    return make_plan(inventory(port, wish), wish)


def actions(found: Plan) -> dict[str, str]:
    return {step.group: step.action for step in found.steps}


def test_groups_with_room_get_a_filter_and_full_ones_are_left_alone() -> None:
    found = plan(memory("/a", "/b", "/c", b=["other"], c=["x", "y"]), Wish(("/*",), STREAM))
    assert actions(found) == {"/a": "put", "/b": "put", "/c": "skip"}
    assert found.steps[2].why == "has no room: x and y are its 2 filters"
    assert "not all groups are wanted" in found.reason
    assert found.flowing == found.new == frozenset({"/a", "/b"})


def test_a_filter_of_ours_that_sends_elsewhere_is_changed_and_one_of_another_name_that_sends_there_is_kept() -> None:
    port = memory("/a", "/b", a=["tailrace"])
    port.put("/b", SubscriptionFilter("mine", STREAM))
    found = plan(port, Wish(("/a", "/b"), STREAM))
    assert [(step.action, step.why) for step in found.steps] == [("change", f"sends to {FUNCTION}"), ("keep", "sends there already, by the filter mine")]
    assert (found.flowing, found.new) == (frozenset({"/a", "/b"}), frozenset())


def test_a_role_that_aws_added_is_no_difference_and_one_that_was_asked_for_is() -> None:
    port = memory("/a")
    port.put("/a", SubscriptionFilter("tailrace", STREAM, role_arn=ROLE))
    assert actions(plan(port, Wish(("/a",), STREAM))) == {"/a": "keep"}
    assert actions(plan(port, Wish(("/a",), STREAM, role_arn=ROLE + "2"))) == {"/a": "change"}
    (step,) = plan(port, Wish(("/a",), STREAM, pattern="ERROR")).steps
    assert (step.action, step.why) == ("change", "has the filter pattern ''")
    with pytest.raises(UsageError, match="leave the role away"):
        plan(port, Wish(("/a",), FUNCTION, role_arn=ROLE))


@pytest.mark.parametrize(
    ("group", "arn", "fed"),
    [
        ("/aws/lambda/tailrace", STREAM, True),
        ("/aws/lambda/tailrace-collector", STREAM, True),
        ("/aws/kinesisfirehose/tailrace-logs", STREAM, True),
        ("/aws/OpenSearchService/domains/tailrace/index-logs", STREAM, True),
        ("/aws/lambda/collect", FUNCTION, True),
        ("/aws/lambda/collect", FUNCTION + ":live", True),
        ("/aws/kinesisfirehose/lake", "arn:aws:firehose:us-east-1:123456789012:deliverystream/lake", True),
        ("/aws/lambda/collect", STREAM, False),
        ("/aws/lambda/tailraces", STREAM, False),
        ("/tailrace/check", STREAM, False),
    ],
)
def test_a_group_that_is_fed_by_the_pipeline_is_never_subscribed(group: str, arn: str, fed: bool) -> None:
    (step,) = plan(memory(group), Wish((group,), arn)).steps
    assert step.action == ("skip" if fed else "put")
    assert ("would never end" in step.why) == fed


@pytest.mark.parametrize("log_class", ["INFREQUENT_ACCESS", "DELIVERY"])
def test_a_group_of_another_class_is_left_out_also_by_a_policy(log_class: str) -> None:
    port = MemoryLogGroups({LogGroup("/a", log_class): {}, LogGroup("/b"): {}})
    (step, _) = plan(port, Wish(("/*",), STREAM)).steps
    assert (step.action, log_class in step.why) == ("skip", True)
    assert actions(plan(port, Wish(("*",), STREAM))) == {"*": "put", "/a": "skip", "/b": "covered"}


def test_where_all_groups_are_wanted_one_policy_does_it_and_leaves_out_what_feeds_itself() -> None:
    port = memory("/a", "/b", "/aws/lambda/collect", "/aws/lambda/tailrace-x", "/left")
    for name in ("x", "y"):
        port.put("/b", SubscriptionFilter(name, STREAM))
    found = plan(port, Wish(("*",), FUNCTION, exclude=("/lef*",)))
    assert actions(found) == {"*": "put", "/a": "covered", "/b": "covered", "/aws/lambda/collect": "skip", "/aws/lambda/tailrace-x": "skip", "/left": "skip"}
    policy = found.steps[0].wanted
    assert isinstance(policy, AccountPolicy)
    assert policy.excluded == ("/aws/lambda/collect", "/aws/lambda/tailrace-x", "/left")
    assert found.flowing == found.new == frozenset({"/a", "/b"})
    assert "one account policy" in found.reason


def test_a_policy_leaves_out_the_groups_of_streams_that_do_not_exist_yet() -> None:
    wish = Wish(("*",), FUNCTION)
    found = make_plan(take_inventory(HERE, memory("/a"), ["*"], fed_by(read_destination(FUNCTION), streams="lake")), wish)
    policy = found.steps[0].wanted
    assert isinstance(policy, AccountPolicy)
    assert policy.excluded == (
        "/aws/kinesisfirehose/lake-dead",
        "/aws/kinesisfirehose/lake-logs",
        "/aws/kinesisfirehose/lake-metrics",
        "/aws/kinesisfirehose/lake-spans",
        "/aws/lambda/collect",
    )


def test_a_group_that_sends_there_already_is_left_out_of_the_policy_so_that_no_event_comes_twice() -> None:
    port = memory("/a", "/b")
    port.put("/a", SubscriptionFilter("mine", STREAM))
    found = plan(port, Wish(("*",), STREAM, role_arn=ROLE))
    assert actions(found) == {"*": "put", "/a": "keep", "/b": "covered"}
    policy = found.steps[0].wanted
    assert isinstance(policy, AccountPolicy)
    assert (policy.excluded, policy.role_arn) == (("/a",), ROLE)
    assert found.new == {"/b"}


def test_a_policy_of_somebody_elses_is_never_evicted() -> None:
    port = memory("/a", "/b")
    port.put_policy(AccountPolicy("security", FUNCTION))
    found = plan(port, Wish(("*",), STREAM))
    assert actions(found) == {"/a": "put", "/b": "put"}
    assert f"the account's one policy is security, to {FUNCTION}" in found.reason
    with pytest.raises(UsageError, match="no account policy: the account's one policy is security"):
        plan(port, Wish(("*",), STREAM, scope="account"))
    assert actions(plan(port, Wish(("*",), FUNCTION))) == {"/a": "keep", "/b": "keep"}


def test_a_policy_of_ours_is_kept_or_changed_and_a_smaller_wish_does_not_narrow_it() -> None:
    port = memory("/a", "/b")
    port.put_policy(AccountPolicy("tailrace", STREAM, role_arn=ROLE))
    assert actions(plan(port, Wish(("*",), STREAM))) == {"*": "keep", "/a": "covered", "/b": "covered"}
    found = plan(port, Wish(("*",), STREAM, exclude=("/b",)))
    assert (found.steps[0].action, found.steps[0].why) == ("change", "does not leave out /b")
    assert found.new == set()
    assert actions(plan(port, Wish(("/a",), STREAM))) == {"/a": "keep"}
    assert plan(port, Wish(("*",), FUNCTION)).steps[0].why == f"sends to {STREAM}"
    assert plan(port, Wish(("*",), STREAM, pattern="E")).steps[0].why == "has the filter pattern ''"
    port.put_policy(AccountPolicy("tailrace", STREAM, excluded=("/b",)))
    assert plan(port, Wish(("*",), STREAM)).steps[0].why == "leaves out /b"
    port.put_policy(AccountPolicy("tailrace", STREAM, role_arn=ROLE))
    assert plan(port, Wish(("*",), STREAM, role_arn=ROLE + "2")).steps[0].why == "has another role"


def test_filters_are_taken_where_a_policy_cannot_leave_out_enough_or_is_not_to_be_seen() -> None:
    many = memory(*(f"/left/{'x' * 200}/{number}" for number in range(130)), "/a")
    found = plan(many, Wish(("*",), STREAM, exclude=("/left/*",)))
    assert "130 groups to leave out are more than 25 KB of names" in found.reason
    assert actions(found)["/a"] == "put"
    unseen = memory("/a")
    unseen.refuses_policies = True
    found = plan(unseen, Wish(("*",), STREAM))
    assert (actions(found), "not to be seen" in found.reason) == ({"/a": "put"}, True)


def test_filters_are_taken_where_they_are_asked_for_and_a_policy_where_it_is() -> None:
    port = memory("/a", "/b")
    assert plan(port, Wish(("*",), STREAM, scope="groups")).reason == "filters group by group: as was asked for"
    found = plan(port, Wish(("/a",), STREAM, scope="account"))
    assert actions(found) == {"*": "put", "/a": "covered"}
    policy = found.steps[0].wanted
    assert isinstance(policy, AccountPolicy)
    assert policy.excluded == ("/b",)


def test_no_policy_is_made_where_every_group_sends_there_already() -> None:
    port = memory("/a")
    port.put("/a", SubscriptionFilter("tailrace", STREAM))
    found = plan(port, Wish(("*",), STREAM))
    assert (actions(found), "no group lacks one" in found.reason) == ({"/a": "keep"}, True)


@pytest.mark.parametrize(
    ("arn", "why"),
    [
        ("arn:aws:kinesis:eu-west-1:123456789012:stream/logs", "a filter sends within its Region, us-east-1"),
        ("arn:aws:kinesis:us-east-1:999999999999:stream/logs", "the destination is of account 999999999999"),
    ],
)
def test_a_destination_that_cannot_be_reached_from_there_is_said(arn: str, why: str) -> None:
    (step,) = plan(memory("/a"), Wish(("/a",), arn)).steps
    assert step.action == "skip"
    assert why in step.why


def test_a_logs_destination_of_another_account_is_reached_and_places_are_filled_in() -> None:
    central = "arn:aws:logs:{region}:999999999999:destination:central"
    (step,) = plan(memory("/a"), Wish(("/a",), central)).steps
    assert step.wanted == SubscriptionFilter("tailrace", "arn:aws:logs:us-east-1:999999999999:destination:central")
    (step,) = plan(memory("/a"), Wish(("/a",), "arn:aws:lambda:{region}:{account}:function:collect")).steps
    assert step.wanted == SubscriptionFilter("tailrace", FUNCTION)


def test_patterns_name_groups_once_and_one_without_match_is_an_error() -> None:
    port = memory("/ecs/a", "/ecs/b", "/ecs/b2", "/other", "/odd[1]")
    assert [group.name for group in matching_groups(port, ["/ecs/?", "/ecs/b*"])] == ["/ecs/a", "/ecs/b", "/ecs/b2"]
    assert [group.name for group in matching_groups(port, ["/odd[1]"])] == ["/odd[1]"]
    with pytest.raises(UsageError, match="no log group matches '/ec'"):
        matching_groups(port, ["/ec"])


def test_an_inventory_says_who_has_the_slots_and_marks_what_never_expires() -> None:
    port = MemoryLogGroups({LogGroup("/a", retention_days=7, stored_bytes=5, kms_key="k"): {"x": SubscriptionFilter("x", FUNCTION)}, LogGroup("/b"): {}})
    port.put_policy(AccountPolicy("security", FUNCTION, excluded=("/b",)))
    found = inventory(port, Wish(("*",), STREAM))
    first, second = (entry_document(entry, found) for entry in found.entries)
    assert {**first, "filters": 0} == {
        "account": "123456789012",
        "region": "us-east-1",
        "group": "/a",
        "class": "STANDARD",
        "retention": 7,
        "stored_bytes": 5,
        "bytes_per_day": None,
        "events_per_day": None,
        "filters": 0,
        "slots": "1 of 2",
        "account_policies": ["security"],
        "kms_key": "k",
        "recursion_risk": "",
    }
    assert (second["retention"], second["slots"], second["account_policies"]) == ("never", "0 of 2", [])
