"""What was planned is done group by group, and taken back; both ports keep AWS's limits."""

import pytest
from botocore.exceptions import ClientError

from collectors.subscriptions.account_policy import AccountPolicy
from collectors.subscriptions.apply import apply, ensure_stream, plan_removal, remove
from collectors.subscriptions.destination import Fed, read_destination
from collectors.subscriptions.inventory import take_inventory
from collectors.subscriptions.log_groups import Boto3LogGroups, KeepsSubscriptions, LogGroup, SubscriptionFilter
from collectors.subscriptions.memory import MemoryLogGroups
from collectors.subscriptions.places import Place
from collectors.subscriptions.plan import Step, Wish, make_plan
from tailrace import aws
from tailrace.errors import PermanentError, UsageError
from tailrace.settings import Settings

STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/logs"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:collect"
WANTED = SubscriptionFilter("tailrace", STREAM)


def steps(port: KeepsSubscriptions, *patterns: str, **wish: str) -> tuple[Step, ...]:
    return make_plan(take_inventory(Place("123456789012", "us-east-1"), port, patterns, Fed()), Wish(patterns, STREAM, **wish)).steps  # type: ignore[arg-type]


def done(found: list[Step]) -> dict[str, str]:
    return {step.group: step.action for step in found}


def memory(*groups: str) -> MemoryLogGroups:
    return MemoryLogGroups({LogGroup(group): {} for group in groups})


def test_groups_are_subscribed_once_and_what_others_have_stays() -> None:
    port = memory("/a", "/b")
    port.put("/b", SubscriptionFilter("other", FUNCTION))
    assert done(list(apply(port, steps(port, "/*")))) == {"/a": "done", "/b": "done"}
    assert [one.name for one in port.filters("/b")] == ["other", "tailrace"]
    assert done(list(apply(port, steps(port, "/*")))) == {"/a": "keep", "/b": "keep"}


def test_a_full_group_is_refused_by_aws_too_and_nothing_is_evicted() -> None:
    port = memory("/a")
    planned = steps(port, "/a")
    for name in ("x", "y"):
        port.put("/a", SubscriptionFilter(name, FUNCTION))
    (step,) = apply(port, planned)
    assert (step.action, "LimitExceeded" in step.why) == ("failed", True)
    assert [one.name for one in port.filters("/a")] == ["x", "y"]


def test_a_group_that_aws_refuses_hinders_no_other_and_the_next_run_goes_on() -> None:
    port = memory("/a", "/b")
    port.refused.add("/a")
    found = list(apply(port, steps(port, "/*")))
    assert done(found) == {"/a": "failed", "/b": "done"}
    assert "AccessDenied" in found[0].why
    port.refused.clear()
    assert done(list(apply(port, steps(port, "/*")))) == {"/a": "done", "/b": "keep"}
    port.refused = {"/b"}
    assert done(list(remove(port, plan_removal(port, ["/*"])))) == {"/a": "remove", "/b": "failed"}


def test_a_policy_is_put_kept_and_removed_and_anothers_is_not() -> None:
    port = memory("/a", "/b")
    assert done(list(apply(port, steps(port, "*")))) == {"*": "done", "/a": "covered", "/b": "covered"}
    assert done(list(apply(port, steps(port, "*")))) == {"*": "keep", "/a": "covered", "/b": "covered"}
    assert done(list(remove(port, plan_removal(port, ["/a"])))) == {"/a": "keep"}
    assert port.kept
    assert done(list(remove(port, plan_removal(port, ["*"])))) == {"*": "remove", "/a": "keep", "/b": "keep"}
    assert not port.kept
    port.put_policy(AccountPolicy("security", FUNCTION))
    assert done(list(remove(port, plan_removal(port, ["*"])))) == {"/a": "keep", "/b": "keep"}
    assert port.kept
    port.refuses_policies = True
    assert plan_removal(port, ["*"])[0].action == "skip"


def test_a_policy_that_aws_refuses_is_said() -> None:
    port = memory("/a")
    planned = steps(port, "*")
    port.put_policy(AccountPolicy("security", FUNCTION))
    assert done(list(apply(port, planned))) == {"*": "failed", "/a": "covered"}


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


def test_both_ports_keep_one_policy(port: KeepsSubscriptions) -> None:
    assert list(port.policies()) == []
    wanted = AccountPolicy("tailrace", STREAM, "ERROR", "arn:aws:iam::123456789012:role/r", ("/x", "/y"))
    port.put_policy(wanted)
    port.put_policy(wanted)
    assert list(port.policies()) == [wanted]
    with pytest.raises(PermanentError, match="LimitExceeded"):
        port.put_policy(AccountPolicy("other", STREAM))
    with pytest.raises(PermanentError, match="InvalidParameter"):
        port.put_policy(AccountPolicy("tailrace", STREAM, excluded=tuple(f"/{'x' * 400}/{number}" for number in range(70))))
    port.delete_policy("tailrace")
    with pytest.raises(PermanentError, match="ResourceNotFound"):
        port.delete_policy("tailrace")


def test_groups_come_with_what_is_known_of_them(moto: Settings) -> None:
    logs = aws.client("logs", moto)
    logs.create_log_group(logGroupName="/known/a", kmsKeyId="arn:aws:kms:us-east-1:123456789012:key/k")
    logs.put_retention_policy(logGroupName="/known/a", retentionInDays=7)
    (found,) = Boto3LogGroups(logs).groups("/known/")
    assert (found.retention_days, found.kms_key, found.log_class, found.created_ms > 0) == (7, "arn:aws:kms:us-east-1:123456789012:key/k", "STANDARD", True)


def test_a_stream_is_made_once_and_what_refuses_it_is_said(moto: Settings) -> None:
    kinesis, destination = aws.client("kinesis", moto), read_destination(STREAM.replace("stream/logs", "stream/made"))
    assert [ensure_stream(kinesis, destination), ensure_stream(kinesis, destination)] == [True, False]
    with pytest.raises(UsageError, match="only a Kinesis stream"):
        ensure_stream(kinesis, read_destination(FUNCTION))

    class Refuses:
        def create_stream(self, **given: object) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "CreateStream")

    with pytest.raises(PermanentError, match="needs the IAM action kinesis:CreateStream"):
        ensure_stream(Refuses(), destination)  # type: ignore[arg-type]
