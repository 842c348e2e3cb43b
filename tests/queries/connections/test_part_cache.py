"""Copies of parts of a lake on S3: within their bound, whole, and shared by threads and processes."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from firehose.parts import write_part
from queries.connections.duckdb import LakeConnection
from queries.connections.part_cache import ABANDONED_S, PartCache, PartsChangedError
from tailrace.errors import RequestError
from tailrace.lake import Part, fresh_name, part_key, partition_of
from tailrace.settings import Settings
from tests.contracts.memory_store import MemoryStore
from tests.firehose.deliveries import numbered
from tests.queries.connections.cached_parts import Objects, content, part

HOURS_US = tuple(1_795_500_000_000_000 + hour * 3_600_000_000 for hour in range(3))


def put_part(store: MemoryStore, hour: int) -> None:
    at = HOURS_US[hour]
    store.put(part_key("logs", partition_of(at), fresh_name("abc", 1, hour, hour + 1)), write_part(numbered(0, 50, at_us=at)).to_pybytes())


def kept(folder: Path) -> list[int]:
    """The numbers of the parts that are there."""
    return sorted(int(path.read_bytes()[:4]) for path in folder.iterdir())


def test_the_bound_holds_before_each_file_comes_and_those_that_were_used_longest_ago_go(tmp_path: Path) -> None:
    store, sizes = Objects(9), list[int]()

    class Looking(PartCache):
        def _fetch(self, one: Part, path: Path, together: frozenset[str]) -> None:
            super()._fetch(one, path, together)
            sizes.append(sum(entry.stat().st_size for entry in tmp_path.iterdir()))

    cache = Looking(store, tmp_path, max_bytes=350)
    for number in (0, 1, 2, 0, 3, 0, 4):
        (path,) = cache.paths_of([part(number)])
        assert path.read_bytes() == content(number)
        os.utime(path, ns=(len(store.gets) * 10**9, len(store.gets) * 10**9 + number))
    assert max(sizes) <= 350
    assert kept(tmp_path) == [0, 3, 4]
    assert len(store.gets) == 5


def test_parts_of_one_query_never_push_each_other_out(tmp_path: Path) -> None:
    cache = PartCache(Objects(9), tmp_path, max_bytes=400)
    cache.paths_of([part(number) for number in range(4)])
    paths = cache.paths_of([part(number) for number in (0, 5, 6, 7)])
    assert [int(path.read_bytes()[:4]) for path in paths] == [0, 5, 6, 7]
    assert kept(tmp_path) == [0, 5, 6, 7]


def test_a_query_of_more_than_fits_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    store = Objects(9)
    with pytest.raises(RequestError, match="would read 500 bytes of the lake, and this machine keeps 400"):
        PartCache(store, tmp_path, max_bytes=400).paths_of([part(number) for number in range(5)])
    assert store.gets == []


@pytest.mark.parametrize("left", [b"", content(1)[:50], content(1) + b"x"])
def test_a_file_that_a_crash_left_shorter_or_longer_is_fetched_again(tmp_path: Path, left: bytes) -> None:
    store = Objects(2)
    cache = PartCache(store, tmp_path)
    (path,) = cache.paths_of([part(1)])
    path.write_bytes(left)
    assert cache.paths_of([part(1)])[0].read_bytes() == content(1)
    assert len(store.gets) == 2


def test_an_answer_that_is_cut_short_is_no_part(tmp_path: Path) -> None:
    store = Objects(1, size=60)
    with pytest.raises(PartsChangedError, match="has 60 bytes, and 100 were listed"):
        PartCache(store, tmp_path).paths_of([part(0)])
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_half_written_goes_when_it_is_old(tmp_path: Path) -> None:
    old, new = tmp_path / "_x.parquet.1.1", tmp_path / "_y.parquet.2.2"
    for path in (old, new):
        path.write_bytes(b"half")
    at = old.stat().st_mtime - ABANDONED_S - 1
    os.utime(old, (at, at))
    PartCache(Objects(1), tmp_path).paths_of([part(0)])
    assert (old.exists(), new.exists()) == (False, True)


def test_a_file_that_is_open_is_read_to_its_end_though_it_is_pushed_out(tmp_path: Path) -> None:
    cache = PartCache(Objects(3), tmp_path, max_bytes=100)
    with cache.paths_of([part(0)])[0].open("rb") as file:
        cache.paths_of([part(1)])
        assert kept(tmp_path) == [1]
        assert file.read() == content(0)


def test_a_part_that_is_gone_from_the_store_is_a_change_of_parts(tmp_path: Path) -> None:
    with pytest.raises(PartsChangedError):
        PartCache(Objects(0), tmp_path / "cache").paths_of([part(1)])


def test_threads_fetch_a_part_once(tmp_path: Path) -> None:
    store = Objects(1)
    cache = PartCache(store, tmp_path / "cache")
    threads = [threading.Thread(target=cache.paths_of, args=([part(0)],)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.gets) == 1


def test_processes_that_share_a_folder_read_whole_files_only_and_keep_the_bound(tmp_path: Path) -> None:
    code = "import sys; from tests.queries.connections.cached_parts import Path, use; use(Path(sys.argv[1]), int(sys.argv[2]))"
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(seed)], cwd=Path(__file__).parents[3]) for seed in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    cache = PartCache(Objects(20), tmp_path, max_bytes=500)
    cache.paths_of([part(19)])
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 500


def test_a_search_over_more_than_fits_says_what_to_do_and_a_shorter_one_is_answered(tmp_path: Path) -> None:
    store = MemoryStore()
    for hour in range(3):
        put_part(store, hour)
    size = max(len(data) for data in store.data.values())
    lake = LakeConnection(Settings(home=tmp_path, part_cache_bytes=2 * size), store)
    with pytest.raises(RequestError, match="TAILRACE_PART_CACHE_BYTES"):
        lake.relation("logs")
    for hour in (0, 1, 2, 0):
        relation = lake.relation("logs", HOURS_US[hour], HOURS_US[hour] + 1)
        assert lake.execute(relation.select.sql("duckdb")).num_rows == 50
    assert sum(path.stat().st_size for path in (tmp_path / "part_cache").iterdir()) <= 2 * size
    lake.close()
