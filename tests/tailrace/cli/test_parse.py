"""``tailrace parse``: rows as JSON lines, or how many lines each format could read; nothing is stored."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tailrace.cli import root
from tailrace.errors import FileError, UsageError

VPC = "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
LINES = (VPC, '{"level":"ERROR","message":"boom","n":1}', "", "plain", VPC.replace("4249", "many"), '{"a":')


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(root, ["parse", *arguments], input=stdin, catch_exceptions=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mixed.log"
    path.write_text("\n".join(LINES) + "\n", "utf-8")
    return path


def test_rows_are_json_lines_with_status_and_error(file: Path) -> None:
    rows = [json.loads(line) for line in run(str(file)).stdout.splitlines()]
    assert [(row["log.format"], row["parse_status"]) for row in rows] == [
        ("aws.vpc_flow", "parsed"),
        ("app.json", "parsed"),
        ("text.plain", "parsed"),
        ("aws.vpc_flow", "partial"),
        ("app.json", "failed"),
    ]
    assert rows[0]["@timestamp"] == "2014-12-14T04:06:50.000Z"
    assert (rows[1]["attributes"], rows[1]["message"]) == ({"n": 1}, "boom")
    assert (rows[3]["parse_error"], "network.bytes" in rows[3]) == ("bytes is no long", False)


def test_the_summary_counts_lines_by_format_and_status(file: Path) -> None:
    formats = {
        "app.json": {"parsed": 1, "partial": 0, "failed": 1},
        "aws.vpc_flow": {"parsed": 1, "partial": 1, "failed": 0},
        "text.plain": {"parsed": 1, "partial": 0, "failed": 0},
    }
    assert json.loads(run("--summary", "--json", str(file)).stdout) == {"lines": 5, "formats": formats}
    assert "5 lines" in run("--summary", str(file)).stdout


def test_compressed_files_folders_and_stdin_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(f"{VPC}\n".encode()) + gzip.compress(f"{VPC}\n".encode()))
    (tmp_path / "b.log").write_text(VPC, "utf-8")
    assert json.loads(run("--summary", "--json", str(tmp_path)).stdout)["lines"] == 3
    assert json.loads(run("--summary", "--json", "-", stdin=gzip.compress(VPC.encode())).stdout)["formats"]["aws.vpc_flow"]["parsed"] == 1


def test_the_format_may_be_said(file: Path) -> None:
    found = json.loads(run("--summary", "--json", "--format", "text.plain", str(file)).stdout)
    assert found == {"lines": 5, "formats": {"text.plain": {"parsed": 5, "partial": 0, "failed": 0}}}


def test_a_log_group_tells_look_alikes_apart() -> None:
    line = b'1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 5'
    found = json.loads(run("--summary", "--json", "--log-group", "nginx", "-", stdin=line).stdout)
    assert list(found["formats"]) == ["web.nginx_access"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "aws.albb", "-"), "did you mean 'aws.alb'"),
        (("no-such-file",), "no such file or folder: no-such-file"),
    ],
)
def test_what_cannot_be_is_said(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(*arguments, stdin=b"")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(VPC.encode())[:-9])
    with pytest.raises(UsageError, match=r"cut.gz: compressed data is truncated"):
        run(str(path))


SHOP = """name: shop.order
description: Orders.
specification: https://shop.example/orders
detect: {line: '^ORDER ', rank: 50}
reader: pattern
options: {patterns: ['^ORDER (?P<id>[0-9]+)$']}
columns: [{source: id, attribute: order.id, type: long}]
tests:
  - {line: ORDER 17, row: {attributes: '{"order.id":%s}'}}
"""


def test_a_format_may_be_told_by_its_file_which_runs_its_tests_or_reads_lines(tmp_path: Path) -> None:
    good, bad = tmp_path / "shop.yaml", tmp_path / "bad.yaml"
    good.write_text(SHOP % 17, "utf-8")
    bad.write_text(SHOP % 18, "utf-8")
    assert (run("--format", str(good)).stdout, run("--format", str(good)).exit_code) == ("shop.order: 1 tests passed\n", 0)
    assert run("--format", str(bad)).exit_code == 1
    assert json.loads(run("--format", str(good), "--json").stdout) == {"format": "shop.order", "tests": 1, "failures": []}
    (row,) = [json.loads(line) for line in run("--format", str(good), "-", stdin=b"ORDER 5\n").stdout.splitlines()]
    assert (row["log.format"], row["attributes"]) == ("shop.order", {"order.id": 5})


def test_nothing_to_parse_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="what is to be parsed"):
        run()
    with pytest.raises(FileError, match=r"none\.yaml"):
        run("--format", str(tmp_path / "none.yaml"))
