"""Rule files: ElastAlert's vocabulary, and one clear error for whatever is wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.options import NOT_YET, NOT_YET_TYPES
from alerts.rule import AnyType, FrequencyType, Rule
from alerts.rule_file import parse_rule, read_rule, read_rules
from tailrace.clock import US_PER_MINUTE, US_PER_S
from tailrace.errors import FileError
from tailrace.yaml_file import parse_yaml

FREQUENCY = """\
name: payment errors
type: frequency
index: tailrace-logs-*
num_events: 5
timeframe: {minutes: 1, seconds: 30}
filter:
- query:
    query_string: {query: "severity_text:ERROR"}
- term: {service.name: payment}
query_key: [service.name, http.response.status_code]
realert: {minutes: 5}
alert:
- debug
- email:
    email: ops@example.com
- post
http_post_url: https://example.com/hook
alert_subject: "{0} failed"
alert_subject_args: [service.name]
priority: 1
"""
SMALL = "type: any\nalert: debug\n"


def rule_of(text: str, path: str = "rules/r.yaml") -> Rule:
    return parse_rule(parse_yaml(text.encode(), path))


def test_a_rule_file_of_elastalert_is_read() -> None:
    rule = rule_of(FREQUENCY)
    assert rule.type == FrequencyType(5, 90 * US_PER_S)
    assert rule.filters == ({"query_string": {"query": "severity_text:ERROR"}}, {"term": {"service.name": "payment"}})
    assert rule.query_key == ("service.name", "http.response.status_code")
    assert (rule.realert_us, rule.buffer_us, rule.resolve_after_us) == (5 * US_PER_MINUTE, 15 * US_PER_MINUTE, 5 * US_PER_MINUTE)
    assert [channel.name for channel in rule.channels] == ["console", "email", "webhook"]
    assert rule.channels[1].options == {"email": "ops@example.com"}
    assert rule.channels[2].options == {"http_post_url": "https://example.com/hook"}


def test_what_is_not_said_has_elastalerts_default() -> None:
    rule = rule_of(SMALL)
    assert rule.type == AnyType()
    assert (rule.name, rule.realert_us, rule.target.table, rule.priority, rule.is_enabled) == ("r", US_PER_MINUTE, "logs", 2, True)


def test_a_text_in_the_list_of_filters_is_a_query_string() -> None:
    assert rule_of(SMALL + "filter: ['severity_text:ERROR']").filters == ({"query_string": {"query": "severity_text:ERROR"}},)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alert: debug", "the option `type` is missing"),
        ("type: any", "the option `alert` is missing"),
        ("type: frequncy\nalert: debug", r"r.yaml:1:1: no such rule type: frequncy \(did you mean 'frequency'\?\)"),
        ("type: spike\nalert: debug", "r.yaml:1:1: the rule type spike is not supported yet"),
        (SMALL + "aggregration: {minutes: 1}", "r.yaml:3:1: no such option: aggregration"),
        (SMALL + "aggregation: {minutes: 1}", "r.yaml:3:1: the option aggregation is not supported yet"),
        (SMALL + "num_events: 3", r"r.yaml:3:1: no such option: num_events \(it is of another rule type than any\)"),
        (SMALL + "realert: 5", "r.yaml:3:1: realert must be a span of time"),
        (SMALL + "realert: {minuts: 5}", r"r.yaml:3:11: no such unit of time: minuts \(did you mean 'minutes'\?\)"),
        (SMALL + "realert: {minutes: five}", "r.yaml:3:11: minutes must be a number"),
        (SMALL + "realert: {minutes: -1}", "between 0 and 366 days"),
        (SMALL + "realert: {}", "expected a span of time"),
        (SMALL + "is_enabled: maybe", "r.yaml:3:1: is_enabled must be a true or false"),
        (SMALL + "filter: [{term: {a: 1}, terms: {b: [1]}}]", "a filter is a mapping with one query"),
        (SMALL + "filter: [{trem: {a: 1}}]", "r.yaml:3:10: .*trem.*did you mean 'term'"),
        (SMALL + "filter: [{eql: x}]", "eql is Elasticsearch's alone"),
        (SMALL + "index: logs*,tailrace-spans*", "r.yaml:3:1: one search reads one table"),
        (SMALL + "alert_text_type: jinja", "r.yaml:3:1: no such alert_text_type: jinja"),
        (SMALL + f"name: {'x' * 201}", "at most 200 characters"),
        ("type: any\nalert: slak", "r.yaml:2:1: no such channel: slak"),
        ("type: any\nalert: email", "the channel email needs the option email"),
        ("type: any\nalert:\n- email: {emial: a}", r"no such option of email: emial \(did you mean 'email'\?\)"),
        ("type: frequency\nalert: debug\nnum_events: 3", "needs the option timeframe"),
        ("type: frequency\nalert: debug\nnum_events: 0\ntimeframe: {minutes: 1}", "num_events is between"),
        ("type: frequency\nalert: debug\nnum_events: 1\ntimeframe: {minutes: 0}", "the timeframe is empty"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_the_nearest_name(text: str, message: str) -> None:
    with pytest.raises(FileError, match=message):
        rule_of(text)


def test_options_and_types_that_are_not_there_yet_are_refused_by_name() -> None:
    for option in NOT_YET:
        with pytest.raises(FileError, match="not supported yet"):
            rule_of(f"{SMALL}{option}: 1")
    for kind in NOT_YET_TYPES:
        with pytest.raises(FileError, match="not supported yet"):
            rule_of(f"type: {kind}\nalert: debug")


def test_two_rules_of_one_name_are_an_error(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yml"):
        (tmp_path / name).write_text(SMALL + "name: same")
    with pytest.raises(FileError, match="already that of"):
        read_rules(tmp_path)


def test_a_folder_that_is_not_there_holds_no_rules(tmp_path: Path) -> None:
    assert read_rules(tmp_path / "none") == []


def test_the_examples_are_rules() -> None:
    folder = Path(__file__).parents[2] / "examples" / "rules"
    assert len(read_rules(folder)) >= 2


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read"):
        read_rule(tmp_path / "none.yaml")


@given(st.data())
def test_any_mutation_of_a_rule_is_a_rule_or_one_clear_error(data: st.DataObject) -> None:
    text = bytearray(FREQUENCY.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4) | st.sampled_from([b"&a ", b"*a", b"{", b"- ", b"!!python/x ", b"\n"]))
    try:
        rule = parse_rule(parse_yaml(bytes(text), "r.yaml"))
    except FileError as error:
        assert str(error).startswith("r.yaml")
    else:
        assert rule.name
