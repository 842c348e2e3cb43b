"""What AWS refuses is said in plain words, with what to do."""

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

from tailrace.aws_errors import asked
from tailrace.errors import DeliveryError, PermanentError, TransientError


def refused(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


def said(error: Exception, action: str = "logs:PutSubscriptionFilter") -> DeliveryError:
    def call() -> None:
        raise error

    with pytest.raises(DeliveryError) as caught:
        asked("/shop/web", action, call)
    return caught.value


@pytest.mark.parametrize(
    ("code", "message", "action", "remedy"),
    [
        (
            "AccessDeniedException",
            "User: x is not authorized to perform: iam:PassRole on resource: y",
            "logs:PutSubscriptionFilter",
            "the IAM action iam:PassRole",
        ),
        ("AccessDenied", "", "sts:AssumeRole", "/shop/web: AccessDenied; the caller needs the IAM action sts:AssumeRole"),
        ("LimitExceededException", "Resource limit exceeded.", "logs:PutSubscriptionFilter", "room for 2 subscription filters"),
        ("LimitExceededException", "Resource limit exceeded.", "logs:PutAccountPolicy", "room for 1 subscription filter policy"),
        ("LimitExceededException", "", "kinesis:CreateStream", "Service Quotas"),
        ("ResourceNotFoundException", "no", "logs:DescribeLogGroups", "look at the name, the account and the Region"),
        ("ExpiredTokenException", "no", "logs:DescribeLogGroups", "log in again"),
        ("InvalidParameterException", "Could not execute the lambda function. Make sure", "logs:PutSubscriptionFilter", "allow logs.amazonaws.com to call"),
        ("InvalidParameterException", "Could not deliver test message to specified Kinesis", "logs:PutSubscriptionFilter", "the stream must be active"),
        ("InvalidParameterException", "CloudWatch Logs is unable to assume the role", "logs:PutSubscriptionFilter", "must trust logs.amazonaws.com"),
        ("InvalidParameterException", "something else.", "logs:PutSubscriptionFilter", "/shop/web: InvalidParameterException: something else"),
        ("500", "<!doctype html>\n<html>", "logs:PutSubscriptionFilter", "/shop/web: 500"),
    ],
)
def test_a_refusal_says_what_to_do(code: str, message: str, action: str, remedy: str) -> None:
    error = said(refused(code, message), action)
    assert isinstance(error, PermanentError)
    assert remedy in str(error)
    assert "<" not in str(error)


def test_what_may_succeed_later_is_transient() -> None:
    error = said(refused("ThrottlingException", "Rate exceeded"))
    assert isinstance(error, TransientError)
    assert "try again" in str(error)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NoCredentialsError(), "no credentials of AWS were found"),
        (EndpointConnectionError(endpoint_url="https://logs.example"), "look at the Region and the network"),
        (BotoCoreError(), "An unspecified error occurred"),
    ],
)
def test_aws_that_is_not_reached_is_said(error: BotoCoreError, words: str) -> None:
    assert words in str(said(error))


def test_an_answer_is_answered() -> None:
    assert asked("x", "y", lambda: 1) == 1
