"""Files and folders of log lines and of JSON records, plain or packed (``collectors.sources.contents``).

A file is read once, from its start to its end. Ingested again unchanged, its lines have the same ids and are duplicates; lines that were added since are new. Its name in the
ids is its absolute path, with links resolved. A compressed file that is damaged gives the lines before the damage, and a dead letter.
"""

import io
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import pyarrow.compute as pc

from collectors.collector import Collector, Summary
from collectors.lines import Origin
from collectors.sources.contents import Advance, contents
from collectors.sources.patience import patiently
from collectors.sources.text_lines import EMPTY_RULE, Run, runs
from firehose.delivery import DeadLetter
from tailrace.clock import Clock
from tailrace.errors import DecodeError, UsageError

STREAM_NAME: Final = "file"
MAX_SOURCE_CHARS: Final = 256
MAX_LETTER_BYTES: Final = 64 * 1024 * 1024
"""A damaged file up to this size is kept whole in its dead letter; of a longer one, which stays where it is, the path."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """What became of a stream; ``replaced`` lines had bytes that were no UTF-8, ``problem`` is why it was not read to its end; or it was ``stopped``."""

    summary: Summary = field(default_factory=Summary)
    replaced: int = 0
    problem: str = ""
    stopped: bool = False


class Place(NamedTuple):
    """How far a stream is read: the number of its content (a zip has several), and the offset behind the last line that was put."""

    content: int = 0
    offset: int = 0


START: Final = Place()


def find_files(paths: Iterable[Path]) -> list[Path]:
    """List the files that paths name, a folder's in order of their paths; hidden ones below a folder are left out.

    Raises :class:`UsageError` for a path that is not there.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found |= dict.fromkeys(_files_below(path))
        elif path.exists():
            found[path] = None
        else:
            raise UsageError(f"no such file or folder: {path}")
    return list(found)


def _files_below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".") and Path(place, name).is_file()]
    return sorted(found)


class LineSource:
    """Puts the lines of files and streams through a collector; waits where the delivery stream is full.

    ``origin`` says what a person knows of the lines: format, source, service, host. ``stop`` ends the run after the lines at hand
    (:class:`collectors.sources.patience.StoppedError` where they could not be put); ``patience_s`` is how long one put may be waited for.
    """

    def __init__(
        self,
        collector: Collector,
        clock: Clock,
        *,
        origin: Origin | None = None,
        stop: threading.Event | None = None,
        patience_s: float = math.inf,
    ) -> None:
        self._collector, self._clock = collector, clock
        self._origin = origin or Origin("", STREAM_NAME)
        self._stop = stop or threading.Event()
        self._patience_s = patience_s

    def ingest_file(self, path: Path, advance: Advance = lambda _: None) -> Ingest:
        """Collect the lines of a file."""
        identity = str(path.resolve())
        origin = replace(self._origin, source=(self._origin.source or f"file:{identity}")[-MAX_SOURCE_CHARS:], stream=STREAM_NAME, key=identity)
        try:
            with path.open("rb") as file:
                done = self.ingest_stream(file, origin, f"file:{identity}", advance)
        except OSError as error:
            return Ingest(problem=f"{path}: cannot be read: {error.strerror or error}")
        if not done.problem:
            return done
        letter = DeadLetter("payload", done.problem, kept_bytes(path), {"envelope": STREAM_NAME, "path": identity})
        dead = self._patiently(partial(self._collector.collect_dead, origin.source, [letter]))
        return replace(done, summary=done.summary + dead, problem=f"{path}: {done.problem}")

    def replay(self, letter: DeadLetter) -> Summary:
        """Collect a damaged file again from its dead letter: its lines have the ids that they had, and what is still at fault is a dead letter again."""
        identity = letter.detail.get("path", "")
        source = letter.detail.get("source", f"file:{identity}"[-MAX_SOURCE_CHARS:])
        done = self.ingest_stream(io.BytesIO(letter.body), replace(self._origin, source=source, stream=STREAM_NAME, key=identity), f"file:{identity}")
        if not done.problem:
            return done.summary
        return done.summary + self._patiently(partial(self._collector.collect_dead, source, [replace(letter, reason=done.problem)]))

    def ingest_stream(
        self,
        file: BinaryIO,
        origin: Origin,
        name: str,
        advance: Advance = lambda _: None,
        after: Place = START,
        reached: Callable[[Place], None] = lambda _: None,
    ) -> Ingest:
        """Collect the lines of an open stream, those behind ``after``; ``reached`` is told how far it is after each put."""
        done = Ingest()
        try:
            for place, run in self._placed(file, origin, name, advance, after):
                done = self._collected(done, run)
                reached(place)
                if self._stop.is_set():
                    return replace(done, stopped=True)
        except DecodeError as error:
            return replace(done, problem=str(error))
        return done

    def _placed(self, file: BinaryIO, origin: Origin, name: str, advance: Advance, after: Place) -> Iterator[tuple[Place, Run]]:
        """Answer the runs behind a place. Those before it are read over, if they begin their content or hold a line that begins as headers do: lines that follow are read by them."""
        for number, content in enumerate(contents(file, advance)):
            if number < after.content:
                continue
            named, is_first = f"{name}!{content.member}" if content.member else name, True
            for run in runs(content.blocks, origin, named, self._clock.now_us()):
                place = Place(number, run.end)
                if place > after:
                    yield place, run
                elif is_first or pc.any(pc.starts_with(run.lines.text, "#")).as_py():
                    self._collector.read_over(run.lines)
                is_first = False

    def _collected(self, done: Ingest, run: Run) -> Ingest:
        dropped = {EMPTY_RULE: run.empty} if run.empty else {}
        summary = self._patiently(partial(self._collector.collect_lines, run.lines, dropped))
        return replace(done, summary=done.summary + summary, replaced=done.replaced + run.replaced)

    def _patiently(self, call: Callable[[], Summary]) -> Summary:
        return patiently(call, self._clock, self._stop, self._patience_s)


def kept_bytes(path: Path) -> bytes:
    """Answer what of a damaged file goes into its dead letter."""
    return path.read_bytes() if path.stat().st_size <= MAX_LETTER_BYTES else b""
