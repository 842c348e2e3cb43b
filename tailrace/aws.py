"""The only door to boto3 and opensearch-py clients.

Everything else takes a client, or a port of the one or two calls that it uses, as an argument.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import boto3
from botocore.config import Config

from tailrace.aws_errors import asked
from tailrace.errors import SettingError
from tailrace.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_firehose import FirehoseClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_xray import XRayClient
    from opensearchpy import OpenSearch

Service = Literal["cloudwatch", "firehose", "kinesis", "lambda", "logs", "s3", "secretsmanager", "sns", "sqs", "ssm", "sts", "xray"]

CONNECT_TIMEOUT_S: Final = 5
READ_TIMEOUT_S: Final = 60
SESSION_NAME: Final = "tailrace"
"""What CloudTrail calls the sessions of roles that Tailrace assumes."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Temporary credentials of a role that was assumed; they are never shown."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


def assume_role(settings: Settings, role_arn: str, external_id: str = "") -> Credentials:
    """Assume a role, also of another account; raises :class:`tailrace.errors.PermanentError` with what to do."""
    given = {"ExternalId": external_id} if external_id else {}
    sts = client("sts", settings)
    answer = asked(f"role {role_arn}", "sts:AssumeRole", lambda: sts.assume_role(RoleArn=role_arn, RoleSessionName=SESSION_NAME, **given))
    found = answer["Credentials"]
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


@overload
def client(service: Literal["firehose"], settings: Settings, credentials: Credentials | None = None) -> "FirehoseClient": ...
@overload
def client(service: Literal["kinesis"], settings: Settings, credentials: Credentials | None = None) -> "KinesisClient": ...
@overload
def client(service: Literal["logs"], settings: Settings, credentials: Credentials | None = None) -> "CloudWatchLogsClient": ...
@overload
def client(service: Literal["s3"], settings: Settings, credentials: Credentials | None = None) -> "S3Client": ...
@overload
def client(service: Literal["sns"], settings: Settings, credentials: Credentials | None = None) -> "SNSClient": ...
@overload
def client(service: Literal["sqs"], settings: Settings, credentials: Credentials | None = None) -> "SQSClient": ...
@overload
def client(service: Literal["ssm"], settings: Settings, credentials: Credentials | None = None) -> "SSMClient": ...
@overload
def client(service: Literal["secretsmanager"], settings: Settings, credentials: Credentials | None = None) -> "SecretsManagerClient": ...
@overload
def client(service: Literal["xray"], settings: Settings, credentials: Credentials | None = None) -> "XRayClient": ...
@overload
def client(service: Literal["cloudwatch", "lambda", "sts"], settings: Settings, credentials: Credentials | None = None) -> Any: ...  # noqa: ANN401 - their stubs are no dependency


def client(service: Service, settings: Settings, credentials: Credentials | None = None) -> Any:
    """Make a boto3 client: standard retries, time-outs of 5 s to connect and 60 s to read; ``credentials`` are those of a role that was assumed.

    With ``aws_endpoint_url`` set (an emulator on this machine) the credentials are the word ``test``, so that no real ones are ever sent there. A server that is not AWS is called by the
    name that it was given: buckets are part of the path, and nothing (``stream-`` of live tail) is put before it.
    """
    endpoint = (settings.s3_endpoint_url if service == "s3" else "") or settings.aws_endpoint_url or None
    make: Callable[..., Any] = boto3.client
    return make(
        service,
        region_name=settings.region,
        endpoint_url=endpoint,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "max_attempts": 4},
            s3={"addressing_style": "path"} if endpoint else {},
            inject_host_prefix=not endpoint,
        ),
        **_credentials(settings, credentials),
    )


def _credentials(settings: Settings, credentials: Credentials | None) -> dict[str, str]:
    if credentials is not None:
        return {
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
            "aws_session_token": credentials.session_token,
        }
    if not settings.aws_endpoint_url:
        return {}
    return {"aws_access_key_id": "test", "aws_secret_access_key": "testtest"}


def opensearch(settings: Settings, *, timeout_s: float = 30) -> "OpenSearch":
    """Make an OpenSearch client: basic authentication, or signed requests for a service of AWS; no retries (ours are per item).

    Raises :class:`tailrace.errors.SettingError` where requests are to be signed and there are no credentials.
    """
    from opensearchpy import OpenSearch

    from tailrace.opensearch_connection import Connection, tls_of

    return OpenSearch(
        hosts=[settings.opensearch_url],
        http_auth=_opensearch_auth(settings),
        http_compress=settings.opensearch_compress,
        connection_class=Connection,
        timeout=timeout_s,
        max_retries=0,
        retry_on_timeout=False,
        **tls_of(settings),
    )


def _opensearch_auth(settings: Settings) -> Any:  # noqa: ANN401 - opensearch-py's own
    from opensearchpy import Urllib3AWSV4SignerAuth

    from tailrace.opensearch_connection import service_of
    from tailrace.secrets import secret

    if settings.opensearch_user:
        return (settings.opensearch_user, secret(settings.opensearch_password, settings))
    service = service_of(settings)
    if service == "none":
        return None
    credentials = boto3.Session().get_credentials()
    if credentials is None:
        raise SettingError(f"requests to {settings.opensearch_url} are signed, and there are no AWS credentials (a profile, a role, or AWS_ACCESS_KEY_ID)")
    return Urllib3AWSV4SignerAuth(credentials, settings.region, service)
