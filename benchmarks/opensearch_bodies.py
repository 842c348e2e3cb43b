"""What compressing ``_bulk`` bodies saves, and what it costs: ISA-L, which the client uses, beside zlib and the gzip module's default, which opensearch-py uses.

Bodies are of application logs (``benchmarks.log_rows``), 5,000 documents each; processor time, the median of five. ``python -m benchmarks.opensearch_bodies``.
"""

import gzip
import statistics
import time
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from isal import igzip

from benchmarks.log_rows import TYPES, rows
from firehose.sinks.opensearch.attribute_split import AttributeSplit
from firehose.sinks.opensearch.body import lines
from tailrace.opensearch_connection import GZIP_LEVEL
from tailrace.text_hashes import text_bytes

DOCUMENTS: Final = 5_000
WAYS: Final[Mapping[str, Callable[[bytes], bytes]]] = MappingProxyType(
    {
        f"ISA-L, level {GZIP_LEVEL} (ours)": lambda body: igzip.compress(body, GZIP_LEVEL),
        "zlib, level 1": lambda body: zlib.compress(body, 1),
        "gzip, level 9 (opensearch-py)": lambda body: gzip.compress(body, 9),
    }
)


def body() -> bytes:
    """Answer the body of one request."""
    texts = lines("logs", rows(0, DOCUMENTS), AttributeSplit(TYPES))
    offsets, data = text_bytes(texts)
    return data[offsets[0] : offsets[len(texts)]].tobytes()


def cpu_seconds(compress: Callable[[bytes], bytes], data: bytes) -> float:
    """Answer the processor time of one compression."""
    started = time.process_time()
    compress(data)
    return time.process_time() - started


if __name__ == "__main__":
    plain = body()
    print(f"{DOCUMENTS:,} documents, {len(plain):,} bytes")
    for name, compress in WAYS.items():
        taken = statistics.median(cpu_seconds(compress, plain) for _ in range(5))
        print(f"{name}: {len(compress(plain)) / len(plain):.1%} of the bytes, {taken * 1_000:.1f} ms, {len(plain) / taken / 1e6:,.0f} MB/s")
