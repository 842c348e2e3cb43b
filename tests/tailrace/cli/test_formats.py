"""``tailrace formats``: what there is, how a line is read, and the tests of a file."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from collectors.format_page import formats_page, types_page
from collectors.readers import READERS
from tailrace.cli import root

SHOP = """name: shop.orders
description: Orders.
detect: {line: '^ORDER ', rank: 1}
reader: pattern
options:
  patterns: ['^ORDER (?P<id>[0-9]+)$']
columns:
  - {source: id, attribute: order.id, type: long}
tests:
  - line: ORDER 17
    row: {attributes: '{"order.id":17}'}
"""


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(root, ["formats", *arguments], input=stdin, catch_exceptions=False)


def test_all_formats_are_listed() -> None:
    names = {one["name"] for one in json.loads(run("list", "--json").stdout)}
    assert {
        "app.json",
        "aws.alb",
        "aws.vpc_flow",
        "aws.lambda",
        "host.syslog_rfc3164",
        "host.syslog_rfc5424",
        "web.apache_access",
        "web.nginx_access",
        "text.plain",
    } <= names
    assert "aws.alb" in run("list").stdout


def test_a_format_is_shown_with_its_columns() -> None:
    shown = json.loads(run("show", "aws.alb", "--json").stdout)
    assert {"source": "elb_status_code", "becomes": "http.response.status_code", "type": "long"} in shown["columns"]
    assert "http.response.status_code" in run("show", "aws.alb").stdout


def test_a_line_is_explained() -> None:
    explained = json.loads(run("explain", "--json", "--log-group", "/aws/lambda/x", '{"level":"ERROR","message":"boom"}').stdout)
    assert (explained["format"], explained["row"]["message"]) == ("app.json", "boom")
    assert [one["matches"] for one in explained["asked"]][-2:] == [False, True]
    assert "read as text.plain" in run("explain", "-", stdin="hello\n").stdout


def test_the_tests_of_a_file_are_run(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP, "utf-8")
    done = run("test", str(path))
    assert (done.exit_code, done.stdout) == (0, "shop.orders: 1 tests passed\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (":17}", ":18}", "attributes is '{\"order.id\":17}', not '{\"order.id\":18}'"),
        ("  - line: ORDER 17\n    row: {attributes: '{\"order.id\":17}'}\n", "", "the file has no tests"),
    ],
)
def test_a_test_that_fails_is_told_and_the_exit_code_is_1(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP.replace(old, new).replace("tests:\n", "tests:\n" if new else "tests: []\n"), "utf-8")
    done = run("test", str(path))
    assert done.exit_code == 1
    assert said in done.stdout
    assert json.loads(run("test", "--json", str(path)).stdout)["format"] == "shop.orders"


def test_formats_of_the_user_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP, "utf-8")
    monkeypatch.setenv("TAILRACE_FORMATS", str(tmp_path))
    assert json.loads(run("explain", "--json", "ORDER 17").stdout)["format"] == "shop.orders"


def test_the_page_has_a_section_for_every_format_and_names_every_reader() -> None:
    page = (Path(__file__).parents[3] / "docs" / "formats.md").read_text("utf-8")
    assert formats_page().rstrip() in page
    assert types_page() in page
    assert all(f"| `{name}` |" in page for name in READERS)
