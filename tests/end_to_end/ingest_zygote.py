"""A process that forks children which ingest numbered events until they are killed: at a named point, or after a while.

One line of JSON on standard input a child; one on standard output when it is dead. What a child has been told is durable it appends to ``acked``, as an upstream would.
"""

import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from firehose import LocalFirehose
from firehose.delivery import DeadLetter
from firehose.disk import Machine
from firehose.keeper import Keeper
from firehose.routes import only
from tailrace import aws  # noqa: F401 - imported once, before the forks
from tailrace.clock import SystemClock
from tests.firehose.deliveries import delivery_of, numbered, quick

BATCH = 25
LONGEST_S = 15.0


def main() -> None:
    """Fork a child for each line."""
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            ingest(order)
        print(json.dumps({"status": _reap(child, order)}), flush=True)


def _reap(child: int, order: dict[str, Any]) -> int:
    """Kill a child when its time is over, which with ``from_ack`` begins when something was acknowledged; answer how it ended."""
    acked, started = Path(order["home"]) / "acked", time.monotonic()
    before = acked.stat().st_size if acked.exists() else 0
    began = None if order.get("from_ack") else started
    while began is None or time.monotonic() < began + order["kill_after_s"]:
        if began is None and (time.monotonic() > started + LONGEST_S or (acked.exists() and acked.stat().st_size > before)):
            began = time.monotonic()
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def ingest(order: dict[str, Any]) -> None:
    """Ingest until killed, or, with ``finish``, until everything is delivered."""
    code = 1
    try:
        _ingest(order, Path(order["home"]))
        code = 0
    except BaseException:  # noqa: BLE001 - the child of a fork must not return
        traceback.print_exc()
    finally:
        os._exit(code)


def _ingest(order: dict[str, Any], home: Path) -> None:
    seen = 0

    def probe(point: str) -> None:
        nonlocal seen
        if point == order.get("point"):
            seen += 1
            if seen == order["nth"]:
                with (home / "hits").open("a") as hits:
                    hits.write(point + "\n")
                os.kill(os.getpid(), signal.SIGKILL)

    settings = quick(home, opensearch_url=order["url"], spool_max_bytes=64 * 1024 * 1024)
    machine = Machine(probe=probe, segment_bytes=20_000, remembered_ids=100_000)
    with LocalFirehose(settings, SystemClock(), machine=machine) as stream:
        keeper = Keeper(settings, SystemClock(), merge_after_s=0.05, grace_s=0.0, probe=probe)
        if order.get("finish"):
            assert stream.flush(60), stream.status()
            keeper.round(force=True)
            keeper.round()
            return
        threading.Thread(target=_keep, args=(keeper,), daemon=True).start()
        acked = os.open(home / "acked", os.O_CREAT | os.O_RDWR | os.O_APPEND)
        pace = random.Random(order["seed"])
        for number in range(os.fstat(acked).st_size, 10**6):
            stream.put(batch(number, order["at_us"], routed=order.get("routed", False)))
            os.write(acked, b".")
            time.sleep(pace.choice((0, 0, 0.002, 0.02)))


def _keep(keeper: Keeper) -> None:
    while True:
        keeper.round()
        time.sleep(0.05)


def batch(number: int, at_us: int, *, routed: bool = False) -> Any:
    """The delivery of a number: the same whenever it is asked for; where it is routed, events that end in 0 go cold, in 1 hot."""
    dead = [DeadLetter("payload", "no payload", b"\x00" + str(number).encode())] if number % 7 == 0 else []
    whole = delivery_of(numbered(number * BATCH, BATCH, at_us=at_us), source=f"test:{number % 3}", dead=dead)
    words = [{0: only("cold", "r0"), 1: only("hot", "r1")}.get(event % 10) for event in range(number * BATCH, (number + 1) * BATCH)]
    return replace(whole, routes={"logs": pa.array(words, pa.string())}) if routed else whole


if __name__ == "__main__":
    main()
