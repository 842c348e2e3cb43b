"""The file of a user's rules: what may be in it, and one clear error with line and column for whatever is wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.rules.rule_file import NO_RULES, load_rules, parse_rules
from tailrace.errors import FileError
from tailrace.settings import Settings
from tailrace.yaml_file import parse_yaml

WHOLE = """\
enrich:
  - service: {from: aws.log.group.name, pattern: '^/ecs/(?P<service>[^/]+)'}
  - table: {file: owners.csv, on: service.name}
redact: [email, card, aws_key, token, ip, {name: order, pattern: 'o-[0-9a-f]{8}', with: hash}]
drop:
  - {name: health checks, when: {url.path: /healthz, http.response.status_code: 200}}
sample:
  - {name: debug, when: {severity_text: DEBUG}, keep: 0.1}
"""


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "owners.csv").write_text("service,team,pager\nweb,front,p1\ncart,shop,p2\n")
    rules = parse_rules(parse_yaml(WHOLE.encode(), "pipeline.yaml"), tmp_path, "key")
    assert [rule.field for rule in rules.enrichment.services] == ["aws.log.group.name"]
    assert rules.enrichment.look_ups[0].attributes == ("team", "pager")
    assert rules.enrichment.look_ups[0].values["cart"] == ("shop", "p2")
    assert [rule.name for rule in rules.redactor.rules] == ["email", "card", "aws_key", "token", "ip", "order"]
    assert [(rule.name, rule.keep) for rule in rules.sampling] == [("drop:health checks", 0.0), ("sample:debug", 0.1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("redcat: []", "nearest|redact"),
        ("redact: email", "redact is a list"),
        ("redact: [emial]", "email"),
        ("redact: [email, email]", "two rules"),
        ("redact: [{name: x, pattern: '('}]", "RE2"),
        ("redact: [{name: x, pattern: 'a*'}]", "empty"),
        ("redact: [{name: x, pattern: 'a', with: hash}]", "hash_key"),
        ("redact: [{pattern: 'a'}]", "name"),
        ("redact: [{name: x}]", "pattern"),
        ("redact: [{name: ip, with: hash}]", "ip alone"),
        ("drop: [{name: x}]", "conditions"),
        ("drop: [{when: {url.path: /}}]", "name"),
        ("drop: [{name: x, when: {url.paht: /}}]", "url.path"),
        ("drop: [{name: x, when: {url.path: }}]", "exists: false"),
        ("drop: [{name: x, when: {url.path: {like: x}}}]", "no such operator"),
        ("drop: [{name: x, when: {http.response.status_code: {gte: x}}}]", "number"),
        ("drop: [{name: x, when: {url.path: {exists: 1}}}]", "true or false"),
        ("drop: [{name: x, when: {url.path: {matches: '(?<=x)'}}}]", "RE2"),
        ("drop: [{name: x, when: {url.path: /}, keep: 0.5}]", "keep"),
        ("sample: [{name: x, when: {url.path: /}, keep: 1}]", "keep"),
        ("enrich: [{}]", "one of"),
        ("enrich: [{servise: {}}]", "service"),
        ("enrich: [{service: {pattern: 'x'}}]", "service"),
        ("enrich: [{service: {from: log.group, pattern: '(?P<service>x)'}}]", "no such field"),
        ("enrich: [{table: {file: none.csv, on: service.name}}]", "cannot be read"),
        ("enrich: [{table: x}]", "mapping"),
    ],
)
def test_what_is_wrong_is_one_error_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=message) as raised:
        parse_rules(parse_yaml(text.encode(), "pipeline.yaml"), tmp_path)
    assert "pipeline.yaml:1" in str(raised.value)


@pytest.mark.parametrize("table", ["", "one\n", "a,b\n1\n", "\xff"])
def test_a_table_that_is_none_is_named(table: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(table.encode("latin-1"))
    with pytest.raises(FileError, match=r"t\.csv"):
        parse_rules(parse_yaml(b"enrich: [{table: {file: t.csv, on: service.name}}]", "pipeline.yaml"), tmp_path)


def test_there_need_be_no_file_unless_it_is_named(tmp_path: Path) -> None:
    assert load_rules(Settings(home=tmp_path)) is NO_RULES
    with pytest.raises(FileError):
        load_rules(Settings(home=tmp_path, pipeline=str(tmp_path / "none.yaml")))
    (tmp_path / "pipeline.yaml").write_text("redact: [email]\n")
    assert load_rules(Settings(home=tmp_path)).redactor.rules[0].name == "email"


@given(st.binary(max_size=300) | st.text(alphabet="redactopsmlwhen:[]{}-,'\n .01", max_size=200).map(str.encode))
def test_any_bytes_are_rules_or_an_error(text: bytes) -> None:
    try:
        parse_rules(parse_yaml(text, "pipeline.yaml"), Path("/nonexistent"))
    except FileError as error:
        assert str(error)
