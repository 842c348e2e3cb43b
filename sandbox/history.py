"""The hour before the demo: what the shop would have logged and traced, so that no page is empty when it opens.

``python -m sandbox.history --from US --until US`` makes it and sends it the real way: log lines by PutLogEvents, through the subscriptions, spans as X-Ray documents
to the daemon. The demo says from when: from where it was last seen running, so that what was there already is not made again.
"""

import random
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

import click
import orjson

from sandbox.incidents import Incident
from sandbox.shop.journal import Event, LogStream, first_batch, json_line
from sandbox.shop.place import CARTS_TABLE, RECEIPTS_BUCKET, STOCK_TABLE, Place
from sandbox.shop.service import broken, tier_of
from sandbox.traffic import Action, Visit, alb_line, flow_line, visits
from tailrace.clock import US_PER_MINUTE, US_PER_MS, US_PER_S, Clock, SystemClock
from tailrace.errors import TransientError

LENGTH_US: Final = 60 * US_PER_MINUTE
RATE: Final = 1.6
TRACED: Final = 0.25
DATAGRAMS_PER_S: Final = 800
TRIES: Final = 20
INCIDENTS: Final[tuple[tuple[Incident, int, int], ...]] = (
    ("payment_errors", 43, 38),
    ("slow_inventory", 28, 22),
    ("broken_mail_format", 15, 11),
    ("silent_cart", 7, 5),
)
"""Name, and from how many minutes before the end until how many."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of web to another service, and what that service asks of AWS: the segment's ``aws`` part and the name that boto3's patch gives."""

    service: str
    method: str
    path: str
    typical_ms: float
    aws_name: str
    aws: Mapping[str, str]


def calls(one: Visit) -> tuple[Call, ...]:
    """Answer what web asks of the others to answer a visit."""
    read_cart = Call("cart", "GET", f"/carts/{one.user}", 6, "dynamodb", {"operation": "GetItem", "table_name": CARTS_TABLE})
    by_action: Mapping[Action, tuple[Call, ...]] = {
        "home": (),
        "product": (Call("inventory", "GET", f"/stock/{one.sku}", 9, "dynamodb", {"operation": "GetItem", "table_name": STOCK_TABLE}),),
        "add": (Call("cart", "POST", f"/carts/{one.user}", 8, "dynamodb", {"operation": "PutItem", "table_name": CARTS_TABLE}),),
        "checkout": (
            read_cart,
            Call("inventory", "POST", "/reserve", 10, "dynamodb", {"operation": "UpdateItem", "table_name": STOCK_TABLE}),
            Call("payment", "POST", "/charge", 20, "sns", {"operation": "Publish", "topic_arn": "arn:aws:sns:us-east-1:123456789012:shop-orders"}),
            Call("mail", "POST", "/receipts", 14, "s3", {"operation": "PutObject", "bucket_name": RECEIPTS_BUCKET}),
        ),
    }
    return by_action[one.action]


@dataclass(frozen=True, slots=True)
class Answered:
    """A call, when it began, how long it took and what the status was."""

    call: Call
    began_us: int
    took_us: int
    status: int


class History:
    """Makes the lines of every log group and the documents of the traces of a time span."""

    def __init__(self, from_us: int, to_us: int, seed: int) -> None:
        self._from_us, self._to_us = from_us, to_us
        self._random = random.Random(seed)
        self.lines: dict[str, list[Event]] = {}
        self.documents: list[bytes] = []

    def make(self) -> None:
        """Make everything."""
        for one in takewhile(lambda visit: visit.at_us < self._to_us, visits(self._random, self._from_us, RATE)):
            self._visit(one)
        for at_us in range(self._from_us, self._to_us, 2 * US_PER_S):
            self._write("vpc-flow", at_us, flow_line(self._random, at_us))
        for events in self.lines.values():
            events.sort(key=lambda event: event[0])

    def is_on(self, incident: Incident, at_us: int) -> bool:
        """Whether an incident of the past was on."""
        before_min = (self._to_us - at_us) / US_PER_MINUTE
        return any(name == incident and last < before_min <= first for name, first, last in INCIDENTS)

    def _visit(self, one: Visit) -> None:
        at_us, answers = one.at_us + self._took_us(4), list[Answered]()
        for call in calls(one):
            took_us = self._took_us(call.typical_ms) + self._slow_us(call, at_us)
            answers.append(Answered(call, at_us, took_us, self._status(call, at_us)))
            at_us += took_us + 500
            if answers[-1].status >= 500:
                break
        status = 502 if answers and answers[-1].status >= 500 else 201 if one.action == "checkout" else 200
        whole_us = at_us + self._took_us(1) - one.at_us
        traced = self._random.random() < TRACED
        ids = _Ids(self._random, one.trace_id if traced else "")
        self._log_visit(one, ids, answers, whole_us, status)
        if traced:
            self.documents.extend(documents(one, ids, answers, whole_us, status))

    def _log_visit(self, one: Visit, ids: "_Ids", answers: Sequence[Answered], whole_us: int, status: int) -> None:
        for answer in answers:
            call, end_us = answer.call, answer.began_us + answer.took_us
            if answer.status >= 500:
                error = "card network answered 503"
                stack = f'Traceback (most recent call last):\n  File "payment.py", line 38, in _ask_card_network\nCardNetworkError: {error}\n'
                exception = {"type": "CardNetworkError", "message": error, "stacktrace": stack}
                self._log(one, ids, call.service, end_us, "ERROR", f"CardNetworkError: {error}", {"exception": exception})
            elif answer.took_us > 700 * US_PER_MS:
                took_ms = answer.took_us // US_PER_MS
                self._log(
                    one,
                    ids,
                    call.service,
                    end_us,
                    "WARN",
                    f"slow query: stock look-up took {took_ms} ms",
                    {"query": {"took_ms": took_ms, "table": STOCK_TABLE}},
                )
            elif call.service == "mail":
                self._log(one, ids, call.service, end_us, "INFO", f"receipt sent to {one.user}@shop.example", {"mail": {"template": "receipt", "bytes": 2_048}})
            self._log_request(one, ids, call.service, (call.method, call.path), (end_us, answer.took_us, answer.status))
        if status == 502:
            self._log(
                one, ids, "web", one.at_us + whole_us, "ERROR", "checkout failed: payment answered 500", {"upstream": {"service": "payment", "status": 500}}
            )
        self._log_request(one, ids, "web", (one.method, one.path), (one.at_us + whole_us, whole_us, status))
        self._write("alb", one.at_us + whole_us, alb_line(one, status, whole_us, 180))

    def _log_request(self, one: Visit, ids: "_Ids", service: str, request: tuple[str, str], answer: tuple[int, int, int]) -> None:
        (method, path), (at_us, took_us, status) = request, answer
        fields = {
            "http": {"request": {"method": method}, "response": {"status_code": status}},
            "url": {"path": path},
            "duration_ms": round(took_us / US_PER_MS, 1),
        }
        text = f"{method} {path} answered {status} in {took_us / US_PER_MS:.0f} ms"
        self._log(one, ids, service, at_us, "ERROR" if status >= 500 else "INFO", text, fields)

    def _log(self, one: Visit, ids: "_Ids", service: str, at_us: int, level: str, message: str, fields: Mapping[str, Any]) -> None:
        if service == "cart" and self.is_on("silent_cart", at_us):
            return
        common = {"request_id": one.request_id, **ids.of(service), "user": {"id": one.user, "tier": tier_of(one.user)}}
        line = json_line(at_us, level, service, message, {**common, **fields})
        self._write(service, at_us, broken(line) if service == "mail" and self.is_on("broken_mail_format", at_us) else line)

    def _write(self, group: str, at_us: int, line: str) -> None:
        self.lines.setdefault(group, []).append((at_us // US_PER_MS, line))

    def _took_us(self, typical_ms: float) -> int:
        return round(typical_ms * US_PER_MS * self._random.lognormvariate(0, 0.4))

    def _slow_us(self, call: Call, at_us: int) -> int:
        slow = call.service == "inventory" and self.is_on("slow_inventory", at_us)
        return round(self._random.uniform(0.8, 2.2) * US_PER_S) if slow else 0

    def _status(self, call: Call, at_us: int) -> int:
        refused = call.service == "payment" and self.is_on("payment_errors", at_us) and self._random.random() < 0.6
        return 500 if refused else 202 if call.service == "mail" else 200


class _Ids:
    """The trace id and the segment ids of a visit; none where it is not traced."""

    def __init__(self, source: random.Random, trace_id: str) -> None:
        self._random, self.trace_id = source, trace_id
        self._segments: dict[str, str] = {}

    def segment(self, service: str) -> str:
        """Answer the id of a service's segment."""
        return self._segments.setdefault(service, self.new())

    def new(self) -> str:
        """Answer a new id."""
        return f"{self._random.getrandbits(64):016x}"

    def of(self, service: str) -> dict[str, str]:
        """Answer what a log line carries."""
        return {"trace_id": self.trace_id, "span_id": self.segment(service)} if self.trace_id else {}


def documents(one: Visit, ids: _Ids, answers: Sequence[Answered], whole_us: int, status: int) -> Iterator[bytes]:
    """Make the X-Ray documents of a visit: the called services first, as they arrive in life."""
    remote = [(answer, ids.new()) for answer in answers]
    for answer, caller in remote:
        yield orjson.dumps(_called(one, ids, answer, caller))
    yield orjson.dumps(
        {
            **_timed(ids.segment("web"), "web", one.at_us, whole_us, status),
            "trace_id": one.trace_id,
            "user": one.user,
            "annotations": {"tier": tier_of(one.user)},
            "http": {
                "request": {"method": one.method, "url": f"http://shop.example{one.path}", "user_agent": one.browser, "client_ip": one.client.split(":")[0]},
                "response": {"status": status},
            },
            "subsegments": [
                {
                    **_timed(caller, "127.0.0.1", answer.began_us, answer.took_us, answer.status),
                    "namespace": "remote",
                    "http": {"request": {"method": answer.call.method, "url": f"http://127.0.0.1{answer.call.path}"}, "response": {"status": answer.status}},
                }
                for answer, caller in remote
            ],
        }
    )


def _called(one: Visit, ids: _Ids, answer: Answered, caller: str) -> dict[str, Any]:
    call, at_us, took_us = answer.call, answer.began_us + 300, answer.took_us - 600
    below = {**_timed(ids.new(), call.aws_name, at_us + took_us // 4, took_us // 2, 200), "namespace": "aws", "aws": {**call.aws, "region": "us-east-1"}}
    failed = answer.status >= 500
    cause = {"exceptions": [{"id": ids.new(), "type": "CardNetworkError", "message": "card network answered 503", "stack": []}]}
    return {
        **_timed(ids.segment(call.service), call.service, at_us, took_us, answer.status),
        "trace_id": one.trace_id,
        "parent_id": caller,
        "user": one.user,
        "http": {"request": {"method": call.method, "url": f"http://127.0.0.1{call.path}"}, "response": {"status": answer.status}},
        **({"cause": cause} if failed else {"subsegments": [below]}),
    }


def _timed(segment_id: str, name: str, at_us: int, took_us: int, status: int) -> dict[str, Any]:
    fault = {"fault": True} if status >= 500 else {}
    return {"id": segment_id, "name": name, "start_time": at_us / US_PER_S, "end_time": (at_us + max(took_us, 1_000)) / US_PER_S, **fault}


def send_lines(place: Place, lines: Mapping[str, list[Event]], clock: Clock) -> None:
    """Put the lines into their log groups, in as few calls as the limits allow; a log stream that is not there yet is made by the first try."""
    for group, events in lines.items():
        stream, left = LogStream(place.logs(), f"/shop/{group}", f"{group}/history"), events
        while left:
            batch = first_batch(left)
            _insist(stream, batch, group, clock)
            left = left[len(batch) :]


def _insist(stream: LogStream, batch: Sequence[Event], group: str, clock: Clock) -> None:
    for _ in range(TRIES):
        if stream.send(batch):
            return
        clock.sleep(0.2)
    raise TransientError(f"/shop/{group} takes no events")


def send_documents(address: str, sent: Sequence[bytes], clock: Clock) -> None:
    """Send X-Ray documents to the daemon by UDP, no faster than it reads."""
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outgoing:
        for count, document in enumerate(sent):
            outgoing.sendto(b'{"format":"json","version":1}\n' + document, (host, int(port)))
            if count % 40 == 39:
                clock.sleep(40 / DATAGRAMS_PER_S)


@click.command()
@click.option("--endpoint", required=True, help="Address of AWS, or its emulator.")
@click.option("--region", default="us-east-1")
@click.option("--xray", required=True, help="Address of the X-Ray daemon.")
@click.option("--from", "from_us", type=int, required=True, help="Microseconds since 1970.")
@click.option("--until", "to_us", type=int, required=True, help="Microseconds since 1970.")
@click.option("--seed", type=int, default=1)
def main(endpoint: str, region: str, xray: str, from_us: int, to_us: int, seed: int) -> None:
    """Make the past of the shop, and send it."""
    clock = SystemClock()
    history = History(from_us, to_us, seed)
    history.make()
    send_lines(Place(endpoint, region, xray, 0, Path()), history.lines, clock)
    send_documents(xray, history.documents, clock)
    click.echo(f"{sum(len(events) for events in history.lines.values())} log events, {len(history.documents)} X-Ray documents")


if __name__ == "__main__":
    main()
