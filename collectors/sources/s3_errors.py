"""What S3 refuses with, as a sentence that says what to do, and as the kind of error that says whether to try again.

Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. An answer without a body (of HEAD) has the status as its code.
"""

from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError, PartialCredentialsError

from collectors.envelopes.s3_event import S3Object
from tailrace.errors import DeliveryError, PermanentError, TransientError

EMPTY_CODES: Final = frozenset({"InvalidRange", "416"})
"""What the first range of an object without bytes is answered with."""

REGION_HEADER: Final = "x-amz-bucket-region"

_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound", "MethodNotAllowed", "405"})
_DENIED: Final = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden"})
_CHANGED: Final = frozenset({"PreconditionFailed", "412"})
_CREDENTIALS: Final = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "RequestTimeTooSkewed", "InvalidSecurity"})
_LATER: Final = frozenset(
    {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "RequestTimeTooSlow", "Throttling", "ThrottlingException", "RequestLimitExceeded"}
    | {"ExpiredToken", "OperationAborted", "KMS.ThrottlingException", "TooManyRequests"}
)


class GoneError(PermanentError):
    """The object, or its bucket, is not there; asking again does not help."""


class ChangedError(TransientError):
    """The object was written anew while it was read."""


class WrongRegionError(PermanentError):
    """The bucket lies in another region."""

    def __init__(self, message: str, region: str) -> None:
        self.region = region
        super().__init__(message)


def translated(error: ClientError | BotoCoreError, place: S3Object) -> DeliveryError:
    """Answer the error of ours that says what happened to an object and what to do."""
    if isinstance(error, ClientError):
        return _of_answer(error.response, place)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return PermanentError(f"{place.url}: there are no credentials for AWS: set AWS_PROFILE, or give this machine a role")
    if isinstance(error, ParamValidationError):
        return PermanentError(f"{place.url}: no name that S3 could have: {_one_line(error)}")
    return TransientError(f"{place.url}: the connection to S3 failed: {_one_line(error)}")


def _of_answer(answer: Mapping[str, Any], place: S3Object) -> DeliveryError:
    about, meta = answer.get("Error", {}), answer.get("ResponseMetadata", {})
    code, said = str(about.get("Code", "")), " ".join(str(about.get("Message", "")).split())[:300]
    status = int(meta.get("HTTPStatusCode") or 0)
    region = str(meta.get("HTTPHeaders", {}).get(REGION_HEADER) or about.get("Region") or "")
    if status in {301, 307, 400} and region and region != place.region:
        sentence = f"{place.url}: the bucket lies in {region}, not in {place.region or 'the region that was asked'}: set TAILRACE_REGION={region}"
        return WrongRegionError(sentence, region)
    if code in _LATER or (status >= 500 and not code.startswith("KMS.")):
        return TransientError(f"{place.url}: S3 takes no requests now ({code or status}): {said}")
    if code in _CHANGED:
        return ChangedError(f"{place.url}: was written anew while it was read; it is read again from its start")
    return _gone(code, place) or _denied(code, said, place) or PermanentError(f"{place.url}: S3 refuses it ({code or status}): {said}")


def _gone(code: str, place: S3Object) -> DeliveryError | None:
    if code == "NoSuchBucket":
        return GoneError(f"{place.url}: there is no bucket {place.bucket}: is its name right?")
    version = f" in version {place.version}" if place.version else ""
    return GoneError(f"{place.url}: is not there{version}: it was deleted before it was read") if code in _GONE else None


def _denied(code: str, said: str, place: S3Object) -> DeliveryError | None:
    if code.startswith("KMS.") or (code in _DENIED and "kms:" in said.lower()):
        return PermanentError(f"{place.url}: its KMS key does not open it: allow kms:Decrypt on the key, in the role's policy and in the key's: {said}")
    if code in _DENIED:
        return PermanentError(
            f"{place.url}: access denied: allow s3:GetObject{' and s3:GetObjectVersion' if place.version else ''} on arn:aws:s3:::{place.bucket}/*,"
            f" and s3:ListBucket on arn:aws:s3:::{place.bucket}, without which S3 says so too of an object that is not there: {said}"
        )
    if code == "InvalidObjectState":
        return PermanentError(
            f"{place.url}: is archived: restore it with aws s3api restore-object, then read it again;"
            " a notification of s3:ObjectRestore:Completed does that by itself"
        )
    if code in _CREDENTIALS:
        return PermanentError(f"{place.url}: S3 does not take the credentials of AWS ({code}): {said}")
    return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
