"""``python -m benchmarks [PART ...]``: measure the ingest beside Logprep and Fluent Bit, the spool, the searches, the start of the Lambda function; write the tables into ``docs/performance.md``."""

import os
import sys
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from benchmarks import cold_start, fluent_bit, ingest, search, spool
from benchmarks.report import ingest_section, put_section, search_section, spool_section

PARTS: Final[MappingProxyType[str, Callable[[], str]]] = MappingProxyType(
    {
        "ingest": lambda: ingest_section(*ingest.measure(ingest.ROUNDS)),
        "spool": lambda: spool_section(spool.measure()),
        "search": lambda: search_section(search.measure(search.ROWS), search.ROWS),
        "fluent_bit": lambda: fluent_bit.section(fluent_bit.measure()),
        "function": lambda: cold_start.section(*cold_start.measure()),
    }
)

if __name__ == "__main__":
    wanted = sys.argv[1:] or [name for name in PARTS if name != "fluent_bit" or os.environ.get(fluent_bit.VARIABLE)]
    if unknown := [name for name in wanted if name not in PARTS]:
        sys.exit(f"no such measurement: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for name in wanted:
        text = PARTS[name]()
        print(text, end="\n\n")
        put_section(name, text)
