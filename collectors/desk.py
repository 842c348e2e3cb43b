"""The desk: dead letters are replayed and dropped here, one by one or a group at a time, by the gateway and by the command alike.

A replay puts what a letter holds, then drops the letter. It adds no event twice, however often it is done and wherever it is killed: what comes of a letter has the ids that it had the first time
(CloudWatch's, the line's, or a hash of the payload and the place in it), the recent-id filter leaves those out, and past the filter OpenSearch answers that the document is there and the lake removes
the row when it merges. What is dead again is a new letter; what a sink refuses again stays the letter that it was. Each step is
written down with who did it (``firehose.dead_letters.log``) before the letter is gone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from collectors.collector import Collector
from firehose.dead_letters import DeadLetters
from firehose.dead_letters.groups import group_of, members
from firehose.dead_letters.log import Action, ReplayLog, Step, Who
from firehose.dead_letters.store import Stored
from firehose.delivery import DeadLetter
from tailrace.clock import Clock
from tailrace.errors import DeliveryError, PermanentError, TransientError

DEAD_AGAIN: Final = "dead again: "
REFUSED: Final = "refused: "


class Redelivers(Protocol):
    """The one call of a delivery stream that is used."""

    def replay(self, letter: DeadLetter, identity: str) -> bool:
        """Deliver a sink's dead letter again; ``False`` where it is none of a sink's, and the collector's to read."""
        ...


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one letter: rows that were put (those that were there already are among them), letters that are dead again, or why it stays."""

    id: str
    events: int = 0
    spans: int = 0
    metrics: int = 0
    dead: tuple[str, ...] = ()
    redelivered: bool = False
    error: str = ""

    @property
    def outcome(self) -> str:
        """Say it in words: ``replayed``, why it is dead again, or why it stays."""
        return self.error or (f"{DEAD_AGAIN}{self.dead[0]}" if self.dead else "replayed")

    def to_json(self) -> dict[str, Any]:
        """Answer it as the gateway does."""
        if self.redelivered:
            return {"redelivered": True}
        return {"events": self.events, "spans": self.spans, "metrics": self.metrics, "dead": len(self.dead), "reasons": self.dead[:5]}


class Desk:
    """Replays and drops letters of a folder; ``mended`` is called before anything is replayed: formats are read anew."""

    def __init__(
        self, letters: DeadLetters, stream: Redelivers, collector: Collector, log: ReplayLog, clock: Clock, mended: Callable[[], None] = lambda: None
    ) -> None:
        self._letters, self._stream, self._collector, self._log, self._clock, self._mended = letters, stream, collector, log, clock, mended

    def replay(self, identity: str, who: Who) -> Replayed | None:
        """Replay one letter and drop it; ``None`` where there is none. Raises :class:`DeliveryError` where it is refused: it stays."""
        letter = self._letters.find(identity)
        if letter is None:
            return None
        self._mended()
        return self._again(letter, who)

    def replay_group(self, name: str, limit: int, who: Who) -> list[Replayed]:
        """Replay the letters of a group, at most so many; ends at the first that finds no room or nobody there, for the next would find the same."""
        self._mended()
        done: list[Replayed] = []
        for identity in [one.id for one in members(self._letters, name)][:limit]:
            letter = self._letters.find(identity)
            if letter is None:
                continue
            try:
                done.append(self._again(letter, who))
            except DeliveryError as error:
                done.append(Replayed(identity, error=str(error)))
                if isinstance(error, TransientError):
                    break
        return done

    def drop(self, identity: str, who: Who) -> bool:
        """Throw one away; answer whether it was there."""
        return drop(self._letters, identity, self._log, self._clock, who)

    def _again(self, letter: Stored, who: Who) -> Replayed:
        try:
            done = self._put(letter.id, letter.letter())
        except DeliveryError as error:
            self._log.write(_step(letter, "replay", f"{REFUSED}{error}", self._clock, who))
            raise
        self._log.write(_step(letter, "replay", done.outcome, self._clock, who))
        self._letters.drop(letter.id)
        return done

    def _put(self, identity: str, letter: DeadLetter) -> Replayed:
        if self._stream.replay(letter, identity):
            return Replayed(identity, redelivered=True)
        if "action" in letter.detail:
            raise PermanentError(f"it is a document of the sink {letter.detail.get('sink', '')!r}, which is not set up here")
        took = self._collector.replay(letter)
        return Replayed(identity, took.events, took.spans, took.metrics, tuple(one.reason for one in took.dead))


def drop(letters: DeadLetters, identity: str, log: ReplayLog, clock: Clock, who: Who) -> bool:
    """Throw a letter away, after it is written down who did; answer whether it was there."""
    letter = letters.find(identity)
    if letter is None:
        return False
    log.write(_step(letter, "drop", "dropped", clock, who))
    return letters.drop(identity)


def _step(letter: Stored, action: Action, outcome: str, clock: Clock, who: Who) -> Step:
    return Step(clock.now_us(), who.user, who.via, action, letter.id, letter.kind, group_of(letter), letter.source, letter.reason, outcome)
