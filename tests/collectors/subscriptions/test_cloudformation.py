"""Templates are whole: every reference is there, every resource has what it needs, and nothing may call or write more than it must."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from collectors.subscriptions.account_policy import MAX_SELECTION_BYTES
from collectors.subscriptions.cloudformation import MAX_FILTERS_A_TEMPLATE, MAX_PERMISSIONS, as_text, templates
from collectors.subscriptions.destination import fed_by
from collectors.subscriptions.inventory import take_inventory
from collectors.subscriptions.log_groups import LogGroup, SubscriptionFilter
from collectors.subscriptions.memory import MemoryLogGroups
from collectors.subscriptions.places import Place
from collectors.subscriptions.plan import Wish, make_plan

HERE = Place("123456789012", "us-east-1")
STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/logs"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:collect"
HOSE = "arn:aws:firehose:us-east-1:123456789012:deliverystream/lake"
CENTRAL = "arn:aws:logs:us-east-1:999999999999:destination:central"
ROLE = "arn:aws:iam::123456789012:role/r"

REQUIRED: Mapping[str, set[str]] = {
    "AWS::Logs::SubscriptionFilter": {"LogGroupName", "FilterPattern", "DestinationArn", "FilterName"},
    "AWS::Logs::AccountPolicy": {"PolicyName", "PolicyDocument", "PolicyType", "Scope"},
    "AWS::Lambda::Permission": {"Action", "FunctionName", "Principal", "SourceArn", "SourceAccount"},
    "AWS::IAM::Role": {"AssumeRolePolicyDocument", "Policies"},
}
OPTIONAL: Mapping[str, set[str]] = {"AWS::Logs::SubscriptionFilter": {"RoleArn"}, "AWS::Logs::AccountPolicy": {"SelectionCriteria"}}
PSEUDO = {"AWS::AccountId", "AWS::Region", "AWS::Partition"}


def made(*groups: str, **wish: Any) -> list[Mapping[str, Any]]:
    wanted = Wish(**({"patterns": ("/*",), "destination": STREAM} | wish))
    inventory = take_inventory(HERE, MemoryLogGroups({LogGroup(name): {} for name in groups}), wanted.patterns, fed_by(wanted.destination_at(HERE)))
    return templates(make_plan(inventory, wanted))


def references(value: Any) -> Iterator[str]:
    """Walk a template and name what it refers to."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _named(key, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def _named(key: str, inner: Any) -> Iterator[str]:
    match key:
        case "Ref":
            yield inner
        case "Fn::GetAtt":
            yield inner[0]
        case "DependsOn":
            yield from inner
        case "Fn::Sub":
            text, given = (inner, {}) if isinstance(inner, str) else inner
            yield from (name for name in _substituted(text) if name not in given)
            yield from references(given)
        case _:
            yield from references(inner)


def _substituted(text: str) -> Iterator[str]:
    for part in text.split("${")[1:]:
        if not part.startswith("!"):
            yield part.partition("}")[0]


def check(template: Mapping[str, Any]) -> None:
    """The structure that CloudFormation asks for."""
    assert set(template) == {"AWSTemplateFormatVersion", "Description", "Resources"}
    assert template["AWSTemplateFormatVersion"] == "2010-09-09"
    assert 0 < len(template["Resources"]) <= 500
    assert len(as_text(template).encode()) <= 1_000_000
    assert json.loads(as_text(template)) == template
    for name, resource in template["Resources"].items():
        assert name.isalnum()
        assert len(name) <= 255
        assert set(resource) <= {"Type", "Properties", "DependsOn"}
        properties = set(resource["Properties"])
        assert REQUIRED[resource["Type"]] <= properties <= REQUIRED[resource["Type"]] | OPTIONAL.get(resource["Type"], set())
    assert set(references(template)) <= set(template["Resources"]) | PSEUDO


def of(template: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {name: one for name, one in template["Resources"].items() if one["Type"] == kind}


@pytest.mark.parametrize(("destination", "role"), [(STREAM, ""), (STREAM, ROLE), (HOSE, ""), (HOSE, ROLE), (FUNCTION, ""), (CENTRAL, "")])
@pytest.mark.parametrize("patterns", [("/*",), ("*",)])
def test_every_template_is_whole(destination: str, patterns: tuple[str, ...], role: str) -> None:
    for template in made("/a", "/b-c", "/b/c", destination=destination, patterns=patterns, role_arn=role, pattern='{ $.level = "ERROR" }'):
        check(template)


def test_each_group_may_call_the_function_and_waits_for_that() -> None:
    (template,) = made("/a", "/b", destination=FUNCTION)
    permissions, filters = of(template, "AWS::Lambda::Permission"), of(template, "AWS::Logs::SubscriptionFilter")
    assert {one["Properties"]["SourceArn"]["Fn::Sub"].rpartition("log-group:")[2] for one in permissions.values()} == {"/a:*", "/b:*"}
    for one in permissions.values():
        assert one["Properties"]["Principal"] == "logs.amazonaws.com"
        assert one["Properties"]["SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert sorted(len(one["DependsOn"]) for one in filters.values()) == [1, 1]
    assert len({one["DependsOn"][0] for one in filters.values()}) == 2


def test_many_groups_share_one_permission_for_a_functions_policy_has_20_kb() -> None:
    (template,) = made(*(f"/a/{number}" for number in range(MAX_PERMISSIONS + 1)), destination=FUNCTION)
    (permission,) = of(template, "AWS::Lambda::Permission").values()
    assert permission["Properties"]["SourceArn"]["Fn::Sub"].endswith(":log-group:*")


def test_a_stream_has_a_role_that_only_cloudwatch_logs_of_this_account_takes_on() -> None:
    (template,) = made("/a")
    (role,) = of(template, "AWS::IAM::Role").values()
    (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "logs.amazonaws.com"}
    assert set(trust["Condition"]) == {"StringEquals", "ArnLike"}
    (allowed,) = role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert allowed == {"Effect": "Allow", "Action": ["kinesis:PutRecord", "kinesis:PutRecords"], "Resource": STREAM}
    (found,) = of(template, "AWS::Logs::SubscriptionFilter").values()
    assert found["Properties"]["RoleArn"] == {"Fn::GetAtt": ["SendingRole", "Arn"]}
    (given,) = made("/a", role_arn=ROLE)
    assert not of(given, "AWS::IAM::Role")


def test_an_account_policy_names_its_role_and_what_it_leaves_out() -> None:
    (template,) = made("/a", "/b", patterns=("*",), exclude=("/b",), pattern='${x} "ERROR"')
    (policy,) = of(template, "AWS::Logs::AccountPolicy").values()
    assert policy["Properties"]["SelectionCriteria"] == 'LogGroupName NOT IN ["/b"]'
    text, given = policy["Properties"]["PolicyDocument"]["Fn::Sub"]
    assert given == {"Role": {"Fn::GetAtt": ["SendingRole", "Arn"]}}
    document = json.loads(text.replace("${Role}", "arn").replace("${!", "${"))
    assert document == {"DestinationArn": STREAM, "FilterPattern": '${x} "ERROR"', "Distribution": "Random", "RoleArn": "arn"}
    (given_role,) = made("/a", patterns=("*",), role_arn=ROLE)
    assert json.loads(of(given_role, "AWS::Logs::AccountPolicy")["AccountPolicy"]["Properties"]["PolicyDocument"])["RoleArn"] == ROLE
    assert len(policy["Properties"]["SelectionCriteria"]) <= MAX_SELECTION_BYTES


def test_a_long_plan_makes_several_templates_and_none_where_there_is_nothing_to_do() -> None:
    found = made(*(f"/a/{number}" for number in range(MAX_FILTERS_A_TEMPLATE + 1)))
    assert [len(of(template, "AWS::Logs::SubscriptionFilter")) for template in found] == [MAX_FILTERS_A_TEMPLATE, 1]
    for template in found:
        check(template)
    port = MemoryLogGroups({LogGroup("/a"): {"tailrace": SubscriptionFilter("tailrace", STREAM)}})
    wish = Wish(("/a",), STREAM)
    assert templates(make_plan(take_inventory(HERE, port, ["/a"], fed_by(wish.destination_at(HERE))), wish)) == []


@pytest.mark.parametrize("patterns", [("/*",), ("*",)])
@pytest.mark.parametrize("destination", [STREAM, FUNCTION])
def test_cfn_lint_finds_nothing(patterns: tuple[str, ...], destination: str) -> None:
    api = pytest.importorskip("cfnlint.api", reason="cfn-lint is not installed")
    (template,) = made("/a", "/b", patterns=patterns, destination=destination)
    assert [str(match) for match in api.lint_all(as_text(template)) if not match.rule.id.startswith("I")] == []
