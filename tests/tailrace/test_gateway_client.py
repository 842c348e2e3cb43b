"""What a gateway answered is read as it is meant, whoever stands between."""

import pytest
import urllib3

from tailrace.gateway_client import Answer, answer_of


@pytest.mark.parametrize(("told", "seconds"), [("12", 12.0), ("", 0.0), ("Fri, 27 Nov 2026 17:00:00 GMT", 0.0), ("-1", 0.0), ("1.5", 0.0), ("\u0664", 0.0)])
def test_a_wish_to_be_left_alone_is_read_where_it_is_seconds(told: str, seconds: float) -> None:
    assert answer_of(urllib3.HTTPResponse(b"{}", {"Retry-After": told}, 503)).retry_after_s == seconds


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"error": {"type": "t", "reason": "the spool is full"}}', "the spool is full"),
        (b'{"error": "no such table"}', "no such table"),
        (b'{"status": "ok"}', ""),
        (b"[1]", ""),
        (b"<html>502 Bad Gateway</html>", "<html>502 Bad Gateway</html>"),
        (b"\xff" * 200, "\ufffd" * 100),
        (b"", ""),
    ],
)
def test_the_reason_is_the_gateways_or_a_few_words_of_whoever_answered(body: bytes, reason: str) -> None:
    assert Answer(503, body).reason == reason
