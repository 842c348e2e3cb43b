"""Old events of a log group are read once, with the ids that a subscription gives them, no faster than CloudWatch allows."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ParamValidationError
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from collectors.collector import Summary
from collectors.sources.checkpoints import Checkpoints
from collectors.sources.log_group_backfill import SETTLED_MS, TRIES, LogGroupBackfill, Span, gaps, united
from collectors.sources.log_group_pages import Asked, Boto3Events, Event, Page, StaleTokenError, name_of
from collectors.sources.logs_errors import translated
from collectors.sources.token_bucket import TokenBucket
from firehose.delivery import Delivery, MemoryStream
from tailrace.clock import US_PER_MS, ManualClock
from tailrace.errors import PermanentError, TransientError
from tests.collectors.sources.s3_fakes import balanced, collector, column, payloads

GROUP = "/shop/web"


def event(time_ms: int, number: int, stream: str = "s1", message: str = "") -> Event:
    return Event(f"{number:056d}", time_ms, stream, message or f"event {number}")


@dataclass
class MemoryEvents:
    """A log group in memory: ``size`` events a page and an empty page before each; ``faults`` are raised first."""

    events: list[Event]
    size: int = 2
    empty: bool = True
    faults: list[Exception] = field(default_factory=list)
    asked: list[tuple[Asked, str]] = field(default_factory=list)
    owner: str = "123456789012"

    def account(self, group: str) -> str:
        return self.owner

    def page(self, asked: Asked, token: str = "") -> Page:
        self.asked.append((asked, token))
        if self.faults:
            raise self.faults.pop(0)
        found = [one for one in self.events if asked.start_ms <= one.time_ms < asked.end_ms]
        kind, _, at = (token or ("empty:0" if self.empty else "full:0")).partition(":")
        if kind == "empty":
            return Page((), f"full:{at}")
        after = int(at) + self.size
        return Page(found[int(at) : after], f"{'empty' if self.empty else 'full'}:{after}" if after < len(found) else "")


@pytest.fixture
def checkpoints(tmp_path: Path) -> Iterator[Checkpoints]:
    opened = Checkpoints(tmp_path / "backfill.sqlite")
    yield opened
    opened.close()


def sut(port: Any, checkpoints: Checkpoints, stream: MemoryStream | None = None, span: Span = (0, 1_000), **more: Any) -> tuple[LogGroupBackfill, MemoryStream]:
    memory, clock = stream or MemoryStream(), more.pop("clock", None) or ManualClock()
    asked = Asked(GROUP, *span, more.pop("pattern", ""))
    made = LogGroupBackfill(port, collector(memory, clock), checkpoints, clock, asked, TokenBucket(clock, 5.0), "eu-west-1", patience_s=0, **more)
    return made, memory


def test_every_event_is_read_as_a_subscription_would_have_sent_it(checkpoints: Checkpoints) -> None:
    port = MemoryEvents([event(10 * number, number, f"s{number % 2}") for number in range(1, 8)])
    one, stream = sut(port, checkpoints)
    done = one.run()
    assert (done.events, done.pages, done.stopped) == (7, 8, False)
    assert sorted(column(stream, "message")) == [f"event {number}" for number in range(1, 8)]
    assert sorted(column(stream, "event_id")) == [f"{number:056d}" for number in range(1, 8)]
    assert {delivery.source for delivery in stream.deliveries} == {f"cloudwatch:{GROUP}"}
    assert set(column(stream, "cloud_account_id")) == {"123456789012"}
    assert done.summary == Summary(payloads=7, events=7)
    assert payloads(stream) == (7, 7, 0, 0)
    assert balanced(stream)


def test_an_empty_page_is_not_the_end_but_one_without_a_token_is(checkpoints: Checkpoints) -> None:
    assert sut(MemoryEvents([]), checkpoints)[0].run().pages == 2
    pages = [Page((), "t1"), Page((), "t2"), Page([event(5, 1)], "t3"), Page((), "t4"), Page((), "")]

    class Pages(MemoryEvents):
        def page(self, asked: Asked, token: str = "") -> Page:
            return pages.pop(0)

    one, _ = sut(Pages([]), checkpoints, span=(1_000, 2_000))
    assert one.run().events == 1
    assert not pages


def test_what_was_read_is_not_read_again_and_gaps_are(checkpoints: Checkpoints) -> None:
    port = MemoryEvents([event(100 * number, number) for number in range(1, 10)])
    ids: list[str] = []
    for span in ((300, 500), (300, 500), (100, 400), (0, 1_000), (0, 1_000)):
        one, stream = sut(port, checkpoints, span=span)
        one.run()
        ids += column(stream, "event_id")
    assert sorted(ids) == [f"{number:056d}" for number in range(1, 10)]
    one, stream = sut(port, checkpoints, pattern="ERROR")
    assert one.run().events == 9
    one, stream = sut(port, checkpoints)
    one.forget()
    assert one.run().events == 9


def test_the_last_minutes_are_read_again_by_the_next_run(checkpoints: Checkpoints) -> None:
    clock = ManualClock()
    now_ms = clock.now_us() // US_PER_MS
    old, fresh = event(now_ms - SETTLED_MS - 10, 1), event(now_ms - 10, 2)
    for expected in (2, 1):
        one, _ = sut(MemoryEvents([old, fresh], empty=False), checkpoints, span=(now_ms - 2 * SETTLED_MS, now_ms), clock=clock)
        assert one.run().events == expected


def test_no_more_than_five_calls_a_second_are_made(checkpoints: Checkpoints) -> None:
    clock = ManualClock()
    port = MemoryEvents([event(number, number) for number in range(1, 101)], size=1, empty=False)
    began_s = clock.monotonic_s()
    sut(port, checkpoints, clock=clock)[0].run()
    assert clock.monotonic_s() - began_s == pytest.approx(99 / 5)


def test_tokens_that_were_not_taken_are_saved_up_to_the_burst() -> None:
    clock = ManualClock()
    bucket = TokenBucket(clock, 2.0, 3)
    clock.sleep(100)
    began_s = clock.monotonic_s()
    for _ in range(5):
        bucket.take()
    assert clock.monotonic_s() - began_s == pytest.approx(1.0)


def test_throttling_is_waited_out_longer_and_longer_and_not_for_ever(checkpoints: Checkpoints) -> None:
    clock = ManualClock()
    port = MemoryEvents([event(5, 1)], faults=[TransientError("ThrottlingException")] * 4)
    began_s = clock.monotonic_s()
    assert sut(port, checkpoints, clock=clock)[0].run().events == 1
    assert clock.monotonic_s() - began_s >= 0.5 + 1 + 2 + 4
    port = MemoryEvents([event(5, 1)], faults=[TransientError("ThrottlingException")] * TRIES)
    with pytest.raises(TransientError):
        sut(port, checkpoints, span=(0, 2_000))[0].run()
    assert len(port.asked) == TRIES


def test_a_stop_ends_the_run_after_the_page_at_hand_or_while_it_waits(checkpoints: Checkpoints) -> None:
    events = [event(10 * number, number) for number in range(1, 8)]
    one, _ = sut(MemoryEvents(events), checkpoints)
    one.stop.set()
    assert one.run().stopped
    one, _ = sut(MemoryEvents(events, faults=[TransientError("no")]), checkpoints)
    one.stop.set()
    assert one.run().stopped
    one, _ = sut(MemoryEvents(events), checkpoints)
    assert one.run().events == 7


def test_a_token_that_is_not_taken_any_more_is_replaced_by_the_time_of_the_last_event(checkpoints: Checkpoints) -> None:
    class Forgetting(MemoryEvents):
        def page(self, asked: Asked, token: str = "") -> Page:
            if len(self.asked) == 2:
                self.asked.append((asked, token))
                raise StaleTokenError("older than 24 hours")
            return super().page(asked, token)

    port = Forgetting([event(10 * number, number) for number in range(1, 8)], empty=False)
    one, stream = sut(port, checkpoints)
    one.run()
    assert set(column(stream, "event_id")) == {f"{number:056d}" for number in range(1, 8)}
    assert [asked.start_ms for asked, _ in port.asked] == [0, 0, 0, 40, 40]


def test_events_out_of_order_are_marked_as_read_at_the_end_alone(checkpoints: Checkpoints) -> None:
    class Unsorted(MemoryEvents):
        def page(self, asked: Asked, token: str = "") -> Page:
            if token:
                raise PermanentError("the end of the test")
            return Page([event(500, 1), event(20, 2)], "more")

    one, _ = sut(Unsorted([]), checkpoints)
    with pytest.raises(PermanentError):
        one.run()
    one, _ = sut(MemoryEvents([event(20, 2), event(30, 3), event(500, 1)]), checkpoints)
    assert one.run().events == 3


def test_messages_that_are_no_unicode_are_read(checkpoints: Checkpoints) -> None:
    one, stream = sut(MemoryEvents([event(5, 1, message="a\ud800b"), event(6, 2, message="\0\n")]), checkpoints)
    one.run()
    assert column(stream, "message") == ["a\ufffdb", "\0"]


class Dying(MemoryStream):
    """Ends the process at the n-th delivery, before or after it is taken."""

    def __init__(self, at: int, *, after: bool) -> None:
        super().__init__()
        self._left, self._after = at, after

    def put(self, delivery: Delivery) -> None:
        self._left -= 1
        if self._left < 0 and not self._after:
            raise KeyboardInterrupt
        super().put(delivery)
        if self._left < 0:
            raise KeyboardInterrupt


@hypothesis_settings(max_examples=40)
@given(
    times=st.lists(st.integers(0, 60), min_size=1, max_size=40).map(sorted),
    ends=st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=5),
    size=st.integers(1, 5),
)
def test_wherever_a_run_is_killed_nothing_is_lost_and_what_comes_twice_has_its_id(
    tmp_path_factory: pytest.TempPathFactory, times: Sequence[int], ends: Sequence[tuple[int, bool]], size: int
) -> None:
    port = MemoryEvents([event(time, number, f"s{number % 3}") for number, time in enumerate(times)], size)
    kept, ids = Checkpoints(tmp_path_factory.mktemp("b") / "backfill.sqlite"), list[str]()
    for at, after in ends:
        one, stream = sut(port, kept, Dying(at, after=after))
        with contextlib.suppress(KeyboardInterrupt):
            one.run()
        ids += column(stream, "event_id")
    one, last = sut(port, kept)
    one.run()
    kept.close()
    assert set(ids + column(last, "event_id")) == {one.id for one in port.events}


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))), st.tuples(st.integers(0, 20), st.integers(0, 20)))
def test_gaps_are_what_is_wanted_and_not_covered(spans: list[Span], wanted: Span) -> None:
    covered: list[Span] = []
    for span in spans:
        covered = united(covered, span)
    points = {at for start, end in spans for at in range(start, end)}
    assert {at for start, end in covered for at in range(start, end)} == points
    assert covered == sorted(covered)
    found = [at for start, end in gaps(covered, wanted) for at in range(start, end)]
    assert found == [at for at in range(*wanted) if at not in points]


def refused(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "FilterLogEvents")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (refused("ThrottlingException"), TransientError, "takes no requests now"),
        (refused("InternalFailure", 500), TransientError, "takes no requests now"),
        (refused("ResourceNotFoundException"), PermanentError, "TAILRACE_REGION"),
        (refused("AccessDeniedException"), PermanentError, "allow logs:FilterLogEvents"),
        (refused("UnrecognizedClientException"), PermanentError, "does not take the credentials"),
        (refused("InvalidParameterException"), PermanentError, "no"),
        (NoCredentialsError(), PermanentError, "there are no credentials"),
        (ParamValidationError(report="bad"), PermanentError, "bad"),
        (EndpointConnectionError(endpoint_url="http://x"), TransientError, "the connection to CloudWatch Logs failed"),
    ],
)
def test_what_cloudwatch_refuses_with_is_a_sentence_that_says_what_to_do(error: Any, kind: type[Exception], says: str) -> None:
    found = translated(error, GROUP, "logs:FilterLogEvents")
    assert type(found) is kind
    assert str(found).startswith(f"log group {GROUP}: ")
    assert says in str(found)


class FakeClient:
    """The two calls of boto3's client."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[dict[str, Any]]()

    def filter_log_events(self, **asked: Any) -> Any:
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def describe_log_groups(self, **asked: Any) -> Any:
        return self.filter_log_events(**asked)


def test_through_boto3_times_are_inclusive_and_arns_are_identifiers() -> None:
    client = FakeClient(
        {"events": [{"eventId": "1", "timestamp": 5, "logStreamName": "s", "message": "m"}], "nextToken": "t"}, {}, refused("InvalidParameterException")
    )
    port = Boto3Events(client)  # type: ignore[arg-type] # the two calls are enough
    assert port.page(Asked(GROUP, 0, 100, "ERROR")) == Page([Event("1", 5, "s", "m")], "t")
    arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:{GROUP}"
    assert port.page(Asked(arn, 0, 100), "t") == Page([])
    assert client.asked == [
        {"logGroupName": GROUP, "filterPattern": "ERROR", "startTime": 0, "endTime": 99},
        {"logGroupIdentifier": arn, "nextToken": "t", "startTime": 0, "endTime": 99},
    ]
    with pytest.raises(StaleTokenError):
        port.page(Asked(GROUP, 0, 100), "t")
    assert (port.account(arn), name_of(arn)) == ("123456789012", GROUP)


def test_the_account_of_a_group_is_in_its_description_which_need_not_be_allowed() -> None:
    groups = {
        "logGroups": [
            {"logGroupName": f"{GROUP}2", "arn": "arn:aws:logs:eu-west-1:2:log-group:x"},
            {"logGroupName": GROUP, "arn": "arn:aws:logs:eu-west-1:1:log-group:x"},
        ]
    }
    port = Boto3Events(FakeClient(groups, refused("AccessDeniedException"), {}))  # type: ignore[arg-type] # the two calls are enough
    assert [port.account(GROUP) for _ in range(3)] == ["1", "", ""]
    with pytest.raises(PermanentError, match="not the ARN of a log group"):
        name_of("arn:aws:s3:::bucket")
