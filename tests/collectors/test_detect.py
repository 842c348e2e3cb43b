"""Which format a line has: the same alone as in any company, and the same whether the whole column is asked or each line."""

import numpy as np
import pyarrow as pa
import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from collectors.detect import FALLBACK, Detector, explain
from collectors.lines import Origin
from collectors.screen import LINES_A_RUN, Screen
from tests.collectors.readers.samples import formats

DETECTOR = Detector(formats())
SAMPLES = tuple(
    dict.fromkeys(
        [
            *(test.line for one in formats() for test in one.tests),
            'https 2026-11-24T10:00:00.000000Z app/a/1 1.2.3.4:5 6.7.8.9:80 0.0 0.1 0.0 200 200 1 2 "GET http://a/ HTTP/1.1" "CEF:0|a|b|1|2|3|4|" -',
            '{"message": "LEEF:2.0|a|b|1|2|"}',
            '  {"message": "one"}',
            "\ufeff{}",
            "",
            "\n{}",
            "two\nlines",
            "\x00",
        ]
    )
)
GROUPS = ("", "/ecs/nginx-ingress", "/aws/lambda/cart", "API-Gateway-Execution-Logs_a/prod")


def found(lines: list[str], log_group: str = "") -> list[str]:
    names = [""] * len(lines)
    for group in DETECTOR.groups(Origin("test", "test", log_group=log_group), pa.array(lines, pa.string())):
        for number in group.numbers.tolist():
            assert not names[number], "a line is in two groups"
            names[number] = group.format.name
    assert all(names), "a line is in no group"
    return names


ALONE = {group: dict(zip(SAMPLES, [found([line], group)[0] for line in SAMPLES], strict=True)) for group in GROUPS}


@pytest.mark.parametrize("log_group", GROUPS)
def test_every_line_has_the_format_among_many_like_it_that_it_has_alone(log_group: str) -> None:
    many = LINES_A_RUN + 9
    assert {line: set(found([line] * many, log_group)) for line in SAMPLES} == {line: {ALONE[log_group][line]} for line in SAMPLES}


@given(st.sampled_from(SAMPLES), st.lists(st.sampled_from(SAMPLES), min_size=1, max_size=30), st.integers(0, 3 * LINES_A_RUN), st.sampled_from(GROUPS))
def test_company_does_not_change_a_format(most: str, others: list[str], many: int, log_group: str) -> None:
    lines = [most] * many
    for number, line in enumerate(others):
        lines.insert(number * 17 % (len(lines) + 1), line)
    assert found(lines, log_group) == [ALONE[log_group][line] for line in lines]


def test_each_line_is_the_first_formats_whose_pattern_it_matches() -> None:
    for line in SAMPLES:
        assert ALONE[""][line] == explain(formats(), line)[-1][0].name


def test_no_lines_are_in_no_group() -> None:
    assert DETECTOR.groups(Origin("test", "test"), pa.array([], pa.string())) == []


def test_many_lines_of_no_format_are_plain_text() -> None:
    assert found(["print of a library"] * 1_000) == [FALLBACK] * 1_000


PATTERNS = (r"^a+$", r"b(?s:.*)c", r"\bword\b", r"^\s*\{", r"[^x]y$", r"^$")


@given(st.lists(st.text("abcxy \n{word", max_size=12), max_size=2 * LINES_A_RUN), st.sets(st.sampled_from(PATTERNS)))
def test_a_line_that_matches_by_itself_is_never_screened_out(lines: list[str], patterns: set[str]) -> None:
    may = Screen(sorted(patterns)).may_match(pa.array(lines, pa.string()))
    does = np.array([any(re2.search(pattern, line) for pattern in patterns) for line in lines], dtype=bool)
    assert len(may) == len(lines)
    assert not (does & ~may).any()


@pytest.mark.parametrize("pattern", [r"\Ab", r"b\z", r"(?-m:^b$)", r"(?s-m:^b)"])
def test_patterns_that_ask_for_the_ends_of_the_text_screen_nothing_out(pattern: str) -> None:
    assert Screen([pattern]).may_match(pa.array(["a", "b", "c"])).all()


def test_without_patterns_nothing_may_match() -> None:
    assert not Screen([]).may_match(pa.array(["a"])).any()


def test_the_path_of_a_file_and_the_key_of_an_object_tell_look_alikes_apart() -> None:
    line = '10.0.0.1 - - [10/Oct/2026:13:55:36 +0000] "GET / HTTP/1.1" 200 5 "-" "curl"'
    texts = pa.array([line] * 20, pa.string())
    detector = Detector(formats())
    for key, name in (("/var/log/nginx/access.log", "web.nginx_access"), ("/var/log/httpd/access.log", "web.apache_access"), ("", "web.apache_access")):
        (group,) = detector.groups(Origin("s3://b/k", "s3", key=key), texts)
        assert (group.format.name, "key" in group.why) == (name, bool(key))
