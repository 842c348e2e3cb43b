"""The body of ``_bulk``: lines of JSON, an action and then its document.

https://docs.opensearch.org/latest/api-reference/document-apis/bulk/. What is written here becomes log events that are never changed: ``index`` and ``create`` are
taken (both create; the same ``_id`` again is the same event), ``update`` and ``delete`` are refused, each for its item alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from tailrace.errors import RequestError

MAX_ID_BYTES: Final = 512
"""OpenSearch's limit of ``_id``."""

TAKEN: Final = frozenset({"index", "create"})
REFUSED: Final = frozenset({"update", "delete"})


class _Target(msgspec.Struct):
    index: str = msgspec.field(name="_index", default="")
    id: str | int | None = msgspec.field(name="_id", default=None)


@dataclass(frozen=True, slots=True)
class Item:
    """One action: its verb, index, id (empty: none given), its document's bytes, and why it is refused (empty: it is not)."""

    verb: str
    index: str
    id: str
    document: bytes
    error: str = ""


def read_items(body: bytes, default_index: str) -> list[Item]:
    """Cut a body into its items; raises :class:`RequestError` where it is no ``_bulk`` body at all: nothing of it was taken then."""
    if body and not body.endswith(b"\n"):
        raise RequestError("the bulk request must be terminated by a newline [\\n]")
    lines = _numbered(body)
    items = [_item(number, line, lines, default_index) for number, line in lines]
    if not items:
        raise RequestError("request body is required")
    return items


def _numbered(body: bytes) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip())


def _item(number: int, line: bytes, lines: Iterator[tuple[int, bytes]], default_index: str) -> Item:
    verb, target = _action(number, line)
    document = b"" if verb == "delete" else next(lines, (0, b""))[1]
    if verb != "delete" and not document:
        raise RequestError("the action has no document after it", clause=f"line {number}")
    index, identity = target.index or default_index, "" if target.id is None else str(target.id)
    return Item(verb, index, identity, document, _problem(verb, index, identity))


def _action(number: int, line: bytes) -> tuple[str, _Target]:
    try:
        action = msgspec.json.decode(line, type=dict[str, _Target])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RequestError(f"malformed action/metadata: {error}", clause=f"line {number}") from error
    if len(action) != 1 or not set(action) <= TAKEN | REFUSED:
        raise RequestError(f"expected one of [create, delete, index, update], found {sorted(action)}", clause=f"line {number}")
    return next(iter(action.items()))


def _problem(verb: str, index: str, identity: str) -> str:
    if verb in REFUSED:
        return f"events are never changed: {verb} is not supported"
    if not index:
        return "index is missing"
    if index.startswith(("_", "-", "+")) or index != index.lower() or any(letter in index for letter in ' "*\\<|,>/?#:'):
        return f"invalid index name [{index}]"
    if len(identity.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
        return f"id is too long, must be no longer than {MAX_ID_BYTES} bytes"
    return ""
