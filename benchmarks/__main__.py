"""``python -m benchmarks [PART ...]``: measure the ingest beside Logprep and Fluent Bit, the write path part by part beside its peers, the searches, the start of the Lambda function; write the tables into ``docs/performance.md``."""

import os
import sys
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from benchmarks import backlog, both_legs, bulk_body, cold_start, fluent_bit, ingest, into_opensearch, merge, search, searchable, spool, spool_put, tenfold
from benchmarks.report import ingest_section, put_section, search_section, spool_section

PARTS: Final[MappingProxyType[str, Callable[[], str]]] = MappingProxyType(
    {
        "ingest": lambda: ingest_section(*ingest.measure(ingest.ROUNDS)),
        "spool": lambda: spool_section(spool.measure()),
        "spool_put": lambda: spool_put.section(*spool_put.measure()),
        "backlog": lambda: backlog.section(backlog.measure()),
        "both_legs": lambda: both_legs.section(both_legs.measure()),
        "bulk_body": lambda: bulk_body.section(bulk_body.measure()),
        "into_opensearch": lambda: into_opensearch.section(into_opensearch.measure()),
        "searchable": lambda: searchable.section(*searchable.measure()),
        "tenfold": lambda: tenfold.section(tenfold.measure()),
        "merge": lambda: merge.section(merge.measure()),
        "search": lambda: search_section(search.measure(search.ROWS), search.ROWS),
        "fluent_bit": lambda: fluent_bit.section(fluent_bit.measure()),
        "function": lambda: cold_start.section(*cold_start.measure()),
    }
)

WRITE_PATH: Final = ("spool", "spool_put", "backlog", "both_legs", "bulk_body", "into_opensearch", "searchable", "tenfold", "merge")
"""What the word ``write_path`` stands for."""

if __name__ == "__main__":
    given = [part for word in sys.argv[1:] for part in (WRITE_PATH if word == "write_path" else (word,))]
    wanted = given or [name for name in PARTS if name != "fluent_bit" or os.environ.get(fluent_bit.VARIABLE)]
    if unknown := [name for name in wanted if name not in PARTS]:
        sys.exit(f"no such measurement: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for name in wanted:
        text = PARTS[name]()
        print(text, end="\n\n")
        put_section(name, text)
