"""The Kinesis consumer takes every record of every shard, and checkpoints only what was taken."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from collectors.sources.checkpoints import Checkpoints
from collectors.sources.kinesis import KinesisConsumer, Straight
from collectors.sources.kinesis_shards import Boto3Shards, Page, ReadsShards, Record, Shard, StaleIteratorError
from tailrace import aws
from tailrace.clock import ManualClock
from tailrace.errors import PermanentError, TransientError
from tailrace.settings import Settings


class MemoryShards:
    """Shards in memory: numbers from 1; a closed shard ends; iterators are `shard:position`."""

    def __init__(self, **shards: Sequence[bytes]) -> None:
        self.records = {name: list(records) for name, records in shards.items()}
        self.parents: dict[str, tuple[str, ...]] = {}
        self.closed: set[str] = set()
        self.made = "2026-11-24"
        self.limit = 2
        self.faults: list[Exception] = []

    def creation(self) -> str:
        return self.made

    def shards(self) -> Sequence[Shard]:
        return [Shard(name, self.parents.get(name, ())) for name in self.records]

    def iterator(self, shard_id: str, after: str | None) -> str:
        return f"{shard_id}:{after or 0}"

    def read(self, iterator: str) -> Page:
        if self.faults:
            raise self.faults.pop()
        shard_id, _, at = iterator.partition(":")
        first = int(at)
        found = self.records[shard_id][first : first + self.limit]
        after = first + len(found)
        is_end = shard_id in self.closed and after == len(self.records[shard_id])
        return Page(tuple(Record(str(first + n + 1), data) for n, data in enumerate(found)), None if is_end else f"{shard_id}:{after}")


@pytest.fixture
def checkpoints(tmp_path: Path) -> Iterator[Checkpoints]:
    opened = Checkpoints(tmp_path / "state" / "kinesis.sqlite")
    yield opened
    opened.close()


def consumer(port: ReadsShards, take: Callable[[bytes], object], checkpoints: Checkpoints) -> KinesisConsumer:
    return KinesisConsumer(port, "logs", Straight(take), checkpoints, ManualClock())


def drain(sut: KinesisConsumer) -> None:
    while sut.poll():
        pass


def test_all_records_of_all_shards_are_taken_in_their_order(checkpoints: Checkpoints) -> None:
    taken: list[bytes] = []
    drain(consumer(MemoryShards(a=[b"a1", b"a2", b"a3"], b=[b"b1"]), taken.append, checkpoints))
    assert taken == [b"a1", b"a2", b"b1", b"a3"]


def test_a_consumer_goes_on_where_the_last_one_stopped(checkpoints: Checkpoints) -> None:
    port, taken = MemoryShards(a=[b"1", b"2", b"3"]), list[bytes]()
    assert consumer(port, taken.append, checkpoints).poll() == 2
    drain(consumer(port, taken.append, checkpoints))
    assert taken == [b"1", b"2", b"3"]


def test_what_could_not_be_taken_is_not_checkpointed(checkpoints: Checkpoints) -> None:
    port, taken = MemoryShards(a=[b"1", b"2"]), list[bytes]()

    def failing(data: bytes) -> None:
        if data == b"2":
            raise PermanentError("no")
        taken.append(data)

    with pytest.raises(PermanentError):
        consumer(port, failing, checkpoints).poll()
    drain(consumer(port, taken.append, checkpoints))
    assert taken == [b"1", b"2"]


def test_a_full_delivery_stream_is_waited_for(checkpoints: Checkpoints) -> None:
    taken: list[bytes] = []
    refusals = [TransientError("full")] * 5

    def take(data: bytes) -> None:
        if refusals:
            raise refusals.pop()
        taken.append(data)

    drain(consumer(MemoryShards(a=[b"1", b"2"]), take, checkpoints))
    assert taken == [b"1", b"2"]


def test_a_stop_while_the_stream_is_full_leaves_the_record_for_the_next_run(checkpoints: Checkpoints) -> None:
    port, taken = MemoryShards(a=[b"1", b"2"]), list[bytes]()

    def take(data: bytes) -> None:
        if data == b"2":
            sut.stop()
            raise TransientError("full")
        taken.append(data)

    sut = consumer(port, take, checkpoints)
    sut.run()
    assert taken == [b"1"]
    drain(consumer(port, taken.append, checkpoints))
    assert taken == [b"1", b"2"]


def test_a_stop_takes_effect_between_two_records(checkpoints: Checkpoints) -> None:
    port, taken = MemoryShards(a=[b"1", b"2"]), list[bytes]()

    def take(data: bytes) -> None:
        taken.append(data)
        sut.stop()

    sut = consumer(port, take, checkpoints)
    sut.run()
    assert taken == [b"1"]
    assert checkpoints.position("logs@2026-11-24", "a") == ("1", False)


def test_children_of_a_resharding_are_read_after_their_parents(checkpoints: Checkpoints) -> None:
    port, taken = MemoryShards(child=[b"c1"], a=[b"a1", b"a2", b"a3"], b=[b"b1"]), list[bytes]()
    port.parents["child"] = ("a", "b", "long gone")
    port.closed = {"a", "b"}
    sut = consumer(port, taken.append, checkpoints)
    drain(sut)
    assert taken == [b"a1", b"a2", b"b1", b"a3", b"c1"]
    assert checkpoints.position("logs@2026-11-24", "a") == ("3", True)


def test_a_closed_shard_without_records_is_finished(checkpoints: Checkpoints) -> None:
    port = MemoryShards(a=[])
    port.closed = {"a"}
    consumer(port, print, checkpoints).poll()
    assert checkpoints.position("logs@2026-11-24", "a") == (None, True)


def test_a_stream_made_again_is_read_from_its_start(checkpoints: Checkpoints) -> None:
    port, taken = MemoryShards(a=[b"1", b"2"]), list[bytes]()
    drain(consumer(port, taken.append, checkpoints))
    port.made, port.records = "2026-11-25", {"a": [b"new"]}
    drain(consumer(port, taken.append, checkpoints))
    assert taken == [b"1", b"2", b"new"]


def test_a_stale_iterator_is_renewed_from_the_checkpoint(checkpoints: Checkpoints) -> None:
    port, taken = MemoryShards(a=[b"1", b"2", b"3"]), list[bytes]()
    sut = consumer(port, taken.append, checkpoints)
    sut.poll()
    port.faults = [StaleIteratorError()]
    assert sut.poll() == 0
    drain(sut)
    assert taken == [b"1", b"2", b"3"]


def test_throttling_is_waited_out_and_a_stream_that_is_gone_ends_the_run(checkpoints: Checkpoints) -> None:
    port, taken = MemoryShards(a=[b"1"]), list[bytes]()
    port.faults = [PermanentError("gone")] + [TransientError("slow down")] * 3

    def take(data: bytes) -> None:
        taken.append(data)

    with pytest.raises(PermanentError):
        consumer(port, take, checkpoints).run()
    assert not taken


@given(records=st.lists(st.binary(min_size=1, max_size=3), max_size=20), crashes=st.lists(st.integers(0, 6), max_size=5))
def test_killed_anywhere_every_record_is_taken_at_least_once(tmp_path_factory: pytest.TempPathFactory, records: list[bytes], crashes: list[int]) -> None:
    opened = Checkpoints(tmp_path_factory.mktemp("c") / "k.sqlite")
    port, taken = MemoryShards(a=records), set[int]()
    numbered = {id(data): n for n, data in enumerate(port.records["a"])}

    class CrashError(Exception):
        pass

    def dying(left: int) -> Callable[[bytes], None]:
        def take(data: bytes) -> None:
            nonlocal left
            if left == 0:
                raise CrashError
            left -= 1
            taken.add(numbered[id(data)])

        return take

    for left in crashes:
        try:
            drain(consumer(port, dying(left), opened))
        except CrashError:
            continue
    drain(consumer(port, dying(-1), opened))
    assert taken == set(numbered.values())
    opened.close()


def test_it_reads_what_boto3_reads(moto: Settings, checkpoints: Checkpoints) -> None:
    # moto keeps streams for a whole process: the name is this test's own
    client = aws.client("kinesis", moto)
    client.create_stream(StreamName="read-by-boto3", ShardCount=3)
    for n in range(20):
        client.put_record(StreamName="read-by-boto3", PartitionKey=str(n), Data=f"record {n}".encode())
    taken: list[bytes] = []
    port = Boto3Shards(client, "read-by-boto3")
    drain(consumer(port, taken.append, checkpoints))
    client.put_record(StreamName="read-by-boto3", PartitionKey="x", Data=b"later")
    drain(consumer(port, taken.append, checkpoints))
    assert sorted(taken) == sorted([*(f"record {n}".encode() for n in range(20)), b"later"])
    assert len(port.shards()) == 3


def test_a_position_that_is_no_more_means_the_oldest_record() -> None:
    client = aws.client("kinesis", Settings(aws_endpoint_url="http://127.0.0.1:9"))
    asked = {"StreamName": "s", "ShardId": "a"}
    with Stubber(client) as answers:
        answers.add_client_error("get_shard_iterator", "InvalidArgumentException")
        answers.add_response("get_shard_iterator", {"ShardIterator": "oldest"}, asked | {"ShardIteratorType": "TRIM_HORIZON"})
        assert Boto3Shards(client, "s").iterator("a", "17") == "oldest"


@pytest.mark.parametrize(
    ("code", "error"),
    [("ExpiredIteratorException", StaleIteratorError), ("ProvisionedThroughputExceededException", TransientError), ("AccessDeniedException", PermanentError)],
)
def test_errors_of_kinesis_are_told_apart(code: str, error: type[Exception]) -> None:
    client = aws.client("kinesis", Settings(aws_endpoint_url="http://127.0.0.1:9"))
    port = Boto3Shards(client, "s")
    with Stubber(client) as answers:
        answers.add_client_error("get_records", code)
        answers.add_client_error("get_shard_iterator", code)
        with pytest.raises(error):
            port.read("i")
        with pytest.raises(error):
            port.iterator("a", "17")


def test_shards_are_listed_page_by_page() -> None:
    client = aws.client("kinesis", Settings(aws_endpoint_url="http://127.0.0.1:9"))
    hashes = {"HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"}, "SequenceNumberRange": {"StartingSequenceNumber": "0"}}
    with Stubber(client) as answers:
        answers.add_response("list_shards", {"Shards": [hashes | {"ShardId": "a"}], "NextToken": "t"}, {"StreamName": "s"})
        answers.add_response("list_shards", {"Shards": [hashes | {"ShardId": "b", "ParentShardId": "a"}]}, {"NextToken": "t"})
        assert Boto3Shards(client, "s").shards() == [Shard("a"), Shard("b", ("a",))]


def test_a_stream_that_is_not_there_is_a_permanent_error(moto: Settings, checkpoints: Checkpoints) -> None:
    with pytest.raises(PermanentError, match="none"):
        consumer(Boto3Shards(aws.client("kinesis", moto), "none"), print, checkpoints).run()


def test_an_address_that_does_not_answer_is_transient() -> None:
    client = aws.client("kinesis", Settings(aws_endpoint_url="http://127.0.0.1:9"))
    for call in (Boto3Shards(client, "x").creation, lambda: Boto3Shards(client, "x").iterator("s", "1")):
        with pytest.raises(TransientError):
            call()


def test_a_running_consumer_stops_from_another_thread(checkpoints: Checkpoints) -> None:
    taken = threading.Event()

    def take(data: bytes) -> None:
        taken.set()

    sut = KinesisConsumer(MemoryShards(a=[b"1"]), "logs", Straight(take), checkpoints, ManualClock())
    thread = threading.Thread(target=sut.run)
    thread.start()
    assert taken.wait(5)
    sut.stop()
    thread.join(5)
    assert not thread.is_alive()
