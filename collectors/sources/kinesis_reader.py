"""A Kinesis stream of CloudWatch's payloads, read in a thread as the settings say. One process reads a stream: readers do not share the shards."""

import logging
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from collectors.collector import Collector
from collectors.sources.checkpoints import Checkpoints
from collectors.sources.kinesis import KinesisConsumer
from collectors.sources.kinesis_shards import Boto3Shards
from collectors.sources.open_events import OpenEvents
from tailrace import aws
from tailrace.clock import Clock
from tailrace.settings import Settings

AGAIN_S: Final = 10.0
"""After what is not going to change soon: the stream is not there, or may not be read."""

END_S: Final = 10.0

logger = logging.getLogger(__name__)


class KinesisReader:
    """Reads while it is open as a context."""

    def __init__(self, consumer: KinesisConsumer, stream: str, checkpoints: Checkpoints, stop: threading.Event) -> None:
        self._consumer, self._stream, self._checkpoints, self._stop = consumer, stream, checkpoints, stop
        self._error = ""
        self._thread = threading.Thread(target=self._run, name="kinesis", daemon=True)

    def __enter__(self) -> Self:
        """Begin to read."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop after the record at hand, with all durable that can be."""
        self._consumer.stop()
        self._thread.join(END_S)
        self._checkpoints.close()

    def status(self) -> Mapping[str, int | str]:
        """Answer which stream is read, how many records were taken, and what is wrong, if something is."""
        return {"stream": self._stream, "taken": self._consumer.taken, "error": self._error}

    def _run(self) -> None:
        while not self._stop.is_set():
            self._error = ""
            try:
                self._consumer.run()
            except Exception as error:  # noqa: BLE001 - whatever ends the reading is told, and it is begun again
                self._error = str(error)
                logger.warning("stream %s cannot be read, and is tried again: %s", self._stream, error)
                self._stop.wait(AGAIN_S)


def reader_from_settings(settings: Settings, collector: Collector, clock: Clock) -> KinesisReader:
    """Make the reader of the stream that the settings name."""
    stop, stream, checkpoints = threading.Event(), settings.kinesis_stream, Checkpoints(settings.home / "kinesis.sqlite")
    port = Boto3Shards(aws.client("kinesis", settings), stream)
    return KinesisReader(KinesisConsumer(port, stream, OpenEvents(collector, clock), checkpoints, clock, stop), stream, checkpoints, stop)
