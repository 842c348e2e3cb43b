"""Another Tailrace: rows go to its gateway as they are (``tailrace.wire``), and into its spool; it knows by their ids those that come again.

* 200: they are durable there. 413: the request is halved, down to the one row that is too much, which is a dead letter.
* Everything else (no answer, a full spool, no rights, another version): nothing is lost, the sink waits.
"""

import ssl
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final, Protocol

import pyarrow as pa
import urllib3

from firehose.batches import Batch, Key, Limits
from firehose.columns import Ints
from firehose.cursor import OutcomeRow
from firehose.dead_letters import DeadLetters
from firehose.delivery import DeadLetter
from firehose.json_text import json_lines
from tailrace.clock import Clock
from tailrace.errors import PermanentError, TransientError
from tailrace.fields import AttributeRegister
from tailrace.gateway_client import Answer, answer_of
from tailrace.schema import TableName
from tailrace.wire import MEDIA_TYPE, encode

NAME: Final = "tailrace"
LIMITS: Final = Limits(rows=20_000, nbytes=16 * 1024 * 1024, after_s=0.25)
PATH: Final = "/_tailrace/rows"
TOO_MUCH: Final = 413
TIMEOUT_S: Final = 30.0


class Posts(Protocol):
    """The one call of HTTP that is used."""

    def post(self, table: TableName, body: bytes) -> Answer:
        """Send rows of a table. Raises :class:`TransientError` where there is no answer."""
        ...


class Gateway:
    """The door of another Tailrace."""

    def __init__(self, url: str, token: str = "", tls: ssl.SSLContext | None = None) -> None:
        self._url, self._pool = url.rstrip("/"), urllib3.PoolManager(maxsize=1, retries=False, timeout=TIMEOUT_S, ssl_context=tls)
        self._headers = {"content-type": MEDIA_TYPE, **({"authorization": f"Bearer {token}"} if token else {})}

    def post(self, table: TableName, body: bytes) -> Answer:
        """Send rows."""
        try:
            answer = self._pool.request("POST", f"{self._url}{PATH}?table={table}", body=body, headers=self._headers, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TransientError(f"{self._url}: {error}") from error
        return answer_of(answer)


class TailraceSink:
    """Sends rows through a door."""

    name = NAME

    def __init__(self, door: Posts, register: AttributeRegister, dead: DeadLetters, clock: Clock, *, limits: Limits = LIMITS) -> None:
        self.door, self.register, self.limits = door, register, limits
        self._dead, self._clock = dead, clock

    def attempt(self, batch: Batch, stem: str) -> "_Attempt":
        """Prepare the requests of a batch."""
        return _Attempt(self, batch, f"{NAME}-{stem}")

    def resend(self, letter: DeadLetter) -> None:
        """A row that is too long for a request is refused whenever it comes."""
        raise PermanentError(f"{NAME}: {letter.reason}")

    def bury(self, place: str, letters: list[DeadLetter]) -> None:
        """Write rows that were refused into dead letters."""
        self._dead.write(place, letters, time_us=self._clock.now_us(), sink=NAME)


@dataclass(slots=True)
class _Piece:
    table: TableName
    rows: pa.Table
    origin: Ints


@dataclass(slots=True)
class _Attempt:
    """The delivery of one batch: pieces that are left."""

    sink: TailraceSink
    batch: Batch
    place: str
    left: deque[_Piece] = field(default_factory=deque)
    dead: Counter[Key] = field(default_factory=Counter)
    letters: list[DeadLetter] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left.extend(_Piece(name, self.batch.table(name), self.batch.origin(name)) for name in self.batch.tables)

    def run(self) -> tuple[OutcomeRow, ...]:
        """Send what is left."""
        while self.left:
            self._send(self.left[0])
        if self.letters:
            self.sink.bury(self.place, self.letters)
        return self.batch.outcome(dead=self.dead)

    def _send(self, piece: _Piece) -> None:
        keys = self.batch.keys[piece.table]
        sources: pa.StringArray = pa.array([keys[number][0] for number in piece.origin.tolist()], pa.string())
        answer = self.sink.door.post(piece.table, encode(piece.rows, sources, self.sink.register.types()))
        if answer.status == TOO_MUCH:
            self.left.popleft()
            self._halve(piece, f"{answer.status} {answer.reason}")
        elif answer.status == 200:
            self.left.popleft()
        else:
            raise TransientError(f"{NAME}: {answer.status} {answer.reason}", retry_after_s=answer.retry_after_s)

    def _halve(self, piece: _Piece, reason: str) -> None:
        count = piece.rows.num_rows
        if count > 1:
            for start, end in ((count // 2, count), (0, count // 2)):
                self.left.appendleft(_Piece(piece.table, piece.rows.slice(start, end - start), piece.origin[start:end]))
            return
        key = self.batch.keys[piece.table][piece.origin[0]]
        self.dead[key] += 1
        line = str(json_lines(piece.table, piece.rows)[0]).rstrip("\n").encode()
        self.letters.append(DeadLetter("document", reason, line, {"sink": NAME, "table": piece.table, "source": key[0]}))
