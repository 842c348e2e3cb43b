"""Ten times the data: how much longer it takes from the first put until every row is in the lake and in the ledger."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa

from benchmarks.log_rows import delivery
from benchmarks.streams import stream
from firehose.delivery import Delivery
from tailrace.forms import arrow_schema

ROWS_A_PUT: Final = 2_000
FEW, MANY = 300_000, 3_000_000
ROUNDS: Final = 3


def measure(rounds: int = ROUNDS, few: int = FEW, many: int = MANY) -> dict[int, list[float]]:
    """Put few and many in turns; seconds by rows."""
    made, found = deliveries(many), dict[int, list[float]]()
    for _ in range(rounds):
        for count in (few, many):
            found.setdefault(count, []).append(_seconds(made[: count // ROWS_A_PUT]))
    return found


def deliveries(count: int) -> list[Delivery]:
    """Make deliveries, each row with an id of its own; what else is in them is the same, so that millions fit into memory."""
    one, schema = delivery(0, ROWS_A_PUT), arrow_schema("logs")
    at = schema.get_field_index("event_id")
    ids = (pa.array([f"{n:056d}" for n in range(first, first + ROWS_A_PUT)]) for first in range(0, count, ROWS_A_PUT))
    return [replace(one, tables={"logs": one.tables["logs"].set_column(at, schema.field(at), own)}) for own in ids]


def _seconds(made: Sequence[Delivery]) -> float:
    with stream() as opened:
        began = time.perf_counter()
        for one in made:
            opened.put(one)
        if not opened.flush(300):
            raise SystemExit("not everything was delivered in 300 s")
        seconds = time.perf_counter() - began
        counted = sum(hop.went_out for hop in opened.hops() if hop.hop == "deliver" and hop.sink == "lake")
    if counted != len(made) * ROWS_A_PUT:
        raise SystemExit(f"the ledger has {counted:,} rows in the lake")
    return seconds


def section(found: dict[int, list[float]]) -> str:
    """Write the section of the page."""
    (few, short), (many, long) = ((count, statistics.median(taken)) for count, taken in found.items())
    rows = [
        f"| {count:,} | **{statistics.median(taken):.2f} s** | {min(taken):.2f} to {max(taken):.2f} | {count / statistics.median(taken):,.0f} |"
        for count, taken in found.items()
    ]
    how = f"""From the first put ({ROWS_A_PUT:,} rows of 330 B each, synced) until all is in the lake and in the ledger; medians of {len(found[few])}, in turns. {many / few:.0f} times the rows take {long / short:.1f} times as long. Aim: at most 11 times."""
    return "\n".join(["## Ten times the data", "", "| events | median | smallest to largest | events/s |", "|---|---|---|---|", *rows, "", how])
