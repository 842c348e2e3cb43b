"""Dead letters: bytes that could not be decoded or delivered, whole, each with its reason; on disk until somebody replays or drops them."""

from firehose.dead_letters.store import DeadLetters

__all__ = ["DeadLetters"]
