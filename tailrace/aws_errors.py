"""What AWS refuses, in plain words: what was asked for, the code that AWS gave, and what to do about it.

The codes are those of the API references, such as https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

from tailrace.errors import PermanentError, TransientError

T = TypeVar("T")

DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})
BUSY: Final = frozenset(
    {"Throttling", "ThrottlingException", "TooManyRequestsException", "ServiceUnavailableException", "OperationAbortedException", "InternalFailure"}
)
LOGGED_OUT: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"})
NOT_THERE: Final = frozenset({"ResourceNotFoundException", "ResourceNotFound", "NoSuchEntity"})
REMEDIES: Final = (
    (NOT_THERE, "it is not there (any more): look at the name, the account and the Region"),
    (BUSY, "AWS is busy: try again, what is done already stays"),
    (LOGGED_OUT, "the credentials are not valid (any more): log in again"),
)

LIMITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "logs:PutSubscriptionFilter": "a log group has room for 2 subscription filters: remove one that nobody needs, or subscribe by an account policy",
        "logs:PutAccountPolicy": "an account has room for 1 subscription filter policy a Region: remove the one that is there, or subscribe group by group",
    }
)
"""What to do about ``LimitExceededException``, by the IAM action."""

REFUSALS: Final = (
    (re.compile("could not execute the lambda function", re.IGNORECASE), "allow logs.amazonaws.com to call the function (`plan --cloudformation` writes that)"),
    (re.compile("could not deliver test message", re.IGNORECASE), "the stream must be active, and the role of --role-arn must be allowed to write to it"),
    (re.compile("assume", re.IGNORECASE), "the role of --role-arn must trust logs.amazonaws.com, and exist for some seconds already"),
)
"""What to do about ``InvalidParameterException``, by what its message says."""

_ACTION: Final = re.compile(r"not authorized to perform: (?P<action>[a-z0-9-]+:[A-Za-z]+)")


def asked(what: str, action: str, call: Callable[[], T]) -> T:
    """Make a call of AWS; ``action`` is the IAM action that it needs.

    Raises :class:`PermanentError` in plain words, or :class:`TransientError` where it may succeed later.
    """
    try:
        return call()
    except ClientError as error:
        kind = TransientError if error.response["Error"].get("Code") in BUSY else PermanentError
        raise kind(in_plain_words(error, what, action)) from error
    except BotoCoreError as error:
        raise PermanentError(f"{what}: {_not_reached(error)}") from error


def in_plain_words(error: ClientError, what: str, action: str) -> str:
    """Say what AWS refused and what to do.

    >>> denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "PutSubscriptionFilter")
    >>> in_plain_words(denied, "/shop/web", "logs:PutSubscriptionFilter")
    '/shop/web: AccessDeniedException: no; the caller needs the IAM action logs:PutSubscriptionFilter'
    """
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "").rstrip(".")
    remedy = _remedy(code, message, action)
    said = "" if not message or message.lstrip().startswith("<") else f": {message}"  # an address that is not AWS's may answer with a page
    return f"{what}: {code}{said}" + (f"; {remedy}" if remedy else "")


def _remedy(code: str, message: str, action: str) -> str:
    if code in DENIED:
        found = _ACTION.search(message)
        return f"the caller needs the IAM action {found['action'] if found else action}"
    if code == "LimitExceededException":
        return LIMITS.get(action, "a quota of the account is used up: Service Quotas shows which")
    if code == "InvalidParameterException":
        return next((remedy for pattern, remedy in REFUSALS if pattern.search(message)), "")
    return next((remedy for codes, remedy in REMEDIES if code in codes), "")


def _not_reached(error: BotoCoreError) -> str:
    if isinstance(error, NoCredentialsError):
        return "no credentials of AWS were found: log in, or set AWS_PROFILE"
    if isinstance(error, EndpointConnectionError):
        return f"{str(error).rstrip('.')}; look at the Region and the network"
    return str(error)
