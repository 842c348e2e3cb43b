"""Redaction: what is asked for is gone from every column of a row, and nothing else is changed."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.rules.redact import PATTERNS, is_card
from collectors.rules.rule_file import parse_rules
from collectors.steps import Batch, Work, run_steps
from tailrace.yaml_file import parse_yaml
from tests.collectors.readers.samples import lines_of, parsed

CARD = "4111 1111 1111 1111"
ALB = (
    'h2 2026-11-17T10:00:00.123456Z app/shop/50dc6c495c0c9188 203.0.113.77:2817 10.0.1.9:80 0.001 0.002 0.003 200 200 34 366 "GET https://shop.example.com:443/a?mail=ann@example.com HTTP/2.0" '
    '"curl/8.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/t/73e2d6bc24d8a067 '
    '"Root=1-58337262-36d228ad5d99923122bbe354" "shop.example.com" "-" 0 2026-11-17T10:00:00.000000Z "forward" "-" "-" "10.0.1.9:80" "200" "-" "-"'
)


def run(texts: list[str], redact: str) -> Batch:
    rules = parse_rules(parse_yaml(f"redact: {redact}".encode(), "pipeline.yaml"), Path(), "key")
    return run_steps(lines_of(texts), Work(lambda lines: parsed([str(text) for text in lines.text.to_pylist()], source="test"), rules))


def told(batch: Batch) -> dict[str, float]:
    return {json.loads(row["attributes"])["rule"]: row["metric_value"] for row in batch.metrics.to_pylist()}


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("email", "mail to ann.lee+x@mail.example.co.uk now", "mail to [email] now"),
        ("email", "a @ b, x@y", "a @ b, x@y"),
        ("card", f"paid with {CARD}.", "paid with [card]."),
        ("card", "order 4111 1111 1111 1112", "order 4111 1111 1111 1112"),
        ("aws_key", "key AKIAIOSFODNN7EXAMPLE used", "key [aws_key] used"),
        ("token", "Authorization: Bearer abcdefghijklmnop1234", "Authorization: [token]"),
        ("token", "login password=hunter22 ok", "login [token] ok"),
        ("token", "ghp_" + "a1" * 20, "[token]"),
        ("ip", "from 203.0.113.77 to 2001:db8:1:2::9, 10:00:00", "from 203.0.113.0 to 2001:db8:1::, 10:00:00"),
        ("ip", "999.1.1.1 Foo::Bar std::add", "999.1.1.1 Foo::Bar std::add"),
        ("{name: order, pattern: 'o-[0-9]+', with: ORDER}", "o-12 o-x", "ORDER o-x"),
    ],
)
def test_texts_lose_what_is_asked_for_and_nothing_else(rule: str, before: str, after: str) -> None:
    batch = run([before, "nothing here"], f"[{rule}]")
    assert batch.logs["message"].to_pylist() == [after, "nothing here"]


def test_it_is_gone_from_every_column_and_counted() -> None:
    line = json.dumps({"message": "hello ann@example.com", "user": {"mail": "bob@example.com", "password": "x"}, "card": 4111111111111111, "n": 5, "ok": True})
    batch = run([line, "plain"], "[email, card, token]")
    row = batch.logs.to_pylist()[0]
    assert row["message"] == "hello [email]"
    whole = json.loads(row["raw"])
    assert (whole["user"], whole["card"], whole["n"], whole["ok"]) == ({"mail": "[email]", "password": "[token]"}, "[card]", 5, True)
    for secret in ("ann@", "bob@", "4111", '"x"'):
        assert secret not in json.dumps(batch.logs.to_pylist(), default=str)
    assert set(told(batch)) == {"email", "card", "token"}
    assert batch.logs.schema == parsed(["x"]).logs.schema


def test_addresses_are_cut_in_columns_and_in_texts_alike() -> None:
    batch = run([ALB], "[ip]")
    (row,) = batch.logs.to_pylist()
    assert row["client_address"] == "203.0.113.0"
    assert "203.0.113.77" not in json.dumps(row, default=str)
    assert "10.0.1.9" not in json.dumps(row, default=str)
    assert row["parse_status"] == "parsed"


def test_equal_values_have_equal_hashes_and_other_values_others() -> None:
    first, second, third = map(
        str, run(["a ann@example.com", "b ann@example.com", "c bob@example.com"], "[{name: email, with: hash}]").logs["message"].to_pylist()
    )
    assert first[2:] == second[2:] != third[2:]
    assert first.startswith("a [email:")


def test_hostile_texts_go_through() -> None:
    texts = [
        '{"a@b.cd": 1, "a@c.cd": 2}',
        '{"n": 1e999, "m": "a@b.cd"}',
        '{"m": "a@b.cd"',
        "[" * 5000 + "a@b.cd",
        "\x00a@b.cd\x00",
        '{"a":' * 3000 + '"a@b.cd"',
    ]
    batch = run(texts, "[email]")
    assert batch.logs.num_rows == len(texts)
    assert "a@b.cd" not in json.dumps(batch.logs.to_pylist(), default=str)


@given(st.lists(st.text(max_size=60), min_size=1, max_size=20))
def test_rows_without_a_hit_are_the_same(texts: list[str]) -> None:
    harmless = [text.replace("@", "").replace(":", "").replace(".", "").replace("=", "") for text in texts]
    plain = parsed(harmless, source="test").logs
    batch = run(harmless, "[email, aws_key, ip]")
    assert batch.logs.equals(plain)
    assert batch.metrics.num_rows == 0


ADDRESSES = st.sampled_from(
    ["10.1.2.3", "10.1.2.0", "255.255.255.255", "256.1.1.1", "1.2.3.400", "01.2.3.4", "1.2.3", "x1.2.3.4", "1.2.3.4:80", "[1.2.3.4]", "word", "0.0.0.0"]
)


@given(st.lists(ADDRESSES, min_size=1, max_size=8))
def test_an_address_is_cut_the_same_in_the_whole_column_and_in_a_line_that_is_looked_at_with_care(words: list[str]) -> None:
    text = " ".join(words)
    batch = run([text, f"{text} a@b.cd"], "[email, ip]")
    alone, careful = map(str, batch.logs["message"].to_pylist())
    assert f"{alone} [email]" == careful
    assert told(batch).get("ip", 0) == 2 * sum(before != after for before, after in zip(words, alone.split(), strict=True))


@given(st.integers(min_value=10**14, max_value=10**15 - 1))
def test_one_digit_in_ten_makes_a_card_number(digits: int) -> None:
    assert sum(is_card(f"{digits}{last}") for last in range(10)) == (1 if len(set(str(digits))) > 1 else 0) or len(set(str(digits))) == 1


def test_every_pattern_has_a_test_above() -> None:
    assert set(PATTERNS) == {"email", "card", "aws_key", "token", "ip"}


PIECES = st.sampled_from(
    [
        "ann@example.com",
        CARD,
        "4111 1111 1111 1112",
        "10.0.0.7",
        "2001:db8::7",
        "AKIAIOSFODNN7EXAMPLE",
        "password=hunter22",
        " ",
        "x",
        "5",
        '"',
        "\\",
        "=",
        "Bearer abcdefghijklmnop1234",
    ]
)


@given(st.lists(st.lists(PIECES, max_size=6).map("".join), min_size=1, max_size=8), st.booleans())
def test_each_text_loses_what_all_rules_together_would_take(texts: list[str], is_json: bool) -> None:
    texts = [json.dumps({"a": text, text: 4111111111111111}) if is_json else f"t {text}" for text in texts]
    rules = parse_rules(parse_yaml(b"redact: [email, card, aws_key, token, ip]", "pipeline.yaml"), Path(), "key")
    rows = parsed(texts, "text.plain").logs
    redacted, _ = rules.redactor.redact(rows)
    assert redacted["message"].to_pylist() == [rules.redactor.mended_text(str(text), Counter()) for text in rows["message"].to_pylist()]
