"""The spool taking batches durably, in a process of its own: ``python -m benchmarks.spool_child SIDE SHAPE FOLDER`` prints one JSON object, as ``spool_peers.py`` does.

``frames``: the bare spool; a batch is one frame with a head, an id of 8 bytes a record and the records as they are; two CRC-32 are made of it, and it is synced. ``rows``: ``LocalFirehose.put`` of
rows of the table of logs whose message is a record (in Base64, three quarters of the bytes): ids are hashed, duplicates are looked for, columns are written as Arrow, from 100 rows on with LZ4.
"""

import json
import secrets
import struct
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks.log_rows import NOON_US
from benchmarks.spool_peers import SHAPES, WARM_UP, Batch, measure
from benchmarks.streams import DownSink
from firehose import LocalFirehose
from firehose.delivery import Count, Delivery
from firehose.disk import Machine
from firehose.frame import Encoded, Head, TableHead
from firehose.spool import Spool
from tailrace.clock import SystemClock
from tailrace.forms import arrow_schema
from tailrace.settings import Settings

SOURCE: Final = "cloudwatch:/aws/lambda/checkout"
MAX_BYTES: Final = 1 << 33


def frames_side(folder: Path) -> Callable[[int, Batch], None]:
    """Answer what puts a batch into the bare spool."""
    spool = Spool(folder, Machine(), max_bytes=MAX_BYTES, new_identity=lambda: secrets.token_hex(8))

    def put(number: int, batch: Batch) -> None:
        body, first = b"".join(batch), number * len(batch)
        ids = struct.pack(f"<{len(batch)}Q", *range(first, first + len(batch)))
        frame = Encoded(Head(SOURCE, NOON_US, (), (TableHead("logs", len(batch), 0, len(body)),), 0), ids, body)
        with spool.lock:
            ticket = spool.enqueue(frame, lambda: None)
        spool.commit(ticket)

    return put


def rows_side(folder: Path, shape: str) -> Callable[[int, Batch], None]:
    """Answer what puts a batch into a delivery stream whose sink is never there; rows are made beforehand."""
    stream = LocalFirehose(Settings(home=folder, spool_max_bytes=MAX_BYTES), SystemClock(), sinks=[DownSink()])
    size, each, count = SHAPES[shape]
    schema, texts = arrow_schema("logs"), [b64encode(bytes(np.random.default_rng(n).bytes(size * 3 // 4))).decode() for n in range(each)]

    def delivery(number: int) -> Delivery:
        ids = [f"{number * each + n:056d}" for n in range(each)]
        turned = texts[number % each :] + texts[: number % each]
        columns: dict[str, Any] = {
            "event_id": ids,
            "message": turned,
            "event_time": [NOON_US] * each,
            "observed_time": [NOON_US] * each,
            "revision": [0] * each,
        }
        made = [pa.array(columns[f.name]).cast(f.type) if f.name in columns else pa.nulls(each, f.type) for f in schema]
        return Delivery(SOURCE, NOON_US, {"logs": pa.table(made, schema=schema)}, (Count("collect", "events", each, each),))

    deliveries = [delivery(number) for number in range(count + WARM_UP)]
    return lambda number, _: stream.put(deliveries[number])


if __name__ == "__main__":
    side, shape, name = sys.argv[1:]
    print(json.dumps(measure(frames_side(Path(name)) if side == "frames" else rows_side(Path(name), shape), shape)), flush=True)
    sys.stdout.flush()
