"""SQLite and LMDB taking batches durably: what the spool is measured beside. Runs in an environment of its own, which has LMDB.

``python benchmarks/spool_peers.py SIDE SHAPE FOLDER`` prints one JSON object. It imports nothing of this project.

SQLite: WAL, ``synchronous=FULL``, its other settings as they are. LMDB: a transaction a batch, synced at its end, keys appended in order. Each stores a batch as rows (a record a row) or as one value, as the
spool does; both keep a running number as the key and nothing else: no checksum of their own, no ids of events.
"""

import json
import random
import sqlite3
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Batch = Sequence[bytes]
SHAPES = {"16 kB x 64": (16_384, 64, 80), "400 B x 200": (400, 200, 300), "400 B x 1,000": (400, 1_000, 100)}
"""Bytes of a record, records of a batch, batches."""

WARM_UP = 5
POOL_BYTES = 8 * 1024 * 1024
_KEY = struct.Struct(">Q")


def batches(shape: str) -> list[Batch]:
    """Make batches of random bytes, the same every time: no side gains by compression."""
    size, each, count = SHAPES[shape]
    chance = random.Random(7)  # noqa: S311 - no secret
    pool = chance.randbytes(POOL_BYTES)
    starts = [chance.randrange(POOL_BYTES - size) for _ in range(each * (count + WARM_UP))]
    records = [pool[start : start + size] for start in starts]
    return [records[at : at + each] for at in range(0, len(records), each)]


def sqlite_side(folder: Path, *, whole: bool) -> Callable[[int, Batch], None]:
    """Answer what puts a batch into SQLite."""
    database = sqlite3.connect(folder / "peer.sqlite", isolation_level=None)
    assert database.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE records (number INTEGER PRIMARY KEY, body BLOB NOT NULL)")

    def put(number: int, batch: Batch) -> None:
        rows = [(number, b"".join(batch))] if whole else list(enumerate(batch, number * len(batch)))
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO records VALUES (?, ?)", rows)
        database.execute("COMMIT")

    return put


def lmdb_side(folder: Path, *, whole: bool) -> Callable[[int, Batch], None]:
    """Answer what puts a batch into LMDB."""
    import lmdb

    environment = lmdb.open(str(folder / "peer.lmdb"), map_size=1 << 32)

    def put(number: int, batch: Batch) -> None:
        rows = [(number, b"".join(batch))] if whole else enumerate(batch, number * len(batch))
        with environment.begin(write=True) as transaction:
            for key, body in rows:
                transaction.put(_KEY.pack(key), body, append=True)

    return put


SIDES = {"sqlite rows": (sqlite_side, False), "sqlite": (sqlite_side, True), "lmdb rows": (lmdb_side, False), "lmdb": (lmdb_side, True)}


def measure(put: Callable[[int, Batch], None], shape: str) -> dict[str, float]:
    """Put all batches; seconds and CPU-seconds of it, without the first few."""
    made = batches(shape)
    for number, batch in enumerate(made[:WARM_UP]):
        put(number, batch)
    began, cpu = time.perf_counter(), time.process_time()
    for number, batch in enumerate(made[WARM_UP:], WARM_UP):
        put(number, batch)
    return {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}


if __name__ == "__main__":
    side, shape, name = sys.argv[1:]
    make, whole = SIDES[side]
    print(json.dumps(measure(make(Path(name), whole=whole), shape)))
