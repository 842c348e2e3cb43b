"""Metrics of log lines: a row a line that a rule is about, counted, the same when the line comes again."""

import json
from pathlib import Path
from typing import Any

import pytest

from collectors.collector import Collector
from collectors.from_settings import work_with
from collectors.rules.rule_file import parse_rules
from firehose.delivery import MemoryStream
from tailrace.clock import ManualClock
from tailrace.errors import FileError
from tailrace.fields import AttributeRegister
from tailrace.yaml_file import parse_yaml
from tests.collectors.envelopes.otlp.requests import assert_balanced, rows_of
from tests.collectors.readers.samples import formats, lines_of

RULES = """\
metrics:
  - {name: paid, namespace: Shop, when: {message: order paid}, value: attributes.total, unit: EUR, dimensions: [service.name, attributes.kind]}
  - {name: lines, namespace: Shop, dimensions: {level: severity_text}}
  - {name: took, namespace: Shop, value: duration_s, unit: Seconds, when: {duration_s: {exists: true}}}
drop:
  - {name: all, when: {message: {exists: true}}}
"""
TEXTS = [
    '{"level":"info","message":"order paid","service":"pay","total":12.5,"kind":"a \\"card\\""}',
    '{"level":"info","message":"order paid","service":"pay","total":"7","kind":null}',
    '{"level":"info","message":"order paid","service":"pay","total":"much"}',
    '{"level":"warn","message":"other","total":3,"duration_ms":250}',
    "plain",
]


def collected(text: str, texts: list[str] = TEXTS, times: int = 1) -> MemoryStream:
    stream, register = MemoryStream(), AttributeRegister()
    rules = parse_rules(parse_yaml(text.encode(), "pipeline.yaml"), Path())
    collector = Collector(stream, work_with(formats(), register, rules), register, ManualClock())
    for _ in range(times):
        collector.collect_lines(lines_of(texts))
    return stream


def metrics(stream: MemoryStream, name: str) -> list[dict[str, Any]]:
    return [row for row in rows_of(stream, "metrics") if row["metric.name"] == name]


def test_a_line_that_a_rule_is_about_is_a_metric_although_it_is_dropped() -> None:
    stream = collected(RULES)
    assert_balanced(stream)
    assert rows_of(stream, "logs") == []
    first, second = metrics(stream, "paid")
    assert (first["metric.value"], first["metric.unit"], first["metric.namespace"], first["service.name"]) == (12.5, "EUR", "Shop", "pay")
    assert json.loads(first["attributes"]) == {"service.name": "pay", "kind": 'a "card"'}
    assert (second["metric.value"], json.loads(second["attributes"])) == (7.0, {"service.name": "pay"})
    assert first["event_id"].rpartition("-")[0] == "id-0"


def test_without_a_value_lines_are_counted() -> None:
    rows = metrics(collected(RULES), "lines")
    assert [row["metric.value"] for row in rows] == [1.0] * 5
    assert [json.loads(row.get("attributes", "{}")) for row in rows] == [{"level": "INFO"}] * 3 + [{"level": "WARN"}, {}]


def test_a_field_of_the_schema_is_a_value() -> None:
    (row,) = metrics(collected(RULES), "took")
    assert (row["metric.value"], row["metric.unit"]) == (0.25, "Seconds")


def test_the_same_line_again_is_the_same_metric() -> None:
    rows = rows_of(collected(RULES, times=2), "metrics")
    assert len({row["event_id"] for row in rows}) * 2 == len(rows)


def test_no_line_is_no_metric() -> None:
    assert rows_of(collected("metrics: [{name: a, namespace: n, when: {message: nothing}}]"), "metrics") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrics: {}", "a list"),
        ("metrics: [7]", "a name and a namespace"),
        ("metrics: [{name: a}]", "a name and a namespace"),
        ("metrics: [{name: a, namespace: n, unti: s}]", "unit"),
        ("metrics: [{name: a, namespace: n, when: {sevrity_text: x}}]", "severity_text"),
        ("metrics: [{name: a, namespace: n, value: duration}]", "duration_s"),
        ("metrics: [{name: a, namespace: n, value: true}]", "no such field"),
        ("metrics: [{name: a, namespace: n, dimensions: 7}]", "dimensions are"),
        ("metrics: [{name: a, namespace: n, dimensions: [nosuch]}]", "no such field"),
        ("metrics: [{name: a, namespace: n, dimensions: {x: y}}]", "no such field"),
        ("metrics: [{name: a, namespace: n}, {name: a, namespace: n}]", "two rules make"),
    ],
)
def test_what_is_wrong_is_one_clear_error_with_its_place(text: str, message: str) -> None:
    with pytest.raises(FileError, match=message) as caught:
        parse_rules(parse_yaml(text.encode(), "pipeline.yaml"), Path())
    assert caught.value.line == 1
