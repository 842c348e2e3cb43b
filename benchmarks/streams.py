"""Delivery streams in folders of their own, and a sink that is never there: with it, what is put stays in the spool."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firehose import LocalFirehose
from firehose.batches import Batch, Limits
from firehose.cursor import OutcomeRow
from tailrace.clock import SystemClock
from tailrace.errors import TransientError
from tailrace.settings import Settings


class DownSink:
    """A sink that is never there: everything stays in the spool."""

    name = "down"
    limits = Limits(1_000, 1 << 20, 60.0)

    def attempt(self, batch: Batch, stem: str) -> "DownSink":
        """Prepare nothing."""
        del batch, stem
        return self

    def run(self) -> tuple[OutcomeRow, ...]:
        """Refuse."""
        raise TransientError("down")


@contextmanager
def stream(*, down: bool = False) -> Iterator[LocalFirehose]:
    """A delivery stream in a folder of its own."""
    home = Path(tempfile.mkdtemp(prefix="tailrace-bench-"))
    try:
        with LocalFirehose(Settings(home=home), SystemClock(), sinks=[DownSink()] if down else None) as opened:
            yield opened
    finally:
        shutil.rmtree(home)
