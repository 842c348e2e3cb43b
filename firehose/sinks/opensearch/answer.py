"""What OpenSearch answers to a ``_bulk`` request, read: one verdict a document, or one on the request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from tailrace.errors import TransientError

Kind = Literal["stored", "there", "again", "refused", "halve"]
"""Stored now; there already; to be sent again; never to be stored; (a request) too much at once."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a document, or of a request, and why."""

    kind: Kind
    reason: str = ""


STORED: Final = Verdict("stored")
THERE: Final = Verdict("there")
_CREATED: Final = {"create": {"status": 201}}
"""What is left of an item, after the sink's ``filter_path``, that says no more than that the document was created."""

TOO_MUCH: Final = frozenset({400, 413})
"""Statuses of a whole request of which one document may be the cause."""

WAITS: Final = frozenset({401, 403, 404, 408, 429})
"""Statuses that are not the document's fault: rights, an index block, an index that may not be made, too much load."""


def read_answer(answer: Any, count: int) -> Sequence[Verdict]:  # noqa: ANN401 - JSON of OpenSearch
    """Answer the verdict on each of so many documents; raises :class:`TransientError` where the answer does not say."""
    items = answer.get("items") if isinstance(answer, Mapping) else None
    if not isinstance(items, list) or len(items) != count:
        found = len(items) if isinstance(items, list) else "no"
        raise TransientError(f"opensearch answered {found} items for {count} documents")
    if items == [_CREATED] * count:
        return [STORED] * count
    return [_verdict(item) for item in items]


def refusal(error: Exception) -> Verdict:
    """Read an error of the transport; one that is none of OpenSearch's is raised again."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        kind: Kind = "halve" if status in TOO_MUCH else "again"
        return Verdict(kind, f"{status} {_short(getattr(error, 'info', '') or error)}")
    if status is None and not type(error).__module__.startswith("opensearchpy") and not isinstance(error, OSError):
        raise error
    return Verdict("again", _short(error))


def _verdict(item: Any) -> Verdict:  # noqa: ANN401 - JSON of OpenSearch
    body = next(iter(item.values())) if isinstance(item, dict) and item else {}
    status = body.get("status") if isinstance(body, dict) else None
    if not isinstance(status, int):
        raise TransientError("opensearch answered an item without a status")
    if status in {200, 201}:
        return STORED
    if status == 409:
        return THERE
    reason = f"{status} {_reason(body.get('error'))}"
    return Verdict("again" if status in WAITS or status >= 500 else "refused", reason)


def _reason(error: Any) -> str:  # noqa: ANN401 - JSON of OpenSearch
    if not isinstance(error, Mapping):
        return _short(error)
    cause = error.get("caused_by")
    texts = [error.get("type"), error.get("reason"), cause.get("reason") if isinstance(cause, Mapping) else None]
    return _short(": ".join(str(text) for text in texts if text))


def _short(value: object) -> str:
    return " ".join(str(value).split())[:500]
