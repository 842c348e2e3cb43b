"""Where else texts of rows may lie than in the parts of the lake: looked at, and told. Nothing is changed, but that copies of parts are thrown away."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from firehose.dead_letters import DeadLetters
from firehose.disk import LocalDisk
from firehose.frame import decode_dead, decode_tables
from firehose.keeper.conditions import forms_of
from firehose.keeper.erase import Order
from firehose.segment import Found, frames
from tailrace.settings import Settings

MAX_INFLATED: Final = 64 * 1024 * 1024
_GZIP_OR_ZLIB: Final = 47


@dataclass(frozen=True, slots=True)
class Place:
    """A place that holds, or may hold, what was to be erased."""

    name: str
    what: str


def other_places(settings: Settings, order: Order) -> list[Place]:
    """Look at dead letters and the spool, and name what cannot be looked at; OpenSearch is looked at by ``firehose.keeper.erase_documents``."""
    return [*_dead(settings.dead_folder, order), *_spool(settings.spool_folder, order), *_not_looked_at(settings)]


def _dead(folder: Path, order: Order) -> Iterator[Place]:
    for identity, body in DeadLetters(folder).bodies():
        if _in_bytes(body, order.texts):
            yield Place("dead letter", f"{identity}: see it with tailrace dead show, drop it with tailrace dead drop")


def _in_bytes(body: bytes, texts: Sequence[str]) -> bool:
    """Whether bytes, or what they inflate to, hold one of the texts."""
    wanted = [form.encode() for text in texts for form in forms_of(text)]
    try:
        inflated = zlib.decompressobj(_GZIP_OR_ZLIB).decompress(body, MAX_INFLATED)
    except zlib.error:
        inflated = b""
    return any(form in data for data in (body, inflated) for form in wanted)


def _spool(folder: Path, order: Order) -> Iterator[Place]:
    identity = folder / "identity"
    if not identity.exists():
        return
    secret, disk = int(identity.read_text("ascii")[8:16], 16), LocalDisk()
    for name in disk.names(folder):
        if name.startswith("segment-"):
            rows, letters = _in_segment(folder / name, secret, order)
            if rows or letters:
                yield Place("spool", f"{name}: {rows:,} rows, {letters:,} dead letters; a segment is deleted when it is full and every sink has its rows")


def _in_segment(path: Path, secret: int, order: Order) -> tuple[int, int]:
    try:
        file = LocalDisk().open(path)
    except FileNotFoundError:  # it was delivered meanwhile
        return 0, 0
    rows = letters = 0
    try:
        for found in frames(file, secret, 0, file.size()):
            if isinstance(found, Found) and found.body:
                tables = decode_tables(found.head, found.body)
                rows += sum(int(np.count_nonzero(order.conditions[name].mask(table))) for name, table in tables.items() if name in order.conditions)
                letters += sum(_in_bytes(letter.body, order.texts) for letter in decode_dead(found.head, found.body))
    finally:
        file.close()
    return rows, letters


def _not_looked_at(settings: Settings) -> Iterator[Place]:
    lake = Path(settings.lake_location)
    halves = [] if settings.lake_location.startswith("s3://") else [path for path in lake.rglob("_*.parquet.*") if path.is_file()]
    if halves:
        yield Place("half-written parts", f"{len(halves):,} files of writers that were killed, not looked at: {halves[0]}")


def empty_part_cache(folder: Path) -> int:
    """Throw away the copies of parts of a lake on S3; they are fetched again when they are asked for. Answer how many there were."""
    files = [path for path in folder.glob("*.parquet") if path.is_file()] if folder.is_dir() else []
    for path in files:
        path.unlink(missing_ok=True)
    return len(files)
