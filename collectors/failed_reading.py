"""Letters of others, read into the dead letters of ours: files, folders and objects of S3, each read once however often it is named."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collectors.envelopes.failed_objects import read_failed
from collectors.sources.files import find_files
from firehose.dead_letters import DeadLetters
from firehose.dead_letters.log import ReplayLog
from tailrace.clock import Clock
from tailrace.errors import UsageError
from tailrace.settings import Settings

SCHEME: Final = "s3://"


@dataclass(frozen=True, slots=True)
class ReadObject:
    """What became of one object: letters that are there now, letters that have been replayed or dropped before, and what could not be read."""

    name: str
    letters: int
    done_before: int
    problem: str = ""


def contents(settings: Settings, clock: Clock, paths: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Walk the names and bytes of what paths name. Raises :class:`UsageError` where there is none, :class:`tailrace.errors.DeliveryError` where S3 refuses."""
    for path in paths:
        if path.startswith(SCHEME):
            yield from _objects(settings, clock, path)
        else:
            for file in find_files([Path(path)]):
                yield str(file), file.read_bytes()


def read_into(letters: DeadLetters, log: ReplayLog, name: str, data: bytes, *, now_us: int, inflate_max_bytes: int) -> ReadObject:
    """Read an object and keep its letters, but for those that were replayed or dropped before. Raises :class:`tailrace.errors.TransientError` where the folder is full."""
    found = read_failed(data, name, received_us=now_us, inflate_max_bytes=inflate_max_bytes)
    done = log.done(found.place)
    kept = [(number, letter) for number, letter in enumerate(found.letters) if f"{found.place}-{number}" not in done]
    if kept:
        letters.write(found.place, [letter for _, letter in kept], time_us=found.time_us or now_us, numbers=[number for number, _ in kept])
    return ReadObject(name, len(kept), len(found.letters) - len(kept), found.problem)


def _objects(settings: Settings, clock: Clock, url: str) -> Iterator[tuple[str, bytes]]:
    from collectors.sources.s3_from_settings import clients_from_settings  # boto3 takes 300 ms to import
    from collectors.sources.s3_listing import Boto3Listing, listed
    from collectors.sources.s3_ranges import Boto3Ranges, open_object

    clients, any_there = clients_from_settings(settings), False
    for found, _ in listed(Boto3Listing(clients), url):
        any_there = True
        yield found.place.url, open_object(Boto3Ranges(clients), found.place, clock).file.read()
    if not any_there:
        raise UsageError(f"no object begins with {url}")
