"""The one DuckDB: locked down, ended in time, shared by threads, right while parts are replaced, and over S3 by a bounded cache."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from queries.connections.duckdb import LakeConnection, relation_of
from queries.connections.part_cache import PartsChangedError
from tailrace.clock import US_PER_HOUR, to_datetime
from tailrace.errors import RequestError, StateError
from tailrace.forms import arrow_schema
from tailrace.lake import PartitionState, part_key, partition_of, state_key
from tailrace.settings import Settings
from tailrace.stores.folder import FolderStore
from tailrace.stores.port import ObjectInfo, TaggedObject

HOUR_US = 1_795_514_400_000_000


def _rows(ids: list[str], time_us: int = HOUR_US) -> pa.Table:
    schema = arrow_schema("logs")
    moment = to_datetime(time_us).replace(tzinfo=None)
    rows = [{"event_id": event_id, "event_time": moment} for event_id in ids]
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)


def _write(folder: Path, name: str, table: pa.Table, time_us: int = HOUR_US) -> Path:
    path = folder / part_key("logs", partition_of(time_us), name)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def connection(tmp_path: Path, lake: Path) -> Iterator[LakeConnection]:
    opened = LakeConnection(Settings(home=tmp_path), FolderStore(lake))
    yield opened
    opened.close()


def _ids(connection: LakeConnection, *times: int) -> list[str]:
    found = connection.execute(connection.relation("logs", *times).select.sql("duckdb")).column("event_id").to_pylist()
    return sorted(str(value) for value in found)


def test_an_empty_lake_has_the_columns_of_the_schema(connection: LakeConnection) -> None:
    found = connection.execute(connection.relation("logs").select.sql("duckdb"))
    assert found.num_rows == 0
    assert found.column_names == arrow_schema("logs").names
    assert connection.relation("logs").parts == 0


def test_parts_outside_of_the_time_are_not_read(connection: LakeConnection, lake: Path) -> None:
    _write(lake, "f-1.parquet", _rows(["a"]))
    _write(lake, "f-2.parquet", _rows(["b"], HOUR_US + US_PER_HOUR), HOUR_US + US_PER_HOUR)
    assert _ids(connection) == ["a", "b"]
    assert _ids(connection, HOUR_US, HOUR_US + 1) == ["a"]
    assert connection.relation("logs", HOUR_US + US_PER_HOUR, HOUR_US + 2 * US_PER_HOUR).parts == 1


def test_merged_parts_count_when_the_state_says_so(connection: LakeConnection, lake: Path) -> None:
    _write(lake, "f-1.parquet", _rows(["a"]))
    _write(lake, "m-1.parquet", _rows(["a"]))
    assert _ids(connection) == ["a"]
    state = PartitionState().replaced(["f-1.parquet"], ["m-1.parquet"])
    FolderStore(lake).put(state_key("logs", partition_of(HOUR_US)), state.encode())
    assert _ids(connection) == ["a"]


def test_columns_that_an_older_part_lacks_are_null(connection: LakeConnection, lake: Path) -> None:
    _write(lake, "f-1.parquet", _rows(["a"]).drop_columns(["url_domain", "raw"]))
    assert connection.execute(connection.relation("logs").select.sql("duckdb")).column_names == arrow_schema("logs").names
    _write(lake, "f-2.parquet", _rows(["b"]).append_column("of_a_newer_schema", pa.array([1])))
    assert _ids(connection) == ["a", "b"]
    found = connection.execute(connection.relation("logs").select.sql("duckdb"))
    assert found.column_names == arrow_schema("logs").names


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd', header = false)",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_text('../../../../etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/tailrace-must-not-be-there.csv'",
        "ATTACH '/tmp/tailrace-must-not-be-there.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '100GB'",
        "SET lock_configuration = false",
        "RESET enable_external_access",
        "SELECT getenv('HOME')",
        "PRAGMA enable_profiling = 'json'",
    ],
)
def test_nothing_but_the_lake_can_be_reached(connection: LakeConnection, statement: str) -> None:
    with pytest.raises((RequestError, StateError)):
        connection.execute(statement)
    assert not Path("/tmp/tailrace-must-not-be-there.csv").exists()


def test_numbers_are_divided_as_in_athena_and_times_are_utc(connection: LakeConnection) -> None:
    found = connection.execute("SELECT 7 / 2 AS whole, 7 / 2.0 AS part, current_setting('TimeZone') AS zone").to_pylist()
    assert found == [{"whole": 3, "part": 3.5, "zone": "UTC"}]


def test_parameters_are_values_and_never_sql(connection: LakeConnection) -> None:
    text = "'; DROP TABLE logs; --"
    assert connection.execute("SELECT $name AS name", {"name": text}).to_pylist() == [{"name": text}]


def test_a_long_statement_is_ended_and_the_connection_lives_on(connection: LakeConnection) -> None:
    with pytest.raises(RequestError, match=r"took longer than 0\.2 s"):
        connection.execute("SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range % 7 = 3", timeout_s=0.2)
    assert connection.execute("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_a_statement_that_needs_too_much_memory_is_refused(tmp_path: Path) -> None:
    opened = LakeConnection(Settings(home=tmp_path, duckdb_memory="20MB"), FolderStore(tmp_path / "lake"))
    with pytest.raises(RequestError, match="TAILRACE_DUCKDB_MEMORY"):
        opened.execute("SELECT list(range) FROM range(30000000)")
    opened.close()


def test_sixteen_threads_ask_at_the_same_time(connection: LakeConnection, lake: Path) -> None:
    _write(lake, "f-1.parquet", _rows([str(number) for number in range(1_000)]))
    found: list[int] = []

    def ask() -> None:
        for _ in range(5):
            sql = f"SELECT count(*) AS n FROM ({connection.relation('logs').select.sql('duckdb')}) AS rows WHERE event_id <> 'x'"
            found.append(connection.execute(sql).column("n")[0].as_py())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1_000] * 80


def test_a_part_that_goes_between_listing_and_reading_is_asked_for_again(connection: LakeConnection, lake: Path) -> None:
    old = _write(lake, "f-1.parquet", _rows(["a"]))
    attempts = 0

    def ask() -> list[str]:
        nonlocal attempts
        attempts += 1
        relation = connection.relation("logs")
        if attempts == 1:
            _write(lake, "f-2.parquet", _rows(["a"]))
            old.unlink()
        return [str(value) for value in connection.execute(relation.select.sql("duckdb")).column("event_id").to_pylist()]

    assert connection.steady(ask) == ["a"]
    assert attempts == 2


def test_it_is_not_asked_for_ever(connection: LakeConnection) -> None:
    def ask() -> None:
        raise PartsChangedError("gone")

    with pytest.raises(PartsChangedError):
        connection.steady(ask)


def test_a_file_that_is_no_parquet_is_named(connection: LakeConnection, lake: Path) -> None:
    _write(lake, "f-1.parquet", _rows(["a"])).write_bytes(b"not parquet")
    with pytest.raises(StateError, match=r"f-1\.parquet"):
        connection.relation("logs")


def test_a_missing_file_is_a_change_of_parts(tmp_path: Path) -> None:
    with pytest.raises(PartsChangedError):
        relation_of("logs", [tmp_path / "f-1.parquet"])


class RemoteStore:
    """A store whose objects are no files of this machine, as on S3."""

    def __init__(self, folder: Path) -> None:
        self.inner = FolderStore(folder)
        self.fetched: list[str] = []

    def objects(self, prefix: str) -> list[ObjectInfo]:
        return list(self.inner.objects(prefix))

    def folders(self, prefix: str) -> list[str]:
        return list(self.inner.folders(prefix))

    def get(self, key: str) -> bytes | None:
        self.fetched.append(key)
        return self.inner.get(key)

    def get_tagged(self, key: str) -> TaggedObject | None:
        return self.inner.get_tagged(key)

    def put(self, key: str, data: bytes) -> None:
        self.inner.put(key, data)

    def put_if(self, key: str, data: bytes, tag: str | None) -> bool:
        return self.inner.put_if(key, data, tag)

    def delete(self, key: str) -> None:
        self.inner.delete(key)

    def local_path(self, key: str) -> Path | None:
        del key
        return None


def test_parts_on_s3_are_fetched_once_and_only_those_of_the_time(tmp_path: Path, lake: Path) -> None:
    _write(lake, "f-1.parquet", _rows(["a"]))
    _write(lake, "f-2.parquet", _rows(["b"], HOUR_US + US_PER_HOUR), HOUR_US + US_PER_HOUR)
    store = RemoteStore(lake)
    opened = LakeConnection(Settings(home=tmp_path / "home"), store)
    assert _ids(opened, HOUR_US, HOUR_US + 1) == _ids(opened, HOUR_US, HOUR_US + 1) == ["a"]
    assert store.fetched == [part_key("logs", partition_of(HOUR_US), "f-1.parquet")]
    opened.close()
