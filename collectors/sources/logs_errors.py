"""What CloudWatch Logs refuses with, as a sentence that says what to do, and as the kind of error that says whether to try again.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html
"""

from typing import Final

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError, PartialCredentialsError

from tailrace.errors import DeliveryError, PermanentError, TransientError

_LATER: Final = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ServiceUnavailableException",
        "ServiceUnavailable",
        "InternalFailure",
        "LimitExceededException",
        "RequestLimitExceeded",
    }
    | {"OperationAbortedException", "ExpiredTokenException", "TooManyRequestsException"}
)
_DENIED: Final = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})
_CREDENTIALS: Final = frozenset({"UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "IncompleteSignature"})


def translated(error: ClientError | BotoCoreError, group: str, action: str) -> DeliveryError:
    """Answer the error of ours that says what happened with a log group, and what to do."""
    said = " ".join(str(error).split())[:300]
    if isinstance(error, ClientError):
        return _of_answer(error, said, f"log group {group}", action)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return PermanentError(f"log group {group}: there are no credentials for AWS: set AWS_PROFILE, or give this machine a role")
    if isinstance(error, ParamValidationError):
        return PermanentError(f"log group {group}: {said}")
    return TransientError(f"log group {group}: the connection to CloudWatch Logs failed: {said}")


def _of_answer(error: ClientError, said: str, what: str, action: str) -> DeliveryError:
    code, status = str(error.response.get("Error", {}).get("Code", "")), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0
    if code in _LATER or status >= 500:
        return TransientError(f"{what}: CloudWatch Logs takes no requests now ({code or status})")
    if code == "ResourceNotFoundException":
        return PermanentError(f"{what}: is not there: is its name right, and TAILRACE_REGION that of the group?")
    if code in _DENIED:
        return PermanentError(f"{what}: access denied: allow {action} on it: {said}")
    if code in _CREDENTIALS:
        return PermanentError(f"{what}: CloudWatch Logs does not take the credentials of AWS ({code})")
    return PermanentError(f"{what}: {said}")
