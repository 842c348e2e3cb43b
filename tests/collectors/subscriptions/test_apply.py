"""Log groups are subscribed where there is room, and never those that Tailrace writes to."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from collectors.subscriptions.apply import apply, ensure_stream, is_own_group, matching_groups, plan, read_destination, remove, status
from collectors.subscriptions.log_groups import Boto3LogGroups, KeepsSubscriptions, LogGroup, MemoryLogGroups, SubscriptionFilter
from tailrace import aws
from tailrace.errors import PermanentError, UsageError
from tailrace.settings import Settings

STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/logs"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:collect"
WANTED = SubscriptionFilter("tailrace", STREAM)


def memory(*groups: str, **filters: list[str]) -> MemoryLogGroups:
    taken = {group: {name: SubscriptionFilter(name, FUNCTION) for name in filters.get(group.strip("/"), [])} for group in groups}
    return MemoryLogGroups({LogGroup(group): found for group, found in taken.items()})


def actions(steps: Any) -> dict[str, str]:
    return {step.group: step.action for step in steps}


def test_groups_with_room_are_subscribed_once() -> None:
    port = memory("/a", "/b", "/c", b=["other"], c=["x", "y"])
    steps = plan(port, ["/*"], WANTED)
    assert actions(steps) == {"/a": "put", "/b": "put", "/c": "skip"}
    assert steps[2].why == "has no room: x and y are its 2 filters"
    assert port.filters("/a") == []
    assert actions(apply(port, steps)) == {"/a": "done", "/b": "done", "/c": "skip"}
    assert port.filters("/a") == [WANTED]
    assert actions(plan(port, ["/*"], WANTED)) == {"/a": "keep", "/b": "keep", "/c": "skip"}


def test_a_filter_that_sends_elsewhere_is_changed_and_one_of_another_name_that_sends_there_is_kept() -> None:
    port = memory("/a", "/b", a=["tailrace"], b=["mine"])
    port.put("/b", SubscriptionFilter("mine", STREAM))
    steps = plan(port, ["/a", "/b"], WANTED)
    assert [(step.action, step.why) for step in steps] == [("change", f"sends to {FUNCTION}"), ("keep", "sends there already, by the filter mine")]
    apply(port, steps)
    assert port.filters("/a") == [WANTED]


def test_a_role_that_aws_added_is_no_difference_and_one_that_was_asked_for_is() -> None:
    port = memory("/a")
    port.put("/a", SubscriptionFilter("tailrace", STREAM, role_arn="arn:aws:iam::1:role/r"))
    assert actions(plan(port, ["/a"], WANTED)) == {"/a": "keep"}
    assert actions(plan(port, ["/a"], SubscriptionFilter("tailrace", STREAM, role_arn="arn:aws:iam::1:role/other"))) == {"/a": "change"}
    with pytest.raises(UsageError, match="leave the role away"):
        plan(port, ["/a"], SubscriptionFilter("tailrace", FUNCTION, role_arn="arn:aws:iam::1:role/r"))


@pytest.mark.parametrize(
    ("group", "arn", "own"),
    [
        ("/aws/lambda/tailrace", STREAM, True),
        ("/aws/lambda/tailrace-collector", STREAM, True),
        ("/aws/kinesisfirehose/tailrace-logs", STREAM, True),
        ("/aws/lambda/collect", FUNCTION, True),
        ("/aws/kinesisfirehose/lake", "arn:aws:firehose:us-east-1:1:deliverystream/lake", True),
        ("/aws/lambda/collect", STREAM, False),
        ("/aws/lambda/tailraces", STREAM, False),
        ("/tailrace/check", STREAM, False),
    ],
)
def test_a_group_that_tailrace_writes_to_is_never_subscribed(group: str, arn: str, *, own: bool) -> None:
    assert is_own_group(group, read_destination(arn)) == own
    (step,) = plan(memory(group), [group], SubscriptionFilter("tailrace", arn))
    assert step.action == ("skip" if own else "put")


def test_a_group_of_infrequent_access_is_left_out() -> None:
    (step,) = plan(MemoryLogGroups({LogGroup("/a", "INFREQUENT_ACCESS"): {}}), ["/a"], WANTED)
    assert (step.action, "INFREQUENT_ACCESS" in step.why) == ("skip", True)


def test_a_group_that_aws_refuses_hinders_no_other() -> None:
    port = memory("/a", "/b")
    port.refused.add("/a")
    done = apply(port, plan(port, ["/*"], WANTED))
    assert actions(done) == {"/a": "failed", "/b": "done"}
    assert "AccessDenied" in done[0].why
    port.put("/b", WANTED)
    port.refused = {"/b"}
    assert actions(remove(port, ["/*"])) == {"/a": "keep", "/b": "failed"}


def test_patterns_name_groups_once_and_one_without_match_is_an_error() -> None:
    port = memory("/ecs/a", "/ecs/b", "/ecs/b2", "/other", "/odd[1]")
    assert [group.name for group in matching_groups(port, ["/ecs/?", "/ecs/b*"])] == ["/ecs/a", "/ecs/b", "/ecs/b2"]
    assert [group.name for group in matching_groups(port, ["/odd[1]"])] == ["/odd[1]"]
    with pytest.raises(UsageError, match="no log group matches '/ec'"):
        matching_groups(port, ["/ec"])


@pytest.mark.parametrize("arn", ["", "logs", "arn:aws:s3:::bucket", "arn:aws:kinesis", "arn:aws:kinesis:us-east-1:1:"])
def test_what_a_filter_cannot_send_to_is_one_clear_error(arn: str) -> None:
    with pytest.raises(UsageError, match="not a destination of a subscription filter"):
        read_destination(arn)


def test_destinations_are_read_from_their_arns() -> None:
    arns = (STREAM, FUNCTION, "arn:aws-cn:firehose:cn-north-1:1:deliverystream/d", "arn:aws:logs:eu-west-1:1:destination:central")
    assert [(found.service, found.name) for found in map(read_destination, arns)] == [
        ("kinesis", "logs"),
        ("lambda", "collect"),
        ("firehose", "d"),
        ("logs", "central"),
    ]


@pytest.fixture(scope="module")
def moto() -> Iterator[Settings]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    yield Settings(aws_endpoint_url=f"http://127.0.0.1:{server.get_host_and_port()[1]}")
    server.stop()


@pytest.fixture(params=["memory", "boto3"])
def port(request: pytest.FixtureRequest) -> KeepsSubscriptions:
    if request.param == "memory":
        return memory("/contract/a", "/contract/b")
    settings = request.getfixturevalue("moto")
    ensure_stream(aws.client("kinesis", settings), read_destination(STREAM))
    logs = aws.client("logs", settings)
    for name in [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]:
        logs.delete_log_group(logGroupName=name)
    for name in ("/contract/a", "/contract/b"):
        logs.create_log_group(logGroupName=name)
    return Boto3LogGroups(logs)


def test_both_ports_keep_up_to_two_filters(port: KeepsSubscriptions) -> None:
    assert [group.name for group in port.groups("/contract/")] == ["/contract/a", "/contract/b"]
    assert port.groups("/none") == []
    for name in ("one", "one", "two"):
        port.put("/contract/a", SubscriptionFilter(name, STREAM, "ERROR"))
    assert sorted(one.name for one in port.filters("/contract/a")) == ["one", "two"]
    assert {one.pattern for one in port.filters("/contract/a")} == {"ERROR"}
    with pytest.raises(PermanentError, match="LimitExceeded"):
        port.put("/contract/a", SubscriptionFilter("three", STREAM))
    port.delete("/contract/a", "one")
    with pytest.raises(PermanentError, match="ResourceNotFound"):
        port.delete("/contract/a", "one")
    with pytest.raises(PermanentError, match="ResourceNotFound"):
        port.filters("/contract/none")
    assert [(group.name, len(filters)) for group, filters in status(port, ["/contract/*"])] == [("/contract/a", 1), ("/contract/b", 0)]


def test_a_stream_is_made_once(moto: Settings) -> None:
    kinesis, destination = aws.client("kinesis", moto), read_destination(STREAM.replace("stream/logs", "stream/made"))
    assert [ensure_stream(kinesis, destination), ensure_stream(kinesis, destination)] == [True, False]
    with pytest.raises(UsageError, match="only a Kinesis stream"):
        ensure_stream(kinesis, read_destination(FUNCTION))
