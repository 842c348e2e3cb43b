"""A consumer of an SQS queue of S3 notifications: messages are received by long polls, and deleted after everything that they led to is durable.

While a message is worked on its visibility is extended again and again, so no other consumer gets it. A message that must come again gets a wait that doubles with each receipt. Killed at
any point, what was not deleted comes again: an object may be read twice, its lines have the same ids, and none is left out.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/working-with-messages.html
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from botocore.exceptions import BotoCoreError, ClientError

from collectors.envelopes.s3_event import Message
from collectors.sources.patience import StoppedError
from collectors.sources.s3_notices import Outcome
from tailrace.clock import Clock
from tailrace.errors import DeliveryError, PermanentError, TransientError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

POLL_S: Final = 5
"""SQS lets 20 s be asked for; a poll cannot be broken off, and whoever stops the process waits 8 s."""

MAX_MESSAGES: Final = 10
VISIBILITY_S: Final = 120
HEARTBEAT_S: Final = VISIBILITY_S / 4
FIRST_LATER_S: Final = 30
LONGEST_LATER_S: Final = 900
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0

_REFUSED: Final = frozenset(
    {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "AccessDenied", "AccessDeniedException", "InvalidAddress", "InvalidClientTokenId"}
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Received:
    """A message that was received, and the receipt that stands for this receiving of it."""

    message: Message
    receipt: str


class ReceivesMessages(Protocol):
    """The three calls of SQS; they raise :class:`TransientError` or :class:`PermanentError`."""

    def receive(self) -> Sequence[Received]:
        """Wait a few seconds for up to ten messages, which nobody else gets for :data:`VISIBILITY_S`."""
        ...

    def hide(self, receipt: str, seconds: int) -> None:
        """Keep a message from all for so long, from now."""
        ...

    def delete(self, receipt: str) -> None:
        """Delete a message."""
        ...


@dataclass(frozen=True, slots=True)
class Boto3Queue:
    """The calls through boto3."""

    client: "SQSClient"
    url: str

    def receive(self) -> Sequence[Received]:
        """Ask for messages."""
        with _asked(self.url):
            answer = self.client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=MAX_MESSAGES,
                WaitTimeSeconds=POLL_S,
                VisibilityTimeout=VISIBILITY_S,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        found = answer.get("Messages", [])
        return [
            Received(Message(one["MessageId"], one["Body"], int(one.get("Attributes", {}).get("ApproximateReceiveCount", "1"))), one["ReceiptHandle"])
            for one in found
        ]

    def hide(self, receipt: str, seconds: int) -> None:
        """Change the visibility of a message."""
        with _asked(self.url):
            self.client.change_message_visibility(QueueUrl=self.url, ReceiptHandle=receipt, VisibilityTimeout=seconds)

    def delete(self, receipt: str) -> None:
        """Delete a message."""
        with _asked(self.url):
            self.client.delete_message(QueueUrl=self.url, ReceiptHandle=receipt)


@contextmanager
def _asked(url: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        refused = str(error.response.get("Error", {}).get("Code")) in _REFUSED
        kind = PermanentError if refused else TransientError
        raise kind(f"queue {url}: {error}{': check s3_queue_url, and that the policy allows sqs:ReceiveMessage' if refused else ''}") from error
    except BotoCoreError as error:
        raise TransientError(f"queue {url}: {error}") from error


Take = Callable[[Message], Outcome]


@dataclass(slots=True)
class Totals:
    """What became of messages since the start, and the last error of the queue (empty: none)."""

    received: int = 0
    deleted: int = 0
    later: int = 0
    error: str = ""


class QueueConsumer:
    """Takes the messages of a queue until it is told to stop; one thread."""

    def __init__(
        self,
        port: ReceivesMessages,
        take: Take,
        clock: Clock,
        stop: threading.Event | None = None,
        totals: Totals | None = None,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._port, self._take, self._clock = port, take, clock
        self._stop, self.totals, self._heartbeat_s = stop or threading.Event(), totals or Totals(), heartbeat_s

    def run(self) -> None:
        """Take messages until it is told to stop; an error of the queue is logged, and tried again after a longer and longer wait."""
        wait_s = FIRST_WAIT_S
        while not self._stop.is_set():
            try:
                self.poll()
                wait_s, self.totals.error = FIRST_WAIT_S, ""
            except DeliveryError as error:
                self.totals.error = str(error)
                logger.warning("trying again in %.0f s: %s", wait_s, error)
                self._stop.wait(wait_s)
                wait_s = min(LONGEST_WAIT_S, 2 * wait_s)

    def poll(self) -> int:
        """Ask once, and take what there is; answer how many messages were done with."""
        found = list(self._port.receive())
        self.totals.received += len(found)
        done = 0
        with _held(self._port, found, self._heartbeat_s) as held:
            for one in found:
                outcome = self._taken(one.message)
                held.pop(one.receipt, None)
                try:
                    done += self._answered(one, outcome)
                except DeliveryError as error:
                    logger.warning("message %s comes again: %s", one.message.id, error)
        return done

    def _taken(self, message: Message) -> Outcome | None:
        """Answer what became of a message, ``None`` where it is to stop."""
        if self._stop.is_set():
            return None
        try:
            return self._take(message)
        except StoppedError:
            return None

    def _answered(self, one: Received, outcome: Outcome | None) -> bool:
        if outcome is None:
            return self._again(one, "stopped", 0)
        if outcome.later:
            wait_s = min(LONGEST_LATER_S, FIRST_LATER_S * 2 ** min(max(one.message.receives - 1, 0), 10))
            return self._again(one, outcome.later, wait_s)
        self._port.delete(one.receipt)
        self.totals.deleted += 1
        return True

    def _again(self, one: Received, why: str, wait_s: int) -> bool:
        self.totals.later += 1
        logger.warning("message %s comes again in %d s: %s", one.message.id, wait_s, why)
        self._port.hide(one.receipt, wait_s)
        return False


@contextmanager
def _held(port: ReceivesMessages, found: Sequence[Received], every_s: float) -> Iterator[dict[str, Message]]:
    """Extend the visibility of messages, those that are left in what this answers, until the context ends."""
    held, ended = {one.receipt: one.message for one in found}, threading.Event()

    def beat() -> None:
        while not ended.wait(every_s):
            for receipt, message in list(held.items()):
                try:
                    port.hide(receipt, VISIBILITY_S)
                except DeliveryError as error:
                    logger.warning("message %s may come twice: %s", message.id, error)

    thread = threading.Thread(target=beat, name="s3-queue-visibility", daemon=True)
    if held:
        thread.start()
    try:
        yield held
    finally:
        ended.set()
        if held or thread.is_alive():
            thread.join()


@dataclass(slots=True)
class QueueReaders:
    """Consumers of one queue, side by side, while the context is open."""

    port: ReceivesMessages
    take: Take
    clock: Clock
    stop: threading.Event
    readers: int = 1
    totals: list[Totals] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Begin to take messages."""
        self.totals = [Totals() for _ in range(self.readers)]
        consumers = [QueueConsumer(self.port, self.take, self.clock, self.stop, each) for each in self.totals]
        self._threads = [threading.Thread(target=one.run, name="s3-queue", daemon=True) for one in consumers]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop after the lines at hand; messages that were not done with come again."""
        self.stop.set()
        for thread in self._threads:
            thread.join(2 * POLL_S)

    def status(self) -> Mapping[str, int | str]:
        """Answer the sums of all readers, and an error if one has it."""
        sums = {name: sum(getattr(one, name) for one in self.totals) for name in ("received", "deleted", "later")}
        return {**sums, "error": next((one.error for one in self.totals if one.error), "")}
