"""Patterns: the first that matches reads a line, and where none does the column is named at which reading stopped."""

import pytest

from collectors.readers.stopped import beginnings
from tests.collectors.readers.samples import attributes, rows

ACCESS = '83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 203023 "http://x.example/" "Mozilla/5.0 (X11)"'


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (ACCESS.replace(" 200 ", " 2OO "), "status"),
        (ACCESS.replace("203023", "many"), "bytes"),
        (ACCESS[: ACCESS.index("GET") + 1], "request"),
        (ACCESS.replace("[", ""), "user"),
        ("", "vhost"),
    ],
)
def test_a_line_says_at_which_column_it_stopped(line: str, column: str) -> None:
    good, bad = rows([ACCESS, line], "web.apache_access")
    assert (good["parse_status"], bad["parse_status"]) == ("parsed", "failed")
    assert (bad["parse_error"], bad["message"]) == (f"reading stopped at {column}", line)


def test_of_several_patterns_the_one_that_came_farthest_tells() -> None:
    (row,) = rows(["[ERROR]\t2026-11-24T10:00:00.123Z\t"], "aws.lambda")
    assert row["parse_status"] == "parsed"
    (row,) = rows(["REPORT RequestId: x\tDuration: 3 ms\tBilled"], "aws.lambda")
    assert row["parse_error"] == "reading stopped at duration_ms"
    (row,) = rows(["nothing of the kind"], "aws.lambda")
    assert row["parse_error"].startswith("reading stopped at ")


def test_beginnings_of_a_pattern_know_classes_escapes_and_repeats() -> None:
    assert beginnings(r"^(?:<(?P<p>\d{1,3})>){0,1}[(\]]\((?P<q>[^()]*)\)(?:x)(?s:(?P<r>.*))$") == (
        ("p", r"^(?:<(?P<p>\d{1,3})>){0,1}[(\]]\("),
        ("q", r"^(?:<(?P<p>\d{1,3})>){0,1}[(\]]\((?P<q>[^()]*)\)(?:x)"),
        ("r", r"^(?:<(?P<p>\d{1,3})>){0,1}[(\]]\((?P<q>[^()]*)\)(?:x)(?s:(?P<r>.*))$"),
    )


def test_access_logs_with_hosts_ipv6_and_escaped_quotes() -> None:
    lines = [
        '::1 - bob [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 404 2326',
        'host.example.com - - [10/Oct/2000:13:55:36 -0700] "-" 408 -',
        '10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /\\"x\\" HTTP/1.0" 500 0 "-" "a \\"b\\" c"',
        '10.0.0.1 - - [99/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 0',
    ]
    found = rows(lines, "web.apache_access")
    assert [row["parse_status"] for row in found] == ["parsed"] * 4
    assert [row["severity_text"] for row in found] == ["WARN", "WARN", "ERROR", "INFO"]
    assert (found[0]["client.address"], attributes(found[0])["enduser.id"]) == ("::1", "bob")
    assert attributes(found[1])["client.host"] == "host.example.com"
    assert found[2]["user_agent.original"] == 'a \\"b\\" c'
