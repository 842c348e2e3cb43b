"""The benchmark measures what it says: the same payloads every time, one bad line in a thousand, every event in a Parquet file."""

import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.ingest import Result, write_payloads
from benchmarks.ingest_child import Run, child, read
from benchmarks.payloads import EVENTS_A_PAYLOAD, payloads
from benchmarks.report import ingest_section, put_section


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("app", (330, 400)),
        ("vpc", (90, 120)),
        ("alb", (560, 720)),
        ("cloudtrail", (1_300, 1_500)),
        ("cloudfront", (350, 450)),
        ("s3", (480, 600)),
        ("nginx", (170, 230)),
    ],
)
def test_payloads_are_the_same_every_time_and_of_the_size_that_is_said(kind: str, size: tuple[int, int]) -> None:
    first, second = list(payloads(kind, 5)), list(payloads(kind, 5))
    assert first == second
    events = [event for payload in first for event in json.loads(gzip.decompress(payload))["logEvents"]]
    assert len({event["id"] for event in events}) == len(events) == 5 * EVENTS_A_PAYLOAD
    assert size[0] <= sum(len(event["message"]) for event in events) / len(events) <= size[1]


@pytest.mark.parametrize("kind", ["app", "vpc"])
def test_every_event_is_in_a_parquet_file(tmp_path: Path, kind: str) -> None:
    write_payloads(kind, 15, tmp_path / "payloads")
    assert len(list(read(tmp_path / "payloads"))) == 15
    run = child(tmp_path / "payloads", tmp_path)
    assert (run.events, run.failed) == (15 * EVENTS_A_PAYLOAD, 3)
    assert sum(pq.read_metadata(path).num_rows for path in tmp_path.glob("*.parquet")) == run.events
    assert run.peak_rss_mb > 1


@pytest.mark.parametrize("kind", ["app", "vpc", "alb"])
def test_hostile_lines_are_rows_too(tmp_path: Path, kind: str) -> None:
    write_payloads(kind, 5, tmp_path / "payloads", hostile=True)
    assert child(tmp_path / "payloads", tmp_path, one_thread=True, redact=True).events == 5 * EVENTS_A_PAYLOAD


def test_the_report_compares_and_is_put_in_its_place(tmp_path: Path) -> None:
    ours = Result("tailrace", "app", [Run(1_000, 1, 0.01, 0.008, 100_000, 200.0)] * 3)
    theirs = Result("logprep", "app", [Run(1_000, 1, 0.1, 0.09, 100_000, 150.0)] * 3)
    text = ingest_section([ours, theirs], "")
    assert "| Tailrace | application JSON, 380 B | **100,000** |" in text
    assert "10.0 times" in text
    page = tmp_path / "performance.md"
    put_section("search", "other", page)
    put_section("ingest", "old", page)
    put_section("ingest", text, page)
    assert "old" not in page.read_text("utf-8")
    assert "other" in page.read_text("utf-8")
    assert "could not be installed" in ingest_section([ours], "Logprep could not be installed")
