"""Whatever S3 answers, or does not, the lake on it holds each row once and what was acknowledged is in it."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from firehose import LocalFirehose
from firehose.keeper import Keeper
from tailrace import aws
from tailrace.clock import SystemClock
from tailrace.errors import TransientError
from tailrace.lake import live_parts
from tailrace.ledger import open_ledger
from tailrace.settings import Settings
from tailrace.stores import open_store
from tailrace.stores.s3 import S3Store
from tests.faults.proxy import HARMS, proxy_before
from tests.firehose.deliveries import ALWAYS, events, everything_delivered, numbers


def in_lake(settings: Settings) -> list[str]:
    """Ids of all rows that count."""
    store = open_store(settings)
    parts = live_parts(store, "logs", *ALWAYS)
    return sorted(str(one) for part in parts for one in pq.read_table(BytesIO(store.get(part.key) or b"")).column("event_id").to_pylist())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("harm", HARMS)
def test_after_harm_to_writing_each_row_is_there_once(tmp_path: Path, moto: Settings, harm: str) -> None:
    aws.client("s3", moto).create_bucket(Bucket=f"harmed-{harm}")
    with proxy_before(moto.aws_endpoint_url) as proxy:
        straight = replace(moto, home=tmp_path, lake=f"s3://harmed-{harm}/lake", lake_flush_after_s=0.02)
        settings = replace(straight, aws_endpoint_url=proxy.url)
        with LocalFirehose(settings, SystemClock()) as stream:
            stream.put(events(0, 30))
            assert everything_delivered(stream)
            proxy.methods, proxy.harms = {"PUT"}, type(proxy.harms)([harm] * 3)
            stream.put(events(30, 30))
            assert everything_delivered(stream)
        assert proxy.done[harm] >= 1
    assert in_lake(straight) == numbers(60)
    check = open_ledger(tmp_path / "ledger.sqlite").check()
    assert check.balanced, check.problems


@pytest.mark.timeout(120)
@pytest.mark.parametrize("harm", HARMS)
def test_after_harm_to_merging_each_row_is_there_once(tmp_path: Path, moto: Settings, harm: str) -> None:
    aws.client("s3", moto).create_bucket(Bucket=f"merged-{harm}")
    straight = replace(moto, home=tmp_path, lake=f"s3://merged-{harm}/lake", lake_flush_after_s=0.02)
    with LocalFirehose(straight, SystemClock()) as stream:
        for first in range(0, 80, 20):
            stream.put(events(first, 20))
            assert everything_delivered(stream)
    with proxy_before(moto.aws_endpoint_url) as proxy:
        keeper = Keeper(replace(straight, aws_endpoint_url=proxy.url), SystemClock(), merge_after_s=0.0, grace_s=0.0)
        for at in range(8):
            proxy.harms.extend([harm] if at % 2 else [])
            proxy.done["none"] = 0
            try:
                keeper.round(force=True)
            except (TransientError, OSError, ValueError):
                continue
            assert in_lake(straight) == numbers(80)
        proxy.harms.clear()
        keeper.round(force=True)
        keeper.round()
    assert in_lake(straight) == numbers(80)
    assert len(live_parts(open_store(straight), "logs", *ALWAYS)) == 1


def test_a_200_that_says_nothing_of_the_object_is_no_success(moto: Settings) -> None:
    aws.client("s3", moto).create_bucket(Bucket="says-nothing")
    with proxy_before(moto.aws_endpoint_url) as proxy:
        store = S3Store(aws.client("s3", replace(moto, aws_endpoint_url=proxy.url)), "says-nothing")
        for put in (lambda: store.put("a", b"1"), lambda: store.put_if("b", b"1", None)):
            proxy.harms.append("empty")
            with pytest.raises(TransientError, match="without an ETag"):
                put()
        assert [store.get("a"), store.get("b")] == [None, None]
