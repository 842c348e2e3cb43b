"""An OpenSearch over HTTP for millions of numbered events: it keeps one bit an event, and fails as it is told to."""

import json
import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from tests.serving import QuietHandler, serving

FAULTS = ("429", "503", "403", "413", "refuse", "cut", "short", "garbage", "partial429", "poison", "slow", "hang")
FITS = 50
"""With 413 requests of so many documents are taken all the same: none is too large alone."""

_ID = re.compile(rb'^\{"create":\{"_index":"[^"]*","_id":"e-(\d+)"\}\}$', re.MULTILINE)
_CREATED, _THERE, _LATER = (
    '{"create":{"status":201}}',
    '{"create":{"status":409}}',
    '{"create":{"status":429,"error":{"type":"t","reason":"rejected execution"}}}',
)
_NEVER = '{"create":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"failed to parse field"}}}'


class BusyOpenSearch:
    """``faults`` are used up one a request; ``poison`` are the events that it never takes: one that came new in a request with that fault."""

    def __init__(self) -> None:
        self.stored = np.zeros(1 << 20, np.bool_)
        self.faults: deque[str] = deque()
        self.poison: set[int] = set()
        self.lock = threading.Lock()
        self.url = ""

    def count(self) -> int:
        """How many events are there."""
        with self.lock:
            return int(np.count_nonzero(self.stored))

    def store(self, numbers: npt.NDArray[np.int64], fault: str) -> list[str]:
        """Store events as ``create`` does; answer the items."""
        if len(numbers) and numbers.max() >= len(self.stored):
            self.stored = np.concatenate([self.stored, np.zeros(max(len(self.stored), int(numbers.max())), np.bool_)])
        if fault == "poison":
            self.poison.update(numbers[~self.stored[numbers]][:1].tolist())
        items = []
        for at, number in enumerate(numbers.tolist()):
            if number in self.poison or (fault == "partial429" and at % 2):
                items.append(_NEVER if number in self.poison else _LATER)
                continue
            items.append(_THERE if self.stored[number] else _CREATED)
            self.stored[number] = True
        return items


@contextmanager
def busy_opensearch() -> Iterator[BusyOpenSearch]:
    """Run one."""
    there = BusyOpenSearch()
    with serving(_Handler, there=there) as there.url:
        yield there


class _Handler(QuietHandler):
    there: BusyOpenSearch

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self._answer(200, '{"acknowledged":true}')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        with self.there.lock:
            fault = self.there.faults.popleft() if self.there.faults else ""
        numbers = np.array([int(one) for one in _ID.findall(body)], np.int64)
        if fault.isdecimal() and (fault != "413" or len(numbers) > FITS):
            self._answer(int(fault), json.dumps({"error": {"type": "told_to", "reason": fault}}))
        elif fault == "refuse":
            self.close_connection = True
        elif fault == "hang":
            time.sleep(3)
            self.close_connection = True
        else:
            time.sleep(0.3 if fault == "slow" else 0)
            self._bulk(numbers, fault)

    def _bulk(self, numbers: npt.NDArray[np.int64], fault: str) -> None:
        with self.there.lock:
            items = self.there.store(numbers, fault)
        answer = f'{{"errors":true,"items":[{",".join(items[:-1] if fault == "short" else items)}]}}'
        self._answer(200, "<html>" if fault == "garbage" else answer, cut=fault == "cut")

    def _answer(self, status: int, answer: str, *, cut: bool = False) -> None:
        data = answer.encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.wfile.flush()
            self.close_connection = True
