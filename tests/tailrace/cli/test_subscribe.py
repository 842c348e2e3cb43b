"""``tailrace subscribe`` against moto: what is printed and how it exits."""

import json
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from sandbox.account_policies import AccountPolicies
from tailrace import aws
from tailrace.cli.subscribe import command
from tailrace.clock import US_PER_DAY, SystemClock, to_datetime
from tailrace.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:'get_text_stream' is deprecated:DeprecationWarning")

STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/logs"
GROUPS = ("/shop/web", "/shop/cart", "/aws/lambda/tailrace-collector")


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, AccountPolicies(DomainDispatcherApplication(create_backend_app)), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("TAILRACE_AWS_ENDPOINT_URL", url)
    yield Settings(aws_endpoint_url=url)
    server.shutdown()
    thread.join()


def groups_of(settings: Settings, credentials: aws.Credentials | None = None) -> Any:
    client = aws.client("logs", settings, credentials)
    for name in [group["logGroupName"] for group in client.describe_log_groups()["logGroups"]]:
        client.delete_log_group(logGroupName=name)
    for name in GROUPS:
        client.create_log_group(logGroupName=name)
    return client


@pytest.fixture
def logs(settings: Settings) -> Any:
    return groups_of(settings)


def run(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(command, arguments, input=answer)


def acted(result: Result) -> list[tuple[str, str]]:
    return [(step["group"], step["action"]) for step in json.loads(result.output)]


def test_groups_are_planned_subscribed_shown_and_removed(logs: Any) -> None:
    planned = run("plan", "/shop/*", "--to", STREAM, "--json")
    (plan,) = json.loads(planned.output)["plans"]
    assert (planned.exit_code, [step["action"] for step in plan["steps"]]) == (0, ["put", "put"])
    applied = run("apply", "/shop/*", "--to", STREAM, "--create-stream", "--yes", "--json")
    assert (applied.exit_code, json.loads(applied.output)) == (
        0,
        [
            {"account": "123456789012", "region": "us-east-1", "group": group, "action": "done", "why": f"sends to {STREAM}"}
            for group in ("/shop/cart", "/shop/web")
        ],
    )
    assert acted(run("apply", "/shop/*", "--to", STREAM, "--yes", "--json")) == [("/shop/cart", "keep"), ("/shop/web", "keep")]
    (shown,) = json.loads(run("status", "/shop/web", "--json").output)
    assert shown["filters"] == [{"name": "tailrace", "destination_arn": STREAM, "pattern": "", "role_arn": ""}]
    assert (shown["state"], shown["class"]) == ("ok", "STANDARD")
    assert "tailrace" in run("status").output
    removed = run("remove", "/shop/*", "--yes")
    assert removed.exit_code == 0
    assert logs.describe_subscription_filters(logGroupName="/shop/web")["subscriptionFilters"] == []


def test_it_asks_before_it_changes_anything(logs: Any) -> None:
    refused = run("apply", "/shop/*", "--to", STREAM, "--create-stream", answer="n\n")
    assert refused.exit_code == 1
    assert "2 changes: do it? [y/N]: n\nnothing was changed" in refused.output
    assert logs.describe_subscription_filters(logGroupName="/shop/web")["subscriptionFilters"] == []
    assert "say --yes" in str(run("apply", "/shop/*", "--to", STREAM, "--json").exception)
    assert run("apply", "/shop/*", "--to", STREAM, "--create-stream", answer="y\n").exit_code == 0
    assert run("remove", "/shop/web", answer="n\n").exit_code == 1
    assert len(logs.describe_subscription_filters(logGroupName="/shop/web")["subscriptionFilters"]) == 1


def test_all_groups_are_subscribed_by_one_policy_and_that_is_removed_again(logs: Any) -> None:
    put = run("apply", "*", "--to", STREAM, "--create-stream", "--yes", "--json")
    assert put.exit_code == 1
    assert acted(put) == [("*", "done"), ("/aws/lambda/tailrace-collector", "skip"), ("/shop/cart", "covered"), ("/shop/web", "covered")]
    (policy,) = logs.describe_account_policies(policyType="SUBSCRIPTION_FILTER_POLICY")["accountPolicies"]
    assert policy["selectionCriteria"] == 'LogGroupName NOT IN ["/aws/lambda/tailrace-collector"]'
    status = run("status", "--to", STREAM)
    assert (status.exit_code, f"the account policy tailrace sends all groups but 1 to {STREAM}" in status.output) == (0, True)
    assert acted(run("remove", "*", "--yes", "--json"))[0] == ("*", "remove")
    assert run("status", "--to", STREAM).exit_code == 1
    assert logs.describe_account_policies(policyType="SUBSCRIPTION_FILTER_POLICY")["accountPolicies"] == []


def test_what_differs_from_what_is_wanted_is_found(logs: Any, tmp_path: Path) -> None:
    earlier = tmp_path / "plan.json"
    earlier.write_bytes(run("apply", "/shop/*", "--to", STREAM, "--create-stream", "--yes", "--json").output.encode())
    assert run("status", "/shop/*", "--to", STREAM, "--against", str(earlier)).exit_code == 0
    logs.delete_log_group(logGroupName="/shop/web")
    logs.delete_subscription_filter(logGroupName="/shop/cart", filterName="tailrace")
    found = run("status", "/shop/*", "--to", STREAM, "--against", str(earlier), "--json")
    assert found.exit_code == 1
    assert {one["group"]: one["state"] for one in json.loads(found.output)} == {"/shop/cart": "missing", "/shop/web": "gone"}
    earlier.write_text('{"plans": [1]}', "utf-8")
    assert "not the JSON of `subscribe plan`" in str(run("status", "/shop/*", "--to", STREAM, "--against", str(earlier)).exception)


def test_a_plan_says_what_it_costs_and_on_what_that_rests(logs: Any, settings: Settings) -> None:
    now_us = SystemClock().now_us()
    for metric, value in (("IncomingBytes", 14e9), ("IncomingLogEvents", 14e6)):
        aws.client("cloudwatch", settings).put_metric_data(
            Namespace="AWS/Logs",
            MetricData=[
                {
                    "MetricName": metric,
                    "Dimensions": [{"Name": "LogGroupName", "Value": "/shop/web"}],
                    "Timestamp": to_datetime(now_us - now_us % US_PER_DAY) - timedelta(hours=3),
                    "Value": value,
                }
            ],
        )
    logs.create_log_stream(logGroupName="/shop/web", logStreamName="s")
    logs.put_log_events(logGroupName="/shop/web", logStreamName="s", logEvents=[{"timestamp": now_us // 1_000 - 5_000, "message": "x" * 400}])
    arguments = ("plan", "/shop/*", "--to", STREAM, "--assume", "document_factor=1", "--assume", "document_overhead=0", "--assume", "firehose.ingest=0.03")
    (plan,) = json.loads(run(*arguments, "--json").output)["plans"]
    (line,) = plan["estimate"]["groups"]
    assert (line["group"], line["rounding_factor"], line["sampled_events"]) == ("/shop/web", 12.8, 1)
    assert plan["estimate"]["unknown"] == ["/shop/cart"]
    assert {one["name"]: one["usd"] for one in plan["estimate"]["prices"]}["firehose.ingest"] == 0.03
    assert plan["inventory"][1]["retention"] == "never"
    assert any("name it with --role-arn" in note for note in plan["notes"])
    printed = run(*arguments)
    for words in ("never expires", "12.8", "document_factor", "(given)", "they are in no sum", "US dollars a month", "unknown"):
        assert words in printed.output
    assert "cost a month" not in run(*arguments, "--no-cost").output
    assert "no such assumption: documentfactor (did you mean 'document_factor'?)" in str(run(*arguments, "--assume", "documentfactor=1").exception)


def test_a_plan_becomes_templates_one_for_each_account_and_region(logs: Any, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    assert run("plan", "/shop/*", "--to", STREAM, "--no-cost", "--cloudformation", str(path)).exit_code == 0
    kinds = [one["Type"] for one in json.loads(path.read_bytes())["Resources"].values()]
    assert kinds == ["AWS::IAM::Role", "AWS::Logs::SubscriptionFilter", "AWS::Logs::SubscriptionFilter"]
    for name in ("us-east-1", "eu-central-1"):
        groups_of(Settings(aws_endpoint_url=settings.aws_endpoint_url, region=name))
    several = ("plan", "/shop/*", "--to", "arn:aws:kinesis:{region}:{account}:stream/logs", "--region", "us-east-1", "--region", "eu-central-1", "--no-cost")
    assert run(*several, "--cloudformation", str(path)).exit_code == 0
    assert sorted(one.name for one in tmp_path.iterdir()) == ["stack-123456789012-eu-central-1-2.json", "stack-123456789012-us-east-1-1.json", "stack.json"]
    assert "nowhere/x-123456789012-us-east-1-1.json: cannot be written" in str(
        run(*several, "--cloudformation", str(tmp_path / "nowhere" / "x.json")).exception
    )


def test_several_accounts_are_subscribed_in_one_run_and_one_that_has_no_such_group_is_passed_over(logs: Any, settings: Settings, tmp_path: Path) -> None:
    role = "arn:aws:iam::111111111111:role/tailrace"
    groups_of(settings, aws.assume_role(settings, role, "x-1"))
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(
        f"accounts:\n  - {{name: own}}\n  - {{name: shop, role: '{role}', external_id: x-1}}\n  - {{role: '{role.replace('1', '2')}'}}\n", "utf-8"
    )
    to = "arn:aws:kinesis:{region}:{account}:stream/logs"
    applied = run("apply", "/shop/web", "--to", to, "--accounts", str(accounts), "--create-stream", "--yes", "--json")
    assert applied.exit_code == 0
    assert [(step["account"], step["action"]) for step in json.loads(applied.output)] == [("123456789012", "done"), ("111111111111", "done")]
    shown = run("status", "/shop/web", "--accounts", str(accounts))
    assert "own us-east-1" in shown.output
    assert "shop us-east-1" in shown.output
    assert "all together" in run("plan", "/shop/*", "--to", to, "--accounts", str(accounts)).output
    assert "no log group matches '/none'" in str(run("plan", "/none", "--to", to, "--accounts", str(accounts)).exception)


def test_a_group_that_is_left_out_is_said_and_exits_1(logs: Any) -> None:
    result = run("apply", "/*", "--to", STREAM, "--create-stream", "--yes")
    assert result.exit_code == 1
    assert "skip" in result.output
    assert "done" in result.output


def test_a_destination_that_is_not_there_exits_3_and_says_what_to_do(logs: Any) -> None:
    result = run("apply", "/shop/web", "--to", STREAM.replace("stream/logs", "stream/none"), "--yes")
    assert result.exit_code == 3
    assert "failed" in result.output
    assert "the stream must be active" in result.output


def test_no_destination_is_wrong_usage(logs: Any) -> None:
    assert run("apply", "/shop/web").exit_code == 2


def test_an_account_that_cannot_be_reached_is_said_and_exits_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for arguments in (("plan", "/a", "--to", STREAM), ("status", "/a"), ("remove", "/a", "--yes")):
        result = run(*arguments)
        assert result.exit_code == 3
        assert "cannot be looked at: own account: Could not connect" in result.output
