"""``python -m benchmarks [ROUNDS]``: measure the ingest beside Logprep, print the table and write it into ``docs/performance.md``."""

import sys

from benchmarks.ingest import ROUNDS, measure
from benchmarks.report import ingest_section, put_section

if __name__ == "__main__":
    results, reason = measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
    text = ingest_section(results, reason)
    print(text)
    put_section("ingest", text)
