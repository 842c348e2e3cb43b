"""What an alert says, and that neither a rule nor a log line reaches anything by it."""

from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import message
from alerts.rule import AlertText, AnyType, Match, Rule
from queries.targets import resolve

DOCUMENT = {"message": "card refused", "service.name": "payment", "attributes": {"order.id": 7, "user": {"name": "ada"}}, "http.response.status_code": 502}
MATCH = Match("payment", 1_790_000_000_000_000, 3, DOCUMENT)


def rule_of(**text: Any) -> Rule:
    return Rule("payment errors", "r.yaml", resolve("logs*"), AnyType(), (), (), AlertText(**text))


def test_arguments_fill_slots_in_order_and_by_number() -> None:
    rule = rule_of(subject="{} and {1} and {0}", subject_args=("message", "service.name"))
    assert message.subject(rule, MATCH) == "card refused and payment and card refused"


def test_names_fill_slots_from_kw_and_from_the_document() -> None:
    rule = rule_of(text="{who} bought {order.id}, {user.name}", text_kw=MappingProxyType({"service.name": "who"}), text_type="alert_text_only")
    assert message.body(rule, MATCH) == "payment bought 7, ada"


def test_what_is_missing_says_so() -> None:
    rule = rule_of(text="{} {5} {nothing}", text_args=("none",), text_type="alert_text_only")
    assert message.body(rule, MATCH) == " ".join(["<MISSING VALUE>"] * 3)


def test_doubled_braces_are_braces() -> None:
    assert message.body(rule_of(text="{{x}}", text_type="alert_text_only"), MATCH) == "{x}"


@pytest.mark.parametrize("slot", ["{message.__class__}", "{0.__class__.__mro__}", "{message[0]}", "{message!r}", "{0:>999999999}", "{{% for %}}"])
def test_a_template_reaches_no_attribute_index_or_format(slot: str) -> None:
    text = message.body(rule_of(text=slot, text_args=("message",), text_type="alert_text_only"), MATCH)
    assert text in {"<MISSING VALUE>", "{% for %}"}


def test_the_default_text_has_the_rule_the_count_and_the_fields() -> None:
    text = message.body(rule_of(text="look"), MATCH)
    assert text.startswith("payment errors\n\nlook\n\n3 events of payment, last at 2026-09-21T14:13:20.000Z")
    assert "service.name: payment" in text
    assert "service.name" not in message.body(rule_of(text_type="exclude_fields"), MATCH)


def test_log_text_cannot_drive_a_terminal_or_break_the_subject() -> None:
    match = Match("", 0, 1, {"message": "a\x1b[31m\r\nBcc: x"})
    subject = message.subject(rule_of(subject="{}", subject_args=("message",)), match)
    assert subject == "a\\x1b[31m Bcc: x"


@given(st.text(), st.text(max_size=20_000))
def test_any_template_and_any_value_give_a_bounded_text(template: str, value: str) -> None:
    rule = rule_of(text=template, text_args=("v",))
    assert len(message.body(rule, Match("", 0, 1, {"v": value}))) <= message.MAX_TEXT_CHARS


def test_a_resolved_alert_names_the_span() -> None:
    assert "firing from 1970" in message.resolved_body(rule_of(), "payment", 0, 1)
    assert message.resolved_body(rule_of(), "", 0, 1).startswith("payment errors: resolved")
