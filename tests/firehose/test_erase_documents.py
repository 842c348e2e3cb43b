"""An erasure reaches OpenSearch: by the ids of the lake's rows, and by a search where the lake has none; nothing else goes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import opensearchpy
import pytest
from click.testing import CliRunner

from firehose import LocalFirehose
from firehose.keeper.erase import Order, erase, order_of
from firehose.keeper.erase_documents import DocumentErasure
from firehose.opensearch_account import account, stored
from tailrace.cli import root
from tailrace.clock import SystemClock
from tailrace.errors import TransientError
from tailrace.fields import AttributeRegister
from tailrace.ledger import open_ledger
from tailrace.schema import FieldType
from tailrace.settings import Settings
from tailrace.stores.folder import FolderStore
from tests.firehose.deliveries import NOON_US, delivery_of, everything_delivered, quick, table_of

pytestmark = pytest.mark.opensearch
ANN = "ann@example.com"
ROWS: tuple[dict[str, Any], ...] = (
    {"event_id": "message", "message": f"mail to <{ANN}>", "revision": 2},
    {"event_id": "longer word", "message": f"mail to joann@example.community from {ANN}s"},
    {"event_id": "raw alone", "raw": f"{ANN}"},
    {"event_id": "attribute", "attributes": json.dumps({"user.id": "u17", "n": 7})},
    {"event_id": "other attribute", "attributes": json.dumps({"rare": "u17", "n": "seven"})},
    {"event_id": "number", "attributes": json.dumps({"n": 17})},
    {"event_id": "keyword", "url_full": f"/?q={ANN}*"},
    {"event_id": "words apart", "message": "ann at example dot com"},
    {"event_id": "nobody", "message": "nothing", "attributes": json.dumps({"user.id": "u18"})},
)


@pytest.fixture
def client(opensearch_url: str) -> Iterator[opensearchpy.OpenSearch]:
    found = opensearchpy.OpenSearch([opensearch_url])
    found.indices.delete(index="tailrace-*")
    yield found
    found.indices.delete(index="tailrace-*")


@pytest.fixture
def settings(tmp_path: Path, opensearch_url: str, client: opensearchpy.OpenSearch) -> Settings:
    register = AttributeRegister(declared={"user.id": FieldType.KEYWORD, "n": FieldType.LONG})
    found = quick(tmp_path, opensearch_url=opensearch_url)
    with LocalFirehose(found, SystemClock(), register=register) as stream:
        stream.put(delivery_of(table_of(ROWS)))
        assert everything_delivered(stream)
    return found


def ids(client: opensearchpy.OpenSearch) -> set[str]:
    client.indices.refresh(index="tailrace-logs-*")
    return {hit["_id"] for hit in client.search(index="tailrace-logs-*", body={"size": 100})["hits"]["hits"]}


def from_lake(settings: Settings, order: Order) -> None:
    erase(FolderStore(settings.home / "lake"), order, lambda _: "yes", now=True)


ALL = {str(row["event_id"]) for row in ROWS}
CONTAINS = {"message", "longer word", "raw alone", "keyword"}
WHERE = {"attribute", "other attribute", "number"}


def test_documents_of_the_lakes_rows_go_and_the_ledger_still_adds_up(settings: Settings, client: opensearchpy.OpenSearch) -> None:
    order = order_of(["attributes.user.id=u17", "attributes.rare=u17", "attributes.n=17"], [ANN])
    work = DocumentErasure(client.transport, settings.opensearch_gone_path, NOON_US)
    assert work.erase(FolderStore(settings.home / "lake"), order) == 7
    from_lake(settings, order)
    assert ids(client) == ALL - CONTAINS - WHERE
    assert (work.left(order), work.erase(FolderStore(settings.home / "lake"), order)) == (0, 0)
    told = account(open_ledger(settings.ledger_path).hops(), 0, stored(client.transport, settings.opensearch_gone_path), {})
    assert (told.problems, told.notes) == ((), ())


@pytest.mark.parametrize(
    ("where", "contains", "found"),
    [
        (["attributes.user.id=u17"], [], {"attribute"}),
        (["attributes.rare=u17"], [], {"other attribute"}),
        (["attributes.n=17"], [], {"number"}),
        (["attributes.n=seven"], [], {"other attribute"}),
        ([f"url.full=/?q={ANN}*"], [], {"keyword"}),
        (["message=nothing"], [], {"nobody"}),
        (["message=mail"], [], set()),
        ([], [ANN], CONTAINS - {"raw alone"}),
        ([], ["nn@example.co"], CONTAINS - {"raw alone"}),
        ([], [f"{ANN}*"], {"keyword"}),
        ([], ["othin"], {"nobody"}),
    ],
)
def test_documents_without_a_row_in_the_lake_are_found_by_a_search_and_no_others(
    settings: Settings, client: opensearchpy.OpenSearch, where: list[str], contains: list[str], found: set[str]
) -> None:
    order = order_of(where, contains)
    work = DocumentErasure(client.transport, settings.opensearch_gone_path, NOON_US)
    assert work.left(order) == len(found)
    assert work.erase(FolderStore(settings.home / "no lake"), order) == len(found)
    assert ids(client) == ALL - found


def test_only_a_range_of_time_is_searched_where_one_is_given(settings: Settings, client: opensearchpy.OpenSearch) -> None:
    work = DocumentErasure(client.transport, settings.opensearch_gone_path, NOON_US)
    assert [work.left(order_of([], [ANN], NOON_US + low, NOON_US + high)) for low, high in ((0, 1_000), (1_000, 2_000), (-1_000, 0))] == [3, 0, 0]


def test_where_opensearch_does_not_answer_it_says_so(tmp_path: Path) -> None:
    gone = opensearchpy.OpenSearch(["http://127.0.0.1:9"], max_retries=0)
    with pytest.raises(TransientError, match="tailrace-logs"):
        DocumentErasure(gone.transport, tmp_path / "gone.sqlite", NOON_US).erase(FolderStore(tmp_path), order_of(["host.name=x"], []))


def test_the_command_erases_both_and_ends_with_0_when_nothing_is_left(
    settings: Settings, client: opensearchpy.OpenSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_HOME", str(settings.home))
    monkeypatch.setenv("TAILRACE_OPENSEARCH_URL", settings.opensearch_url)
    for segment in settings.spool_folder.glob("segment-*"):
        segment.unlink()  # the spool holds the rows until its segment is full, which is another place
    found = CliRunner().invoke(root, ["lake", "erase", "--contains", ANN, "--now", "--json"])
    told = json.loads(found.output)
    assert (told["rows"], told["documents"], told["documents_left"], told["places"], found.exit_code) == (4, 4, 0, [], 0)
    assert ids(client) == ALL - CONTAINS
    assert "balanced" in CliRunner().invoke(root, ["ledger", "check", "--deep"]).output
