"""The soak: an engine under load, killed all along, with a fault every few seconds; then a look at every event that was acknowledged.

Two kinds of lives: many short ones, and now and then a long one, which shows whether memory grows.
"""

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from firehose.dead_letters import DeadLetters
from firehose.keeper.account import lake_rows
from tailrace.lake import live_parts
from tailrace.ledger import open_ledger
from tailrace.stores.folder import FolderStore
from tests.faults.busy_opensearch import FAULTS, BusyOpenSearch, busy_opensearch
from tests.faults.children import Children, events_in_lake, loader
from tests.faults.loader import DISK_FAILS, DISK_FULL, SECOND_ENGINE
from tests.firehose.deliveries import ALWAYS

LOAD = 0.8
FAULT_EVERY_S = 20.0
KINDS = (*FAULTS, DISK_FULL, DISK_FAILS, SECOND_ENGINE)
ROUNDS = 2
"""So often each kind of fault is made at least, however short it runs."""

SHORT_LIFE_S, LONG_LIFE_S, LIVES_A_LONG_ONE = 2.0, 60.0, 50
"""The mean of short lives, the length of a long one, and how many lives there are to a long one: 1,100 SIGKILLs an hour."""

MOST_RSS_MB = 512
MEASURED_S = 8.0
FINISH_WITHIN_S = 600.0
TELL_EVERY_S = 60.0


@dataclass
class Report:
    """What was done, and what was found. ``rss_mb`` is the most memory of each life; ``most_of_thirds_mb`` that of the first, second and last third of the time."""

    seconds: float
    capacity: float = 0.0
    rate: float = 0.0
    kills: int = 0
    second_engines_refused: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled_in_lake: int = 0
    missing_in_opensearch: int = 0
    dead_letters: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    parts: int = 0
    most_of_thirds_mb: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    finished_in_s: float = 0.0
    looked_in_s: float = 0.0


class Faults:
    """Makes a fault every so often, in a thread of its own; those of the disk and of OpenSearch last a moment."""

    def __init__(self, home: Path, there: BusyOpenSearch, every_s: float, seed: int) -> None:
        self._home, self._there, self._every_s, self._chance = home, there, every_s, random.Random(seed)
        self.made: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self._there.faults.clear()
        (self._home / SECOND_ENGINE).unlink(missing_ok=True)

    def _run(self) -> None:
        order: list[str] = []
        while not self._stop.wait(self._every_s):
            if not order:
                order = list(KINDS)
                self._chance.shuffle(order)
            self._make(order.pop())

    def _make(self, kind: str) -> None:
        self.made[kind] += 1
        if kind in FAULTS:
            self._there.faults.extend([kind] * self._chance.randint(1, 6))
            return
        (self._home / kind).touch()
        if kind != SECOND_ENGINE:
            self._stop.wait(min(self._every_s / 3, 3.0))
            (self._home / kind).unlink()


def soak(home: Path, seconds: float, *, most_rate: float = 1e9, seed: int = 1) -> Report:
    """Run it for so long, at :data:`LOAD` of what the machine takes but at most ``most_rate`` events a second, and look what is there."""
    report, chance = Report(seconds), random.Random(seed)
    with busy_opensearch() as there, loader(home, there.url, home / "acked") as children:
        report.capacity = _capacity(children, there, min(MEASURED_S, seconds / 10))
        report.rate = min(LOAD * report.capacity, most_rate)
        with Faults(home, there, min(FAULT_EVERY_S, seconds / (ROUNDS * len(KINDS) + 1)), seed) as faults:
            _live(children, report, chance)
        report.faults = dict(sorted(faults.made.items()))
        _tell(report, "delivers the rest")
        began = time.monotonic()
        assert children.run(finish=True, seconds=FINISH_WITHIN_S).status == 0
        report.finished_in_s = round(time.monotonic() - began, 1)
        _look(home, there, children.acknowledged, report)
        report.looked_in_s = round(time.monotonic() - began - report.finished_in_s, 1)
    return report


def _capacity(children: Children, there: BusyOpenSearch, seconds: float) -> float:
    """Put as fast as the machine takes; answer how many events a second were taken and delivered."""
    children.run(seconds=seconds, from_ack=True)
    return min(children.acknowledged, there.count()) / seconds


def _live(children: Children, report: Report, chance: random.Random) -> None:
    """Live and die until the time is over."""
    began = told_s = time.monotonic()
    thirds: list[list[float]] = [[], [], []]
    while (left := began + report.seconds - time.monotonic()) > 0:
        long = report.kills % LIVES_A_LONG_ONE == LIVES_A_LONG_ONE // 2
        life = min(LONG_LIFE_S, report.seconds / 6) if long else chance.expovariate(1 / SHORT_LIFE_S)
        wrong = chance.choice((0.0, 0.0, 0.0, -3_600.0, 86_400.0))
        told = children.run(rate=report.rate, seconds=min(max(life, 0.05), left), clock_off_s=wrong, replay=chance.choice((0, 0, 5)))
        assert told.status == 9, f"a child ended by itself: {told.status}"
        report.kills, report.second_engines_refused = report.kills + 1, report.second_engines_refused + told.refused
        report.rss_mb.append(round(told.rss_mb, 1))
        thirds[min(int(3 * (1 - left / report.seconds)), 2)].append(told.rss_mb)
        if time.monotonic() - told_s > TELL_EVERY_S:
            told_s = time.monotonic()
            _tell(report, f"{told_s - began:,.0f} s, {children.acknowledged:,} acknowledged, at most {max(report.rss_mb):,.0f} MB")
    report.most_of_thirds_mb = [round(max(third, default=0.0), 1) for third in thirds]


def _tell(report: Report, what: str) -> None:
    sys.stderr.write(f"soak: {report.kills} kills, {what}\n")


def _look(home: Path, there: BusyOpenSearch, acknowledged: int, report: Report) -> None:
    """Count every event, and hold the ledger against the counts."""
    counts = events_in_lake(home)
    stored, poison = there.stored[: len(counts)], sorted(there.poison)
    expected = np.pad(counts, (0, max(len(stored) - len(counts), 0))) > 0
    expected[poison] = False
    report.acknowledged = acknowledged
    report.lost = acknowledged - int(np.count_nonzero(counts[:acknowledged]))
    report.doubled_in_lake = int(np.count_nonzero(counts > 1))
    report.missing_in_opensearch = int(np.count_nonzero(expected != np.pad(stored, (0, len(expected) - len(stored))))) + int(
        np.count_nonzero(there.stored[len(counts) :])
    )
    report.parts = len(list(live_parts(FolderStore(home / "lake"), "logs", *ALWAYS)))
    report.dead_letters = _letters(home)
    check = open_ledger(home / "ledger.sqlite").check()
    report.ledger = [hop.to_json() for hop in check.hops]
    report.problems = [*check.problems, *_wrong(report.ledger, int(np.count_nonzero(counts)), len(poison), report.dead_letters, home)]


def _letters(home: Path) -> int:
    return sum(1 for row in DeadLetters(home / "dead").rows(1_000_000) if row["kind"] == "document")


def _wrong(hops: Sequence[dict[str, Any]], there: int, poison: int, letters: int, home: Path) -> list[str]:
    """Say where the ledger is not what was counted."""
    found = {(hop["hop"], hop["sink"]): hop for hop in hops if hop["unit"] == "events"}
    search = found["deliver", "opensearch"]
    pairs = {
        "spool": (found["spool", ""]["out"], there),
        "lake": (found["deliver", "lake"]["out"], there),
        "lake, by its parts": (lake_rows(FolderStore(home / "lake"))["logs"], there),
        "opensearch": (search["out"] + search["duplicate"], there - poison),
        "opensearch, dead": (search["dead"], poison),
        "dead letters": (letters, poison),
        "pending": (search["pending"] + found["deliver", "lake"]["pending"], 0),
    }
    return [f"{name}: {said:,}, and {counted:,} were counted" for name, (said, counted) in pairs.items() if said != counted]
