"""The formats that come with Tailrace: each carries tests, and they pass; each knows its own lines and leaves others alone."""

import pytest
import re2

from collectors.detect import FALLBACK, GENERAL, explain
from collectors.format import FormatSet
from collectors.format_file import load_formats
from collectors.format_test import run_tests
from collectors.readers import READERS
from tailrace.schema import FieldType

FORMATS: FormatSet = load_formats()
NAMES = list(FORMATS.formats)
EXAMPLES = [(one.name, test.line) for one in FORMATS if one.line or one.name == FALLBACK for test in one.tests if not test.header and test.status != "failed"]
LINES_OF = {name: [line for other, line in EXAMPLES if other == name] for name in NAMES}
LOOK_ALIKE = {
    "web.nginx_access": "web.apache_access",
    "web.traefik": "web.apache_access",
    "aws.glue_job": "app.log4j",
    "aws.eks_control_plane": "app.glog",
}
"""Told apart by the log group alone."""


@pytest.mark.parametrize("name", NAMES)
def test_a_format_passes_its_own_tests(name: str) -> None:
    assert list(run_tests(FORMATS.get(name), FORMATS)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_format_says_what_it_is_and_has_tests(name: str) -> None:
    one = FORMATS.get(name)
    assert one.description.endswith(".")
    assert one.specification.startswith("https://") or name == "text.plain"
    assert len(one.tests) >= 6
    assert one.path.endswith(f"{name.replace('.', '/')}.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_a_line_is_known_by_its_content(name: str) -> None:
    for line in LINES_OF.get(name, ()):
        assert explain(FORMATS, line)[-1][0].name == LOOK_ALIKE.get(name, name), line


@pytest.mark.parametrize("name", [one.name for one in FORMATS if one.rank < GENERAL])
def test_of_what_is_unmistakable_nothing_else_matches(name: str) -> None:
    """Lines of a batch that all look like one such format are asked for its pattern alone."""
    known_by_content = LOOK_ALIKE.get(name, name)
    for line in LINES_OF.get(name, ()):
        matching = {one.name for one in FORMATS if one.line and one.rank < GENERAL and re2.search(one.line, line)}
        assert matching <= {name, known_by_content, *(other for other, same in LOOK_ALIKE.items() if same == known_by_content)}, line


@pytest.mark.parametrize("group", ["/aws/lambda/x", "vpc-flow-logs", "alb", "nginx", "/var/log/messages", "whatever"])
def test_a_log_group_changes_nothing_but_between_look_alikes(group: str) -> None:
    for name, line in EXAMPLES:
        expected = LOOK_ALIKE.get(name, name)
        if expected == "web.apache_access" and group == "nginx":
            expected = "web.nginx_access"
        assert explain(FORMATS, line, group)[-1][0].name == expected, line


@pytest.mark.parametrize(
    "key",
    [
        "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/11/27/123456789012_elasticloadbalancing_eu-west-1_app.shop.50dc6c495c0c9188_20261127T0000Z_10.0.0.1_x.log.gz",
        "AWSLogs/123456789012/CloudTrail/eu-west-1/2026/11/27/123456789012_CloudTrail_eu-west-1_20261127T0000Z_x.json.gz",
        "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/11/27/x.log.gz",
        "/var/log/nginx/access.log",
        "/var/log/apache2/access.log",
    ],
)
def test_a_key_changes_nothing_but_between_look_alikes(key: str) -> None:
    for name, line in EXAMPLES:
        expected = LOOK_ALIKE.get(name, name)
        if expected == "web.apache_access" and "nginx" in key:
            expected = "web.nginx_access"
        assert explain(FORMATS, line, key=key)[-1][0].name == expected, line


def test_an_attribute_has_one_type_in_all_formats() -> None:
    types: dict[str, set[FieldType]] = {}
    for one in FORMATS:
        for name, kind in FormatSet({one.name: one}).declared().items():
            types.setdefault(name, set()).add(kind)
    assert {name: kinds for name, kinds in types.items() if len(kinds) > 1} == {}


def test_every_reader_is_used() -> None:
    assert {one.reader for one in FORMATS} == set(READERS)
