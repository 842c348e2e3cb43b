"""Bodies of ``_bulk``: spliced from columns, as the sink makes them, beside opensearch-py's bulk helper with the same documents as dictionaries; no network on either side."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import orjson
import pyarrow as pa
from opensearchpy.helpers.actions import _chunk_actions, expand_action
from opensearchpy.serializer import JSONSerializer

from benchmarks.log_rows import TYPES, rows
from firehose.sinks.opensearch.attribute_split import AttributeSplit
from firehose.sinks.opensearch.body import lines
from firehose.sinks.opensearch.sink import MAX_REQUEST_BYTES, PIECE_ROWS
from tailrace.text_hashes import text_bytes

ROUNDS: Final = 5
COUNT: Final = 100_000
CHUNK: Final = 500
"""Documents of a request of opensearch-py's helper where nothing else is said."""


class OrjsonSerializer(JSONSerializer):
    """opensearch-py's serialiser by orjson: the fastest that the helper can be given; it takes texts."""

    def dumps(self, data: Any) -> str:  # noqa: ANN401 - opensearch-py's own
        """Write JSON."""
        return data if isinstance(data, str) else orjson.dumps(data).decode()


SERIALIZERS: Final = {"helper": JSONSerializer, "helper, orjson": OrjsonSerializer}
NAMES: Final = {"columns": "Tailrace, from columns", "helper": "opensearch-py's helper", "helper, orjson": "opensearch-py's helper, with orjson"}


@dataclass(frozen=True, slots=True)
class Made:
    """Bodies were made: documents, bytes, seconds, CPU-seconds (which neighbours on the host change least)."""

    documents: int
    bytes: int
    seconds: float
    cpu_s: float


def measure(rounds: int = ROUNDS, count: int = COUNT) -> dict[str, list[Made]]:
    """Measure all sides in turns."""
    table = pa.concat_tables([rows(first, 10_000) for first in range(0, count, 10_000)])
    split, found = AttributeSplit(TYPES), dict[str, list[Made]]()
    actions = list(_actions(table, split))
    for _ in range(rounds):
        found.setdefault("columns", []).append(_timed(count, lambda: _columns(table, split)))
        for name, serializer in SERIALIZERS.items():
            found.setdefault(name, []).append(_timed(count, lambda made=serializer: _helper(actions, made())))  # type: ignore[misc] # a class
    return found


def _timed(count: int, make: Callable[[], Iterable[bytes]]) -> Made:
    began, cpu = time.perf_counter(), time.process_time()
    size = sum(map(len, make()))
    return Made(count, size, time.perf_counter() - began, time.process_time() - cpu)


def _columns(table: pa.Table, split: AttributeSplit) -> Iterable[bytes]:
    for start in range(0, table.num_rows, PIECE_ROWS):
        texts = lines("logs", table.slice(start, PIECE_ROWS), split)
        offsets, data = text_bytes(texts)
        yield data[offsets[0] : offsets[-1]].tobytes()


def _helper(actions: Sequence[dict[str, Any]], serializer: JSONSerializer) -> Iterable[bytes]:
    """What ``helpers.bulk`` does before it sends: the action taken out of each dictionary, both serialised, cut into requests, joined."""
    for _, texts in _chunk_actions(map(expand_action, actions), CHUNK, MAX_REQUEST_BYTES, serializer):
        yield ("\n".join(texts) + "\n").encode()


def _actions(table: pa.Table, split: AttributeSplit) -> Iterable[dict[str, Any]]:
    """Our own documents, read back as dictionaries."""
    for body in _columns(table, split):
        texts = body.splitlines()
        for action, document in zip(texts[::2], texts[1::2], strict=True):
            ((kind, where),) = msgspec.json.decode(action, type=dict[str, dict[str, str]]).items()
            yield {"_op_type": kind, **where, "_source": orjson.loads(document)}


def section(found: dict[str, list[Made]]) -> str:
    """Write the section of the page."""
    medians = {name: statistics.median(one.documents / one.seconds for one in runs) for name, runs in found.items()}
    lines = []
    for name, runs in found.items():
        rates = sorted(one.documents / one.seconds for one in runs)
        times = "" if name == "columns" else f"{medians['columns'] / medians[name]:.1f} times, by CPU {_cpu_us(runs) / _cpu_us(found['columns']):.1f}"
        lines.append(
            f"| {NAMES[name]} | **{medians[name]:,.0f}** | {rates[0]:,.0f} to {rates[-1]:,.0f} | {_cpu_us(runs):.1f} us | {runs[0].bytes / runs[0].documents:.0f} B | {times} |"
        )
    how = f"""{COUNT:,} application logs of 330 B, the same documents on all sides, one thread, no network, medians of {len(found["columns"])}, sides in turns. Ours are made of Arrow columns as they come from the spool; the helper gets its dictionaries ready
made. Of the helper: `expand_action`, `_ActionChunker` with its own serialiser or orjson, requests of {CHUNK}, bodies joined and encoded. Aims: 350,000 documents/s, and 6 times the helper."""
    head = ["## Bodies of `_bulk`", "", "| | documents/s | smallest to largest | CPU, a document | its bytes | against ours |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *lines, "", how])


def _cpu_us(runs: Sequence[Made]) -> float:
    return statistics.median(one.cpu_s / one.documents for one in runs) * 1e6
