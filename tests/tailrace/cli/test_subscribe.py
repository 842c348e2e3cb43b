"""``tailrace subscribe`` against moto: what is printed and how it exits."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from moto.server import ThreadedMotoServer

from tailrace import aws
from tailrace.cli.subscribe import command
from tailrace.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:'get_text_stream' is deprecated:DeprecationWarning")

STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/logs"


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    monkeypatch.setenv("TAILRACE_AWS_ENDPOINT_URL", url)
    client = aws.client("logs", Settings(aws_endpoint_url=url))
    for name in [group["logGroupName"] for group in client.describe_log_groups()["logGroups"]]:
        client.delete_log_group(logGroupName=name)
    for name in ("/shop/web", "/shop/cart", "/aws/lambda/tailrace-collector"):
        client.create_log_group(logGroupName=name)
    yield client
    server.stop()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_groups_are_planned_subscribed_shown_and_removed(logs: Any) -> None:
    planned = run("plan", "/shop/*", "--to", STREAM, "--json")
    assert (planned.exit_code, [step["action"] for step in json.loads(planned.output)]) == (0, ["put", "put"])
    applied = run("apply", "/shop/*", "--to", STREAM, "--create-stream", "--json")
    assert (applied.exit_code, json.loads(applied.output)) == (
        0,
        [{"group": group, "action": "done", "why": f"sends to {STREAM}"} for group in ("/shop/cart", "/shop/web")],
    )
    shown = json.loads(run("status", "/shop/web", "--json").output)
    assert shown == [{"group": "/shop/web", "class": "STANDARD", "filters": [{"name": "tailrace", "destination_arn": STREAM, "pattern": "", "role_arn": ""}]}]
    assert "tailrace" in run("status").output
    removed = run("remove", "/shop/*")
    assert removed.exit_code == 0
    assert logs.describe_subscription_filters(logGroupName="/shop/web")["subscriptionFilters"] == []


def test_a_group_that_is_left_out_is_said_and_exits_1(logs: Any) -> None:
    result = run("apply", "/*", "--to", STREAM, "--create-stream")
    assert result.exit_code == 1
    assert "skip" in result.output
    assert "done" in result.output


def test_a_destination_that_is_not_there_exits_3(logs: Any) -> None:
    result = run("apply", "/shop/web", "--to", STREAM.replace("stream/logs", "stream/none"))
    assert result.exit_code == 3
    assert "failed" in result.output


def test_no_destination_is_wrong_usage(logs: Any) -> None:
    assert run("apply", "/shop/web").exit_code == 2
