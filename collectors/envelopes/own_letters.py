"""Dead letters that the Lambda function put into its stream ``<prefix>-dead``, as Amazon Data Firehose delivered them to S3 (``firehose.sinks.amazon_firehose.stream.letter_records``).

A record is a piece of a letter: ``{"id", "piece": 1.., "pieces", "source", "received_us", "kind", "reason", "detail", "body": base64}``. Pieces stand in any order, and twice where Firehose delivered twice; a
letter is whole when all are there and its id is the hash of its body. It is the letter that it was, and is replayed as one of this machine's.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from firehose.delivery import DeadLetter
from tailrace.errors import DecodeError

PERSON: Final = b"dead-letter"
MAX_PIECES: Final = 10_000
NOT_HERE: Final = frozenset({"file", "arrow"})
"""Envelopes of letters that name what lies on the machine that made them: no such letter comes from a function, and none is replayed here."""


class _Piece(msgspec.Struct):
    id: str
    piece: int
    pieces: int
    source: str
    kind: Literal["payload", "document"]
    reason: str
    detail: dict[str, str]
    body: str
    received_us: int = 0


_Key = tuple[str, str, int, str]
"""What tells letters apart: two may have the same body, and so the same id."""


def is_own(record: object) -> bool:
    """Whether a record is a piece of a letter of ours."""
    return isinstance(record, dict) and {"id", "piece", "pieces", "body", "kind"} <= set(record)


class OwnLetters:
    """Puts the letters of one object together."""

    def __init__(self) -> None:
        self._waiting: dict[_Key, dict[int, _Piece]] = {}
        self._whole: set[_Key] = set()
        self.newest_us = 0

    def take(self, record: Mapping[str, Any]) -> DeadLetter | None:
        """Take a piece; answer the letter where it is the last one of it. Raises :class:`DecodeError` where it is none."""
        try:
            piece = msgspec.convert(record, _Piece)
        except msgspec.ValidationError as error:
            raise DecodeError(f"a piece of a dead letter of ours that cannot be read: {error}") from error
        if not 1 <= piece.piece <= piece.pieces <= MAX_PIECES or piece.detail.get("envelope") in NOT_HERE:
            raise DecodeError("a piece of a dead letter that no function of ours wrote")
        key = (piece.id, piece.source, piece.received_us, piece.reason)
        if key in self._whole:
            return None
        pieces = self._waiting.setdefault(key, {})
        pieces[piece.piece] = piece
        return self._letter(key, pieces) if len(pieces) == piece.pieces else None

    def left(self) -> Iterator[str]:
        """Answer what is said of letters of which pieces are missing; they lie in another object."""
        for pieces in self._waiting.values():
            one = next(iter(pieces.values()))
            yield f"{len(pieces):,} of {one.pieces:,} pieces of a dead letter ({one.reason[:200]}) are here: put the objects that hold it together, and read them as one"

    def _letter(self, key: _Key, pieces: Mapping[int, _Piece]) -> DeadLetter:
        del self._waiting[key]
        try:
            body = b"".join(base64.b64decode(pieces[number].body, validate=True) for number in sorted(pieces))
        except (binascii.Error, ValueError) as error:
            raise DecodeError("a dead letter of ours whose body is no base64") from error
        if hashlib.blake2b(body, digest_size=16, person=PERSON).hexdigest() != key[0]:
            raise DecodeError("a dead letter of ours whose body is not what its id says")
        self._whole.add(key)
        first = pieces[1]
        self.newest_us = max(self.newest_us, first.received_us)
        return DeadLetter(first.kind, first.reason, body, {"source": first.source, **first.detail})
