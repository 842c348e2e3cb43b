"""A small OpenSearch over HTTP: it keeps documents, and fails as it is told to."""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from tests.serving import QuietHandler, serving

Fault = Literal["429", "503", "413", "400", "403", "cut", "refuse", "slow", "short", "partial429", "block", "garbage"]


class FakeOpenSearch:
    """Documents by index and id; ``faults`` are used up one a bulk request, ``poison`` ids are refused with 400."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
        self.faults: deque[Fault] = deque()
        self.poison: set[str] = set()
        self.poison_ending = ""
        self.max_bytes = 1 << 40
        self.puts: list[tuple[str, Any]] = []
        self.mappings: dict[str, dict[str, Any]] = {}
        """Mappings of indices, as they are asked for."""
        self.requests = 0
        self.url = ""
        self.lock = threading.Lock()

    def ids(self) -> list[str]:
        """All ids, sorted."""
        return sorted(identity for _, identity in self.documents)

    def store(self, action: dict[str, Any], document: dict[str, Any]) -> tuple[int, str]:
        """Store a document; answer its status and reason."""
        ((verb, target),) = action.items()
        key = (target["_index"], target["_id"])
        if target["_id"] in self.poison or (self.poison_ending and target["_id"].endswith(self.poison_ending)):
            return 400, "failed to parse field"
        version = target.get("version", 1)
        there = self.documents.get(key)
        if there is not None and (verb == "create" or there[0] >= version):
            return 409, "version conflict"
        self.documents[key] = (version, document)
        return 201, ""

    def forget(self, target: dict[str, Any]) -> int:
        """Delete a document, unless it is of that version or a newer one; answer the status."""
        there = self.documents.get((target["_index"], target["_id"]))
        if there is None:
            return 404
        if there[0] >= target["version"]:
            return 409
        del self.documents[target["_index"], target["_id"]]
        return 200


@contextmanager
def fake_opensearch() -> Iterator[FakeOpenSearch]:
    """Run one."""
    fake = FakeOpenSearch()
    with serving(_Handler, fake=fake) as fake.url:
        yield fake


def _actions(lines: list[bytes]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Read the lines of a body: an action, and its document, which a deletion does not have."""
    reading = iter(lines)
    for line in reading:
        action = json.loads(line)
        yield action, {} if "delete" in action else json.loads(next(reading))


class _Handler(QuietHandler):
    fake: FakeOpenSearch

    def do_DELETE(self) -> None:
        name = self.path.strip("/")
        with self.fake.lock:
            gone = [key for key in self.fake.documents if key[0] == name]
            for key in gone:
                del self.fake.documents[key]
        self._answer(200 if gone else 404, {"acknowledged": bool(gone)})

    def do_GET(self) -> None:
        index, _, what = self.path.partition("?")[0].strip("/").partition("/")
        if (index, what) == ("_cat", "indices"):
            self._answer(200, [{"index": name, "uuid": f"uuid of {name}"} for name in sorted({name for name, _ in self.fake.documents})])
            return
        if what == "_mapping" and index in self.fake.mappings:
            self._answer(200, {index: {"mappings": self.fake.mappings[index]}})
        else:
            self._answer(404, {"error": {"type": "index_not_found_exception", "reason": f"no such index [{index}]"}, "status": 404})

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.fake.puts.append((self.path, json.loads(body)))
        self._answer(200, {"acknowledged": True})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        index, _, what = self.path.partition("?")[0].strip("/").partition("/")
        if what in {"_refresh", "_count", "_search"}:
            self._answer(200, self._counted(index.removesuffix("*")))
            return
        with self.fake.lock:
            self.fake.requests += 1
            fault: Fault | None = self.fake.faults.popleft() if self.fake.faults else None
        self._bulk(body, fault)

    def _counted(self, prefix: str) -> dict[str, Any]:
        """Answer what ``_count``, and ``_search`` with our aggregations, answer of the indices with a prefix."""
        with self.fake.lock:
            found = [(index, document) for (index, _), (_, document) in self.fake.documents.items() if index.startswith(prefix)]
        revisions = sum(int(document.get("revision") or 0) for _, document in found)
        aggregations = {"revisions": {"value": float(revisions)}, "indices": {"buckets": [{"key": index} for index in {index for index, _ in found}]}}
        return {"count": len(found), "hits": {"total": {"value": len(found)}, "hits": []}, "aggregations": aggregations}

    def _bulk(self, body: bytes, fault: Fault | None) -> None:
        if fault is not None and fault.isdecimal():
            self._answer(int(fault), {"error": {"type": "told_to", "reason": f"told to answer {fault}"}})
        elif len(body) > self.fake.max_bytes:
            self._answer(413, {"error": "too large"})
        elif fault == "refuse":
            self.close_connection = True
        else:
            time.sleep(0.5 if fault == "slow" else 0)
            self._items(body.splitlines(), fault)

    def _items(self, lines: list[bytes], fault: Fault | None) -> None:
        with self.fake.lock:
            items = [self._item(number, action, document, fault) for number, (action, document) in enumerate(_actions(lines))]
        self._answer(200, {"errors": True, "items": items[:-1] if fault == "short" else items}, fault)

    def _item(self, number: int, action: dict[str, Any], document: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        if "delete" in action and fault is None:
            status, reason = self.fake.forget(action["delete"]), ""
        elif fault == "block":
            status, reason = 403, "index blocked"
        elif fault == "partial429" and number % 2:
            status, reason = 429, "rejected execution"
        else:
            status, reason = self.fake.store(action, document)
        return {next(iter(action)): {"status": status, **({"error": {"type": "t", "reason": reason}} if reason else {})}}

    def _answer(self, status: int, answer: Any, fault: Fault | None = None) -> None:
        data = b"<html>" if fault == "garbage" else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if fault == "cut" else data)
        if fault == "cut":
            self.wfile.flush()
            self.close_connection = True
