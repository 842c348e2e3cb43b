"""SNS: subject and text published to a topic."""

from typing import Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from alerts.state import Notice
from tailrace import aws
from tailrace.errors import PermanentError, TransientError
from tailrace.settings import Settings

MAX_SUBJECT_CHARS: Final = 100
"""Amazon SNS, Publish: a subject is ASCII text of less than 100 characters without line breaks."""

PERMANENT: Final = frozenset({"InvalidParameter", "InvalidParameterValue", "NotFound", "AuthorizationError", "EndpointDisabled"})


class Publishes(Protocol):
    """The one SNS call that we use."""

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> object:  # noqa: N803 - boto3's names
        """Publish one message."""
        ...


class SnsChannel:
    """Publishes to the topic that a rule names."""

    def __init__(self, settings: Settings, client: Publishes | None = None) -> None:
        self._settings, self._client = settings, client

    def send(self, notice: Notice) -> None:
        """Publish the message."""
        subject = notice.subject.encode("ascii", "replace").decode()[: MAX_SUBJECT_CHARS - 1]
        try:
            self._publisher().publish(TopicArn=str(notice.options["sns_topic_arn"]), Subject=subject, Message=notice.body)
        except ClientError as error:
            kind = error.response.get("Error", {}).get("Code", "")
            raise (PermanentError if kind in PERMANENT else TransientError)(f"sns: {error}") from error
        except BotoCoreError as error:
            raise TransientError(f"sns: {error}") from error

    def _publisher(self) -> Publishes:
        if self._client is None:
            self._client = aws.client("sns", self._settings)
        return self._client
