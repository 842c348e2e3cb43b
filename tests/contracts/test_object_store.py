"""What every object store does, whatever it is made of."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config

from sandbox.servers.pytest_plugin import S3Server
from tailrace.errors import SettingError, StateError, TransientError
from tailrace.settings import Settings
from tailrace.stores import open_store
from tailrace.stores.folder import FolderStore
from tailrace.stores.port import ObjectStore
from tailrace.stores.s3 import S3Store
from tests.contracts.memory_store import MemoryStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def s3_client(server: S3Server) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, connect_timeout=2),
    )


@pytest.fixture(params=["folder", "memory", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return FolderStore(tmp_path)
    if request.param == "memory":
        return MemoryStore()
    server: S3Server = request.getfixturevalue("s3_server")
    return S3Store(s3_client(server), server.bucket, f"contract/{uuid4()}/")


def test_an_object_is_read_as_it_was_written_last(store: ObjectStore) -> None:
    assert store.get("a/b") is None
    assert store.get_tagged("a/b") is None
    store.put("a/b", b"1")
    store.put("a/b", b"\x00" * 100_000)
    assert store.get("a/b") == b"\x00" * 100_000


def test_objects_and_folders_are_listed_one_level_deep_in_order(store: ObjectStore) -> None:
    for key in ("t/day=2/hour=00/b", "t/day=2/hour=00/a", "t/day=1/hour=01/c", "t/top", "other/x"):
        store.put(key, key.encode())
    assert store.folders("t/") == ["day=1", "day=2"]
    assert store.folders("t/day=2/") == ["hour=00"]
    assert [(info.key, info.size) for info in store.objects("t/day=2/hour=00/")] == [("t/day=2/hour=00/a", 17), ("t/day=2/hour=00/b", 17)]
    assert [info.key for info in store.objects("t/")] == ["t/top"]
    assert not store.objects("none/")
    assert not store.folders("none/")


def test_a_conditional_put_wins_once(store: ObjectStore) -> None:
    assert store.put_if("s/state", b"1", None)
    assert not store.put_if("s/state", b"2", None)
    first = store.get_tagged("s/state")
    assert first is not None
    assert first.data == b"1"
    assert store.put_if("s/state", b"3", first.tag)
    assert not store.put_if("s/state", b"4", first.tag)
    assert store.get("s/state") == b"3"
    store.delete("s/state")
    assert not store.put_if("s/state", b"5", first.tag)


def increment(store: ObjectStore, times: int) -> None:
    """Count up, as a writer of states does: read, and write if nobody else did."""
    for _ in range(times):
        while True:
            found = store.get_tagged("s/count")
            if store.put_if("s/count", str(int(found.data) + 1 if found else 1).encode(), found.tag if found else None):
                break


def test_of_writers_at_once_each_counts(store: ObjectStore) -> None:
    threads = [threading.Thread(target=increment, args=(store, 5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("s/count") == b"20"


def test_processes_that_share_a_folder_wait_for_each_other(tmp_path: Path) -> None:
    code = f"from tests.contracts.test_object_store import FolderStore, Path, increment; increment(FolderStore(Path({str(tmp_path)!r})), 25)"
    running = [subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert FolderStore(tmp_path).get("s/count") == b"75"


def test_a_deleted_object_is_gone_and_deleting_nothing_is_no_error(store: ObjectStore) -> None:
    store.put("a/b", b"1")
    store.delete("a/b")
    store.delete("a/b")
    assert store.get("a/b") is None
    assert list(store.objects("a/")) == []


@pytest.mark.parametrize("key", ["../x", "a/../b", "/etc/passwd", "a//b", "a\0b"])
def test_a_key_that_leads_out_of_the_store_is_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(StateError, match="not a key"):
        store.put(key, b"")


def test_a_local_path_is_the_file_or_nothing(store: ObjectStore) -> None:
    store.put("a/b", b"1")
    path = store.local_path("a/b")
    assert path is None or path.read_bytes() == b"1"


@pytest.mark.s3
def test_more_objects_than_a_page_are_all_listed(s3_server: S3Server) -> None:
    client = s3_client(s3_server)
    store = S3Store(client, s3_server.bucket, f"pages/{uuid4()}")
    for number in range(25):
        store.put(f"p/{number:03}", b"x")
    paginate = client.get_paginator("list_objects_v2").paginate
    pages = list(paginate(Bucket=s3_server.bucket, Prefix=f"{store._prefix}p/", Delimiter="/", PaginationConfig={"PageSize": 10}))
    assert len(pages) >= 3
    assert len(store.objects("p/")) == 25


def test_an_s3_server_that_is_not_there_is_transient() -> None:
    store = S3Store(s3_client(S3Server("http://127.0.0.1:9")), "none")
    calls: list[Callable[[], object]] = [
        lambda: store.get("a"),
        lambda: store.put("a", b""),
        lambda: store.put_if("a", b"", None),
        lambda: store.delete("a"),
        lambda: store.objects("a/"),
    ]
    for call in calls:
        with pytest.raises(TransientError, match="s3://none"):
            call()


@pytest.mark.s3
def test_a_refusal_is_transient_and_says_so(s3_server: S3Server) -> None:
    store = S3Store(s3_client(S3Server(s3_server.url, secret_key="wrong")), s3_server.bucket)
    calls: list[Callable[[], object]] = [
        lambda: store.put("a", b""),
        lambda: store.put_if("a", b"", None),
        lambda: store.objects("a/"),
        lambda: store.get("a"),
        lambda: store.delete("a"),
    ]
    for call in calls:
        with pytest.raises(TransientError, match=s3_server.bucket):
            call()


def test_the_location_chooses_the_store(tmp_path: Path) -> None:
    assert isinstance(open_store(Settings(home=tmp_path)), FolderStore)
    found = open_store(Settings(lake="s3://bucket/a/b", aws_endpoint_url="http://127.0.0.1:9"))
    assert isinstance(found, S3Store)
    with pytest.raises(SettingError, match="no bucket is named"):
        open_store(Settings(lake="s3://"))
