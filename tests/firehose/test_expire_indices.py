"""Day indices of OpenSearch leave by the rules of retention, and what went is accounted for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import opensearchpy
import pytest

from firehose import LocalFirehose
from firehose.keeper import Keeper
from firehose.keeper.expire_indices import ExpiredIndex, IndexExpiry, index_expiry
from firehose.keeper.retention import parse_retention
from firehose.opensearch_account import account, stored
from tailrace import aws
from tailrace.clock import US_PER_DAY, US_PER_HOUR, ManualClock, SystemClock
from tailrace.errors import TransientError
from tailrace.ledger import open_ledger
from tailrace.settings import Settings
from tailrace.yaml_file import parse_yaml
from tests.firehose.deliveries import delivery_of, everything_delivered, quick, table_of
from tests.firehose.fake_opensearch import FakeOpenSearch, fake_opensearch

MIDNIGHT_US = 20_721 * US_PER_DAY
"""2026-09-25."""


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def fake() -> Iterator[FakeOpenSearch]:
    with fake_opensearch() as found:
        yield found


def documents(fake: FakeOpenSearch, days: dict[str, int]) -> None:
    for index, count in days.items():
        fake.documents |= {(index, f"{index} {number}"): (1, {"revision": number % 2}) for number in range(count)}


def expiry(fake: FakeOpenSearch, home: Path, rules: str, **more: Any) -> IndexExpiry:
    transport = aws.opensearch(Settings(opensearch_url=fake.url)).transport
    return IndexExpiry(transport, parse_retention(parse_yaml(rules.encode(), "retention.yaml")), home / "gone.sqlite", **more)


def indices(fake: FakeOpenSearch) -> set[str]:
    return {index for index, _ in fake.documents}


def test_an_index_leaves_when_its_whole_day_is_older_and_no_sooner(fake: FakeOpenSearch, tmp_path: Path) -> None:
    documents(fake, {"tailrace-logs-2026.09.22": 3, "tailrace-logs-2026.09.23": 2, "tailrace-logs-2026.09.24": 1})
    looks = expiry(fake, tmp_path, "opensearch: {logs: 36h}")
    assert looks.run(MIDNIGHT_US + 12 * US_PER_HOUR - 1, dry_run=True) == [ExpiredIndex("tailrace-logs-2026.09.22", 3)]
    assert len(indices(fake)) == 3
    looks.run(MIDNIGHT_US + 12 * US_PER_HOUR - 1)
    assert indices(fake) == {"tailrace-logs-2026.09.23", "tailrace-logs-2026.09.24"}
    looks.run(MIDNIGHT_US + 12 * US_PER_HOUR)
    assert indices(fake) == {"tailrace-logs-2026.09.24"}


def test_a_table_of_which_nothing_is_said_follows_the_lake_and_indices_of_others_stay(fake: FakeOpenSearch, tmp_path: Path) -> None:
    others = {"tailrace-logs-2020": 1, "tailrace-logs-2020.01.01-x": 1, "tailrace-ledger-2020.01.01": 1, "logs-2020.01.01": 1, "tailrace-metrics-2020.01.01": 1}
    documents(fake, {"tailrace-logs-2026.09.20": 1, "tailrace-spans-2026.09.20": 1, "tailrace-spans-2026.09.10": 1, **others})
    expiry(fake, tmp_path, "keep: {logs: 30d, spans: 7d}\nopensearch: {logs: 1d}").run(MIDNIGHT_US)
    assert indices(fake) == {"tailrace-spans-2026.09.20", *others}


@pytest.mark.parametrize("point", ["keeper.index_noted", "keeper.index_deleted"])
def test_what_went_is_counted_once_wherever_the_process_is_killed(fake: FakeOpenSearch, tmp_path: Path, point: str) -> None:
    documents(fake, {"tailrace-logs-2026.09.20": 5, "tailrace-logs-2026.09.24": 2})

    def probe(at: str) -> None:
        if at == point:
            raise Killed

    with pytest.raises(Killed):
        expiry(fake, tmp_path, "keep: {logs: 2d}", probe=probe).run(MIDNIGHT_US)
    expiry(fake, tmp_path, "keep: {logs: 2d}").run(MIDNIGHT_US)
    found = stored(aws.opensearch(Settings(opensearch_url=fake.url)).transport, tmp_path / "gone.sqlite")
    assert (found["logs"].documents, found["logs"].revisions, found["logs"].deleted) == (7, 3, 5)


def test_an_opensearch_that_does_not_answer_is_told_and_stops_nothing_else(tmp_path: Path) -> None:
    with fake_opensearch() as fake:
        url = fake.url
    (tmp_path / "retention.yaml").write_text("keep: {logs: 1d}")
    keeper = Keeper(Settings(home=tmp_path, opensearch_url=url), ManualClock())
    with pytest.raises(TransientError, match="_cat/indices"):
        keeper.expire_indices()
    assert keeper.expire() == 0
    assert keeper.round().parts == 0


def test_without_opensearch_or_ages_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    ages, size = (parse_retention(parse_yaml(text.encode(), "r")) for text in ("keep: {logs: 1d}", "max_bytes: 1GB"))
    assert index_expiry(Settings(home=tmp_path), ages) is None
    assert index_expiry(Settings(home=tmp_path, opensearch_url="http://127.0.0.1:9"), size) is None


@pytest.mark.opensearch
def test_on_a_real_node_old_days_go_the_ledger_adds_up_and_absurd_times_are_as_old_as_their_receipt(tmp_path: Path, opensearch_url: str) -> None:
    client = opensearchpy.OpenSearch([opensearch_url])
    client.indices.delete(index="tailrace-*")
    settings = quick(tmp_path, opensearch_url=opensearch_url)
    (tmp_path / "retention.yaml").write_text("opensearch: {logs: 2d}")
    at = {"old": 5 * US_PER_DAY, "older": 6 * US_PER_DAY, "new": 0, "absurd": MIDNIGHT_US + 10**18}
    rows = [{"event_id": name, "event_time": MIDNIGHT_US - age, "observed_time": MIDNIGHT_US - US_PER_DAY} for name, age in at.items()]
    with LocalFirehose(settings, SystemClock()) as stream:
        stream.put(delivery_of(table_of([*rows, {"event_id": "old", "event_time": MIDNIGHT_US - at["old"], "revision": 1}])))
        assert everything_delivered(stream)
    clock = ManualClock(MIDNIGHT_US)
    keeper = Keeper(settings, clock)
    assert (keeper.expire_indices(), keeper.expire_indices()) == (2, 0)
    names = set(client.indices.get(index="tailrace-logs-*"))
    assert names == {"tailrace-logs-2026.09.25", "tailrace-logs-1970.01.01"}
    clock.set_us(MIDNIGHT_US + 2 * US_PER_DAY)
    assert Keeper(settings, clock).expire_indices() == 1
    assert set(client.indices.get(index="tailrace-logs-*")) == {"tailrace-logs-2026.09.25"}
    told = account(open_ledger(settings.ledger_path).hops(), 0, stored(client.transport, settings.opensearch_gone_path), {})
    assert (told.problems, told.notes) == ((), ())
    client.indices.delete(index="tailrace-*")
