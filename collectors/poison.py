"""Lines that make a parser raise: they go to dead letters one by one, and their neighbours go on.

A parser should never raise, a bad line being a row with ``parse_status = failed``. Where one does raise, the lines are halved until the lines at fault stand
alone. The dead letter of a line holds its text and, in ``detail``, what it takes to collect it again, and a hash of the traceback's places (file and line, not the
message), so that equal faults have equal hashes.
"""

import hashlib
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Final

import pyarrow as pa

from collectors.known import by_event_id, known_of
from collectors.lines import Lines, Origin
from collectors.runs import log_streams, slice_lines
from collectors.steps import Batch, Work, run_steps
from firehose.delivery import DeadLetter

MAX_FAULTS: Final = 100
"""Raises that are followed up in one run of lines; after them all that is not parsed yet goes to dead letters."""

LINE: Final = "line"
"""The word in ``detail["envelope"]`` for a dead letter that is one line."""


@dataclass(frozen=True, slots=True)
class Sifted:
    """Batches of the lines that were read, and dead letters of those that made a parser raise."""

    batches: tuple[Batch, ...]
    dead: tuple[DeadLetter, ...] = ()


def sift(lines: Lines, work: Work) -> Sifted:
    """Take lines through the steps; those that cannot get through are dead letters."""
    batches: list[Batch] = []
    dead: list[DeadLetter] = []
    faults, waiting = 0, [lines]
    while waiting:
        part = waiting.pop()
        try:
            batches.append(run_steps(part, work))
        except Exception as error:  # noqa: BLE001 - whatever a parser raises: the lines are kept, and the process goes on
            faults += 1
            if len(part) > 1 and faults <= MAX_FAULTS:
                middle = len(part) // 2
                waiting += [slice_lines(part, middle, len(part)), slice_lines(part, 0, middle)]
            else:
                reason = f"the parser raised {type(error).__name__}: {str(error)[:200]}"
                dead += letters_of(part, reason, traceback_hash=traceback_hash(error))
    return Sifted(tuple(batches), tuple(dead))


def traceback_hash(error: BaseException) -> str:
    """Hash the places of a traceback to 16 hex digits; the error's message does not count."""
    places = [f"{PurePath(frame.filename).name}:{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    return hashlib.blake2b("\n".join([type(error).__name__, *places]).encode(), digest_size=8).hexdigest()


def letters_of(lines: Lines, reason: str, **detail: str) -> Iterator[DeadLetter]:
    """Answer a dead letter for each line, with what it takes to collect it again."""
    shared = {name: value for name, value in asdict(lines.origin).items() if value}
    shared |= {"envelope": LINE, "received_us": str(lines.received_us), **detail}
    shared |= {"whole": "true"} if lines.whole else {}
    times, known = lines.event_time.cast(pa.int64()).to_pylist(), by_event_id(lines.known)
    streams = log_streams(lines).to_pylist()
    for text, event_id, time_us, stream in zip(lines.text.to_pylist(), lines.event_id.to_pylist(), times, streams, strict=True):
        detail = shared | {"event_id": event_id} | ({} if time_us is None else {"event_time_us": str(time_us)}) | ({"log_stream": stream} if stream else {})
        detail |= {"known": known[str(event_id)]} if event_id in known else {}
        yield DeadLetter("document", reason, (text or "").encode(), detail)


def line_of(letter: DeadLetter) -> Lines:
    """Answer the line that a dead letter of :func:`sift` holds."""
    origin = Origin(**{name: letter.detail.get(name, "") for name in Origin.__dataclass_fields__})
    time = letter.detail.get("event_time_us")
    at: pa.TimestampArray = pa.array([None if time is None else int(time)], pa.timestamp("us"))
    return Lines(
        origin,
        int(letter.detail["received_us"]),
        pa.array([letter.body.decode("utf-8", "replace")], pa.string()),
        pa.array([letter.detail["event_id"]], pa.string()),
        at,
        known_of(letter.detail["known"]) if "known" in letter.detail else None,
        whole="whole" in letter.detail,
    )
