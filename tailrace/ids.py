"""Identifiers: trace ids normalised at the door, and event ids that a replay makes again.

Trace ids are kept as W3C trace-context writes them (32 lower-case hex digits, https://www.w3.org/TR/trace-context/); X-Ray's
``1-8hex-24hex`` is the same number in another coat. Span ids are 16 lower-case hex digits.

Event ids: the id that CloudWatch gave, or a hash of where the event came from (never of its text alone: equal lines are different events).
"""

import hashlib
import re
from typing import Final

_XRAY_TRACE_ID: Final = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})")
_W3C_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_SPAN_ID: Final = re.compile(r"[0-9a-f]{16}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_ROOT: Final = re.compile(r"root=(1-[0-9a-f]{8}-[0-9a-f]{24})")

XRAY_TRACE_ID_PATTERN: Final = r"1-[0-9a-f]{8}-[0-9a-f]{24}"
"""An X-Ray trace id in running text; RE2 syntax, to be used ignoring case."""


def normal_trace_id(text: str) -> str | None:
    """Turn any notation of a trace id into 32 lower-case hex digits; ``None`` where the text is none.

    Notations: ``1-8hex-24hex``, 32 hex digits, ``Root=1-...;Parent=...`` (X-Amzn-Trace-Id), a W3C traceparent.

    >>> normal_trace_id("1-6b02b777-63f651453a9bbc6c80be111a")
    '6b02b77763f651453a9bbc6c80be111a'
    >>> normal_trace_id("Self=1;Root=1-6b02b777-63f651453a9bbc6c80be111a;Sampled=1")
    '6b02b77763f651453a9bbc6c80be111a'
    >>> normal_trace_id("-") is None
    True
    """
    lowered = text.strip().lower()
    if xray := _XRAY_TRACE_ID.fullmatch(lowered) or None:
        return xray[1] + xray[2]
    if _W3C_TRACE_ID.fullmatch(lowered):
        return None if set(lowered) == {"0"} else lowered
    if root := _ROOT.search(lowered):
        return normal_trace_id(root[1])
    parent = _TRACEPARENT.fullmatch(lowered)
    return parent[1] if parent else None


def xray_trace_id(trace_id: str) -> str:
    """Write a normalised trace id as X-Ray does.

    >>> xray_trace_id("6b02b77763f651453a9bbc6c80be111a")
    '1-6b02b777-63f651453a9bbc6c80be111a'
    """
    return f"1-{trace_id[:8]}-{trace_id[8:]}"


def normal_span_id(text: str) -> str | None:
    """Turn a span or segment id into 16 lower-case hex digits; ``None`` where the text is none."""
    lowered = text.strip().lower()
    return lowered if _SPAN_ID.fullmatch(lowered) and set(lowered) != {"0"} else None


def position_event_id(*origin: str | int) -> str:
    """Hash where an event came from (bucket, key, version, offset; file, inode, offset; ...) to 32 hex digits.

    BLAKE2b of 16 bytes over the parts, each with its length before it, so that ``("ab", "c")`` is not ``("a", "bc")``.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in origin:
        encoded = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


class Places:
    """Makes ids of places in one payload: as :func:`position_event_id` does, of an origin that is hashed once.

    >>> Places("otlp", "abc").id(0, 7) == Places("otlp", "abc").id(0, 7) != Places("otlp", "abc").id(7, 0)
    True
    """

    def __init__(self, *origin: str | int) -> None:
        self._stem = hashlib.blake2b(position_event_id(*origin).encode("ascii"), digest_size=16)

    def id(self, *place: int) -> str:
        """Answer the id of a place; places of one payload are told apart by as many numbers each."""
        digest = self._stem.copy()
        digest.update(b".".join(b"%d" % number for number in place))
        return digest.hexdigest()
