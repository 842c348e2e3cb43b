"""Somebody who searches the lake all along while its parts are merged, and replaced ones deleted, is told the same all along."""

import threading
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pytest

from firehose.keeper import Keeper
from firehose.parts import write_part
from queries.connections.duckdb import LakeConnection
from queries.engines.lake import LakeEngine
from tailrace.clock import US_PER_S, ManualClock
from tailrace.fields import AttributeRegister
from tailrace.forms import arrow_schema
from tailrace.lake import fresh_name, list_parts, part_key, partition_of
from tailrace.settings import Settings
from tailrace.stores.folder import FolderStore

NOON_US = 1_790_000_000_000_000
ROWS = 50
GRACE_S = 3_600
HERE = partition_of(NOON_US)
QUESTIONS: tuple[dict[str, Any], ...] = (
    {"size": 0, "track_total_hits": True, "aggs": {"s": {"terms": {"field": "service.name"}}, "most": {"max": {"field": "duration_s"}}}},
    {"size": 20, "query": {"match": {"message": "refused"}}},
    {"size": 5, "query": {"term": {"event_id": "e-00000107"}}},
)


def part(number: int) -> pa.Table:
    """A part whose rows lie between those of the others."""
    rows = [
        {
            "event_id": f"e-{number * ROWS + n:08}",
            "revision": 0,
            "event_time": NOON_US + n * US_PER_S + number,
            "observed_time": NOON_US,
            "service_name": ("web", "cart", "payment")[(number + n) % 3],
            "message": f"order {n} of part {number} " + ("refused" if n == number % ROWS else "paid"),
            "duration_s": float(number * ROWS + n),
        }
        for n in range(ROWS)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema("logs"))


class Reader:
    """Asks all questions again and again in a thread of its own; ``other`` are answers that are not those of the beginning, and errors."""

    def __init__(self, engine: LakeEngine) -> None:
        self._engine = engine
        self.first = self._answers()
        self.read, self.other = 0, list[Any]()
        self._stop, self._thread = threading.Event(), threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def ask_anew(self) -> None:
        """Wait until all questions were asked, and answered, after this call."""
        asked = self.read
        while self.read < asked + 2 * len(QUESTIONS) and self._thread.is_alive():
            self._stop.wait(0.005)

    def _answers(self) -> list[Any]:
        found = [self._engine.search("logs", body) for body in QUESTIONS]
        return [{key: value for key, value in one.items() if key in {"hits", "aggregations"}} for one in found]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                now = self._answers()
            except Exception as error:  # noqa: BLE001 - whatever a reader is told but the answer is wrong
                self.other.append(error)
                return
            self.other += [one for one, first in zip(now, self.first, strict=True) if one != first]
            self.read += len(now)


@pytest.mark.parametrize("parts", [40, pytest.param(1_000, marks=pytest.mark.soak)])
def test_answers_are_the_same_before_during_and_after_a_merge(tmp_path: Path, parts: int) -> None:
    store, clock, points = FolderStore(tmp_path / "lake"), ManualClock(NOON_US), list[str]()
    for number in range(parts):
        store.put(part_key("logs", HERE, fresh_name("p", 1, number, number + 1)), write_part(part(number)).to_pybytes())
    lake = LakeConnection(Settings(home=tmp_path), store)

    def probe(point: str) -> None:
        points.append(point)
        if point != "keeper.deleted":
            reader.ask_anew()

    with Reader(LakeEngine(lake, AttributeRegister(None), clock)) as reader:
        assert reader.first[0]["hits"]["total"]["value"] == parts * ROWS
        keeper = Keeper(Settings(home=tmp_path), clock, store=store, probe=probe)
        while keeper.round(force=True).parts:
            reader.ask_anew()
        clock.sleep(GRACE_S)
        keeper.round()
        reader.ask_anew()
    assert reader.other == []
    assert {"keeper.part_put", "keeper.committed", "keeper.deleted"} <= set(points)
    assert len(list_parts(store, "logs", HERE)) == 1
    print(f"{reader.read} answers were read while {parts} parts were merged in {points.count('keeper.committed')} commits")
    lake.close()
