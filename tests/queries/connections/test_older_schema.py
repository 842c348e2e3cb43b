"""A part of an older schema, which lacks a column of today's: its rows are null there, before a merge and after it."""

from pathlib import Path
from typing import Any

import pytest

from firehose.keeper import Keeper
from firehose.parts import write_part
from queries.workspace import Workspace
from tailrace.clock import ManualClock, SystemClock
from tailrace.lake import fresh_name, live_parts, part_key, partition_of
from tailrace.settings import Settings
from tailrace.stores.folder import FolderStore
from tests.firehose.deliveries import ALWAYS, NOON_US, numbered

HERE = partition_of(NOON_US)


def put(home: Path, number: int, first: int, without: list[str]) -> None:
    table = numbered(first, 3, host_name="web-1", duration_s=0.5).drop_columns(without)
    FolderStore(home / "lake").put(part_key("logs", HERE, fresh_name("abc", 1, number, number + 1)), write_part(table).to_pybytes())


def hosts(home: Path) -> dict[str, Any]:
    """The host of each event, by a search; and how many have one."""
    with Workspace(Settings(home=home), SystemClock()) as space:
        engine = space.engine("lake")
        found = engine.search("logs", {"size": 100})["hits"]["hits"]
        having = engine.search("logs", {"query": {"exists": {"field": "host.name"}}, "size": 0, "track_total_hits": True})["hits"]["total"]["value"]
    shown = {hit["_source"]["event_id"]: hit["_source"].get("host.name") for hit in found}
    assert having == sum(host is not None for host in shown.values())
    return shown


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "beside a part of today"])
def test_a_column_that_a_part_does_not_have_is_null_in_searches_before_and_after_a_merge(tmp_path: Path, others: int) -> None:
    put(tmp_path, 0, 0, ["host_name", "duration_s"])
    put(tmp_path, 1, 3, ["host_name"])
    for number in range(others):
        put(tmp_path, 2 + number, 6, [])
    expected = {f"e-{n}": None if n < 6 else "web-1" for n in range(6 + 3 * others)}
    assert hosts(tmp_path) == expected
    done = Keeper(Settings(home=tmp_path), ManualClock()).round(force=True)
    assert done.parts == 2 + others
    assert [part.is_merged for part in live_parts(FolderStore(tmp_path / "lake"), "logs", *ALWAYS)] == [True]
    assert hosts(tmp_path) == expected
