"""A plan as CloudFormation templates, for an account in a Region: the filters or the account policy, and what allows them to send.

A function is allowed to be called (``AWS::Lambda::Permission`` with SourceArn and SourceAccount); for a stream there is a role that CloudWatch Logs takes on, unless one is given.

Resources: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Logs.html. Quotas: 500 resources and 1 MB a template, so a long plan makes several.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from collectors.subscriptions.account_policy import POLICY_TYPE, AccountPolicy
from collectors.subscriptions.destination import Destination, read_destination
from collectors.subscriptions.log_groups import SubscriptionFilter
from collectors.subscriptions.plan import Plan, Step

MAX_FILTERS_A_TEMPLATE: Final = 400
"""Filters in one template, with room below the quota of 500 resources for permissions and role."""

MAX_PERMISSIONS: Final = 40
"""Groups that get a permission each; more would not fit into the 20 KB of a function's policy, and get one for all log groups of the account:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""

ROLE: Final = "SendingRole"
PRINCIPAL: Final = "logs.amazonaws.com"
STREAM_ACTIONS: Final[Mapping[str, Sequence[str]]] = {
    "kinesis": ("kinesis:PutRecord", "kinesis:PutRecords"),
    "firehose": ("firehose:PutRecord", "firehose:PutRecordBatch"),
}

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kit:
    """What resources of one template share; ``role`` is a reference to the role to send with, or empty."""

    destination: Destination
    role: Any
    depends_on: tuple[str, ...] = ()


def templates(plan: Plan) -> list[Mapping[str, Any]]:
    """Answer the templates of a plan; none where there is nothing to do.

    What is there already as wanted is left out: CloudFormation would not take over what it did not make.
    """
    steps = [step for step in plan.steps if step.action == "put" and step.wanted is not None]
    return [_template(plan, steps[start : start + MAX_FILTERS_A_TEMPLATE]) for start in range(0, len(steps), MAX_FILTERS_A_TEMPLATE)]


def as_text(template: Mapping[str, Any]) -> str:
    """Answer a template as a file holds it."""
    return json.dumps(template, indent=2, ensure_ascii=False) + "\n"


def _template(plan: Plan, steps: Sequence[Step]) -> Mapping[str, Any]:
    wanted = steps[0].wanted
    if wanted is None:
        raise ValueError(steps[0].group)
    destination = read_destination(wanted.destination_arn)
    resources: dict[str, Resource] = {}
    if destination.service == "lambda":
        resources |= _permissions(destination, steps)
    role: Any = wanted.role_arn
    if destination.service in STREAM_ACTIONS and not role:
        resources[ROLE] = _role(destination)
        role = {"Fn::GetAtt": [ROLE, "Arn"]}
    kit = Kit(destination, role, tuple(name for name in resources if name != ROLE))
    for step in steps:
        if isinstance(step.wanted, AccountPolicy):
            resources["AccountPolicy"] = _policy(step.wanted, kit)
        elif isinstance(step.wanted, SubscriptionFilter):
            resources[logical_id("Filter", step.group)] = _filter(step.group, step.wanted, kit)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Subscriptions of Tailrace in account {plan.place.account}, {plan.place.region}: {plan.reason}"[:1024],
        "Resources": resources,
    }


def logical_id(kind: str, group: str) -> str:
    """Name a resource after a log group: letters and digits, and never twice the same.

    >>> logical_id("Filter", "/shop/web")
    'FilterShopWeb86e31c71'
    """
    words = "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", group))
    return f"{kind}{words[:200]}{hashlib.sha256(group.encode()).hexdigest()[:8]}"


def _permissions(destination: Destination, steps: Sequence[Step]) -> dict[str, Resource]:
    filters = [step.group for step in steps if isinstance(step.wanted, SubscriptionFilter)]
    if len(filters) < len(steps) or len(filters) > MAX_PERMISSIONS:
        return {"CallFromLogGroups": _permission(destination, "*")}
    return {logical_id("CallFrom", group): _permission(destination, f"{group}:*") for group in filters}


def _permission(destination: Destination, group: str) -> Resource:
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": destination.arn,
            "Principal": PRINCIPAL,
            "SourceAccount": {"Ref": "AWS::AccountId"},
            "SourceArn": {"Fn::Sub": f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:{group}"},
        },
    }


def _role(destination: Destination) -> Resource:
    source = {"Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:*"}
    condition = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}, "ArnLike": {"aws:SourceArn": source}}
    trust = {"Effect": "Allow", "Principal": {"Service": PRINCIPAL}, "Action": "sts:AssumeRole", "Condition": condition}
    allow = {"Effect": "Allow", "Action": list(STREAM_ACTIONS[destination.service]), "Resource": destination.arn}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [{"PolicyName": "send", "PolicyDocument": {"Version": "2012-10-17", "Statement": [allow]}}],
        },
    }


def _filter(group: str, wanted: SubscriptionFilter, kit: Kit) -> Resource:
    properties = {"LogGroupName": group, "FilterName": wanted.name, "FilterPattern": wanted.pattern, "DestinationArn": wanted.destination_arn}
    own = logical_id("CallFrom", group)
    return _waiting(
        {"Type": "AWS::Logs::SubscriptionFilter", "Properties": properties | ({"RoleArn": kit.role} if kit.role else {})},
        [own] if own in kit.depends_on else kit.depends_on,
    )


def _policy(wanted: AccountPolicy, kit: Kit) -> Resource:
    properties: Resource = {
        "PolicyName": wanted.name,
        "PolicyType": POLICY_TYPE,
        "Scope": "ALL",
        "PolicyDocument": _document(wanted, kit.role),
    }
    if wanted.selection:
        properties["SelectionCriteria"] = wanted.selection
    return _waiting({"Type": "AWS::Logs::AccountPolicy", "Properties": properties}, kit.depends_on)


def _document(wanted: AccountPolicy, role: Any) -> Any:  # noqa: ANN401 - a text, or a function of CloudFormation that makes one
    if not isinstance(role, Mapping):
        return wanted.document
    text = json.dumps(json.loads(wanted.document) | {"RoleArn": "\0"}).replace("${", "${!").replace(json.dumps("\0"), '"${Role}"')
    return {"Fn::Sub": [text, {"Role": role}]}


def _waiting(resource: Resource, names: Sequence[str]) -> Resource:
    return resource | ({"DependsOn": list(names)} if names else {})
