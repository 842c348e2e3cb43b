"""An object is a file whose parts are asked for one by one; what S3 refuses with is a sentence that says what to do."""

import io
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, IncompleteReadError, NoCredentialsError, ParamValidationError
from botocore.response import StreamingBody
from hypothesis import given
from hypothesis import strategies as st

from collectors.envelopes.s3_event import S3Object
from collectors.sources.s3_clients import Clients
from collectors.sources.s3_errors import ChangedError, GoneError, WrongRegionError, translated
from collectors.sources.s3_ranges import FIRST_WAIT_S, TRIES, Boto3Ranges, Part, open_object
from tailrace import aws
from tailrace.clock import ManualClock
from tailrace.errors import PermanentError, TransientError
from tailrace.settings import Settings
from tests.collectors.sources.s3_fakes import MemoryRanges, place

DATA = bytes(range(256)) * 64


def opened(port: Any, key: str = "a", part_bytes: int = 1_000, clock: ManualClock | None = None) -> Any:
    return open_object(port, place(key), clock or ManualClock(), lambda: 1.0, part_bytes).file


def test_an_object_is_read_part_by_part_in_order() -> None:
    port = MemoryRanges({"a": DATA})
    assert opened(port, part_bytes=4_000).read() == DATA
    assert port.asked == [("a", start, 4_000) for start in range(0, len(DATA), 4_000)]


@given(moves=st.lists(st.tuples(st.integers(0, 17_000), st.integers(0, 5_000)), max_size=20), part_bytes=st.integers(1, 20_000))
def test_wherever_it_is_read_it_is_the_object(moves: list[tuple[int, int]], part_bytes: int) -> None:
    file, known = opened(MemoryRanges({"a": DATA}), part_bytes=part_bytes), io.BytesIO(DATA)
    for at, size in moves:
        assert file.seek(at) == known.seek(at)
        assert file.read(size) == known.read(size)
        assert file.tell() == known.tell()
    assert file.seek(-10, io.SEEK_END) == len(DATA) - 10
    assert file.read() == DATA[-10:]


def test_an_empty_object_is_an_empty_file() -> None:
    assert opened(MemoryRanges({"a": b""})).read() == b""


def test_a_part_is_asked_for_again_with_longer_and_longer_waits() -> None:
    port, clock = MemoryRanges({"a": DATA}), ManualClock()
    port.on_get = lambda number: port.faults.extend([TransientError("reset")] if number in {3, 4, 5} else [])
    assert opened(port, clock=clock).read() == DATA
    assert clock.monotonic_s() == FIRST_WAIT_S * 7


def test_a_part_that_never_comes_ends_the_reading_and_what_will_never_come_at_once() -> None:
    port = MemoryRanges({"a": DATA}, faults=[TransientError("slow down")] * TRIES)
    with pytest.raises(TransientError, match="slow down"):
        opened(port)
    assert len(port.asked) == TRIES
    port = MemoryRanges({"a": DATA}, faults=[PermanentError("access denied")])
    with pytest.raises(PermanentError, match="access denied"):
        opened(port)
    assert len(port.asked) == 1


def test_an_object_that_is_written_anew_in_the_middle_is_noticed() -> None:
    port = MemoryRanges({"a": DATA})
    file = opened(port)
    file.read(500)
    port.objects["a"] = DATA[::-1]
    with pytest.raises(ChangedError):
        file.read()


def test_a_server_that_ignores_if_match_is_found_out() -> None:
    class Careless(MemoryRanges):
        def get(self, place: S3Object, start: int, length: int, etag: str = "") -> Part:
            return super().get(place, start, length)

    port = Careless({"a": DATA})
    file = opened(port)
    port.objects["a"] = DATA[::-1]
    with pytest.raises(ChangedError):
        file.read()


def test_the_version_of_the_first_answer_is_read_on_and_null_is_none() -> None:
    assert open_object(MemoryRanges({"a": DATA}, {"a": "v2"}), place("a"), ManualClock()).place.version == "v2"
    found = open_object(MemoryRanges({"a": DATA}), place("a", version="null", etag="old"), ManualClock()).place
    assert (found.version, found.size) == ("", len(DATA))
    assert found.etag not in {"", "old"}


def refused(code: str, status: int = 403, message: str = "Access Denied", **headers: str) -> ClientError:
    meta: Any = {"HTTPStatusCode": status, "HTTPHeaders": {name.replace("_", "-"): value for name, value in headers.items()}}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": meta}, "GetObject")


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (refused("NoSuchKey", 404), GoneError, "is not there in version v1: it was deleted"),
        (refused("NoSuchBucket", 404), GoneError, "is its name right"),
        (refused("AccessDenied"), PermanentError, "allow s3:GetObject and s3:GetObjectVersion on arn:aws:s3:::logs/*"),
        (refused("AccessDenied", message="is not authorized to perform: kms:Decrypt on resource"), PermanentError, "allow kms:Decrypt on the key"),
        (refused("KMS.DisabledException", 400, "is disabled"), PermanentError, "KMS key does not open it"),
        (refused("KMS.ThrottlingException", 400), TransientError, "takes no requests now"),
        (refused("InvalidObjectState", 403), PermanentError, "restore it with aws s3api restore-object"),
        (refused("SlowDown", 503, "Please reduce your request rate."), TransientError, "SlowDown"),
        (refused("500", 500), TransientError, "takes no requests now"),
        (refused("InternalError", 500), TransientError, "InternalError"),
        (refused("ExpiredToken", 400), TransientError, "ExpiredToken"),
        (refused("SignatureDoesNotMatch", 403), PermanentError, "does not take the credentials"),
        (refused("PreconditionFailed", 412), ChangedError, "written anew"),
        (
            refused("PermanentRedirect", 301, x_amz_bucket_region="eu-west-3"),
            WrongRegionError,
            "lies in eu-west-3, not in us-east-1: set TAILRACE_REGION=eu-west-3",
        ),
        (refused("AuthorizationHeaderMalformed", 400, x_amz_bucket_region="eu-west-3"), WrongRegionError, "eu-west-3"),
        (refused("InvalidRequest", 400, "odd\nthing"), PermanentError, r"S3 refuses it \(InvalidRequest\): odd thing"),
        (NoCredentialsError(), PermanentError, "there are no credentials"),
        (ParamValidationError(report="Invalid bucket name"), PermanentError, "no name that S3 could have"),
        (EndpointConnectionError(endpoint_url="http://x"), TransientError, "the connection to S3 failed"),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), TransientError, "the connection to S3 failed"),
    ],
)
def test_what_s3_refuses_with_is_a_sentence_that_says_what_to_do(error: Any, kind: type[Exception], says: str) -> None:
    found = translated(error, place("a", version="v1", region="us-east-1"))
    assert type(found) is kind
    with pytest.raises(kind, match=says):
        raise found
    assert str(found).startswith("s3://logs/a: ")
    assert "\n" not in str(found)


class FakeClient:
    """The one call of boto3's client, in a region."""

    def __init__(self, region: str, home: str = "us-east-1") -> None:
        self.region, self.home, self.calls = region, home, list[dict[str, Any]]()
        self.answer: dict[str, Any] = {"ETag": '"e"', "ContentRange": "bytes 0-4/5", "Body": b"hello"}

    def get_object(self, **asked: Any) -> dict[str, Any]:
        self.calls.append(asked)
        if self.region != self.home:
            raise refused("PermanentRedirect", 301, x_amz_bucket_region=self.home)
        body = self.answer["Body"]
        return self.answer | {"Body": StreamingBody(io.BytesIO(body), len(body))}


def test_a_bucket_of_another_region_is_asked_for_there_from_then_on() -> None:
    clients = {name: FakeClient(name, "eu-west-3") for name in ("us-east-1", "eu-west-3")}
    port = Boto3Ranges(Clients(clients.__getitem__, "us-east-1"))  # type: ignore[arg-type] # the one call is enough
    for _ in range(2):
        assert port.get(place("a"), 0, 10).data == b"hello"
    assert [len(client.calls) for client in clients.values()] == [1, 2]


def test_the_region_of_a_notification_is_asked_first_if_it_could_be_one() -> None:
    asked: list[str] = []

    def client(region: str) -> Any:
        asked.append(region)
        return FakeClient(region, region)

    port = Boto3Ranges(Clients(client, "us-east-1"))
    for region in ("eu-west-1", "us-gov-west-1", "evil.example/x", ""):
        port.get(place("a", region=region), 0, 10)
    assert asked == ["eu-west-1", "us-gov-west-1", "us-east-1"]


def test_a_region_that_refuses_too_is_said() -> None:
    port = Boto3Ranges(Clients(lambda region: FakeClient(region, "nowhere"), "us-east-1"))  # type: ignore[arg-type, return-value] # the one call is enough
    with pytest.raises(WrongRegionError, match="TAILRACE_REGION=nowhere"):
        port.get(place("a"), 0, 10)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"ETag": '"e"', "ContentRange": "bytes 0-9/10", "Body": b"hello"}, TransientError),
        ({"ETag": '"e"', "Body": b"hello, this is all of it"}, PermanentError),
    ],
)
def test_an_answer_that_is_too_short_or_of_the_whole_is_noticed(answer: dict[str, Any], error: type[Exception]) -> None:
    client = FakeClient("us-east-1")
    client.answer = answer
    with pytest.raises(error):
        Boto3Ranges(Clients(lambda _: client, "us-east-1")).get(place("a"), 0, 10)  # type: ignore[arg-type, return-value] # the one call is enough


def test_through_boto3_parts_versions_and_refusals_are_those_of_s3(moto: Settings) -> None:
    s3 = aws.client("s3", moto)
    s3.create_bucket(Bucket="logs")
    s3.put_bucket_versioning(Bucket="logs", VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket="logs", Key="a b+é", Body=DATA)["VersionId"]
    s3.put_object(Bucket="logs", Key="a b+é", Body=b"new")
    s3.put_object(Bucket="logs", Key="empty", Body=b"")
    s3.put_object(Bucket="logs", Key="cold", Body=DATA, StorageClass="GLACIER")
    port = Boto3Ranges(Clients(lambda _: s3, "us-east-1"))
    opened_ = open_object(port, place("a b+é", version=old), ManualClock(), part_bytes=1_000)
    assert opened_.file.read() == DATA
    assert opened_.place.version == old
    assert open_object(port, place("a b+é"), ManualClock()).file.read() == b"new"
    assert open_object(port, place("empty"), ManualClock()).file.read() == b""
    with pytest.raises(GoneError, match="is not there"):
        port.get(place("none"), 0, 10)
    with pytest.raises(GoneError, match="is its name right"):
        port.get(S3Object("nobody", "a"), 0, 10)
    with pytest.raises(PermanentError, match="restore-object"):
        port.get(place("cold"), 0, 10)
    with pytest.raises(ChangedError):
        port.get(place("a b+é"), 0, 10, "another")


def test_threads_may_share_the_port(moto: Settings) -> None:
    s3 = aws.client("s3", moto)
    s3.create_bucket(Bucket="shared")
    s3.put_object(Bucket="shared", Key="a", Body=DATA)
    port, found = Boto3Ranges(Clients(lambda _: aws.client("s3", moto), "us-east-1")), list[bytes]()
    threads = [threading.Thread(target=lambda: found.append(port.get(S3Object("shared", "a"), 0, 10).data)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [DATA[:10]] * 4
