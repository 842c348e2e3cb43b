"""Rows that are left out are counted by rule, and always the same ones; what is known beside the line is added and overwrites nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from collectors.rules.rule_file import parse_rules
from collectors.steps import Batch, Work, run_steps
from tailrace.yaml_file import parse_yaml
from tests.collectors.readers.samples import lines_of, parsed

REQUESTS = [
    {"message": "m", "level": level, "code": status, "where": path}
    for level, status, path in (("INFO", 200, "/healthz"), ("DEBUG", 200, "/a"), ("ERROR", 500, "/b"))
]


def run(documents: list[dict[str, Any]], rules: str, folder: Path = Path(), log_group: str = "") -> Batch:
    texts = [json.dumps(document) for document in documents]
    work = Work(
        lambda lines: parsed([str(text) for text in lines.text.to_pylist()], source="test", log_group=log_group),
        parse_rules(parse_yaml(rules.encode(), "pipeline.yaml"), folder),
    )
    return run_steps(lines_of(texts), work)


@pytest.mark.parametrize(
    ("when", "left"),
    [
        ("{severity_text: DEBUG}", [0, 2]),
        ("{severity_text: [DEBUG, INFO]}", [2]),
        ("{attributes.where: /healthz}", [1, 2]),
        ("{attributes.code: {gte: 500}}", [0, 1]),
        ("{attributes.code: {lt: 500}, severity_text: INFO}", [1, 2]),
        ("{attributes.where: {matches: '^/[ab]$'}}", [0]),
        ("{trace_id: {exists: true}}", [0, 1, 2]),
        ("{trace_id: {exists: false}, severity_text: ERROR}", [0, 1]),
        ("{attributes.none: x}", [0, 1, 2]),
        ("{message: m}", []),
    ],
)
def test_rows_on_which_all_conditions_hold_are_dropped_and_counted(when: str, left: list[int]) -> None:
    batch = run(REQUESTS, f"drop: [{{name: mine, when: {when}}}]")
    assert batch.logs["event_id"].to_pylist() == [f"id-{number}" for number in left]
    assert sum(batch.dropped.values()) == len(REQUESTS) - len(left)
    assert set(batch.dropped) <= {"drop:mine"}


def test_the_first_rule_that_is_about_a_row_decides() -> None:
    batch = run(REQUESTS, "drop: [{name: one, when: {severity_text: DEBUG}}, {name: all, when: {message: m}}]")
    assert batch.dropped == {"drop:one": 1, "drop:all": 2}


def test_a_sample_is_the_same_every_time_and_keeps_whole_traces() -> None:
    documents = [{"message": "m", "trace_id": f"{number // 2:032x}"} for number in range(2, 4002)]
    rules = "sample: [{name: tenth, when: {message: m}, keep: 0.1}]"
    kept = run(documents, rules).logs["trace_id"].to_pylist()
    assert 250 < len(kept) < 550
    assert all(kept.count(trace) == 2 for trace in set(kept))
    assert run(documents, rules).logs["trace_id"].to_pylist() == kept


def test_a_service_is_named_by_its_group_and_never_renamed() -> None:
    rules = "enrich: [{service: {from: aws.log.group.name, pattern: '^/ecs/(?P<service>[^/]+)'}}]"
    batch = run([{"message": "m"}, {"message": "m", "service": "own"}], rules, log_group="/ecs/cart/x")
    assert batch.logs["service_name"].to_pylist() == ["cart", "own"]
    assert run([{"message": "m"}], rules, log_group="/other").logs["service_name"].to_pylist() == [None]


def test_tables_of_the_user_add_attributes(tmp_path: Path) -> None:
    (tmp_path / "owners.csv").write_text('service,team,pager\nweb,front,p1\ncart,"shop, ""x""",\n')
    rules = "enrich: [{table: {file: owners.csv, on: service.name}}]"
    batch = run([{"message": "m", "service": name} for name in ("web", "cart", "mail")], rules, tmp_path)
    assert [json.loads(text) if text else {} for text in batch.logs["attributes"].to_pylist()] == [{"team": "front", "pager": "p1"}, {"team": 'shop, "x"'}, {}]


def test_no_rules_change_nothing() -> None:
    assert run(REQUESTS, "{}").logs.equals(parsed([json.dumps(one) for one in REQUESTS], source="test").logs)
