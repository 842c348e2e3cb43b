"""Under load, with a fault every few seconds and SIGKILLs all along: nothing that was acknowledged is lost, nothing is there twice, the ledger is exact, and memory stays flat.

``make soak SECONDS=1800`` runs it long; the short form is one of the tests. What it did and found it writes to ``soak.json`` in the folder that ``TAILRACE_TEST_SOAK_FOLDER`` names.
"""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tailrace.settings import environment
from tests.faults.busy_opensearch import FAULTS
from tests.faults.soak import MOST_RSS_MB, Report, soak

SHORT_S, SHORT_RATE = 180.0, 4_000.0
"""The short form leaves most of the machine to the tests beside it."""

LONG_S = 600.0
"""From here on thirds are long enough to say something of memory."""

FLAT = 1.1
"""The last third may have so many times the memory of the first two."""


def check(report: Report) -> None:
    """Hold a report against what is promised."""
    assert (report.lost, report.doubled_in_lake, report.missing_in_opensearch, report.problems) == (0, 0, 0, [])
    assert report.acknowledged > 0
    assert report.kills > 0
    assert report.second_engines_refused > 0
    assert set(report.faults) >= set(FAULTS)
    assert max(report.rss_mb) <= MOST_RSS_MB
    if report.seconds >= LONG_S:
        first, second, last = report.most_of_thirds_mb
        assert last <= FLAT * max(first, second)


@pytest.mark.timeout(900)
def test_load_faults_and_kills_for_a_while_lose_and_double_nothing(tmp_path: Path) -> None:
    check(soak(tmp_path, SHORT_S, most_rate=SHORT_RATE))


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_load_faults_and_kills_for_long_lose_and_double_nothing(tmp_path: Path) -> None:
    report = soak(tmp_path, float(environment().get("SECONDS", "1800")))
    found = json.dumps(asdict(report), indent=1)
    Path(environment().get("TAILRACE_TEST_SOAK_FOLDER", str(tmp_path)), "soak.json").write_text(found)
    print(found)
    check(report)
