"""The lake on S3 as Trino reads it, and so Athena: the view is right at every step of a merge, and answers what DuckDB answers."""

import io
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import trino

from queries.connections.duckdb import LakeConnection
from queries.saved_queries import SavedQueries
from queries.saved_query import Value
from sandbox.servers.pytest_plugin import S3Server
from tailrace.clock import US_PER_HOUR, US_PER_MINUTE, SystemClock
from tailrace.forms import arrow_schema, trino_ddl
from tailrace.lake import PartitionState, part_key, partition_of, read_state, state_key
from tailrace.settings import Settings
from tailrace.stores.port import ObjectStore
from tailrace.stores.s3 import S3Store

PREFIX = "trino-reads"


def rows(now_us: int, count: int, service: str, severity: str) -> pa.Table:
    made = [
        {
            "event_id": f"{service}-{number}",
            "revision": 0,
            "event_time": now_us - number * 1_000_003,
            "observed_time": now_us,
            "service_name": service,
            "severity_text": severity,
            "message": f"line {number}",
            "exception_type": "CardError" if number % 2 else None,
            "attributes": f'{{"user.id":"u{number % 3}"}}',
            "trace_id": f"{number:032x}",
        }
        for number in range(count)
    ]
    return pa.Table.from_pylist(made, schema=arrow_schema("logs"))


def put_part(store: ObjectStore, name: str, at_us: int, table: pa.Table) -> None:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    store.put(part_key("logs", partition_of(at_us), name), buffer.getvalue())


@pytest.fixture(scope="module")
def store(s3_server: S3Server) -> ObjectStore:
    client = boto3.client(
        "s3", endpoint_url=s3_server.url, region_name="us-east-1", aws_access_key_id=s3_server.access_key, aws_secret_access_key=s3_server.secret_key
    )
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=s3_server.bucket, Prefix=PREFIX):
        for item in page.get("Contents", []):
            client.delete_object(Bucket=s3_server.bucket, Key=item["Key"])
    return S3Store(client, s3_server.bucket, PREFIX)


class Ask:
    """A cursor on Trino."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._connection = trino.dbapi.connect(host=host, port=int(port), user="test", catalog="lake", schema="tailrace")  # type: ignore[no-untyped-call]

    def __call__(self, sql: str) -> list[list[Any]]:
        cursor = self._connection.cursor()
        cursor.execute(sql)
        found: list[list[Any]] = cursor.fetchall()
        return found


@pytest.mark.trino
@pytest.mark.s3
@pytest.mark.timeout(1200)
def test_the_view_is_right_before_during_and_after_a_merge_and_saved_queries_agree(
    trino_url: str, s3_server: S3Server, store: ObjectStore, tmp_path: Path
) -> None:
    ask, now_us = Ask(trino_url), SystemClock().now_us() - 5 * US_PER_MINUTE
    now_us -= now_us % US_PER_MINUTE
    here = partition_of(now_us)
    ask("CREATE SCHEMA IF NOT EXISTS lake.tailrace")
    for kind, name in (("VIEW", "logs"), ("TABLE", "logs_parts"), ("TABLE", "logs_state")):
        ask(f"DROP {kind} IF EXISTS {name}")
    for statement in trino_ddl("logs", f"s3://{s3_server.bucket}/{PREFIX}"):
        ask(statement)

    def counted() -> list[list[Any]]:
        return ask(f"SELECT count(*), count(DISTINCT event_id) FROM logs WHERE day = '{here.day}'")

    first, second = rows(now_us, 30, "payment", "ERROR"), rows(now_us, 20, "web", "INFO")
    put_part(store, "f-a.parquet", now_us, first)
    put_part(store, "f-b.parquet", now_us, second)
    assert counted() == [[50, 50]]
    put_part(store, "m-ab.parquet", now_us, pa.concat_tables([first, second]))
    assert counted() == [[50, 50]]
    state, tag = read_state(store, "logs", here)
    assert store.put_if(state_key("logs", here), state.replaced(["f-a.parquet", "f-b.parquet"], ["m-ab.parquet"]).encode(), tag)
    assert counted() == [[50, 50]]
    for name in ("f-a.parquet", "f-b.parquet"):
        store.delete(part_key("logs", here, name))
    assert counted() == [[50, 50]]
    _compare_saved_queries(ask, store, tmp_path)
    put_part(store, "m-b.parquet", now_us, second)
    earlier = partition_of(now_us - 2 * US_PER_HOUR)
    put_part(store, "f-c.parquet", now_us - 2 * US_PER_HOUR, first)
    store.put(state_key("logs", earlier), PartitionState().encode())
    state, tag = read_state(store, "logs", here)
    assert store.put_if(state_key("logs", here), state.replaced(["m-ab.parquet"], ["m-b.parquet"], {"expired errors": 30}).encode(), tag)
    days = f"day IN ('{here.day}', '{earlier.day}')"
    assert ask(f"SELECT service_name, count(*), count(DISTINCT event_id) FROM logs WHERE {days} GROUP BY 1 ORDER BY 1") == [
        ["payment", 30, 30],
        ["web", 20, 20],
    ]


def _compare_saved_queries(ask: Ask, store: ObjectStore, home: Path) -> None:
    lake = LakeConnection(Settings(home=home), store)
    saved = SavedQueries(lake, "", SystemClock())
    for query in saved.list():
        if "spans" in query.sql:
            continue
        values: dict[str, Value] = query.values({}, SystemClock().now_us())
        theirs = ask(query.bound(values).sql("trino"))
        ours = saved.run(query.name, {"start_time": str(values["start_time"]), "end_time": str(values["end_time"])}).rows()
        assert ours == theirs
        assert ours
    lake.close()
