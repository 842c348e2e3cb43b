"""Five gigabytes wait for a sink that was down: the engine opens them, and delivers them, within its memory."""

import json
from pathlib import Path

import pytest

from tailrace.ledger import open_ledger
from tests.faults.busy_opensearch import busy_opensearch
from tests.faults.children import ROWS, loader
from tests.faults.loader import OPENED
from tests.faults.soak import MOST_RSS_MB

BACKLOG_BYTES = 5 * 10**9
ROW_BYTES = 2_000
BATCHES = BACKLOG_BYTES // (ROWS * ROW_BYTES)
NOBODY = "http://127.0.0.1:9"
"""The port of the discard service, where nobody listens."""


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_five_gigabytes_that_waited_for_a_sink_are_opened_and_delivered_within_512_mb(tmp_path: Path) -> None:
    big = {"row_bytes": ROW_BYTES, "spool_bytes": 2 * BACKLOG_BYTES, "seconds": 3_600.0}
    with loader(tmp_path, NOBODY, tmp_path / "acked") as children:
        filled = children.run(batches=BATCHES, **big)
    waiting = sum(path.stat().st_size for path in (tmp_path / "spool").glob("segment-*.log"))
    with busy_opensearch() as there, loader(tmp_path, there.url, tmp_path / "acked") as children:
        drained = children.run(finish=True, **big)
        count = there.count()
    opened_s = float((tmp_path / OPENED).read_text())
    print(json.dumps({"waiting_bytes": waiting, "opened_s": opened_s, "filled_mb": filled.rss_mb, "drained_mb": drained.rss_mb, "events": count}))
    assert (filled.status, drained.status) == (0, 0)
    assert waiting >= BACKLOG_BYTES
    assert count == BATCHES * ROWS
    check = open_ledger(tmp_path / "ledger.sqlite").check()
    assert check.balanced, check.problems
    assert max(filled.rss_mb, drained.rss_mb) <= MOST_RSS_MB
