"""Each channel against a real server on this machine, and the outbox that tries again."""

import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from botocore.exceptions import ClientError, EndpointConnectionError

from alerts.channels import open_channels
from alerts.channels.email import EmailChannel
from alerts.channels.sns import SnsChannel
from alerts.channels.webhook import WebhookChannel
from alerts.outbox import MAX_ATTEMPTS, Delivered, deliver
from alerts.state import AlertState, Notice
from tailrace.clock import ManualClock
from tailrace.errors import PermanentError, TransientError
from tailrace.settings import Settings


def notice_of(channel: str, **options: Any) -> Notice:
    document = {"message": "boom", "attributes": {"n": 1}}
    return Notice("id1", "alert1", "rule", channel, options, "firing", "subject\u00e9", "body", document, 0, "waiting", 0, 0, None, "")


@dataclass
class Receiver:
    """An HTTP server that keeps what is posted and answers what it is told."""

    status: int = 200
    got: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=1"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.got.append((self.path, dict(self.headers), orjson.loads(body)))
            self.send_response(state.status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state
    server.shutdown()
    server.server_close()


HERE = WebhookChannel(frozenset({"127.0.0.1"}))


def test_a_webhook_posts_the_document_with_ours_beside(receiver: Receiver) -> None:
    HERE.send(notice_of("webhook", http_post_url=receiver.url, http_post_headers={"X-Key": "k"}, http_post_static_payload={"team": "shop"}))
    ((path, headers, body),) = receiver.got
    assert path == "/hook?a=1"
    assert (headers["X-Key"], headers["Idempotency-Key"]) == ("k", "id1")
    assert (body["message"], body["team"], body["tailrace"]["rule"], body["tailrace"]["kind"]) == ("boom", "shop", "rule", "firing")


def test_a_webhook_posts_only_the_chosen_fields(receiver: Receiver) -> None:
    HERE.send(notice_of("webhook", http_post_url=[receiver.url], http_post_payload={"what": "message", "n": "attributes.n"}))
    body = receiver.got[0][2]
    assert {key: value for key, value in body.items() if key != "tailrace"} == {"what": "boom", "n": 1}


@pytest.mark.parametrize(("status", "error"), [(500, TransientError), (429, TransientError), (404, PermanentError), (302, PermanentError)])
def test_a_webhook_says_whether_to_try_again_and_follows_no_redirect(receiver: Receiver, status: int, error: type[Exception]) -> None:
    receiver.status = status
    with pytest.raises(error, match=f"answered {status}"):
        HERE.send(notice_of("webhook", http_post_url=receiver.url))
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fe80::1%lo", "fd00:ec2::254", "0.0.0.0", "224.0.0.1", "100.64.0.1"]
)
def test_a_webhook_refuses_private_addresses_however_they_are_named(address: str) -> None:
    channel = WebhookChannel(frozenset(), lambda host, port: [address])
    with pytest.raises(PermanentError, match="private address"):
        channel.send(notice_of("webhook", http_post_url="https://innocent.example/x"))


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    channel = WebhookChannel(frozenset(), lambda host, port: ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(PermanentError, match="private address"):
        channel.send(notice_of("webhook", http_post_url="https://innocent.example/x"))


@pytest.mark.parametrize("url", ["ftp://x/", "//x", "https://", "http://example.com/", "https://[::1", "https://x:99999/", ""])
def test_a_webhook_refuses_what_is_no_https_url(url: str) -> None:
    with pytest.raises(PermanentError):
        HERE.send(notice_of("webhook", http_post_url=url))


def test_a_webhook_that_cannot_be_reached_is_tried_again() -> None:
    with pytest.raises(TransientError):
        HERE.send(notice_of("webhook", http_post_url="http://127.0.0.1:1/"))

    def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    def nothing(host: str, port: int) -> Sequence[str]:
        return []

    for resolve in (unknown, nothing):
        with pytest.raises(TransientError):
            WebhookChannel(frozenset({"x"}), resolve).send(notice_of("webhook", http_post_url="https://x/"))


class Mailbox:
    """What an SMTP server was given, and what it answers."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        del server, session
        self.mails.append(envelope)
        return self.answer


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, Settings]]:
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, Settings(smtp_host="127.0.0.1", smtp_port=port, smtp_from="tailrace@example.com")
    controller.stop()


def test_a_mail_reaches_everybody_with_one_id(mailbox: tuple[Mailbox, Settings]) -> None:
    box, settings = mailbox
    notice = notice_of("email", email=["a@example.com"], cc="c@example.com", bcc="b@example.com", email_reply_to="r@example.com")
    EmailChannel(settings).send(replace(notice, subject="two\r\nBcc: evil@example.com"))
    (mail,) = box.mails
    text = mail.content.decode() if isinstance(mail.content, bytes) else str(mail.content)
    assert mail.rcpt_tos == ["a@example.com", "c@example.com", "b@example.com"]
    assert "Message-ID: <id1@tailrace>" in text
    assert "Subject: two Bcc: evil@example.com" in text
    assert "b@example.com" not in text


@pytest.mark.parametrize(("answer", "error"), [("451 later", TransientError), ("554 never", PermanentError)])
def test_a_mail_server_says_whether_to_try_again(mailbox: tuple[Mailbox, Settings], answer: str, error: type[Exception]) -> None:
    box, settings = mailbox
    box.answer = answer
    with pytest.raises(error, match="email"):
        EmailChannel(settings).send(notice_of("email", email="a@example.com"))


def test_a_mail_without_a_server_is_refused_and_with_a_dead_one_tried_again() -> None:
    with pytest.raises(PermanentError, match="smtp_host is empty"):
        EmailChannel(Settings()).send(notice_of("email", email="a@example.com"))
    with pytest.raises(TransientError):
        EmailChannel(Settings()).send(notice_of("email", email="a@example.com", smtp_host="127.0.0.1", smtp_port=1))


class Topic:
    """SNS's one call, in memory."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.published = error, list[dict[str, str]]()

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> object:  # noqa: N803 - boto3's names
        if self.error:
            raise self.error
        self.published.append({"arn": TopicArn, "subject": Subject, "message": Message})
        return {}


def test_sns_gets_an_ascii_subject_of_less_than_100_characters() -> None:
    topic = Topic()
    SnsChannel(Settings(), topic).send(replace(notice_of("sns", sns_topic_arn="arn:t"), subject="\u00e9" + "x" * 200))
    assert topic.published == [{"arn": "arn:t", "subject": "?" + "x" * 98, "message": "body"}]


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (ClientError({"Error": {"Code": "NotFound"}}, "Publish"), PermanentError),
        (ClientError({"Error": {"Code": "Throttling"}}, "Publish"), TransientError),
        (EndpointConnectionError(endpoint_url="http://x"), TransientError),
    ],
)
def test_sns_says_whether_to_try_again(raised: Exception, error: type[Exception]) -> None:
    with pytest.raises(error, match="sns"):
        SnsChannel(Settings(), Topic(raised)).send(notice_of("sns", sns_topic_arn="arn:t"))


class Flaky:
    """A channel that fails so many times first."""

    def __init__(self, failures: int, error: type[Exception] = TransientError) -> None:
        self.failures, self.error, self.sent = failures, error, list[str]()

    def send(self, notice: Notice) -> None:
        if self.failures:
            self.failures -= 1
            raise self.error("down")
        self.sent.append(notice.id)


def test_each_channel_is_tried_again_on_its_own(tmp_path: Path) -> None:
    state, clock = AlertState(tmp_path / "a.sqlite"), ManualClock()
    good, bad = Flaky(0), Flaky(2)
    for name in ("console", "webhook"):
        state.put_notice(replace(notice_of(name), id=name))
    channels = {"console": good, "webhook": bad}
    assert deliver(state, channels, clock) == Delivered(sent=1, retried=1)
    assert deliver(state, channels, clock) == Delivered()
    clock.sleep(5)
    assert deliver(state, channels, clock) == Delivered(retried=1)
    clock.sleep(10)
    assert deliver(state, channels, clock) == Delivered(sent=1)
    assert (good.sent, bad.sent) == (["console"], ["webhook"])
    assert {notice.state for notice in state.notices(alert="alert1")} == {"sent"}


def test_a_message_that_can_never_be_sent_fails_and_stays_to_be_seen(tmp_path: Path) -> None:
    state, clock = AlertState(tmp_path / "a.sqlite"), ManualClock()
    state.put_notice(replace(notice_of("console"), id="final"))
    state.put_notice(replace(notice_of("webhook"), id="worn", attempts=MAX_ATTEMPTS - 1))
    assert deliver(state, {"console": Flaky(1, PermanentError), "webhook": Flaky(1)}, clock) == Delivered(failed=2)
    assert {notice.state for notice in state.notices()} == {"failed"}


def test_there_is_a_channel_of_every_name() -> None:
    assert set(open_channels(Settings(webhook_allow="a, b"))) == {"console", "webhook", "sns", "email"}


def test_the_console_writes_one_line_of_json(caplog: pytest.LogCaptureFixture) -> None:
    open_channels(Settings())["console"].send(replace(notice_of("console"), body="a\nb\x1b"))
    (record,) = caplog.records
    assert orjson.loads(record.getMessage())["text"] == "a\nb\x1b"
    assert "\n" not in record.getMessage()
